"""A simulated scene on disk, as GAMMA would have left it, and the demo scene that every notebook starts from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from tqdm.auto import tqdm

from labkit.errors import FileError, LabkitError
from labkit.simulate.gamma import write_geometry, write_pair
from labkit.simulate.scenes import Scene, scene

MANIFEST = "manifest.json"

_VECTORS = ("truth", "rate_truth", "landslides", "counties", "rivers")

#: Besides, of a scene with effects.
_UNSEEN = "unseen"


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
        ``manifest.json`` says what it was made from and lists every file with its size. Of a scene with effects
        ``unseen.gpkg`` holds what its pairs cannot show, and the manifest the effects and the calendar's name.

    Raises
    ------
    FileError
        The folder holds something else.

    Notes
    -----
    Everything is written to a temporary folder beside the target, which is then renamed: a scene is there whole, or
    not at all. On disk a scene's id is the name of its track's folder, which is what :func:`labkit.open_interferograms`
    finds there: the written truth says scene "ascending" where in memory it is "demo-ascending".
    """
    target = Path(folder).absolute()
    if target.exists() and not target.is_dir():
        raise FileError(f"folder must be a folder, instead got the file {target}. Name another one")
    if target.is_dir() and not (target / MANIFEST).exists() and any(target.iterdir()):
        raise FileError(
            f"folder must be new, empty or an earlier scene, instead {target} holds other files. Name another folder"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write_all(simulated, partial, progress)
        _exchange(partial, target)
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
        Which scene (:func:`labkit.simulate.scene`).
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
    """
    target = Path(folder).absolute()
    if _is_whole(target, name, seed):
        return target
    return write_scene(scene(name, seed, progress=progress), target, progress=progress)


def recipe() -> str:
    """Give the fingerprint of the simulation's own source: another recipe may give another scene for the same seed."""
    digest = hashlib.sha256()
    sources = (file for file in files("labkit.simulate").iterdir() if file.name.endswith(".py"))
    for source in sorted(sources, key=lambda file: file.name):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _write_all(simulated: Scene, folder: Path, progress: bool) -> None:
    total = sum(ifgs.sizes["pair"] for ifgs in simulated.interferograms.values())
    with tqdm(total=total, desc="writing pairs", unit="pair", disable=not progress) as bar:
        for track, ifgs in simulated.interferograms.items():
            home = folder / track
            (home / "diff").mkdir(parents=True)
            write_geometry(home, ifgs, simulated.dem, simulated.frames[track], simulated.place)
            for k in range(ifgs.sizes["pair"]):
                write_pair(home, ifgs.isel(pair=k).compute())
                bar.update()
            rates = simulated.rates[track]
            rates.assign_attrs(scene=track).to_netcdf(home / "rates.nc", engine="h5netcdf")
    for name in (*_VECTORS, *([_UNSEEN] if simulated.unseen is not None else [])):
        table = getattr(simulated, name)
        if "scene" in table:
            table = table.assign(scene=table["track"])
        table.to_file(folder / f"{name}.gpkg", driver="GPKG")
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest: dict[str, object] = {
        "name": simulated.name,
        "seed": simulated.seed,
        "recipe": recipe(),
        "tracks": sorted(simulated.interferograms),
        "files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in written},
    }
    if simulated.effects is not None:
        manifest["effects"] = asdict(simulated.effects)
        manifest["calendar"] = simulated.calendar
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def _exchange(partial: Path, target: Path) -> None:
    """Put the new folder in the place of the old one; the old one goes only when the new one stands."""
    old = partial.with_name(partial.name + ".old")
    if target.exists():
        target.replace(old)
    partial.replace(target)
    shutil.rmtree(old, ignore_errors=True)


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
