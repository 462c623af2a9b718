"""What is drawn over an image: boxes of people, of a model and of the truth, and outlines of known landslides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from shapely.geometry import Polygon, box

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.view import colours
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv

#: Scores are written beside so many detections at most; beyond, the pointer tells them.
_MOST_SCORES = 40

#: Column of a table of the truth → its words and its format under the pointer.
_TRUTH_COLUMNS = {
    "landslide_id": ("landslide", ""),
    "behaviour": ("course", ""),
    "rate": ("LOS rate", "{0.0} mm/yr"),
    "pixels": ("pixels that show", "{0}"),
    "ratio": ("gradient / its error", "{0.0}"),
    "coherence": ("coherence", "{0.00}"),
}


@dataclass(frozen=True)
class Marks:
    """Tables to draw over panels, each optional: :func:`labkit.view.gradients` says what they hold."""

    labels: gpd.GeoDataFrame | None = None
    detections: gpd.GeoDataFrame | None = None
    truth: gpd.GeoDataFrame | None = None
    unseen: gpd.GeoDataFrame | None = None
    outlines: gpd.GeoDataFrame | None = None


@dataclass(frozen=True)
class Line:
    """How the boxes of one kind look; the casing lifts a line off red, blue and white ground alike."""

    colour: str
    dash: str = "solid"
    casing: str = colours.CASING
    width: float = 2.0


#: Kind of a table → its line. Truth is black on white and an outline yellow on black: one of the two strokes differs in
#: lightness from any red or blue ground, which every eye sees.
LINES = {
    "labels": Line(colours.LABEL),
    "detections": Line(colours.DETECTION),
    "truth": Line(colours.TRUTH),
    "unseen": Line(colours.TRUTH, dash="4 3"),
    "outlines": Line(colours.OUTLINE, casing=colours.TRUTH, width=1.5),
}

#: What a kind is called in the legend, after its number.
_LEGEND = {"truth": "true, to be seen", "unseen": "true, too faint"}


#: A click on a line of the legend hides what it stands for. It lies above the frame, where it covers nothing.
LEGEND_OPTIONS = {
    "legend_position": "top",
    "legend_cols": 2,
    "legend_opts": {"click_policy": "hide", "label_text_font_size": "9pt", "padding": 2, "spacing": 0, "margin": 2},
}


def over_panel(
    over: Marks, data: xr.Dataset, shape: tuple[int, ...], direction: str
) -> list[tuple[hv.Overlay | None, tuple[str, str] | None]]:
    """Draw all that lies over one panel, lowest first.

    Parameters
    ----------
    over : Marks
        The tables.
    data : xarray.Dataset
        The scene.
    shape : (int, int)
        Rows and columns of the image.
    direction : str
        Whose boxes belong here: "azimuth", "range" or "rate".

    Returns
    -------
    list of (holoviews.Overlay or None, (str, str) or None)
        For each table that is given: what to draw, where there is any, and words with their colour, where the legend
        does not say it all.
    """
    drawn: list[tuple[hv.Overlay | None, tuple[str, str] | None]] = []
    outlines = outlines_of(over.outlines, data, shape)
    if outlines is not None:
        drawn.append(_layer_and_note(outlines, "outlines", counted(len(outlines), "outline"), data))
    for name in ("unseen", "truth", "labels", "detections"):
        here, words = boxes_of(getattr(over, name), name, data, direction)
        if here is not None:
            drawn.append(_layer_and_note(here, name, words, data))
    return drawn


def keep_dashes(plot: Any, element: Any) -> None:
    """Draw a figure on the page's canvas, a hook: the graphics card would draw dashed boxes with whole lines."""
    plot.state.output_backend = "canvas"


