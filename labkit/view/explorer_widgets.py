"""The widgets of an explorer: every setting has one, and each is moved by the mouse or by the keys alone."""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from labkit.errors import LabkitError
from labkit.view.explorer_settings import ESTIMATORS, PALETTES, THIRDS, Settings

if TYPE_CHECKING:
    import panel as pn

#: Whoever goes from widget to widget by the Tab key sees where he is.
FOCUS = ":focus-visible { outline: 3px solid #1a4f8b !important; outline-offset: 1px; }"

_WINDOWS = (1, 3, 5, 7, 9, 11, 15, 21)
_MONTHS = {calendar.month_abbr[m]: m for m in range(1, 13)}
_HANDS = {"zooms": "zoom", "draws a line": "line", "draws boxes": "boxes", "outlines a mask": "mask"}
_BUTTONS = ("Undo", "Show code", "Save state", "Restore state", "Save picture")


class ExplorerWidgets:
    """The widgets.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The scene, for its dates and temporal baselines.
    changed : callable
        Called when somebody has moved a widget; True when the hand has let go of it.
    typed : callable
        Called with "line" or "place" and the words when somebody has typed one.
    """

    def __init__(self, ifgs: xr.Dataset, changed: Callable[[bool], None], typed: Callable[[str, str], None]) -> None:
        import panel as pn

        look: dict[str, Any] = {"stylesheets": [FOCUS]}
        self._changed, self._filling = changed, False
        self._first = pd.Timestamp(ifgs["reference"].values.min())
        self._last = pd.Timestamp(ifgs["secondary"].values.max())
        days = {f"{day:g}": float(day) for day in np.unique(ifgs["temporal_baseline"].values)}
        slider = {"width": 250, **look}
        self.max_days: Any = pn.widgets.DiscreteSlider(
            label="Longest baseline, days", options=days | {"any": math.inf}, value=math.inf, **slider
        )
        self.dates: Any = pn.widgets.DateRangeSlider(
            label="Dates", start=self._first, end=self._last, value=(self._first, self._last), width=520, **look
        )
        self.months = pn.widgets.CheckButtonGroup(label="Months", options=_MONTHS, value=list(_MONTHS.values()), **look)
        self.min_coherence: Any = pn.widgets.FloatSlider(
            label="Least mean coherence (0: any)", start=0.0, end=0.95, step=0.05, value=0.0, **slider
        )
        self.window: Any = pn.widgets.DiscreteSlider(label="Window, px", options=list(_WINDOWS), value=5, **slider)
        self.lag: Any = pn.widgets.IntSlider(label="Lag, px", start=1, end=8, value=1, **slider)
        self.limit: Any = pn.widgets.FloatSlider(
            label="Ends of the colours, ± rad", start=0.1, end=12.0, step=0.1, value=4.0, **slider
        )
        self.estimator = pn.widgets.Select(label="Estimator", options=list(ESTIMATORS), width=120, **look)
        self.palette = pn.widgets.Select(label="Colours", options=list(PALETTES), width=140, **look)
        self.third = pn.widgets.Select(label="Third panel", options=list(THIRDS), width=120, **look)
        names = [str(name) for name in ifgs["pair"].values]
        self.pair = pn.widgets.Select(label="Pair", options=names, value=names[len(names) // 2], width=190, **look)
        self.score: Any = pn.widgets.FloatSlider(
            label="Least score of detections", start=0.0, end=1.0, step=0.01, value=0.0, **slider
        )
        self.buttons = {word: pn.widgets.Button(label=word, align="end", **look) for word in _BUTTONS}
        self.state_file: Any = pn.widgets.TextInput(label="File of the state", value="explorer.json", width=190, **look)
        self.picture_file: Any = pn.widgets.TextInput(
            label="File of the picture", value="explorer.png", width=190, **look
        )
        self.hand = pn.widgets.RadioButtonGroup(label="The hand on the panels", options=_HANDS, value="zoom", **look)
        self.line: Any = pn.widgets.TextInput(label="Line: x0, y0, x1, y1, px", width=190, **look)
        self.place: Any = pn.widgets.TextInput(label="Place: x, y, or a box, px", width=190, **look)
        self.edge: Any = pn.widgets.IntInput(label="Edge of a place, px", value=20, start=4, end=400, width=110, **look)
        # a pane of HTML would fetch its style sheets from the network at every change
        self.said = pn.widgets.StaticText(sizing_mode="stretch_width")
        self.code = pn.widgets.StaticText(sizing_mode="stretch_width")
        self._sliders = (self.max_days, self.dates, self.min_coherence, self.window, self.lag, self.limit, self.score)
        for widget in (*self._sliders, self.months, self.estimator, self.palette, self.third, self.pair):
            widget.param.watch(self._moved, "value")
        for name, text in (("line", self.line), ("place", self.place)):
            text.param.watch(partial(self._typed, typed, name), "value")
        for widget in self._sliders:
            widget.param.watch(self._let_go, "value_throttled")

    def above(self) -> list[pn.FlexBox]:
        """Give the rows above the panels; where a page is narrow, they break into more."""
        import panel as pn

        return [
            pn.FlexBox(
                self.max_days,
                self.dates,
                self.min_coherence,
                self.window,
                self.lag,
                self.limit,
                self.estimator,
                self.buttons["Undo"],
                self.months,
                self.third,
                self.pair,
                self.palette,
            ),
            pn.FlexBox(
                pn.widgets.StaticText(value="The hand", align="center"),
                self.hand,
                self.line,
                self.place,
                self.edge,
            ),
        ]

    def below(self) -> list[Any]:
        """Give the rows below the panels."""
        import panel as pn

        first, second, third, fourth = (self.buttons[word] for word in _BUTTONS[1:])
        return [self.said, pn.FlexBox(first, self.state_file, second, third, self.picture_file, fourth), self.code]

    def fields(self) -> dict[str, Any]:
        """Give the settings as the widgets stand, but for what is in view."""
        start, end = (pd.Timestamp(date).normalize() for date in self.dates.value)
        months = tuple(sorted(self.months.value))
        return {
            "max_days": None if math.isinf(self.max_days.value) else float(self.max_days.value),
            "start": None if start <= self._first else f"{start:%Y-%m-%d}",
            "end": None if end >= self._last else f"{end:%Y-%m-%d}",
            "months": None if len(months) == len(_MONTHS) else months,
            "min_coherence": round(float(self.min_coherence.value), 4) or None,
            "estimator": self.estimator.value,
            "window": int(self.window.value),
            "lag": int(self.lag.value),
            "score": round(float(self.score.value), 4),
            "limit": round(float(self.limit.value), 4),
            "palette": self.palette.value,
            "third": self.third.value,
            "pair": self.pair.value if self.third.value == "pair" else "",
        }

    def fill(self, settings: Settings) -> None:
        """Let the widgets stand at these settings; a value beyond a slider stretches it."""
        self._filling = True
        start = self._first if settings.start is None else pd.Timestamp(settings.start)
        end = self._last if settings.end is None else pd.Timestamp(settings.end)
        days = math.inf if settings.max_days is None else settings.max_days
        _offer(self.max_days, days, f"{days:g}")
        _offer(self.window, settings.window, str(settings.window))
        self.dates.param.update(start=min(start, self._first), end=max(end, self._last), value=(start, end))
        self.months.value = list(settings.months or _MONTHS.values())
        self.min_coherence.value = settings.min_coherence or 0.0
        self.lag.param.update(end=max(self.lag.end, settings.lag), value=settings.lag)
        low, high = min(self.limit.start, settings.limit), max(self.limit.end, settings.limit)
        self.limit.param.update(start=low, end=high, value=settings.limit)
        self.score.value = settings.score
        self.estimator.value = settings.estimator
        self.palette.value = settings.palette
        self.third.value = settings.third
        if settings.pair:
            self.pair.value = settings.pair
        self.line.value, self.place.value = _numbers_said(settings.line), _numbers_said(settings.place)
        self._filling = False

    def _moved(self, event: Any) -> None:
        if not self._filling:
            self._changed(event.obj not in self._sliders)

    def _typed(self, typed: Callable[[str, str], None], name: str, event: Any) -> None:
        if not self._filling:
            typed(name, event.new)

    def _let_go(self, _: Any) -> None:
        if not self._filling:
            self._changed(True)


def numbers_typed(words: str, counts: tuple[int, ...], name: str) -> tuple[float, ...] | None:
    """Read the numbers that somebody has typed, parted by commas or blanks; None of nothing.

    Raises
    ------
    LabkitError
        These are no numbers, or too few or too many.

    Examples
    --------
    >>> numbers_typed("10, 20.5 30,40", (4,), "line")
    (10.0, 20.5, 30.0, 40.0)
    """
    parts = words.replace(",", " ").split()
    if not parts:
        return None
    try:
        numbers = tuple(map(float, parts))
    except ValueError:
        numbers = ()
    if len(numbers) not in counts:
        raise LabkitError(f"{name} must be {' or '.join(map(str, counts))} numbers, instead got {name}={words!r}")
    return numbers


def _numbers_said(numbers: tuple[float, ...] | None) -> str:
    return ", ".join(f"{number:.1f}".removesuffix(".0") for number in numbers or ())


def _offer(widget: Any, value: float, words: str) -> None:
    """Choose a value of a slider of a few, among which it is put where it is not there."""
    known = dict(widget.options) if isinstance(widget.options, dict) else {str(v): v for v in widget.options}
    if value not in known.values():
        known = dict(sorted((known | {words: value}).items(), key=lambda item: item[1]))
    widget.param.update(options=known, value=value)
