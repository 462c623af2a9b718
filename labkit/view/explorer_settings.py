"""What an explorer shows, as a small table: checked, written as JSON, compared, and turned into code that runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from labkit import schema
from labkit.errors import LabkitError
from labkit.stack.drawn import as_area

ESTIMATORS = ("lsq", "circular", "sum", "rewrapped")
PALETTES = ("red-blue", "orange-purple")

#: What the third panel can show.
THIRDS = ("coherence", "rate", "pair", "hillshade", "optical")

#: Why ground is outlined and left out.
REASONS = ("snow", "water", "layover", "other")

#: A part of the scene begins and ends at multiples of this, px, so that a small pan asks for no other part.
_GRAIN = 64

#: Field → what people read of it.
_WORDS = {
    "max_days": "longest temporal baseline, days",
    "start": "from",
    "end": "to",
    "months": "months",
    "min_coherence": "least mean coherence",
    "estimator": "estimator",
    "window": "window, px",
    "lag": "lag, px",
    "limit": "ends of the colour bar, rad",
    "palette": "colours",
    "third": "third panel",
    "pair": "pair",
    "rows": "rows in view",
    "cols": "columns in view",
    "score": "least score",
    "line": "line",
    "place": "place",
    "masks": "masks",
}


@dataclass(frozen=True)
class Mask:
    """Ground that is left out: the reason, one of :data:`REASONS`, and the corners (x, y) of its outline, px.

    Raises
    ------
    LabkitError
        The reason is another, or the outline encloses nothing.
    """

    reason: str
    outline: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        _require(self.reason in REASONS, "reason", f"one of {REASONS}", self.reason)
        as_area(self.outline, self.reason)
        # no hand points more finely, and the code says it so
        object.__setattr__(self, "outline", tuple((round(float(x), 2), round(float(y), 2)) for x, y in self.outline))


@dataclass(frozen=True)
class Settings:
    """One picture of an explorer.

    Parameters
    ----------
    max_days, start, end, months, min_coherence
        Which pairs enter, as for :func:`labkit.select_pairs`; None: no bound. Dates as "YYYY-MM-DD".
    estimator, window, lag
        How they are stacked, as for :func:`labkit.stack_gradients`.
    limit : float
        The ends of the gradients' colour bar, rad, > 0.
    palette : str
        "red-blue", or "orange-purple" for eyes that do not tell red from blue.
    third : str
        What the third panel shows, one of :data:`THIRDS`.
    pair : str
        Which pair, where the third panel shows one; "" otherwise.
    rows, cols : (float, float), optional
        What is in view, pixel edges; None: the whole scene.
    score : float
        Detections below this score are not drawn, 0..1.
    line : (float, float, float, float), optional
        Ends of a line, x0, y0, x1, y1, px: the profile along it is shown.
    place : (float, float, float, float), optional
        A box, xmin, ymin, xmax, ymax, px: its history is shown.
    masks : tuple of Mask
        Ground that is left out of the stack.

    Raises
    ------
    LabkitError
        A field breaks its rule.
    """

    max_days: float | None = None
    start: str | None = None
    end: str | None = None
    months: tuple[int, ...] | None = None
    min_coherence: float | None = None
    estimator: str = "lsq"
    window: int = 5
    lag: int = 1
    limit: float = schema.DISPLAY_LIMIT_RAD
    palette: str = PALETTES[0]
    third: str = THIRDS[0]
    pair: str = ""
    rows: tuple[float, float] | None = None
    cols: tuple[float, float] | None = None
    score: float = 0.0
    line: tuple[float, float, float, float] | None = None
    place: tuple[float, float, float, float] | None = None
    masks: tuple[Mask, ...] = ()

    def __post_init__(self) -> None:
        for name, known in (("estimator", ESTIMATORS), ("palette", PALETTES), ("third", THIRDS)):
            _require(getattr(self, name) in known, name, f"one of {known}", getattr(self, name))
        _require(_is_number(self.limit) and self.limit > 0, "limit", "a number > 0", self.limit)
        _require(_is_whole(self.window) and self.window >= 1 and self.window % 2 == 1, "window", "odd", self.window)
        _require(_is_whole(self.lag) and self.lag >= 1, "lag", "a whole number of at least 1", self.lag)
        _require(isinstance(self.pair, str), "pair", "a name", self.pair)
        days, least = self.max_days, self.min_coherence
        _require(days is None or (_is_number(days) and days > 0), "max_days", "a number > 0", days)
        _require(least is None or (_is_number(least) and 0 <= least <= 1), "min_coherence", "in 0..1", least)
        for name in ("start", "end"):
            date = getattr(self, name)
            _require(date is None or _is_date(date), name, 'a date "YYYY-MM-DD"', date)
        if self.months is not None:
            known_months = all(_is_whole(m) and 1 <= m <= 12 for m in self.months)
            _require(bool(self.months) and known_months, "months", "one or more of 1..12", self.months)
            object.__setattr__(self, "months", tuple(sorted({int(m) for m in self.months})))
        for name in ("rows", "cols"):
            span = getattr(self, name)
            rising = span is None or (len(span) == 2 and all(map(_is_number, span)) and span[0] < span[1])
            _require(rising, name, "two rising numbers", span)
        _require(_is_number(self.score) and 0 <= self.score <= 1, "score", "in 0..1", self.score)
        line, place = self.line, self.place
        longer = line is None or (_are_four(line) and line[:2] != line[2:])
        _require(longer, "line", "x0, y0, x1, y1 of two different points", line)
        rising = place is None or (_are_four(place) and place[0] < place[2] and place[1] < place[3])
        _require(rising, "place", "xmin, ymin, xmax, ymax with xmin < xmax and ymin < ymax", place)
        _require(all(isinstance(mask, Mask) for mask in self.masks), "masks", "outlines with a reason", self.masks)

    @property
    def criteria(self) -> dict[str, Any]:
        """What :func:`labkit.select_pairs` is called with; a criterion that is off is left out, but ``max_days``."""
        named = {name: getattr(self, name) for name in ("start", "end", "months", "min_coherence")}
        given = {name: list(value) if name == "months" else value for name, value in named.items() if value is not None}
        return {"max_days": self.max_days} | given

    @property
    def stacking(self) -> tuple[Any, ...]:
        """What the stack depends on, apart from the part in view."""
        return self.criteria, self.estimator, self.window, self.lag, self.masks

    def outlines(
        self, corner: tuple[float, float] = (0, 0), step: int = 1
    ) -> dict[str, list[list[tuple[float, float]]]]:
        """Give the masks by reason, as :func:`labkit.stack.mask_outlines` takes them.

        ``corner`` (x, y) and ``step``: where an image begins in the scene, and how many pixels one of its own is wide.
        """
        found: dict[str, list[list[tuple[float, float]]]] = {}
        for mask in self.masks:
            moved = [((x - corner[0]) / step, (y - corner[1]) / step) for x, y in mask.outline]
            found.setdefault(mask.reason, []).append(moved)
        return found

    def part(self, shape: tuple[int, int]) -> tuple[slice, slice] | None:
        """Give the rows and columns of the scene that hold what is in view; None where that is all of it.

        Examples
        --------
        >>> Settings(rows=(100, 300), cols=(-20, 200)).part((1000, 1000))
        (slice(64, 320, None), slice(0, 256, None))
        """
        if self.rows is None or self.cols is None:
            return None
        spans = []
        for (low, high), length in zip((self.rows, self.cols), shape, strict=True):
            first = min(max(math.floor(low / _GRAIN) * _GRAIN, 0), max(length - _GRAIN, 0))
            last = min(math.ceil(high / _GRAIN) * _GRAIN, length)
            spans.append(slice(first, max(last, min(first + _GRAIN, length))))
        rows, cols = spans
        whole = all(s.start == 0 and s.stop == n for s, n in zip(spans, shape, strict=True))
        return None if whole else (rows, cols)


def from_table(table: Mapping[str, Any]) -> Settings:
    """Read settings from what JSON holds.

    Raises
    ------
    LabkitError
        A field is unknown or breaks its rule.
    """
    unknown = sorted(set(table) - {field.name for field in fields(Settings)})
    if unknown:
        raise LabkitError(f"settings must have known fields, instead got {unknown}. Is the file of a newer labkit?")
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in table.items()}
    given["masks"] = tuple(map(_as_mask, given.get("masks", ())))
    return Settings(**given)


def _as_mask(table: Any) -> Mask:
    if isinstance(table, Mask):
        return table
    known = isinstance(table, Mapping) and set(table) == {"reason", "outline"}
    _require(known, "masks", "tables of reason and outline", table)
    return Mask(table["reason"], table["outline"])


def to_table(settings: Settings) -> dict[str, Any]:
    """Give settings as JSON holds them.

    Examples
    --------
    >>> from_table(json.loads(json.dumps(to_table(Settings(months=(6, 7)))))) == Settings(months=(6, 7))
    True
    """
    table = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(settings).items()}
    masks = [{"reason": mask.reason, "outline": [list(at) for at in mask.outline]} for mask in settings.masks]
    return table | {"masks": masks}


def differences(before: Settings, after: Settings) -> list[str]:
    """Say what changed, one line for each field.

    Examples
    --------
    >>> differences(Settings(), Settings(window=9, max_days=24.0))
    ['longest temporal baseline, days: any → 24', 'window, px: 5 → 9']
    """
    return [
        f"{words}: {_said(getattr(before, name))} → {_said(getattr(after, name))}"
        for name, words in _WORDS.items()
        if getattr(before, name) != getattr(after, name)
    ]


def code_of(settings: Settings, part: tuple[slice, slice] | None, name: str = "ifgs") -> str:
    """Write the cell that makes the picture again, from interferograms of this name.

    Parameters
    ----------
    settings : Settings
        The picture.
    part : (slice, slice), optional
        Rows and columns of the scene that are stacked; None: all.
    name : str
        Of the interferograms in the notebook.

    Examples
    --------
    >>> print(code_of(Settings(max_days=24.0, window=7), None))
    import labkit as lk
    <BLANKLINE>
    pairs = lk.select_pairs(ifgs, max_days=24.0)
    gradients = lk.stack_gradients(pairs, estimator="lsq", window=7, lag=1)
    lk.view.gradients(gradients, limit=4.0)
    """
    criteria = "".join(f", {key}={_literal(value)}" for key, value in settings.criteria.items())
    lines = ["import labkit as lk", "", f"pairs = lk.select_pairs({name}{criteria})"]
    shown = []
    if settings.place is not None:
        lines.append(f"moved = lk.displacement_series(pairs, {settings.place})")
        shown.append("lk.view.series(moved)")
    if part is not None:
        rows, cols = part
        lines.append(f"pairs = pairs.isel(y=slice({rows.start}, {rows.stop}), x=slice({cols.start}, {cols.stop}))")
    how = f'estimator="{settings.estimator}", window={settings.window}, lag={settings.lag}'
    lines.append(f"gradients = lk.stack_gradients(pairs, {how})")
    first = (0, 0) if part is None else (part[1].start, part[0].start)
    rates = "lk.integrate_rate(gradients)"
    if settings.masks:
        lines[1:1] = [*_masks_said(settings.outlines(first))]
        lines.append("gradients = lk.stack.mask_outlines(gradients, masks)")
        rates = f"lk.stack.mask_outlines({rates}, masks)"
    if settings.line is not None:
        line = tuple(at - first[k % 2] for k, at in enumerate(settings.line))
        shown.append(f"lk.view.profile(gradients, {line})")
    third = {
        "rate": f"lk.view.rates({rates})",
        "pair": f'lk.view.pair({name}, "{settings.pair}")',
    }
    shown += [third[settings.third]] if settings.third in third else []
    if shown:
        lines[1:1] = ["from IPython.display import display"]
        lines += [f"display({one})" for one in shown]
    lines.append(f"lk.view.gradients(gradients, limit={settings.limit!r})")
    return "\n".join(lines)


def _masks_said(outlines: Mapping[str, Sequence[Sequence[tuple[float, float]]]]) -> list[str]:
    """One line for each outline."""
    lines = ["", "masks = {"]
    for reason, drawn in outlines.items():
        lines += [
            f'    "{reason}": [',
            *(f"        {[(round(x, 2), round(y, 2)) for x, y in outline]}," for outline in drawn),
            "    ],",
        ]
    return [*lines, "}"]


def _literal(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _said(value: Any) -> str:
    if value is None:
        return "any"
    if value == ():
        return "none"
    if isinstance(value, tuple):
        if value and isinstance(value[0], Mask):
            return ", ".join(f"{mask.reason} with {len(mask.outline)} corners" for mask in value)
        if len(value) == 2 and isinstance(value[0], float):
            return "–".join(f"{v:.0f}" for v in value)
        return ", ".join(f"{v:.0f}" if isinstance(v, float) else str(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _are_four(values: Any) -> bool:
    return len(values) == 4 and all(map(_is_number, values))


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value == math.floor(value)


def _is_date(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return f"{pd.Timestamp(value):%Y-%m-%d}" == value
    except ValueError:
        return False


def _require(holds: bool, name: str, rule: str, value: Any) -> None:
    if not holds:
        raise LabkitError(f"{name} must be {rule}, instead got {name}={value!r}")