def _layer_and_note(
    here: gpd.GeoDataFrame, name: str, words: str, data: xr.Dataset
) -> tuple[hv.Overlay | None, tuple[str, str] | None]:
    note = (words, colours.TRUTH if name == "outlines" else LINES[name].colour)
    if not len(here):
        return None, note
    legend = words.split(" (")[0]
    if name == "outlines":
        return draw_outlines(here, str(data.attrs.get("orbit_direction", "")), legend), None
    return draw_boxes(here, name, legend), note if legend != words else None


def boxes_of(
    boxes: gpd.GeoDataFrame | None, name: str, data: xr.Dataset, direction: str
) -> tuple[gpd.GeoDataFrame | None, str]:
    """Give the boxes to draw on one panel, and the words that say how many there are."""
    if boxes is None:
        return None, ""
    schema.check_boxes(boxes, name)
    scene = data.attrs.get("scene", "")
    elsewhere = (set(schema.DIRECTIONS) | {"rate"}) - {direction}
    # A merged landslide keeps the direction of its best member, and says in columns of their own what it was seen in.
    merged = direction in boxes.columns and boxes[direction].dtype == bool
    seen = boxes[direction] if merged else ~boxes["direction"].isin(elsewhere)
    here = boxes[(boxes["scene"] == scene) & seen]
    words = f"{len(here)} {_LEGEND[name]}" if name in _LEGEND else counted(len(here), name.removesuffix("s"), name)
    other = int((boxes["scene"] != scene).sum())
    # The truth of a scene holds both of its tracks: one of them is always elsewhere.
    return here, words + (f" ({other} of other scenes not shown)" if other and name not in _LEGEND else "")


def outlines_of(outlines: gpd.GeoDataFrame | None, data: xr.Dataset, shape: tuple[int, ...]) -> gpd.GeoDataFrame | None:
    """Lay outlines onto an image.

    Parameters
    ----------
    outlines : geopandas.GeoDataFrame, optional
        Polygons with a CRS.
    data : xarray.Dataset
        The scene, which knows lon/lat.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    geopandas.GeoDataFrame
        Those that touch the image, one polygon in each row, their geometry in pixels (x, y), no CRS. None where none
        were given.

    Raises
    ------
    LabkitError
        The table has no polygons or no CRS, or the scene has no lon/lat.
    """
    if outlines is None:
        return None
    if not isinstance(outlines, gpd.GeoDataFrame) or outlines.crs is None:
        raise LabkitError(
            f"outlines must be a GeoDataFrame with a CRS, instead got {type(outlines).__name__}. "
            "Set it with outlines.set_crs('EPSG:4326')"
        )
    placed = outlines[~(outlines.geometry.isna() | outlines.geometry.is_empty)].to_crs(geo.WGS84)
    parts = placed.explode(index_parts=False)
    if not parts.geom_type.isin(["Polygon"]).all():
        raise LabkitError(f"outlines must be polygons, instead got {sorted(set(parts.geom_type))}")

    def to_pixels(lonlat: np.ndarray) -> np.ndarray:
        y, x = geo.lonlat_to_pixel(data, lonlat[:, 0], lonlat[:, 1])
        return np.column_stack([x, y])

    # all at once: in radar geometry each call builds a search tree over the lookup table
    on_image = shapely.transform(parts.geometry.to_numpy(), to_pixels)
    frame = box(0, 0, shape[1], shape[0])
    touching = [polygon.intersects(frame) for polygon in on_image]
    return gpd.GeoDataFrame(parts.drop(columns=parts.geometry.name), geometry=on_image)[touching]


