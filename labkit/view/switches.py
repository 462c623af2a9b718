"""The switches and strengths that people have over a simulated scene: one row for each effect."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labkit.simulate import Effects

if TYPE_CHECKING:
    import ipywidgets


#: Orbits differ whether the DEM is wrong or not.
ALWAYS = "always"


@dataclass(frozen=True)
class Row:
    """One effect: a field of :class:`labkit.simulate.Effects`, its words, and the range of its strength.

    ``unit`` "" means a switch without strength; ``of`` names the switch that a strength without one hangs on,
    or is :data:`ALWAYS`.
    """

    field: str
    words: str
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    step: float = 0.0
    of: str = ""


#: Heading → its rows.
ROWS: dict[str, tuple[Row, ...]] = {
    "Air": (
        Row("turbulence_mm", "Turbulence", "mm at 1 km", 0.2, 5.0, 0.2),
        Row("stratified_mm_per_km", "Layers", "mm per km height", 0.4, 16.0, 0.4),
    ),
    "Orbits and terrain model": (
        Row("dem_error_m", "Random error of the DEM", "m rms", 1.0, 30.0, 1.0),
        Row("dem_blur_m", "Rounded crests of the DEM", "m", 10.0, 150.0, 10.0),
        Row("baseline_m", "Spread of orbits", "m", 0.0, 300.0, 10.0, of=ALWAYS),
        Row("seam_mm", "Seams between bursts", "mm", 5.0, 100.0, 5.0),
    ),
    "Coherence": (
        Row("looks", "Speckle", "looks", 2.0, 60.0, 2.0),
        Row("shared_looks", "Neighbours share looks"),
        Row("coherence_window", "Window", "px (0: none)", 0.0, 5.0, 5.0, of="looks"),
        Row("coherence_by_intensity", "Window with intensities"),
        Row("decorrelation", "Loss with time"),
        Row("summer_decay", "Faster in summer by", "times", 0.0, 20.0, 1.0, of="decorrelation"),
        Row("season", "Loss in the growing season", "share", 0.05, 1.0, 0.05),
        Row("layover", "Layover and shadow"),
        Row("water", "River"),
    ),
    "Snow, ice, mining": (
        Row("snow_share", "Snow above a height", "share of ground", 0.01, 0.3, 0.01),
        Row("snow_winter_m", "Lower in winter by", "m", 0.0, 1500.0, 50.0, of="snow_share"),
        Row("creep_mm", "Creeping ice", "mm/yr", 20.0, 1000.0, 20.0),
        Row("subsidence_mm", "Mining bowl", "mm/yr at its centre", 10.0, 300.0, 10.0),
        Row("subsidence_radius_m", "Radius of the bowl", "m", 150.0, 500.0, 25.0, of="subsidence_mm"),
    ),
}


class Switches:
    """Widgets for every effect.

    Parameters
    ----------
    effects : Effects
        What is on to begin with. A strength that is off waits at its default; one beyond the slider stretches it.

    Attributes
    ----------
    on : dict
        Field → check box.
    strength : dict
        Field → slider.
    """

    def __init__(self, effects: Effects) -> None:
        import ipywidgets

        self.on: dict[str, ipywidgets.Checkbox] = {}
        self.strength: dict[str, ipywidgets.FloatSlider] = {}
        for row in (row for rows in ROWS.values() for row in rows):
            if not row.of:
                value = bool(getattr(effects, row.field))
                self.on[row.field] = ipywidgets.Checkbox(
                    value, description=row.words, indent=False, layout={"width": "205px"}
                )
            if row.unit:
                on = row.of == ALWAYS or bool(getattr(effects, row.of or row.field))
                self.strength[row.field] = _slider(row, getattr(effects if on else Effects(), row.field), on)

    @property
    def effects(self) -> Effects:
        """What is on now."""
        values = asdict(Effects.none())
        for row in (row for rows in ROWS.values() for row in rows):
            if self._is_on(row):
                slider = self.strength.get(row.field)
                values[row.field] = True if slider is None else round(slider.value, 6)
        return Effects(**values)

    def set(self, on: bool) -> None:
        """Switch everything on, or off."""
        for box in self.on.values():
            box.value = on

    def enable(self) -> None:
        """Let the strengths of what is on be moved, and no others."""
        for row in (row for rows in ROWS.values() for row in rows if row.unit):
            self.strength[row.field].disabled = not self._is_on(row)

    def _is_on(self, row: Row) -> bool:
        return row.of == ALWAYS or bool(self.on[row.of or row.field].value)

    def panel(self) -> ipywidgets.GridBox:
        """Lay the rows out in two columns, each group under its heading."""
        import ipywidgets

        groups = []
        for heading, rows in ROWS.items():
            parts: list[Any] = [ipywidgets.HTML(f"<b>{heading}</b>")]
            for row in rows:
                line = [w for w in (self.on.get(row.field), self.strength.get(row.field)) if w is not None]
                end = "flex-end" if row.of else "flex-start"
                parts.append(ipywidgets.HBox(line, layout={"justify_content": end, "width": "540px"}))
            groups.append(ipywidgets.VBox(parts))
        return ipywidgets.GridBox(groups, layout={"grid_template_columns": "repeat(auto-fit, minmax(545px, 1fr))"})


def _slider(row: Row, value: float, on: bool) -> ipywidgets.FloatSlider:
    import ipywidgets

    return ipywidgets.FloatSlider(
        value,
        min=min(row.low, value),
        max=max(row.high, value),
        step=row.step,
        description=f"{row.words}, {row.unit}" if row.of else row.unit,
        tooltip=f"{row.words}, {row.unit}",
        disabled=not on,
        continuous_update=False,
        readout_format=".0f" if row.step >= 1 else ".1f" if row.step >= 0.1 else ".2f",
        style={"description_width": "150px"},
        layout={"width": "330px"},
    )


def call_of(effects: Effects) -> str:
    """Write the call that makes these effects, the shorter of ``Effects(…)`` and ``Effects.only(…)``.

    Examples
    --------
    >>> call_of(Effects())
    'Effects()'
    >>> call_of(Effects.only(turbulence_mm=2.0))
    'Effects.only(turbulence_mm=2.0)'
    """
    calls = []
    for words, base in (("Effects", Effects()), ("Effects.only", Effects.none())):
        differing = [f"{k}={v!r}" for k, v in asdict(effects).items() if v != getattr(base, k)]
        calls.append((len(differing), f"{words}({', '.join(differing)})"))
    return min(calls)[1].replace("only()", "none()")
