"""HDF5 files of others, opened with care: numbers and text alone, nothing outside the file, one error for damage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from labkit.errors import FileError, LabkitError
from labkit.read.raster import MAX_PIXELS

#: Kinds of attributes that are read.
_READABLE = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING)


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; every failure of the library inside the body becomes one FileError.

    Raises
    ------
    FileError
        The file is missing, no HDF5, cut or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except LabkitError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(f"{path} must be a whole HDF5 file, instead got: {reason}. Fetch or make it again") from error


def find_dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """Give a dataset of numbers, or None where the file has none of that name.

    Links to other files and samples kept in other files are refused: a file must not choose what else is read.

    Raises
    ------
    FileError
        The name leads out of the file, or to something that is no array of numbers or text, or of an absurd size.
    """
    place: h5py.Group = file
    parts = [part for part in name.split("/") if part]
    for depth, part in enumerate(parts):
        link = place.get(part, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise FileError(f"{file.filename} must hold '{name}' itself, instead it links to another file")
        found = place[part]
        if depth < len(parts) - 1:
            if not isinstance(found, h5py.Group):
                return None
            place = found
    if not isinstance(found, h5py.Dataset):
        return None
    if found.external or found.is_virtual:
        raise FileError(f"{file.filename} must hold '{name}' itself, instead its samples are kept in other files")
    if found.dtype.kind not in "iufbS" or found.size is None or found.size > MAX_PIXELS * 100:
        raise FileError(
            f"{file.filename} must hold numbers or fixed text at '{name}', instead got {found.dtype} of shape "
            f"{found.shape}"
        )
    return found


def need_dataset(file: h5py.File, name: str, ndim: int) -> h5py.Dataset:
    """Give a dataset as :func:`find_dataset`, which must be there with so many dimensions.

    Raises
    ------
    FileError
        It is missing, or has other dimensions.
    """
    found = find_dataset(file, name)
    if found is None:
        raise FileError(f"{file.filename} must hold the dataset '{name}', instead it has none. Fetch or make it again")
    if found.ndim != ndim:
        raise FileError(f"{file.filename} must hold '{name}' with {ndim} dimensions, instead got shape={found.shape}")
    return found


def read_plane(dataset: h5py.Dataset, shape: tuple[int, int], index: int | None = None) -> npt.NDArray[np.float32]:
    """Read one (y, x) image as float32; its ``_FillValue`` becomes NaN.

    Parameters
    ----------
    dataset : h5py.Dataset
        (y, x), or (n, y, x) with ``index``.
    shape : (int, int)
        What the image must have.
    index : int, optional
        Which of the n.

    Raises
    ------
    FileError
        The image has another shape.
    """
    if dataset.shape[-2:] != shape or (index is not None and index >= dataset.shape[0]):
        raise FileError(
            f"{dataset.file.filename} must hold '{dataset.name}' of shape {shape}, instead got shape={dataset.shape}"
        )
    stored = dataset[()] if index is None else dataset[index]
    # Of a damaged file a number may be none, or beyond float32.
    with np.errstate(invalid="ignore", over="ignore"):
        values = np.asarray(stored, np.float32)
    fill = attribute(dataset, "_FillValue")
    if isinstance(fill, np.generic) and fill.dtype.kind in "iuf":
        values[stored == fill] = np.nan
    return values


def attribute(item: h5py.File | h5py.Dataset, name: str) -> object | None:
    """Give an attribute that is one number or text; None where there is none of that name or kind.

    Its type is looked at before it is read: of a damaged file it may be one that the library cannot read without
    taking the whole process with it.
    """
    if name not in item.attrs:
        return None
    held = item.attrs.get_id(name)
    if held.get_type().get_class() not in _READABLE or held.get_space().get_simple_extent_npoints() != 1:
        return None
    value = item.attrs[name]
    return value.reshape(-1)[0] if isinstance(value, np.ndarray) else value


def text_attributes(file: h5py.File) -> dict[str, str]:
    """Give the attributes of the file as text; those that are no single word or number are left out."""
    words: dict[str, str] = {}
    for name in file.attrs:
        value = attribute(file, name)
        if isinstance(value, bytes):
            words[name] = value.decode("utf-8", "replace")
        elif isinstance(value, (str, np.integer, np.floating)):
            words[name] = str(value)
    return words


def mean_of(dataset: h5py.Dataset | None, *, beyond: float = math.inf) -> float:
    """Give the mean of a dataset over its known values (finite, not 0, not the fill value); NaN where there is none.

    Parameters
    ----------
    dataset : h5py.Dataset or None
        Of any shape.
    beyond : float
        Values of this magnitude and more are unknown.
    """
    if dataset is None:
        return math.nan
    values = np.asarray(dataset[()], float).ravel()
    known = values[np.isfinite(values) & (values != 0) & (np.abs(values) < beyond)]
    return float(known.mean()) if known.size else math.nan
