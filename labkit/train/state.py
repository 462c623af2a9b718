"""The state of a running training as two files, so that it can go on after an interruption to the same weights.

``state.json`` names a safetensors file and its SHA-256; it is renamed into place last, so that the pair is whole or the
state before it stands. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from labkit.errors import FileError, LabkitError

DESCRIPTION = "state.json"
FORMAT = 1


def save_state(folder: Path, state: dict[str, Any], identity: Mapping[str, Any]) -> None:
    """Write a state, whole or not at all.

    Parameters
    ----------
    folder : Path
        Made when it is not there; a state that lies in it is replaced.
    state : dict
        Tensors, numbers, words, None, and dicts, lists and tuples of them.
    identity : mapping
        What the training is: settings and hashes of the data, as JSON can hold them.
    """
    tensors: dict[str, Tensor] = {}
    described = {"format": FORMAT, "identity": identity, "state": _take_apart(state, tensors)}
    folder.mkdir(parents=True, exist_ok=True)
    data = save(tensors)
    digest = hashlib.sha256(data).hexdigest()
    target = folder / f"state-{digest[:12]}.safetensors"
    _write(target, data)
    described |= {"tensors": {"file": target.name, "sha256": digest}}
    _write(folder / DESCRIPTION, json.dumps(described).encode())
    for old in folder.glob("state-*.safetensors"):
        if old != target:
            old.unlink()


def has_state(folder: Path) -> bool:
    """Whether a state lies in a folder."""
    return (folder / DESCRIPTION).is_file()


def load_state(folder: Path, identity: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read a state.

    Parameters
    ----------
    folder : Path
        Where :func:`save_state` has written it.
    identity : mapping, optional
        What the training is now, to be compared with what it was.

    Raises
    ------
    FileError
        A file is missing, cut or changed.
    LabkitError
        The training was another one: the message names what has changed.
    """
    path = folder / DESCRIPTION
    try:
        described = json.loads(path.read_bytes())
        if described["format"] != FORMAT:
            raise FileError(f"{path} must be of format {FORMAT}, instead got format={described['format']!r}")
        name, digest = Path(described["tensors"]["file"]).name, described["tensors"]["sha256"]
        data = (folder / name).read_bytes()
    except (OSError, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(
            f"{path} must describe a running training, instead got {type(error).__name__}: {error}. Train anew "
            "without resume=True"
        ) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise FileError(
            f"{folder / name} must have the SHA-256 {digest[:12]}… that {DESCRIPTION} gives, instead it has another: "
            "the file was cut or changed. Train anew without resume=True"
        )
    if identity is not None:
        check_identity(described["identity"], identity, folder)
    try:
        return dict(_put_together(described["state"], load_file(folder / name)))
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise FileError(f"{path} must fit {name}, instead got {type(error).__name__}: {error}. Train anew") from error


def check_identity(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raise where a training that is to be resumed is another one than it was."""
    then, here = _flat(before), _flat(json.loads(json.dumps(now)))
    changed = [key for key in {**then, **here} if then.get(key, "nothing") != here.get(key, "nothing")]
    if changed:
        words = ", ".join(f"{k}={here.get(k)!r} (was {then.get(k)!r})" for k in sorted(changed)[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise LabkitError(
            f"resume must go on with the data and settings of the training in {folder}, instead got {words}{more}. "
            "Take them back, train into another folder, or train anew without resume=True"
        )


def random_state() -> dict[str, Any]:
    """Give the state of every generator that is drawn from: torch's (on each GPU too), NumPy's and Python's."""
    # the old generator (NPY002) is what Lightning seeds, and what a network of one's own may draw from
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": list(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": random.getstate(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Set what :func:`random_state` gave. A machine without the GPUs of before leaves out what was theirs."""
    torch.set_rng_state(state["torch"])
    for device, of_device in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(of_device, device)
    name, keys, *rest = state["numpy"]
    # the old generator (NPY002), as above
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["python"])


def _take_apart(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Give a tree that JSON can hold; its tensors go into the table."""
    if isinstance(value, Tensor):
        key = str(len(tensors))
        tensors[key] = value.detach().cpu().clone().contiguous()
        return {"tensor": key}
    if isinstance(value, Mapping):
        return {"dict": [[key, _take_apart(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_take_apart(inner, tensors) for inner in value]}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"a state cannot hold {type(value).__name__}")


def _put_together(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, inner)] = value.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "dict":
        return {key: _put_together(part, tensors) for key, part in inner}
    parts = [_put_together(part, tensors) for part in inner]
    return parts if kind == "list" else tuple(parts)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _write(target: Path, data: bytes) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    partial.write_bytes(data)
    partial.replace(target)
