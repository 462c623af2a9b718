"""What a written scene was made from, and the size and SHA-256 of each of its files."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from tqdm.auto import tqdm

from labkit.errors import FileError
from labkit.simulate.effects import Effects

MANIFEST = "manifest.json"

#: What may begin with a docstring.
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@lru_cache(maxsize=1)
def recipe() -> str:
    """Give the fingerprint of the simulation's own source: another recipe may give another scene for the same seed."""
    sources = (file for file in files("labkit.simulate").iterdir() if file.name.endswith(".py"))
    return fingerprint({file.name: file.read_text(encoding="utf-8") for file in sources})


def fingerprint(sources: Mapping[str, str]) -> str:
    """Give 16 hexadecimal digits that change with what modules do, and not with what they say of it.

    Parameters
    ----------
    sources : mapping of str to str
        Name of each module → its source; their order does not matter.

    Notes
    -----
    SHA-256 of the syntax trees without docstrings, which hold neither comments nor layout. The form of a tree is
    Python's: another minor version of it may give another fingerprint of the same source.

    Examples
    --------
    >>> fingerprint({"a.py": "x = 1  # one"}) == fingerprint({"a.py": "x = (1)"})
    True
    """
    digest = hashlib.sha256()
    for name in sorted(sources):
        tree = ast.parse(sources[name])
        for node in ast.walk(tree):
            if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
        digest.update(f"{name}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:16]


def settings(name: str, seed: int, effects: Effects | None, calendar: str) -> dict[str, object]:
    """Give all that a written scene depends on, as it stands in its manifest."""
    made_from: dict[str, object] = {"name": name, "seed": seed, "recipe": recipe()}
    if effects is not None:
        made_from |= {"effects": asdict(effects), "calendar": calendar}
    return made_from


def list_files(folder: Path) -> dict[str, list[int | str]]:
    """Give size and SHA-256 of every file below a folder, by its path from there; hidden ones are left out."""
    return {path.relative_to(folder).as_posix(): entry(path) for path in _visible(folder)}


def entry(path: Path) -> list[int | str]:
    """Give size and SHA-256 of a file."""
    return [path.stat().st_size, sha256(path)]


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(
    folder: Path, made_from: dict[str, object], tracks: list[str], listed: dict[str, list[int | str]]
) -> None:
    """Write the manifest of a scene whose files (:func:`list_files`) are complete."""
    manifest = made_from | {
        "tracks": sorted(tracks),
        "files": {path: size for path, (size, _) in sorted(listed.items())},
        "sha256": {path: digest for path, (_, digest) in sorted(listed.items())},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def read_manifest(folder: Path) -> dict[str, object]:
    """Read the manifest of a scene.

    Raises
    ------
    FileError
        It is no manifest.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(
            f"{path} must hold the manifest of a scene, instead it cannot be read: {error}. "
            f"Remove {folder}, and the scene is made again"
        ) from error
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(k), dict) for k in ("files", "sha256")):
        raise FileError(
            f"{path} must hold the manifest of a scene with the size and SHA-256 of each file, instead it does not. "
            f"Remove {folder}, and the scene is made again"
        )
    return manifest


def check_files(folder: Path, manifest: dict[str, object], *, contents: bool = True, progress: bool = False) -> None:
    """Make sure that a written scene is as it was written.

    Parameters
    ----------
    folder : Path
        The scene.
    manifest : dict
        Of :func:`read_manifest`.
    contents : bool
        Compare the SHA-256 of every file too, not its size alone.
    progress : bool
        Show a bar.

    Raises
    ------
    FileError
        A file is missing, of another size or of other contents, or one is there that is no part of the scene; the
        message names the first, and says what to do.
    """
    sizes, digests = manifest["files"], manifest["sha256"]
    assert isinstance(sizes, dict) and isinstance(digests, dict)
    remedy = f"Remove {folder}, and the scene is made again"
    strange = {path.relative_to(folder).as_posix() for path in _visible(folder)} - set(sizes) - {MANIFEST}
    if strange:
        raise FileError(
            f"{folder} must hold the files of its scene alone, instead these are no part of it: "
            f"{', '.join(sorted(strange)[:3])}{' and more' if len(strange) > 3 else ''}. Move them elsewhere"
        )
    for name, size in tqdm(sizes.items(), desc="checking files", unit="file", disable=not progress):
        path = folder / name
        if not path.is_file():
            raise FileError(f"{path} must be there, as the manifest says, instead it is missing. {remedy}")
        if path.stat().st_size != size:
            raise FileError(f"{path} must have {size} bytes, instead it has {path.stat().st_size}. {remedy}")
        if contents and sha256(path) != digests.get(name):
            raise FileError(f"{path} must be as it was written, instead its contents have changed (SHA-256). {remedy}")


def _visible(folder: Path) -> list[Path]:
    """Every file below a folder, but for hidden ones, such as those that file managers and editors leave."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
