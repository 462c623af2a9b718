"""Gradients and rates as linked panels in the notebook, with boxes, hover and explained colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.view import colours, marks, notebook, pixels
from labkit.view.marks import Marks
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv

#: Width of one of two panels, px of the screen: both fit beside the file browser where it has 1440 px. Wider ones lose
#: the axis on their left, which no scroll bar brings back. Then the least and greatest height.
PANEL_WIDTH = 390
_HEIGHTS = (180, 640)


def gradients(
    gradients: xr.Dataset,
    *,
    limit: float = schema.DISPLAY_LIMIT_RAD,
    labels: gpd.GeoDataFrame | None = None,
    detections: gpd.GeoDataFrame | None = None,
    truth: gpd.GeoDataFrame | None = None,
    unseen: gpd.GeoDataFrame | None = None,
    outlines: gpd.GeoDataFrame | None = None,
    max_pixels: int = pixels.MAX_PIXELS,
) -> hv.Layout:
    """Show the stacked gradients along azimuth and range side by side; zoom and pan are linked.

    Parameters
    ----------
    gradients : xarray.Dataset
        A gradients object (:mod:`labkit.schema`), as stacked. NaN is drawn grey.
    limit : float
        The ends of the colour bar, rad, > 0: ± 4 rad as in the first paper.
    labels, detections : geopandas.GeoDataFrame, optional
        Boxes of people (red) and of a model (blue, with scores). Each is drawn on the panel of its ``direction``;
        merged landslides on the panels of the directions that support them. Boxes of other scenes are left out, and the
        figure says how many are shown.
    truth, unseen : geopandas.GeoDataFrame, optional
        Boxes of what is known to move (``truth`` and ``unseen`` of a :class:`labkit.simulate.Scene`): black lines where
        it can be seen, dashed ones where the pairs are too few or too noisy to show it. The pointer reads landslide,
        rate and pixels.
    outlines : geopandas.GeoDataFrame, optional
        Polygons with a CRS, such as ``landslides`` of a simulated scene: yellow lines on both panels. They are placed
        through lon/lat, in radar geometry and on a map grid alike.
    max_pixels : int
        A panel of more pixels shows averages; zooming in brings back the full resolution as long as the kernel runs.

    Returns
    -------
    holoviews.Layout
        One panel for each direction; the pointer reads value, standard error and lon/lat. A click on a line of the
        legend hides what it stands for.

    Raises
    ------
    LabkitError
        An argument breaks its rule.

    Notes
    -----
    The gradient is the phase of the next pixel minus that of this one, summed over the pairs: red where the phase grows
    with the row (azimuth) or the column (range). A landslide shows as a couplet: red before its peak, blue behind it,
    or the other way round where it moves away.

    References
    ----------
    Fu et al. (2022), Figures 4 and 6.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> stack = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> shown = lk.view.gradients(stack, labels=scene.truth)
    >>> len(shown)  # azimuth and range
    2
    """
    schema.check_gradients(gradients)
    check_limit(limit)
    over = Marks(labels, detections, truth, unseen, outlines)
    panels = []
    for direction in map(str, gradients["direction"].values):
        shown = layers_shown(gradients, direction)
        style = gradient_style(direction, limit, "error" in shown)
        panels.append(draw_panel(gradients, shown, style, max_pixels, over))
    return lay_out(panels, headline(gradients))


def rates(
    rates: xr.Dataset,
    *,
    limit: float | None = None,
    labels: gpd.GeoDataFrame | None = None,
    detections: gpd.GeoDataFrame | None = None,
    max_pixels: int = pixels.MAX_PIXELS,
) -> hv.Layout:
    """Show line-of-sight rates: blue toward the radar, red away from it.

    Parameters
    ----------
    rates : xarray.Dataset
        A rates object (:mod:`labkit.schema`), mm/yr, positive toward the satellite. NaN is drawn grey.
    limit : float, optional
        The ends of the colour bar, mm/yr, > 0; without it the 99th percentile of the absolute rate, rounded up to
        two digits.
    labels, detections, max_pixels
        As for :func:`gradients`; boxes of direction "rate".

    Returns
    -------
    holoviews.Layout
        One panel; the pointer reads rate, standard error and lon/lat.

    References
    ----------
    Zhang et al. (2025), Figure 2.

    Examples
    --------
    >>> import labkit as lk
    >>> shown = lk.view.rates(lk.simulate.scene("tiny").rates["ascending"], limit=20)
    >>> len(shown)
    1
    """
    schema.check_rates(rates)
    limit = rate_limit(rates["rate"].values) if limit is None else limit
    check_limit(limit)
    shown = layers_shown(rates, "rate")
    style = rate_style(limit, "error" in shown, width=round(1.5 * PANEL_WIDTH))
    panel = draw_panel(rates, shown, style, max_pixels, Marks(labels, detections))
    return lay_out([panel], headline(rates))


def rate_limit(values: np.ndarray) -> float:
    """Give the end of a rate's colour bar: the 99th percentile of |rate| (mm/yr), rounded up to two digits.

    Examples
    --------
    >>> rate_limit(np.array([-31.4, 2.0, np.nan]))
    32.0
    """
    known = np.abs(values[np.isfinite(values)])
    top = float(np.percentile(known, 99)) if known.size else 0.0
    if top == 0:
        return 1.0
    digit = 10.0 ** (np.floor(np.log10(top)) - 1)
    return float(np.ceil(top / digit) * digit)


def frame_height(data: xr.Dataset, shape: tuple[int, ...], width: int) -> int:
    """Height of a panel (px of the screen) that makes the scene's pixels square on the ground, within bounds."""
    along, across = (float(data.attrs.get(f"{axis}_spacing", np.nan)) for axis in "yx")
    incidence = float(data.attrs.get("incidence_angle", np.nan))
    if data.attrs.get("geometry") == "radar" and np.isfinite(incidence):
        across = across / np.sin(np.radians(incidence))
    stretch = abs(along / across) if np.isfinite(along) and np.isfinite(across) and across and along else 1.0
    return round(float(np.clip(width * stretch * shape[0] / shape[1], *_HEIGHTS)))


