"""The card of a detector: what it is, from what it was made, how good it is, and where its limits are, for people."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from labkit.errors import FileError
from labkit.files import whole
from labkit.train.checkpoint import DESCRIPTION, HISTORY

CARD = "README.md"

_LIMITS = """\
- It knows landslides that look like those it was taught, at the spacing, the number of pairs and the coherence of its
  scenes. Measure it on ground of your own before you trust it elsewhere.
- Ground that moves for another reason (subsidence, mining, rock glaciers) may look the same: its boxes are proposals
  for a person to look at.
- What lies in shadow, in layover or without coherence cannot be found, and motion along the orbit is hardly seen."""


def write_card(folder: str | os.PathLike[str], measures: Mapping[str, str] | None = None) -> Path:
    """Write the card of a detector into its folder.

    Parameters
    ----------
    folder : path
        Of a saved detector.
    measures : mapping, optional
        What was measured, in words, by the name of the ground ("validation"); only what is given is told.

    Returns
    -------
    pathlib.Path
        ``README.md`` in the folder; one that was there is replaced.

    Raises
    ------
    FileError
        There is no detector in the folder, or it cannot be written.
    """
    folder = Path(folder)
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        history = pd.read_csv(folder / HISTORY)
    except (OSError, json.JSONDecodeError, pd.errors.EmptyDataError) as error:
        raise FileError(f"{folder} must hold a trained detector, instead got {error}. Train one first") from error
    parts = [_what(described), _from_what(described), _training(described, history), _measures(measures or {})]
    text = "\n\n".join([*parts, f"## Limits\n\n{_LIMITS}"]) + "\n"
    with whole(folder / CARD) as partial:
        partial.write_text(text, encoding="utf-8")
    return folder / CARD


def _what(described: dict[str, Any]) -> str:
    what = described["settings"]
    unit = "gradients (rad at 40 m and 20 years)" if what["kind"] == "gradients" else "rates (mm/yr)"
    seen = f"{unit} and their standard errors" if what.get("standard_error") else unit
    weights, versions = described["weights"], described["versions"]
    rows = {
        "network": f"{what['network']}, width {what['width']}",
        "input": f"{seen}, chips of {what['size']} px",
        "weights": f"`{weights['file']}`, SHA-256 `{weights['sha256']}`",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return f"# {what['name']}\n\nA detector of slow-moving landslides.\n\n{_table(rows)}"


def _from_what(described: dict[str, Any]) -> str:
    made, data = described["made_by"], described["made_by"].get("identity", {}).get("data", {})
    release = made.get("release")
    changed = "" if not release or release["as_released"] else ", changed since"
    rows = {
        "scenes": ", ".join(made.get("scenes", [])),
        "chips": f"{made.get('chips', 'unknown')}, SHA-256 `{data.get('chips', 'unknown')}`",
        "labels": f"{made.get('labels', 'unknown')}, SHA-256 `{made.get('boxes_sha256', 'unknown')}`",
        "release": f"{release['name']}, `{release['hash']}`{changed}" if release else "none",
    }
    rows |= {f"values of {name}": f"SHA-256 `{digest}`" for name, digest in data.get("scenes", {}).items()}
    return f"## From what\n\n{_table(rows)}"


def _training(described: dict[str, Any], history: pd.DataFrame) -> str:
    settings = described["made_by"].get("identity", {}).get("settings", {})
    last, rows = history.iloc[-1], {"seed": described["made_by"].get("seed", "unknown")}
    if "epoch" in history:
        rows["epochs"] = len(history)
    rows["training loss at the end"] = f"{last['train_loss']:.4g}"
    if "val_loss" in history and history["val_loss"].notna().any():
        best = history.loc[history["val_loss"].idxmin()]
        rows["least validation loss"] = f"{best['val_loss']:.4g}, epoch {int(best['epoch'])}"
    return f"## Training\n\n{_table(rows | settings)}"


def _measures(measures: Mapping[str, str]) -> str:
    told = [f"**{name}**\n\n```\n{words}\n```" for name, words in measures.items()]
    return "## Measures\n\n" + ("\n\n".join(told) or "Nothing was measured.")


def _table(rows: Mapping[str, Any]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
