"""Landslides on the map: their colours, a slider for the score, and what a pointer or a click on one of them tells."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.view import colours, overlay
from labkit.view.panels import rate_limit

#: By what detections can be coloured.
COLOUR_BY = ("score", "support")

#: Colours of scores: from dark, sure of nothing, to bright; apart from red, blue and the brown of the density.
SCORE_COLOURS = "viridis"

#: Colours of what supports a landslide (Okabe and Ito).
SUPPORT_COLOURS = {
    "both tracks": "#cc79a7",
    "ascending": "#d55e00",
    "descending": "#0072b2",
    "azimuth and range": "#009e73",
    "azimuth": "#e69f00",
    "range": "#56b4e9",
    "unknown": "#555555",
}

#: Columns of a merged landslide that say, true or false, what it was seen in.
SUPPORT = ("azimuth", "range", "ascending", "descending")

#: Columns that the words do not repeat: the map itself shows them, or they mean nothing to a person.
_NOT_SHOWN = ("xmin", "ymin", "xmax", "ymax", "member_boxes")

#: Edge of a picture in the corner, px of the screen, how much wider than the box it reaches, and its pixels at most.
_PICTURE_PX, _AROUND, _MOST_PX = 118, 3.0, 240


@dataclass(frozen=True)
class Colouring:
    """A colour for each row of a table, and what the legend says: words with their colours, or the ends of a scale.

    ``heading`` stands over the words.
    """

    colours: list[str]
    keys: dict[str, str]
    scale: tuple[float, float] | None = None
    heading: str = "seen in"


def colouring(table: gpd.GeoDataFrame, colour_by: str | None, otherwise: str) -> Colouring:
    """Colour detections by their score, by what supports them, or all alike.

    Raises
    ------
    LabkitError
        ``colour_by`` is none of :data:`COLOUR_BY`, or the column of the score is missing.
    """
    if colour_by is None:
        return Colouring([otherwise] * len(table), {})
    if colour_by not in COLOUR_BY:
        raise LabkitError(f"colour_by must be one of {COLOUR_BY} or None, instead got colour_by={colour_by!r}")
    if colour_by == "support":
        words = support_words(table)
        return Colouring(
            [SUPPORT_COLOURS[word] for word in words],
            {word: colour for word, colour in SUPPORT_COLOURS.items() if word in set(words)},
        )
    if "score" not in table:
        raise LabkitError(f"detections must have the column 'score' to be coloured by it, instead got {list(table)}")
    import matplotlib
    from matplotlib.colors import to_hex

    score = table["score"].to_numpy(float)
    known = score[np.isfinite(score)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if low == high:  # labels, say: a scale from 1 to 1 tells nothing
        shades = [otherwise if same else SUPPORT_COLOURS["unknown"] for same in np.isfinite(score)]
        return Colouring(shades, {f"score {low:.2f}": otherwise}, heading="by score")
    levels = np.rint(255 * (score - low) / (high - low))
    palette = [to_hex(colour) for colour in matplotlib.colormaps[SCORE_COLOURS](np.arange(256))]
    shades = [palette[int(level)] if np.isfinite(level) else SUPPORT_COLOURS["unknown"] for level in levels]
    return Colouring(shades, {}, (low, high))


def support_words(table: gpd.GeoDataFrame) -> list[str]:
    """Say for each row what saw it: the tracks where any is known, else the directions."""

    def column(name: str) -> npt.NDArray[np.bool_]:
        if name in table:
            return table[name].eq(True).fillna(False).to_numpy(bool)
        other = "orbit_direction" if name in ("ascending", "descending") else "direction"
        return (table[other] == name).to_numpy() if other in table else np.zeros(len(table), bool)

    azimuth, across, up, down = (column(name) for name in SUPPORT)
    cases = [up & down, up, down, azimuth & across, azimuth, across]
    return [str(word) for word in np.select(cases, list(SUPPORT_COLOURS)[:6], "unknown")]


def features(table: gpd.GeoDataFrame, shades: list[str], style: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give GeoJSON features that know their row and their colour; everything else is asked for when it is wanted."""
    # a centimetre is enough, and half as much to send
    rounded = shapely.transform(table.geometry.to_numpy(), lambda lonlat: np.round(lonlat, 7))
    shapes = json.loads(f"[{','.join(shapely.to_geojson(rounded))}]")
    return [
        {
            "type": "Feature",
            "geometry": shape,
            "properties": {"row": row, "style": {**style, "color": shade, "fillColor": shade}},
        }
        for row, (shape, shade) in enumerate(zip(shapes, shades, strict=True))
    ]