@dataclass(frozen=True)
class Style:
    """How one panel looks, what its words are, and the boxes of which direction belong on it."""

    title: str
    direction: str
    quantity: str
    unit: str
    limit: float
    colours: str
    ends: str
    has_error: bool
    width: int = PANEL_WIDTH


def gradient_style(direction: str, limit: float, has_error: bool) -> Style:
    """Give the looks of the gradient along one direction."""
    return Style(
        title=f"Phase gradient along {direction}",
        direction=direction,
        quantity=f"gradient along {direction}",
        unit="rad",
        limit=limit,
        colours=colours.GRADIENT_COLOURS,
        ends=colours.gradient_ends(direction),
        has_error=has_error,
    )


def rate_style(limit: float, has_error: bool, *, width: int = PANEL_WIDTH) -> Style:
    """Give the looks of a LOS rate."""
    return Style(
        title="Line-of-sight rate",
        direction="rate",
        quantity="LOS rate",
        unit="mm/yr",
        limit=limit,
        colours=colours.RATE_COLOURS,
        ends=colours.RATE_ENDS,
        has_error=has_error,
        width=width,
    )


def layers_shown(data: xr.Dataset, direction: str) -> dict[str, xr.DataArray]:
    """Give what one panel shows: the value along a direction (or the rate), and its error where any is known."""
    name = "rate" if direction == "rate" else "gradient"
    shown = {"value": data[name]}
    # A stack of one pair has no spread and so no error anywhere.
    if "standard_error" in data and bool(data["standard_error"].notnull().any()):
        shown["error"] = data["standard_error"]
    if direction == "rate":
        return shown
    return {layer: image.sel(direction=direction, drop=True) for layer, image in shown.items()}


def check_limit(limit: float) -> None:
    """Refuse the end of a colour bar that is no number above 0."""
    if not np.isfinite(limit) or limit <= 0:
        raise LabkitError(f"limit must be a number > 0, instead got limit={limit}")


def headline(data: xr.Dataset) -> str:
    """Say in one line which scene this is and how it was stacked."""
    attributes = data.attrs
    words = [str(attributes.get("scene", ""))]
    pairs = int(attributes.get("n_pairs", 0))
    if pairs:
        words.append(counted(pairs, "pair"))
    years = float(attributes.get("sum_temporal_baseline", np.nan))
    if np.isfinite(years):
        words.append(f"{years:.1f} yr in sum" if years >= 1 else f"{years * schema.DAYS_PER_YEAR:.0f} days in sum")
    if attributes.get("estimator"):
        words.append(f"estimator {attributes['estimator']}")
    return " · ".join(w for w in words if w)