def draw_boxes(here: gpd.GeoDataFrame, name: str, legend: str) -> hv.Overlay:
    """Draw the boxes of one kind; both strokes, and the scores of detections, hang on one line of the legend."""
    import holoviews as hv

    line = LINES[name]
    corners = here[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float)
    columns, tooltips = _words_under_the_pointer(here, name, legend)
    rows = [(*c, *words) for c, words in zip(corners.tolist(), zip(*columns.values(), strict=True), strict=True)]
    dimensions = ["x", "y", "x1", "y1"]
    base = {"fill_alpha": 0.0, "invert_yaxis": True, "line_dash": line.dash}
    casing = hv.Rectangles([r[:4] for r in rows], dimensions, label=legend).opts(
        line_color=line.casing, line_width=line.width + 2, **base | {"line_dash": "solid"}
    )
    stroke = hv.Rectangles(rows, dimensions, list(columns), label=legend).opts(
        line_color=line.colour, line_width=line.width, tools=["hover"], hover_tooltips=tooltips, **base
    )
    drawn = casing * stroke
    if name == "detections" and 0 < len(rows) <= _MOST_SCORES:
        drawn = drawn * _scores(corners, here["score"].to_numpy(float))
    return drawn


def draw_outlines(here: gpd.GeoDataFrame, track: str, legend: str, *, axes: tuple[str, str] = ("x", "y")) -> hv.Overlay:
    """Draw outlines that lie in the figure's own coordinates; the pointer reads what the table knows.

    Without words they have no line in the legend: holoviews would list each of them there once it fills them anew.
    """
    import holoviews as hv

    line = LINES["outlines"]
    names = {"landslide_id": "", "behaviour": "", f"los_{track}": "{0.0} mm/yr", "speed": "{0.0} mm/yr"}
    known = [name for name in names if name in here.columns]
    spoken = {"landslide_id": "landslide", "behaviour": "course", "speed": "downslope", f"los_{track}": "LOS rate"}
    tooltips = [(spoken[name], f"@{name}{names[name]}") for name in known] or [("outline", "$index")]
    shapes = [
        _ring_columns(polygon, axes) | {name: here[name].iloc[i] for name in known}
        for i, polygon in enumerate(here.geometry)
    ]
    base = {"fill_alpha": 0.0, "invert_yaxis": axes == ("x", "y"), "show_legend": bool(legend)}
    casing = hv.Polygons(shapes, list(axes), known, label=legend).opts(
        line_color=line.casing, line_width=line.width + 1.5, **base
    )
    stroke = hv.Polygons(shapes, list(axes), known, label=legend).opts(
        line_color=line.colour, line_width=line.width, tools=["hover"], hover_tooltips=tooltips, **base
    )
    return casing * stroke


def _words_under_the_pointer(
    here: gpd.GeoDataFrame, name: str, legend: str
) -> tuple[dict[str, list[Any]], list[tuple[str, str]]]:
    """What the pointer reads of each box: columns of values, and the lines that show them."""
    if name not in _LEGEND:
        said = [f"{label} {score:.2f}" for label, score in zip(here["label"], here["score"], strict=True)]
        return {"box": said}, [("box", "@box")]
    known = [column for column in _TRUTH_COLUMNS if column in here.columns]
    columns = {"box": [_LEGEND[name]] * len(here)} | {column: here[column].tolist() for column in known}
    lines = [(_TRUTH_COLUMNS[column][0], f"@{column}{_TRUTH_COLUMNS[column][1]}") for column in known]
    return columns, [("box", "@box"), *lines]


def _ring_columns(polygon: Polygon, axes: tuple[str, str]) -> dict[str, Any]:
    x, y = np.asarray(polygon.exterior.coords).T
    holes = [np.asarray(ring.coords) for ring in polygon.interiors]
    return dict(zip(axes, (x, y), strict=True)) | ({"holes": [holes]} if holes else {})


def _scores(corners: np.ndarray, scores: np.ndarray) -> hv.Labels:
    import holoviews as hv

    table = pd.DataFrame({"x": corners[:, 2], "y": corners[:, 1], "score": [f"{score:.2f}" for score in scores]})
    return hv.Labels(table, ["x", "y"], "score").opts(
        text_color=LINES["detections"].colour,
        text_font_size="8pt",
        text_font_style="bold",
        text_align="right",
        text_baseline="bottom",
    )
