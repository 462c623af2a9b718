"""A detector as a folder: its settings in ``detector.json``, its weights in a safetensors file, its history as CSV.

Nothing is unpickled. The JSON names the weights file and its SHA-256, so that the pair is whole or is refused. A new
detector takes the place of an old one at the moment when the JSON is renamed; until then the old one stands.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import safetensors
import torch
from safetensors.torch import load_file, save

import labkit
from labkit.errors import FileError, LabkitError
from labkit.train.building import build
from labkit.train.detector import Detector
from labkit.train.settings import Anchors, DetectorSettings

DESCRIPTION = "detector.json"
HISTORY = "history.csv"
FORMAT = 1

#: Where a detector is looked for by its name alone: among one's own first, then among those that ship.
RESULTS = Path("results")
SHIPPED = Path(__file__).parent / "shipped"


def save_detector(
    detector: Detector, folder: str | os.PathLike[str], *, made_by: dict[str, Any] | None = None, half: bool = False
) -> Path:
    """Write a detector into a folder, whole or not at all.

    Parameters
    ----------
    detector : Detector
        What to keep.
    folder : path
        Made when it is not there; a detector that lies in it is replaced.
    made_by : dict, optional
        How it was trained, as far as JSON can hold it; kept for the record.
    half : bool
        Keep the weights as float16: half the size, and scores that differ a little.

    Returns
    -------
    pathlib.Path
        The folder.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> detector = lk.train.build_detector("tiny", width="nano", name="first")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = lk.train.save_detector(detector, f"{folder}/first", made_by={"by": "ann"})
    ...     lk.load_detector(saved)
    <Detector 'first': gradients, 416 px, tiny, 120,486 weights>
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".weights.{os.getpid()}.part"
    tensors = {name: value.detach().cpu().contiguous() for name, value in detector.network.state_dict().items()}
    if half:
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    partial.write_bytes(save(tensors))
    digest = _sha256(partial)
    weights = folder / f"weights-{digest[:12]}.safetensors"
    partial.replace(weights)
    _write(folder / HISTORY, detector.history.to_csv(index=False))
    description = {
        "format": FORMAT,
        "settings": asdict(detector.settings),
        "weights": {"file": weights.name, "sha256": digest},
        "versions": {"labkit": labkit.__version__, "torch": torch.__version__, "safetensors": safetensors.__version__},
        "made_by": made_by or {},
    }
    _write(folder / DESCRIPTION, json.dumps(description, indent=2) + "\n")
    for old in folder.glob("weights-*.safetensors"):
        if old != weights:
            old.unlink()
    return folder


def load_detector(name_or_path: str | os.PathLike[str]) -> Detector:
    """Open a detector that was saved.

    Parameters
    ----------
    name_or_path : str or path
        A folder written by :func:`save_detector` (or its ``detector.json``), the name of one in ``results/``, or of one
        that ships: "gradients-small", "rates-small" (docs/weights.md says what they can do).

    Returns
    -------
    Detector
        On the CPU, with its training history.

    Raises
    ------
    LabkitError
        There is no such detector; the message says which there are.
    FileError
        A file is missing, cut, changed since it was saved, or of another network than the settings say.

    Examples
    --------
    >>> load_detector("no-such-detector")
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: detector must be a folder with detector.json ... got detector='no-such-detector'...
    """
    folder = detector_folder(name_or_path)
    description = _read_description(folder / DESCRIPTION)
    try:
        fields = dict(description["settings"])
        fields["anchors"] = _anchors(fields["anchors"])
        settings = DetectorSettings(**fields)
        weights, digest = folder / str(description["weights"]["file"]), str(description["weights"]["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{folder / DESCRIPTION} must describe a detector, instead {_words(error)}") from error
    if weights.parent != folder or not weights.is_file():
        raise FileError(f"{weights} must be there, as {folder / DESCRIPTION} says. Copy the whole folder again")
    if _sha256(weights) != digest:
        raise FileError(
            f"{weights} must have the SHA-256 {digest[:12]}… that {DESCRIPTION} gives, instead it has another: the "
            "file was cut or changed. Copy the folder again, or train anew"
        )
    try:
        network = build(settings)
    except LabkitError as error:
        raise FileError(f"{folder / DESCRIPTION} must describe a network that there is, instead {error}") from error
    try:
        network.load_state_dict(load_file(weights))
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise FileError(f"{weights} must fit the network of {folder / DESCRIPTION}, instead {_words(error)}") from error
    history = folder / HISTORY
    return Detector(network, settings, _read_history(history) if history.is_file() else None)


def detector_folder(name_or_path: str | os.PathLike[str]) -> Path:
    """Give the folder of a detector, which holds its ``detector.json``; as :func:`load_detector` looks for it.

    Raises
    ------
    LabkitError
        There is no such detector; the message says which there are.
    """
    path = Path(name_or_path)
    if path.name == DESCRIPTION:
        path = path.parent
    candidates = [path] if path.is_absolute() else [path, RESULTS / path, SHIPPED / path]
    for candidate in candidates:
        if (candidate / DESCRIPTION).is_file():
            return candidate
    places = dict.fromkeys([path.parent, RESULTS])
    known = sorted(str(found.parent) for place in places for found in place.glob(f"*/{DESCRIPTION}"))
    known += sorted(found.parent.name for found in SHIPPED.glob(f"*/{DESCRIPTION}"))
    raise LabkitError(
        f"detector must be a folder with {DESCRIPTION} or the name of one in {RESULTS}/, instead got "
        f"detector={str(name_or_path)!r}. There are: {', '.join(known) or 'none yet'}. Train one with lk.train.fit"
    )


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path} must be whole JSON, instead {_words(error)}. Copy the folder again") from error
    written = description.get("format") if isinstance(description, dict) else None
    if written != FORMAT:
        raise FileError(f"{path} must be of format {FORMAT}, instead got format={written!r}. Update labkit")
    return dict(description)


def _read_history(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def _anchors(value: list[list[list[float]]]) -> Anchors:
    return tuple(tuple((float(w), float(h)) for w, h in stride) for stride in value)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _words(error: Exception) -> str:
    return f"got {type(error).__name__}: {' '.join(str(error).split())[:300]}"