def draw_panel(
    data: xr.Dataset, layers: dict[str, xr.DataArray], style: Style, max_pixels: int, over: Marks
) -> hv.Overlay:
    """Draw one panel: the image, what lies over it in its direction, a legend, and the words under its title."""
    notebook.ready()
    import holoviews as hv

    shape = layers["value"].shape

    def image(x_range: Any = None, y_range: Any = None) -> hv.Image:
        return draw_image(
            pixels.shown(data, layers, rows=y_range, cols=x_range, max_pixels=max_pixels), data, shape, style
        )

    notes = []
    if shape[0] * shape[1] > max_pixels:
        step = pixels.shown(data, layers, max_pixels=max_pixels).step
        live = notebook.in_kernel()
        notes.append((f"means of {step} × {step} px" + (": zoom in for each" if live else ""), "#555555"))
        drawn: Any = hv.DynamicMap(image, streams=[hv.streams.RangeXY()]) if live else image()
    else:
        drawn = image()
    plain = drawn
    for layer, note in marks.over_panel(over, data, shape, style.direction):
        drawn = drawn if layer is None else drawn * layer
        notes += [note] if note else []
    hooks = [_notes_hook(notes)]
    if drawn is plain:
        return drawn.opts(hv.opts.Image(hooks=hooks))
    return drawn.opts(hv.opts.Overlay(hooks=[*hooks, marks.keep_dashes], **marks.LEGEND_OPTIONS))


def draw_image(part: pixels.Shown, data: xr.Dataset, shape: tuple[int, ...], style: Style) -> hv.Image:
    """Draw what is shown of a scene's layers; ``shape`` is that of the whole image."""
    import holoviews as hv

    left, top, right, bottom = part.bounds
    # The first row of an array is the one at the greater y for holoviews; the axis is then turned over.
    stack = np.dstack(list(part.arrays.values()))[::-1]
    drawn = hv.Image(stack, ["x", "y"], list(part.arrays), bounds=(left, top, right, bottom))
    return drawn.opts(**_options(data, shape, style))


def _options(data: xr.Dataset, shape: tuple[int, ...], style: Style) -> dict[str, Any]:
    from bokeh.models import FixedTicker

    radar = data.attrs.get("geometry") == "radar"
    limit = style.limit
    tooltips = [(style.quantity, f"@value{{0.00}} {style.unit}")]
    if style.has_error:
        tooltips.append(("standard error", f"@error{{0.00}} {style.unit}"))
    if geo.has_lonlat(data):
        tooltips.append(("lon, lat", "@lon{0.00000}, @lat{0.00000}"))
    ticks = [-limit, -limit / 2, 0.0, limit / 2, limit]
    return {
        "title": style.title,
        "cmap": style.colours,
        "clim": (-limit, limit),
        "clipping_colors": {"NaN": colours.NO_DATA},
        "colorbar": True,
        "colorbar_position": "bottom",
        "colorbar_opts": {
            "ticker": FixedTicker(ticks=ticks),
            "title_standoff": 8,
            "title_text_font_style": "normal",
            "title_text_font_size": "10pt",
        },
        "clabel": f"{style.unit}  ·  {style.ends}",
        "xlim": (0, shape[1]),
        "ylim": (0, shape[0]),
        "invert_yaxis": True,
        "frame_width": style.width,
        "frame_height": frame_height(data, shape, style.width),
        "xlabel": "range, px" if radar else "column, px",
        "ylabel": "azimuth, px" if radar else "row, px",
        "tools": ["hover"],
        "hover_tooltips": tooltips,
        "active_tools": ["box_zoom"],
    }


def _notes_hook(notes: list[tuple[str, str]]) -> Any:
    """Write under the title, in the colour of the boxes, how many there are."""

    def hook(plot: Any, element: Any) -> None:
        from bokeh.models.annotations import Title

        figure = plot.state
        if any(isinstance(item, Title) and item.tags == ["labkit"] for item in figure.above):
            return
        # Each is set above the one before, so the first comes last.
        for words, colour in reversed(notes):
            title = Title(text=words, text_color=colour, text_font_size="9pt", text_font_style="normal")
            title.tags = ["labkit"]
            figure.add_layout(title, "above")

    return hook


def lay_out(panels: list[Any], headline: str, columns: int | None = None) -> hv.Layout:
    """Set panels side by side, zoomed and moved together, under a headline."""
    import holoviews as hv

    return (
        hv.Layout(panels)
        .cols(columns or len(panels))
        .opts(hv.opts.Layout(title=headline, shared_axes=True, merge_tools=True, toolbar="right"))
    )
