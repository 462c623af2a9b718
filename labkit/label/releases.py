"""Releases: a set of labels frozen under a name, with a hash that is verified whenever it is opened.

releases/v1/release.json    name, when, counts, who, guidance, and the hash over all of that and of every row
releases/v1/labels.parquet  the labels
releases/v1/looks.parquet   the finished annotations behind them: also the chips where nothing was seen
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa

import labkit
from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label.columns import digest, plain
from labkit.label.labelfile import load_labels, save_labels

DESCRIPTION = "release.json"
FORMAT = 1


def check_name(name: str) -> str:
    """Return a release's name when it can be a folder's on every system, else raise."""
    if not name or not name.isascii() or not name.replace("-", "").replace(".", "").isalnum() or not name[0].isalnum():
        raise LabkitError(
            f"name must be a word of letters, digits, '-' and '.' that begins with a letter or digit, instead got "
            f"name={name!r}. For example 'v1'"
        )
    return name


def freeze(
    labels: gpd.GeoDataFrame, looks: pd.DataFrame, folder: Path, name: str, *, revision: int, note: str
) -> gpd.GeoDataFrame:
    """Write a release and open it.

    Raises
    ------
    LabkitError
        The name is taken or no name, or there is no label.
    FileError
        The disk is full or cannot be written; then there is no such release.
    """
    target = folder / check_name(name)
    if target.exists():
        raise LabkitError(f"name must be a new one, instead release {name!r} is there already and never changes")
    if not len(labels):
        raise LabkitError("labels must hold at least one row to be released, instead got none")
    kept = labels.reset_index(drop=True)
    kept.attrs = {}
    about: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "made": pd.Timestamp.now("UTC").isoformat(timespec="seconds"),
        "revision": revision,
        "labels": len(kept),
        "by_word": {str(k): int(v) for k, v in kept["label"].value_counts().sort_index().items()},
        "scenes": sorted(set(map(str, kept["scene"]))),
        "annotators": sorted(set(map(str, kept["annotator"]))) if "annotator" in kept else [],
        "guidance": sorted(set(map(str, kept["guidance"]))) if "guidance" in kept else [],
        "boxes_sha256": schema.boxes_hash(kept),
        "note": note,
        "labkit": labkit.__version__,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as beside:
            partial = Path(beside) / name
            partial.mkdir()
            save_labels(kept, partial / "labels.parquet")
            looks.to_parquet(partial / "looks.parquet", index=False)
            # of what a reader will see, so that no type that a file knows otherwise can part the two
            read = load_labels(partial / "labels.parquet"), pd.read_parquet(partial / "looks.parquet")
            about["hash"] = _hash(about, *read)
            (partial / DESCRIPTION).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")
            for path in partial.iterdir():
                path.chmod(0o444)
            # fails when somebody else has just made it: a folder with files is never replaced
            partial.rename(target)
    except (OSError, pa.ArrowException) as error:
        raise FileError(f"{target} must be writable with enough room on its disk, instead got: {error}") from error
    return load_release(target)


def load_release(folder: str | os.PathLike[str], *, expect: str | None = None) -> gpd.GeoDataFrame:
    """Open a release of labels and verify that nothing in it has changed.

    Parameters
    ----------
    folder : path
        ``…/releases/NAME`` of a label store, or a copy of it.
    expect : str, optional
        The hash that a paper or a detector names.

    Returns
    -------
    geopandas.GeoDataFrame
        The labels. ``attrs``: ``release`` (its name), ``release_hash``, ``citation``, ``boxes_sha256`` (of the boxes
        alone, :func:`labkit.schema.boxes_hash`) and ``annotated_chips``.

    Raises
    ------
    FileError
        It is missing, damaged, or not what its hash says.
    LabkitError
        Its hash is another than the expected one.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> box = {"scene": ["a"], "direction": ["range"], "xmin": [10], "ymin": [10], "xmax": [30], "ymax": [30]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = lk.label.open_store(folder)
    ...     _ = store.add(lk.schema.boxes_table(box), by="ann", source="an inventory")
    ...     _ = store.release("v1", note="for the first detector")
    ...     print(lk.label.load_release(f"{folder}/releases/v1").attrs["citation"])
    Landslide labels, release v1 of ...: 1 box on 1 scene by 1 person, sha256:...
    """
    source = Path(folder)
    about = _describe(source)
    labels = load_labels(source / "labels.parquet")
    try:
        looks = pd.read_parquet(source / "looks.parquet")
    except (OSError, pa.ArrowException) as error:
        raise FileError(
            f"{source / 'looks.parquet'} must be a whole file, instead it cannot be read: {error}"
        ) from error
    given = about.pop("hash", "")
    if given != _hash(about, labels, looks):
        raise FileError(
            f"{source} must be as it was released, instead its contents do not give its hash. Take it from a copy"
        )
    if expect is not None and expect != given:
        raise LabkitError(f"release {about['name']!r} must have hash={expect!r}, instead got hash={given!r}")
    labels.attrs = {
        "release": about["name"],
        "release_hash": given,
        "boxes_sha256": about["boxes_sha256"],
        "citation": cite(about | {"hash": given}),
        "annotated_chips": list(dict.fromkeys(looks["chip_id"])),
    }
    return labels


def list_releases(folder: Path) -> pd.DataFrame:
    """List the releases of a store, oldest first: name, made, labels, hash, note."""
    found = [_describe(path) for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    names = ["name", "made", "labels", "revision", "hash", "note"]
    rows = sorted(found, key=lambda about: (about["made"], about["name"]))
    return pd.DataFrame([{name: about[name] for name in names} for about in rows], columns=names)


def cite(about: dict[str, Any]) -> str:
    """Say in one sentence what a release is, so that it can be named in a paper."""
    boxes, people, scenes = about["labels"], len(about["annotators"]), len(about["scenes"])
    return (
        f"Landslide labels, release {about['name']} of {about['made'][:10]}: "
        f"{boxes} box{'es' * (boxes != 1)} on {scenes} scene{'s' * (scenes != 1)} "
        f"by {people} {'people' if people != 1 else 'person'}, sha256:{about['hash']}"
    )


def _describe(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        needed = {"name", "made", "labels", "revision", "hash", "note", "scenes", "annotators", "boxes_sha256"}
        if not isinstance(about, dict) or not needed <= set(about) or about.get("format") != FORMAT:
            raise ValueError(f"it lacks {sorted(needed - set(about))}" if isinstance(about, dict) else "no object")
    except (OSError, ValueError) as error:
        raise FileError(f"{path} must describe a release of labels, instead it cannot be read: {error}") from error
    return about


def _hash(about: dict[str, Any], labels: gpd.GeoDataFrame, looks: pd.DataFrame) -> str:
    rows = [
        {name: value.wkb_hex if hasattr(value, "wkb_hex") else plain(value) for name, value in row.items()}
        for row in labels.to_dict("records")
    ]
    seen = [{name: plain(value) for name, value in row.items()} for row in looks.to_dict("records")]
    return digest({"about": about, "labels": rows, "looks": seen})
