"""Perpendicular baselines of an ISCE2 stack, which are kept against one reference date."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

from labkit.errors import FileError
from labkit.read.pairs import pair_name

_LINE = re.compile(r"^\s*(Bperp \(average\)\s*:|PERP_BASELINE_(?:TOP|BOTTOM))\s*(\S+)", re.MULTILINE)
_MAX_BYTES = 1_000_000


def perpendicular_baselines(roots: list[Path]) -> dict[str, float]:
    """Give the perpendicular baseline (m) of each pair of dates that the stack's ``baselines/`` folder knows.

    Parameters
    ----------
    roots : list of Path
        Folders in which ``baselines/`` may stand: ``REF_SEC/REF_SEC.txt`` (topsStack, one value for each swath) or
        ``REF_SEC.txt`` (stripmapStack).

    Returns
    -------
    dict
        "YYYYMMDD_YYYYMMDD" → m: B(secondary) − B(reference), both against the stack's reference date.

    Raises
    ------
    FileError
        A file holds no baseline.
    """
    found: dict[str, dict[str, float]] = {}
    for root in roots:
        for path in sorted({*root.glob("baselines/*.txt"), *root.glob("baselines/*/*.txt")}):
            dates = re.fullmatch(r"(\d{8})_(\d{8})", path.stem)
            if dates and dates.group(1) != dates.group(2):
                earlier, later = sorted(dates.groups())
                pair_name(path.with_name(f"{earlier}_{later}"))
                found.setdefault(dates.group(1), {dates.group(1): 0.0})[dates.group(2)] = _mean(path)
    baselines: dict[str, float] = {}
    for by_date in found.values():
        for (first, one), (second, other) in itertools.combinations(sorted(by_date.items()), 2):
            baselines.setdefault(f"{first}_{second}", other - one)
    return baselines


def _mean(path: Path) -> float:
    if path.stat().st_size > _MAX_BYTES:
        raise FileError(f"{path} must be a short table of baselines, instead it holds {path.stat().st_size} bytes")
    values = []
    for line in _LINE.finditer(path.read_text("utf-8", "replace")):
        try:
            values.append(float(line.group(2)))
        except ValueError:
            values.append(math.nan)
    if not values or not all(map(math.isfinite, values)):
        raise FileError(
            f"{path} must hold numbers at 'Bperp (average):' or 'PERP_BASELINE_TOP', found {values or 'none'}. "
            "Make it again or take it away"
        )
    return sum(values) / len(values)
