"""Scenes that are made once and kept: written piece by piece, checked whenever they are opened again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from labkit.errors import FileError
from labkit.simulate.effects import Effects
from labkit.simulate.manifest import MANIFEST, check_files, entry, list_files, read_manifest, settings, write_manifest
from labkit.simulate.scenes import Scene, resolved, scene
from labkit.simulate.write import exchange, pairs_bar, pieces, refuse_other_files, write_piece, write_tables

#: Beside each image that is complete, until all are: its files with their sizes and SHA-256.
_LISTS = ".*.files.json"


def stored(
    name: str,
    folder: str | Path = "data",
    *,
    seed: int = 0,
    effects: Effects | None = None,
    calendar: str | None = None,
    check: bool = True,
    progress: bool = True,
) -> Path:
    """Give the folder of a scene; make it where it is missing, or was made by another version or from other settings.

    Parameters
    ----------
    name : str
        "tiny", "demo", "workshop" (1.9 GB) or "region" (9.5 GB), as :func:`labkit.simulate.scene`.
    folder : str or Path
        Where scenes are kept; this one in ``<name>``, with a seed other than 0 in ``<name>-<seed>``.
    seed, effects, calendar
        As :func:`labkit.simulate.scene`.
    check : bool
        Compare the SHA-256 of every file with the manifest when the scene is there; False: sizes alone.
    progress : bool
        Show bars.

    Returns
    -------
    Path
        The folder, as :func:`labkit.simulate.write_scene` lays it out: open its tracks, or their bursts, with
        :func:`labkit.open_interferograms`.

    Raises
    ------
    FileError
        A file of the scene is missing or damaged, there are files that are no part of it, the place holds something
        else, or the disk is full.

    Notes
    -----
    Written image by image (a track, or a burst of one) into a hidden folder beside, which takes the scene's place when
    it is complete. What was interrupted goes on, when called again, with the image at which it stopped.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     home = stored("tiny", folder, progress=False)
    ...     sorted(path.name for path in home.iterdir() if path.is_dir())
    ['ascending', 'descending']
    """
    chosen, dates = resolved(name, effects, calendar)
    made_from = settings(name, seed, chosen, dates)
    target = Path(folder).absolute() / (f"{name}-{seed}" if seed else name)
    refuse_other_files(target)
    if (target / MANIFEST).is_file():
        manifest = read_manifest(target)
        if all(manifest.get(key) == value for key, value in _as_written(made_from).items()):
            check_files(target, manifest, contents=check, progress=progress)
            return target
    partial = _partial(target, made_from)
    try:
        _write(scene(name, seed, effects=effects, calendar=calendar, progress=progress), partial, made_from, progress)
    except OSError as error:
        raise FileError(
            f"{target} must be writable with enough room on its disk, instead got: {error}. "
            "What is complete is kept: call this again to go on"
        ) from error
    exchange(partial, target)
    for complete in target.glob(_LISTS):
        complete.unlink()
    return target


def _as_written(made_from: dict[str, object]) -> dict[str, object]:
    return dict(json.loads(json.dumps(made_from)))


def _partial(target: Path, made_from: dict[str, object]) -> Path:
    """The folder for what is not yet complete, named after the settings; what other settings left there goes."""
    key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:12]
    partial = target.with_name(f".{target.name}.{key}.part")
    for other in target.parent.glob(f".{target.name}.*.part"):
        if other != partial:
            shutil.rmtree(other)
    return partial


def _write(simulated: Scene, partial: Path, made_from: dict[str, object], progress: bool) -> None:
    """Write what is not there yet. A list of an image's files stands beside it as soon as all of it is written."""
    partial.mkdir(parents=True, exist_ok=True)
    listed: dict[str, list[int | str]] = {}
    with pairs_bar(simulated, progress) as bar:
        for piece in pieces(simulated):
            home, complete = partial / piece.folder, partial / _LISTS.replace("*", piece.folder)
            if complete.is_file():
                bar.update(piece.interferograms.sizes["pair"])
            else:
                shutil.rmtree(home, ignore_errors=True)
                write_piece(piece, simulated, home, bar)
                part = complete.with_name(complete.name + ".part")
                part.write_text(json.dumps({f"{piece.folder}/{k}": v for k, v in list_files(home).items()}))
                part.replace(complete)
            listed |= json.loads(complete.read_text())
    write_tables(simulated, partial)
    for table in (*partial.glob("*.gpkg"), *partial.glob("*/rates.nc")):
        listed[table.relative_to(partial).as_posix()] = entry(table)
    write_manifest(partial, made_from, list(simulated.interferograms), listed)
