"""What the lessons work on: a simulated scene, stacked once, with a part of its pairs and all that is true of it."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr
from filelock import FileLock

from labkit import __version__
from labkit.detect import couplets
from labkit.errors import FileError, LabkitError
from labkit.read import load_scene, open_interferograms, save_scene
from labkit.read.cache import write_cache
from labkit.schema import CORNERS
from labkit.simulate import Scene
from labkit.simulate import scene as simulate_scene
from labkit.simulate.geometry import los_vector
from labkit.stack import stack_gradients

#: The tracks, in the order in which the course names them.
TRACKS = ("ascending", "descending")

#: Edge of the part whose pairs are kept, px, and its track.
PART_PX, PART_TRACK = 320, "ascending"

#: Dates and effects of the course's scene: 120 and 80 pairs with everything that fools people.
CALENDAR = "workshop"

_ABOUT = "about.json"
_TABLES = ("truth", "unseen", "landslides", "counties", "rivers")
_FOUND = "found"


@dataclass(frozen=True)
class Material:
    """A folder of course material (:func:`prepare`). Each call reads anew, so that nobody changes it for the checks.

    Attributes
    ----------
    folder : Path
        Where it lies.
    scene : str
        Name of the simulated scene.
    part : (int, int)
        Row and column of the first pixel of the part whose pairs are kept.

    Examples
    --------
    >>> Material(Path("data/course"), "workshop", (0, 0)).table("roads")
    Traceback (most recent call last):
    labkit.errors.LabkitError: name must be one of ('truth', 'unseen', 'landslides', ...
    """

    folder: Path
    scene: str
    part: tuple[int, int]

    def gradients(self, track: str) -> xr.Dataset:
        """Give the stacked gradients of a track (:mod:`labkit.schema`): ``lsq``, window 5, all pairs."""
        _check_track(track)
        return load_scene(self.folder / f"gradients_{track}.nc")

    def pairs(self) -> xr.Dataset:
        """Give the interferograms of the ascending part, lazily (:mod:`labkit.schema`)."""
        return open_interferograms(self.folder / "part.zarr")

    def table(self, name: str) -> gpd.GeoDataFrame:
        """Give a table of the scene: "truth", "unseen", "landslides", "counties", "rivers" or "found".

        ``truth`` holds the boxes of what the stacks can show, ``unseen`` of what they cannot, by track and direction
        (:class:`labkit.simulate.Scene`); ``found`` what :func:`labkit.couplets` finds on the ascending stack.
        """
        names = (*_TABLES, _FOUND)
        if name not in names:
            raise LabkitError(f"name must be one of {names}, instead got name={name!r}")
        return gpd.read_file(self.folder / f"{name}.gpkg")

    def part_truth(self) -> gpd.GeoDataFrame:
        """Give the boxes of the truth that lie wholly in the part, in pixels of the part."""
        row, col = self.part
        truth = self.table("truth")
        truth = truth[truth["track"] == PART_TRACK]
        moved = truth.assign(scene=self.pairs().attrs["scene"])
        moved[CORNERS] = truth[CORNERS].to_numpy(float) - [col, row, col, row]
        corners, (height, width) = moved[CORNERS].to_numpy(float), self.part_shape()
        inside = (corners[:, :2] >= 0).all(axis=1) & (corners[:, 2] <= width) & (corners[:, 3] <= height)
        return moved[inside].reset_index(drop=True)

    def part_shape(self) -> tuple[int, int]:
        """Give the lines and samples of the part."""
        sizes = self.pairs().sizes
        return sizes["y"], sizes["x"]

    def true_rate(self, track: str) -> xr.DataArray:
        """Give the LOS rate without noise, (y, x) mm/yr, positive toward the satellite."""
        _check_track(track)
        with xr.open_dataset(self.folder / "true_rates.nc", engine="h5netcdf") as rates:
            return rates[track].load()

    def line_of_sight(self, track: str) -> npt.NDArray[np.float64]:
        """Give the unit vector from the ground to the satellite: east, north, up."""
        attributes = self.gradients(track).attrs
        return np.asarray(los_vector(attributes["heading"], attributes["incidence_angle"]), float)


def prepare(
    folder: str | os.PathLike[str] = "data/course", *, scene: str = "workshop", seed: int = 0, progress: bool = True
) -> Material:
    """Make the material of the course once: some 190 MB, some 40 seconds of computing for the workshop scene.

    Parameters
    ----------
    folder : path-like
        Where it goes. It appears when all of it is written; what is there already is opened as it is.
    scene : str
        "workshop"; "demo" or "tiny" are smaller and faster. All have the dates and the effects of the workshop scene.
    seed : int
        Another seed is another region.
    progress : bool
        Show bars.

    Raises
    ------
    LabkitError
        There is no scene of that name, or the folder holds something else.
    FileError
        The folder cannot be written.

    Examples
    --------
    What does not belong to the course is left alone:

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "mine.txt").write_text("mine")
    ...     prepare(folder)
    Traceback (most recent call last):
    labkit.errors.FileError: ... must hold the material of the course, ...
    """
    target = Path(folder).absolute()
    if target.exists() and any(target.iterdir()):
        return open_material(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # two notebooks that are opened at once make it once
        with FileLock(target.with_name(f".{target.name}.lock")):
            if not (target / _ABOUT).exists():
                _make(scene, seed, target, progress)
    except OSError as error:
        raise FileError(f"{target} must be writable with enough room on its disk, instead got: {error}") from error
    return open_material(target)


def open_material(folder: str | os.PathLike[str]) -> Material:
    """Open the material that :func:`prepare` made; nothing is written.

    Raises
    ------
    FileError
        There is none, or another version of labkit made it.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_material(folder)
    Traceback (most recent call last):
    labkit.errors.FileError: ... must hold the material of the course, ...
    """
    target = Path(folder).absolute()
    try:
        about = json.loads((target / _ABOUT).read_text())
        made_by, name, part = about["labkit"], str(about["scene"]), (int(about["part"][0]), int(about["part"][1]))
    except (OSError, ValueError, KeyError) as error:
        raise FileError(
            f"{target} must hold the material of the course, instead got {type(error).__name__}: {error}. "
            "Make it by labkit.course.prepare(folder), in a folder that is not there yet"
        ) from error
    if made_by != __version__:
        raise FileError(
            f"{target} must be of labkit {__version__}, instead it is of {made_by}. Remove it, and it is made again"
        )
    return Material(target, name, part)


def _make(name: str, seed: int, target: Path, progress: bool) -> None:
    simulated = simulate_scene(name, seed, calendar=CALENDAR, progress=progress)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as hidden:
        partial = Path(hidden) / target.name
        partial.mkdir()
        _write(simulated, partial, progress)
        partial.replace(target)


def _write(simulated: Scene, folder: Path, progress: bool) -> None:
    for track, pairs in simulated.interferograms.items():
        stack = stack_gradients(pairs, progress=progress)
        save_scene(stack, folder / f"gradients_{track}.nc")
        if track == PART_TRACK:
            couplets(stack, progress=progress).to_file(folder / f"{_FOUND}.gpkg", driver="GPKG")
    pairs = simulated.interferograms[PART_TRACK]
    row, col = _busiest(simulated)
    part = pairs.isel(y=slice(row, row + PART_PX), x=slice(col, col + PART_PX))
    part = part.assign_attrs(scene=f"{pairs.attrs['scene']}-part")
    write_cache(part, folder / "part.zarr", coherence_bits=8, progress=progress)
    for name in _TABLES:
        getattr(simulated, name).to_file(folder / f"{name}.gpkg", driver="GPKG")
    true = xr.Dataset({t: r.drop_vars(list(r.coords)) for t, r in simulated.true_rates.items()})
    true.to_netcdf(folder / "true_rates.nc", engine="h5netcdf", encoding={t: {"zlib": True} for t in true})
    about = {"labkit": __version__, "scene": simulated.name, "seed": simulated.seed, "part": [row, col]}
    (folder / _ABOUT).write_text(json.dumps(about, indent=2) + "\n")


def _busiest(simulated: Scene) -> tuple[int, int]:
    """Row and column of the part in which most landslides can be seen whole, the first of equals."""
    sizes = simulated.interferograms[PART_TRACK].sizes
    truth = simulated.truth[simulated.truth["track"] == PART_TRACK]
    corners, slides = truth[CORNERS].to_numpy(float), truth["landslide_id"].to_numpy()
    best, most = (0, 0), -1
    for row in range(0, max(1, sizes["y"] - PART_PX + 1), 10):
        for col in range(0, max(1, sizes["x"] - PART_PX + 1), 10):
            inside = (corners >= [col, row, col, row]).all(axis=1)
            inside &= (corners <= [col + PART_PX, row + PART_PX, col + PART_PX, row + PART_PX]).all(axis=1)
            if (count := len(set(slides[inside]))) > most:
                best, most = (row, col), count
    return best


def _check_track(track: str) -> None:
    if track not in TRACKS:
        raise LabkitError(f"track must be one of {TRACKS}, instead got track={track!r}")