def score_slider(layer: Any, table: gpd.GeoDataFrame, all_features: list[dict[str, Any]]) -> Any:
    """Give a slider below which the layer's detections are not shown; rows without a score are always shown."""
    import ipywidgets

    score = table["score"].to_numpy(float)
    known = score[np.isfinite(score)]
    low, high = float(np.floor(known.min() * 100) / 100), float(np.floor(known.max() * 100) / 100)
    slider = ipywidgets.FloatSlider(
        value=low, min=low, max=high, step=0.01, description="score ≥", readout_format=".2f", continuous_update=False,
        layout={"width": "280px"}, style={"description_width": "60px"},
    )  # fmt: skip
    count = ipywidgets.Label(f"{len(table)} shown")

    def choose(change: dict[str, Any]) -> None:
        shown = [feature for feature, value in zip(all_features, score, strict=True) if not value < change["new"]]
        layer.data = {"type": "FeatureCollection", "features": shown}
        count.value = f"{len(shown)} of {len(table)} shown"

    slider.observe(choose, "value")
    return ipywidgets.HBox([slider, count], layout={"margin": "0 8px"})


def words(name: str, row: Mapping[Any, Any]) -> str:
    """What the corner says about one feature; names come from files, so they are escaped."""
    lines = [f"<b>{html.escape(name)}</b>"]
    support = [c for c in SUPPORT if isinstance(row.get(c), bool | np.bool_) and row[c]]
    told = {c: v for c, v in row.items() if c not in _NOT_SHOWN and not (support and c in SUPPORT)}
    if support:
        told = {"support": support} | told
    for column, value in told.items():
        if isinstance(value, list | tuple | set | np.ndarray):
            value = ", ".join(str(v) for v in value)
        if value is None or value == "" or (pd.api.types.is_scalar(value) and pd.isna(value)):
            continue
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        lines.append(f"{html.escape(str(column))}: {html.escape(shown)}")
    return "<br>".join(lines)


def pictures(row: Mapping[Any, Any], stacks: Mapping[str, xr.Dataset]) -> str:
    """Give a detection in its own scene, as HTML: each image with its box; "" where that is unknown."""
    stack = stacks.get(str(row.get("scene")))
    corners = np.array([row.get(corner, np.nan) for corner in ("xmin", "ymin", "xmax", "ymax")], float)
    if stack is None or not np.isfinite(corners).all():
        return ""
    left, top, right, bottom = corners
    size = int(np.clip(_AROUND * max(right - left, bottom - top), 16, _MOST_PX))
    col, first = round((left + right) / 2 - size / 2), round((top + bottom) / 2 - size / 2)
    place = ";".join(
        f"{edge}:{100 * value / size:.2f}%"
        for edge, value in (
            ("left", left - col), ("top", top - first), ("width", right - left), ("height", bottom - top),
        )
    )  # fmt: skip
    shown = []
    for direction, layer in schema.layers(stack).items():
        window = geo.read_window(layer, first, col, size).astype(float)
        if direction == "rate":
            colour_map, limit, what = colours.RATE_COLOURS, rate_limit(layer.values), "line-of-sight rate"
        else:
            colour_map, limit, what = colours.GRADIENT_COLOURS, schema.DISPLAY_LIMIT_RAD, f"gradient along {direction}"
        rgba = overlay.coloured(window, colour_map, -limit, limit, 1.0)
        shown.append(
            f'<div><div style="position:relative;overflow:hidden;width:{_PICTURE_PX}px">'
            f'<img alt="{what}" src="{overlay.png_uri(rgba)}" '
            f'style="width:{_PICTURE_PX}px;height:{_PICTURE_PX}px;display:block;image-rendering:pixelated;'
            f'background:{colours.NO_DATA}">'
            f'<div style="position:absolute;{place};outline:2px solid {colours.DETECTION}"></div></div>'
            f"{direction}</div>"
        )
    return f'<div style="display:flex;gap:4px;margin:4px 0">{"".join(shown)}</div>'
