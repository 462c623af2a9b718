"""Pairs from file names, and one lazy dataset from the files of many pairs."""

from __future__ import annotations

import functools
import itertools
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import dask.array as da
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from labkit.errors import FileError
from labkit.schema import SCENE_ATTRIBUTES

Image = npt.NDArray[np.float32]

_DATES = re.compile(r"(?<!\d)((?:19|20)\d{6})[-_]((?:19|20)\d{6})(?!\d)")

_ONE_DATE = re.compile(r"(?<!\d)(?:19|20)\d{6}(?!\d)")

#: Folder names that say what is inside but not where it is; the scene is then named after the folder above.
_GENERIC = {"diff", "ifgs", "interferograms", "pairs", "insar", "int"}

_SEARCH_DEPTH = 2


@dataclass(frozen=True)
class PairFiles:
    """The files of one pair: the phase (or complex interferogram), and the coherence where it stands apart."""

    name: str
    phase: Path
    coherence: Path | None = None
    perpendicular_baseline: float = float("nan")

    @property
    def dates(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Reference and secondary date."""
        reference, secondary = self.name.split("_")
        return pd.Timestamp(reference), pd.Timestamp(secondary)


def pair_name(path: Path) -> str | None:
    """Give "YYYYMMDD_YYYYMMDD" from a file name, or None where it does not name two dates.

    Raises
    ------
    FileError
        The digits are no calendar dates, or the secondary date is not after the reference.
    """
    found = _DATES.search(path.name)
    if found is None:
        return None
    try:
        reference, secondary = map(_date, found.groups())
    except ValueError as error:
        raise FileError(
            f"{path} must name two calendar dates, instead got {found.group(0)}. Rename the file"
        ) from error
    if secondary <= reference:
        raise FileError(
            f"{path} must name the earlier date first, instead got {found.group(0)}. "
            "Rename the file, and change the sign of its phase where the processor reversed the pair"
        )
    return "_".join(found.groups())


def names_two_dates(path: Path) -> bool:
    """Whether a file name holds two dates, be they of the calendar or not."""
    return _DATES.search(path.name) is not None


# Hundreds of names are read at every opening, each date in several of them.
@functools.lru_cache(maxsize=4096)
def _date(digits: str) -> datetime:
    return datetime.strptime(digits, "%Y%m%d")


def pair_name_of_phase(path: Path) -> str | None:
    """As :func:`pair_name`, for a file or folder that looks like a pair: one date alone is an error, not another file.

    Raises
    ------
    FileError
        The name holds one date only, or as :func:`pair_name`.
    """
    name = pair_name(path)
    if name is None and len(found := _ONE_DATE.findall(path.name)) == 1:
        raise FileError(
            f"{path} must name the two dates of its pair (YYYYMMDD_YYYYMMDD), instead one is missing: {found[0]}. "
            "Rename it, or take it away"
        )
    return name


def find_files(folder: Path, pattern: str) -> list[Path]:
    """Give the files below ``folder``, at most two levels deep, whose name matches the regular expression."""
    matcher = re.compile(pattern)
    levels = [folder.glob("/".join(["*"] * depth)) for depth in range(1, _SEARCH_DEPTH + 1)]
    return sorted(p for level in levels for p in level if matcher.search(p.name) and p.is_file())


def scene_name(folder: Path) -> str:
    """Name a scene after its folder, or the folder above where the name is a generic one."""
    folder = folder.absolute()
    return folder.parent.name if folder.name.lower() in _GENERIC else folder.name


#: ``load_rows(pair, shape, first, phase, coherence)``, which fills the last two.
LoadRows = Callable[[PairFiles, tuple[int, int], int, Image, Image], None]


def assemble(
    pairs: Sequence[PairFiles],
    shape: tuple[int, int],
    load: Callable[[PairFiles, tuple[int, int]], tuple[Image, Image]],
    coords: dict[str, object],
    attrs: dict[str, object],
    *,
    load_rows: LoadRows | None = None,
    load_phasors: LoadRows | None = None,
) -> xr.Dataset:
    """Build the lazy interferograms dataset from a function that loads one pair.

    Parameters
    ----------
    pairs : sequence of PairFiles
        Of distinct names.
    shape : (int, int)
        Rows and columns of every pair.
    load : callable
        ``load(pair, shape) -> phase, coherence``: (y, x) float32, NaN = no data. It is called when pixels are needed,
        once for both images when both are computed together. A pair without any data is a FileError then.
    coords, attrs : dict
        Coordinates besides those on ``pair``; scene attributes (those left out become unknown).
    load_rows : callable, optional
        ``load_rows(pair, shape, first, phase, coherence)`` fills (rows, x) float32 with the rows from ``first`` on of
        what ``load`` gives; stacking then never has a whole image in memory.
    load_phasors : callable, optional
        Besides ``load_rows``: fills real and imaginary parts of coherence · exp(i phase) instead, which is faster where
        complex values are stored.

    Raises
    ------
    FileError
        A pair stands twice.
    """
    ordered = sorted(pairs, key=lambda p: p.name)
    for first, second in itertools.pairwise(ordered):
        if first.name == second.name:
            raise FileError(f"each pair must stand once, instead {first.name} is in {first.phase} and {second.phase}")
    phase, coherence = _lazy_images([_loader(load, p, shape, load_rows, load_phasors) for p in ordered], shape)
    dates = [p.dates for p in ordered]
    reference = np.array([d[0] for d in dates], "datetime64[ns]")
    secondary = np.array([d[1] for d in dates], "datetime64[ns]")
    unknown: dict[str, object] = {"wavelength": np.nan, "heading": np.nan, "incidence_angle": np.nan}
    scene = {name: attrs.get(name, unknown.get(name, "")) for name in SCENE_ATTRIBUTES if name != "crs"}
    if "crs" in attrs:
        scene["crs"] = attrs["crs"]
    return xr.Dataset(
        {
            "phase": (("pair", "y", "x"), phase, {"units": "rad", "long_name": "wrapped phase"}),
            "coherence": (("pair", "y", "x"), coherence, {"units": "1", "long_name": "coherence"}),
        },
        coords={
            "pair": [p.name for p in ordered],
            "reference": ("pair", reference),
            "secondary": ("pair", secondary),
            "temporal_baseline": ("pair", (secondary - reference) / np.timedelta64(1, "D"), {"units": "days"}),
            "perpendicular_baseline": ("pair", [p.perpendicular_baseline for p in ordered], {"units": "m"}),
            **coords,
        },
        attrs=scene,
    )


@dataclass(frozen=True)
class _LoadPair:
    """One task of the graph: it carries its own arguments, so that dask has none to walk through."""

    load: Callable[[PairFiles, tuple[int, int]], tuple[Image, Image]]
    pair: PairFiles
    shape: tuple[int, int]

    def __call__(self) -> tuple[Image, Image]:
        phase, coherence = self.load(self.pair, self.shape)
        # Most images have data at one of a few thousand places: the whole is looked at where none has.
        if not (np.isfinite(phase[::32, ::32]).any() or np.isfinite(phase).any()):
            self.refuse_empty()
        return phase, coherence

    def refuse_empty(self) -> NoReturn:
        """Raise FileError: the pair holds no data."""
        raise FileError(
            f"{self.pair.phase} must hold data of the pair {self.pair.name}, instead all of its pixels are no data "
            "(0, NaN or masked). Make the pair again, take it away, or open the folder with on_error='skip'"
        )


@dataclass(frozen=True)
class _LoadRows(_LoadPair):
    """A task that, found in the graph, can be asked for some rows of its pair alone."""

    load_rows: LoadRows

    def read_into(self, first: int, phase: Image, coherence: Image) -> None:
        """Fill both (rows, x) float32 with the rows from ``first`` on: rad and 0..1, NaN = no data."""
        self.load_rows(self.pair, self.shape, first, phase, coherence)


@dataclass(frozen=True)
class _LoadPhasors(_LoadRows):
    """A task that can be asked for some rows as complex values as well."""

    load_phasors: LoadRows

    def read_phasors(self, first: int, real: Image, imag: Image) -> None:
        """Fill both (rows, x) float32 with coherence · exp(i phase) of the rows from ``first`` on, NaN = no data."""
        self.load_phasors(self.pair, self.shape, first, real, imag)


def _loader(
    load: Callable[[PairFiles, tuple[int, int]], tuple[Image, Image]],
    pair: PairFiles,
    shape: tuple[int, int],
    load_rows: LoadRows | None,
    load_phasors: LoadRows | None,
) -> _LoadPair:
    """The task that reads a pair in all the ways it can be read."""
    if load_rows is None:
        return _LoadPair(load, pair, shape)
    if load_phasors is None:
        return _LoadRows(load, pair, shape, load_rows)
    return _LoadPhasors(load, pair, shape, load_rows, load_phasors)


def _first_image(images: tuple[Image, Image]) -> Image:
    return images[0][np.newaxis]


def _second_image(images: tuple[Image, Image]) -> Image:
    return images[1][np.newaxis]


def _lazy_images(loads: Sequence[_LoadPair], shape: tuple[int, int]) -> tuple[da.Array, da.Array]:
    """Phase and coherence (pair, y, x), one block for each pair; a pair is read once where both are computed together.

    The graph is written down as it is: made of delayed calls and a stack it took longer to build, and to walk through
    at every read, than the pixels of a small pair.
    """
    # Not named after the files: they may have changed when they are opened again.
    name = f"pairs-{uuid.uuid4().hex}"
    chunks = ((1,) * len(loads), (shape[0],), (shape[1],))
    reading = MaterializedLayer({(name, i): (load,) for i, load in enumerate(loads)})
    arrays = []
    for image, take in (("phase", _first_image), ("coherence", _second_image)):
        own = f"{image}-{name}"
        taking = MaterializedLayer({(own, i, 0, 0): (take, (name, i)) for i in range(len(loads))})
        graph = HighLevelGraph({name: reading, own: taking}, {name: set(), own: {name}})
        arrays.append(da.Array(graph, own, chunks, np.float32))
    return arrays[0], arrays[1]


def wrap(phase: npt.NDArray[np.floating]) -> Image:
    """Wrap a phase into [−π, π), rad; NaN stays NaN."""
    wrapped = (np.asarray(phase, np.float64) + np.pi) % (2 * np.pi) - np.pi
    as_float32 = wrapped.astype(np.float32)
    # Rounding to float32 can lift a value just below +π onto it, outside the half-open interval.
    return np.where(as_float32 >= np.float32(np.pi), np.nextafter(np.float32(np.pi), np.float32(0)), as_float32)
