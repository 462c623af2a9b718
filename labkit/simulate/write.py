"""A simulated scene on disk, as GAMMA would have left it, and the demo scene that every notebook starts from."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import FileError, LabkitError
from labkit.simulate.gamma import write_geometry, write_pair
from labkit.simulate.geometry import Frame
from labkit.simulate.manifest import MANIFEST, list_files, recipe, settings, write_manifest
from labkit.simulate.scenes import Scene, scene

_VECTORS = ("truth", "rate_truth", "landslides", "counties", "rivers")

#: Besides, of a scene with effects.
_UNSEEN = "unseen"

#: Besides, of a scene whose tracks are cut into bursts.
_BURST_TRUTH = "burst_truth"


@dataclass(frozen=True)
class Piece:
    """One image of a scene, a track or a burst: the folder that holds it, its interferograms and its frame."""

    folder: str
    interferograms: xr.Dataset
    frame: Frame


def write_scene(simulated: Scene, folder: str | Path, *, progress: bool = False) -> Path:
    """Write a scene to a folder: for each track what a processor would have written, beside it the truth.

    Parameters
    ----------
    simulated : Scene
        What to write (:func:`labkit.simulate.scene`).
    folder : str or Path
        To be made. A folder that holds an earlier scene is replaced; any other that is not empty is left alone.
    progress : bool
        Show a bar over the pairs.

    Returns
    -------
    Path
        The folder. ``<track>/`` is a GAMMA folder (:mod:`labkit.simulate.gamma`), ``<track>/rates.nc`` the rate map;
        ``truth.gpkg``, ``rate_truth.gpkg``, ``landslides.gpkg``, ``counties.gpkg`` and ``rivers.gpkg`` are tables;
        ``manifest.json`` says what it was made from and lists every file with its size and SHA-256. Of a scene with
        effects ``unseen.gpkg`` holds what its pairs cannot show, and the manifest the effects and the calendar's name.
        Of a scene in bursts ``<track>-<burst>/`` are the GAMMA folders, and ``burst_truth.gpkg`` has their boxes.

    Raises
    ------
    FileError
        The folder holds something else.

    Notes
    -----
    Everything is written to a temporary folder beside the target, which is then renamed: a scene is there whole, or
    not at all. On disk a scene's id is the name of its folder, which is what :func:`labkit.open_interferograms`
    finds there: the written truth says scene "ascending" where in memory it is "demo-ascending".

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = write_scene(lk.simulate.scene("tiny"), folder)
    ...     sorted(one.name for one in kept.glob("*.gpkg"))
    ['counties.gpkg', 'landslides.gpkg', 'rate_truth.gpkg', 'rivers.gpkg', 'truth.gpkg']
    """
    target = Path(folder).absolute()
    refuse_other_files(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with pairs_bar(simulated, progress) as bar:
            for piece in pieces(simulated):
                write_piece(piece, simulated, partial / piece.folder, bar)
        write_tables(simulated, partial)
        made_from = settings(simulated.name, simulated.seed, simulated.effects, simulated.calendar)
        write_manifest(partial, made_from, list(simulated.interferograms), list_files(partial))
        exchange(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def demo(folder: str | Path = "data/demo", *, name: str = "demo", seed: int = 0, progress: bool = True) -> Path:
    """Give the folder of the demo scene; make it (in less than a minute) where it is missing or not whole.

    Parameters
    ----------
    folder : str or Path
        Where it lives.
    name, seed
        Which scene (:func:`labkit.simulate.scene`), one of the simple ones; for others see
        :func:`labkit.simulate.stored`.
    progress : bool
        Show a bar while it is made.

    Returns
    -------
    Path
        The folder, complete, made by this version of the simulation.

    Raises
    ------
    FileError
        The folder holds something else.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = demo(folder + "/demo", name="tiny", progress=False)
    ...     sorted(one.name for one in kept.iterdir())[:3]
    ['ascending', 'counties.gpkg', 'descending']
    """
    target = Path(folder).absolute()
    if _is_whole(target, name, seed):
        return target
    return write_scene(scene(name, seed, progress=progress), target, progress=progress)


def refuse_other_files(target: Path) -> None:
    """Raise where a folder holds something that is no scene."""
    if target.exists() and not target.is_dir():
        raise FileError(f"folder must be a folder, instead got the file {target}. Name another one")
    if target.is_dir() and not (target / MANIFEST).exists() and any(target.iterdir()):
        raise FileError(
            f"folder must be new, empty or an earlier scene, instead {target} holds other files. Name another folder"
        )


def pieces(simulated: Scene) -> list[Piece]:
    """List the images of a scene: its tracks, or the bursts of its tracks."""
    found = []
    for track, ifgs in simulated.interferograms.items():
        bursts = simulated.bursts.get(track, [ifgs])
        frames = simulated.burst_frames.get(track, [simulated.frames[track]])
        for burst, frame in zip(bursts, frames, strict=True):
            found.append(Piece("-".join(part for part in (track, frame.burst) if part), burst, frame))
    return found


def pairs_bar(simulated: Scene, progress: bool) -> tqdm:
    """Make a bar over all pairs of a scene."""
    total = sum(piece.interferograms.sizes["pair"] for piece in pieces(simulated))
    return tqdm(total=total, desc="writing pairs", unit="pair", disable=not progress)


def write_piece(piece: Piece, simulated: Scene, home: Path, bar: tqdm) -> None:
    """Write one image as a GAMMA folder; as many pairs are made and written at a time as there are cores."""
    ifgs = piece.interferograms
    (home / "diff").mkdir(parents=True)
    dem = _around(simulated.dem, ifgs) if piece.frame.burst else simulated.dem
    write_geometry(home, ifgs, dem, piece.frame, simulated.place)

    def one(k: int) -> None:
        write_pair(home, ifgs.isel(pair=k).compute(scheduler="synchronous"))
        bar.update()

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(one, range(ifgs.sizes["pair"])))


def write_tables(simulated: Scene, folder: Path) -> None:
    """Write the rate maps, the truth, counties and rivers."""
    for track, rates in simulated.rates.items():
        (folder / track).mkdir(parents=True, exist_ok=True)
        rates.assign_attrs(scene=track).to_netcdf(folder / track / "rates.nc", engine="h5netcdf")
    in_bursts = bool(simulated.burst_frames)
    besides = [*([_UNSEEN] if simulated.unseen is not None else []), *([_BURST_TRUTH] if in_bursts else [])]
    for name in (*_VECTORS, *besides):
        table = getattr(simulated, name)
        if len(table) and "scene" in table:
            on_burst = name == _BURST_TRUTH
            table = table.assign(scene=table["track"] + "-" + table["burst"] if on_burst else table["track"])
        table.to_file(folder / f"{name}.gpkg", driver="GPKG")


def exchange(partial: Path, target: Path) -> None:
    """Put the new folder in the place of the old one; the old one goes only when the new one stands."""
    old = partial.with_name(partial.name + ".old")
    if target.exists():
        target.replace(old)
    partial.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _around(dem: xr.DataArray, ifgs: xr.Dataset) -> xr.DataArray:
    """The part of a DEM below an image, with some posts to spare."""
    parts = {}
    for axis, name in (("x", "lon"), ("y", "lat")):
        posts, degrees = dem[axis].values, ifgs[name].values
        inside = (posts >= degrees.min()) & (posts <= degrees.max())
        first, last = int(inside.argmax()), len(posts) - int(inside[::-1].argmax())
        parts[axis] = slice(max(first - 4, 0), last + 4)
    return dem.isel(parts)


def _is_whole(folder: Path, name: str, seed: int) -> bool:
    path = folder / MANIFEST
    if not path.is_file():
        return False
    try:
        manifest = json.loads(path.read_text())
    except json.JSONDecodeError:
        return False
    if not isinstance(manifest, dict):
        raise LabkitError(f"{path} must hold the manifest of a scene. Remove the folder, and it is made again")
    if "effects" in manifest:
        return False
    if (manifest.get("name"), manifest.get("seed"), manifest.get("recipe")) != (name, seed, recipe()):
        return False
    sizes = manifest.get("files", {})
    return bool(sizes) and all(
        (folder / file).is_file() and (folder / file).stat().st_size == size for file, size in sizes.items()
    )
