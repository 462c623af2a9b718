"""Keep a computed stack or rate map in a NetCDF file, and open it again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr

from labkit.errors import FileError, LabkitError
from labkit.files import whole
from labkit.schema import check_gradients, check_rates, is_gradients


def save_scene(data: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Save gradients or rates with their coordinates and attributes as NetCDF-4, whole or not at all.

    Parameters
    ----------
    data : xarray.Dataset
        gradients or rates (:mod:`labkit.schema`).
    path : path-like
        Ends in ``.nc``; an older file is replaced once the new one is complete.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    LabkitError
        ``data`` is neither gradients nor rates, or ``path`` does not end in ``.nc``.
    FileError
        The disk is full or the folder cannot be written; the older file is untouched.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> rates = lk.simulate.scene("tiny").rates["ascending"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save_scene(rates, folder + "/rates.nc")
    ...     load_scene(file).identical(rates)
    True
    """
    target = Path(path)
    if target.suffix != ".nc":
        raise LabkitError(f"path must end in .nc, instead got path={target}")
    scene = check_gradients(data) if is_gradients(data) else check_rates(data)
    packed = {name: {"zlib": True, "complevel": 1} for name, v in scene.variables.items() if v.dtype.kind == "f"}
    with whole(target) as partial:
        scene.to_netcdf(partial, engine="h5netcdf", encoding=packed)
    return target


def load_scene(path: str | os.PathLike[str]) -> xr.Dataset:
    """Load the gradients or rates that :func:`save_scene` kept, into memory.

    Raises
    ------
    FileError
        There is no such file, or it is cut or not one of labkit's.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save_scene(lk.simulate.scene("tiny").rates["ascending"], folder + "/rates.nc")
    ...     load_scene(file)["rate"].dims
    ('y', 'x')
    """
    target = Path(path)
    if not target.is_file():
        raise FileError(f"path must be a file, instead there is nothing at {target}. Make it with lk.read.save_scene")
    try:
        with xr.open_dataset(target, engine="h5netcdf") as source:
            data = source.load()
    except (OSError, KeyError, ValueError) as error:
        raise FileError(f"{target} must be a whole NetCDF file, instead got: {error}. Make it again") from error
    data.attrs = {name: _plain(value) for name, value in data.attrs.items()}
    try:
        return check_gradients(data) if is_gradients(data) else check_rates(data)
    except LabkitError as error:
        raise FileError(f"{target} must hold gradients or rates of labkit: {error}") from error


def _plain(value: object) -> object:
    """NumPy scalars and arrays that the file gave back, as Python numbers and lists."""
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value
