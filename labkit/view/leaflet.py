"""The map: landslides, density, counties and gradients where they lie, also without a network."""

from __future__ import annotations

import html
import json
import warnings
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.view import colours, overlay
from labkit.view.painting import UNOBSERVED, density_top

if TYPE_CHECKING:
    import leafmap.leafmap as leafmap

#: Columns that the box in the corner does not repeat: the map itself shows them, or they mean nothing to a person.
_NOT_SHOWN = ("xmin", "ymin", "xmax", "ymax", "member_boxes")

#: Columns of a merged landslide that say, true or false, what it was seen in.
_SUPPORT = ("azimuth", "range", "ascending", "descending")

DENSITY_LAYER = "landslide density"

#: Width and height of a notebook's map, px, and the share of it that the content fills at first.
_USUAL_SIZE = (950.0, 600.0)
_FILL = 0.92


def map(
    detections: gpd.GeoDataFrame | None = None,
    density: xr.DataArray | None = None,
    labels: gpd.GeoDataFrame | None = None,
    counties: gpd.GeoDataFrame | None = None,
    rivers: gpd.GeoDataFrame | None = None,
    gradients: xr.Dataset | None = None,
    *,
    direction: str = "azimuth",
    basemap: str | None = None,
    height: str = "600px",
) -> leafmap.Map:
    """Show landslides on a map that can be panned and zoomed, with no network needed.

    Parameters
    ----------
    detections, labels : geopandas.GeoDataFrame, optional
        Drawn in blue and red. The pointer on one shows its score, its support and its other columns in the corner; a
        click keeps them there. Rows without geometry are not drawn; the legend says how many are.
    density : xarray.DataArray, optional
        From :func:`labkit.maps.density`, landslides per km², with a colour bar; what was not observed is grey.
    counties, rivers : geopandas.GeoDataFrame, optional
        Outlines and lines.
    gradients : xarray.Dataset, optional
        A scene with lon/lat; its ``direction`` is drawn red-blue under the rest, no-data transparent.
    direction : str
        Which gradient: "azimuth" or "range".
    basemap : str, optional
        Name of a base layer of leafmap, such as "OpenTopoMap" or "Esri.WorldImagery", which is fetched from the
        network. Without it nothing is.
    height : str
        Height of the map in the notebook, as in CSS.

    Returns
    -------
    leafmap.leafmap.Map
        Zoomed to what it shows; layers can be switched in its upper right corner.

    Raises
    ------
    LabkitError
        Nothing is given to show, or nothing of it has a place.
    """
    given = {"counties": counties, "rivers": rivers, "labels": labels, "detections": detections}
    totals = {name: len(table) for name, table in given.items() if table is not None}
    tables = {name: _placed(name, table) for name, table in given.items() if table is not None}
    pictures = _pictures(density, gradients, direction)
    bounds = [p.bounds for p, *_ in pictures.values()] + [tuple(t.total_bounds) for t in tables.values() if len(t)]
    if not bounds:
        raise LabkitError(
            "a map must have something with a place to show, instead got "
            f"{', '.join(f'{len(t)} placed {n}' for n, t in tables.items()) or 'nothing'}. "
            "Give detections, density, labels, counties, rivers or gradients with lon/lat"
        )
    west, south, _, _ = np.min(bounds, axis=0)
    _, _, east, north = np.max(bounds, axis=0)
    shown = _empty_map(basemap, height, (west, south, east, north))

    import ipyleaflet
    import ipywidgets

    legend = []
    for name, (picture, colour_map, low, high, words) in pictures.items():
        # The gradient shows through the density above it.
        opacity = 0.45 if density is not None and gradients is not None and name == DENSITY_LAYER else 0.8
        rgba = overlay.coloured(picture.values, colour_map, low, high, opacity)
        west_, south_, east_, north_ = picture.bounds
        place = ((south_, west_), (north_, east_))
        shown.add(ipyleaflet.ImageOverlay(url=overlay.png_uri(rgba), bounds=place, name=name))
        legend.append(_bar(colour_map, low, high, words))
    if density is not None and bool(density.isnull().any()):
        shown.add(_blank(density))
        legend.append(f'<div style="background:{colours.NO_DATA};padding:0 4px">{UNOBSERVED}</div>')
    info = ipywidgets.HTML(layout={"max_width": "260px", "margin": "0 8px", "display": "none"})
    for name, table in tables.items():
        if len(table):
            shown.add(_vectors(name, table, info))
        legend.append(_key(name, table, totals[name]))
    shown.add(ipyleaflet.WidgetControl(widget=ipywidgets.HTML(_legend(legend)), position="bottomright"))
    shown.add(ipyleaflet.WidgetControl(widget=info, position="topright"))
    shown.add(ipyleaflet.LayersControl(position="topright", collapsed=True))
    return shown


def _placed(name: str, table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    if not isinstance(table, gpd.GeoDataFrame) or table.active_geometry_name is None or table.crs is None:
        raise LabkitError(f"{name} must be a GeoDataFrame with a geometry and a coordinate system")
    return table[~(table.geometry.isna() | table.geometry.is_empty)].to_crs(geo.WGS84)


def _pictures(
    density: xr.DataArray | None, gradients: xr.Dataset | None, direction: str
) -> dict[str, tuple[overlay.Overlay, str, float, float, str]]:
    pictures: dict[str, tuple[overlay.Overlay, str, float, float, str]] = {}
    if gradients is not None:
        layers = schema.layers(schema.check_gradients(gradients))
        if direction not in layers:
            raise LabkitError(f"direction must be one of {tuple(layers)}, instead got direction={direction!r}")
        limit = schema.DISPLAY_LIMIT_RAD
        words = f"gradient, rad · {colours.gradient_ends(direction)}"
        picture = overlay.from_layer(gradients, layers[direction])
        pictures[f"gradient along {direction}"] = (picture, colours.GRADIENT_COLOURS, -limit, limit, words)
    if density is not None:
        top = density_top(density)
        picture = overlay.from_density(density.where(density > 0.01 * top))
        pictures[DENSITY_LAYER] = (picture, colours.DENSITY_COLOURS, 0.0, top, "landslides per km²")
    return pictures


def _blank(density: xr.DataArray) -> Any:
    """The cells of which nothing was observed: not the same as clear ground, where the density is about 0."""
    import ipyleaflet
    from matplotlib.colors import to_rgb

    picture = overlay.from_density(density.copy(data=np.where(np.isfinite(density.values), np.nan, 1.0)))
    rgba = np.zeros((*picture.values.shape, 4), np.uint8)
    rgba[np.isfinite(picture.values)] = [*(round(255 * share) for share in to_rgb(colours.NO_DATA)), 160]
    west, south, east, north = picture.bounds
    return ipyleaflet.ImageOverlay(url=overlay.png_uri(rgba), bounds=((south, west), (north, east)), name=UNOBSERVED)


def _empty_map(basemap: str | None, height: str, bounds: overlay.Bounds) -> leafmap.Map:
    import leafmap.leafmap as leafmap

    west, south, east, north = bounds
    low, high = (float(np.arctanh(np.sin(np.radians(v)))) for v in (south, north))
    tall = float(height.removesuffix("px")) if height.endswith("px") else _USUAL_SIZE[1]
    # At zoom 0 the world is 256 px wide. A notebook's width is not known to the kernel; asking the browser to fit the
    # bounds takes several round trips, which fail when the notebook is read without a kernel.
    wide_zoom = np.log2(_FILL * _USUAL_SIZE[0] / 256 * 360 / max(east - west, 1e-4))
    tall_zoom = np.log2(_FILL * tall / 256 * 2 * np.pi / max(high - low, 1e-6))
    zoom = float(np.clip(np.floor(min(wide_zoom, tall_zoom) * 4) / 4, 1, 17))
    middle = float(np.degrees(np.arcsin(np.tanh((low + high) / 2))))
    with warnings.catch_warnings():
        # leafmap hands its own options on to ipyleaflet, which does not know them and says so.
        warnings.filterwarnings("ignore", r"Passing unrecognized arguments to super\(Map\)", DeprecationWarning)
        shown = leafmap.Map(
            center=[middle, (west + east) / 2],
            zoom=zoom,
            zoom_snap=0.25,
            height=height,
            draw_control=False,
            toolbar_control=False,
            search_control=False,
        )
    shown.layers = ()
    if basemap is not None:
        shown.add_basemap(basemap)
    return shown


_STYLES: dict[str, dict[str, Any]] = {
    "counties": {"color": colours.COUNTY, "weight": 1.2, "fillOpacity": 0.0},
    "rivers": {"color": colours.RIVER, "weight": 2.5, "opacity": 0.9, "fillOpacity": 0.0},
    "labels": {"color": colours.LABEL, "weight": 2.5, "fillOpacity": 0.05},
    "detections": {"color": colours.DETECTION, "weight": 2.5, "fillOpacity": 0.1},
}
_ONE = {"counties": "county", "rivers": "river", "labels": "label", "detections": "detection"}


def _vectors(name: str, table: gpd.GeoDataFrame, info: Any) -> Any:
    import ipyleaflet

    columns = [c for c in table.columns if c not in (*_NOT_SHOWN, table.active_geometry_name)]
    words = [_words(name, row) for row in table[columns].to_dict("records")]
    features = json.loads(
        gpd.GeoDataFrame({"words": words}, geometry=table.geometry.to_numpy(), crs=geo.WGS84).to_json()
    )
    layer = ipyleaflet.GeoJSON(
        data=features, style=_STYLES[name], hover_style={"weight": 5, "fillOpacity": 0.25}, name=name
    )

    def show(feature: dict[str, Any], **_: Any) -> None:
        info.value = feature["properties"]["words"]
        info.layout.display = "block"

    if name != "rivers":
        layer.on_hover(show)
        layer.on_click(show)
    return layer


def _words(name: str, row: dict[Any, Any]) -> str:
    """What the corner says about one feature; names come from files, so they are escaped."""
    lines = [f"<b>{html.escape(name.removesuffix('s') if name != 'counties' else 'county')}</b>"]
    support = [c for c in _SUPPORT if row.get(c) is True]
    if support:
        row = {"support": support} | {c: v for c, v in row.items() if c not in _SUPPORT}
    for column, value in row.items():
        if isinstance(value, list | tuple | set | np.ndarray):
            value = ", ".join(str(v) for v in value)
        if value is None or value == "" or (pd.api.types.is_scalar(value) and pd.isna(value)):
            continue
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        lines.append(f"{html.escape(str(column))}: {html.escape(shown)}")
    return "<br>".join(lines)


def _bar(colour_map: str, low: float, high: float, words: str) -> str:
    import matplotlib
    from matplotlib.colors import to_hex

    stops = ", ".join(to_hex(matplotlib.colormaps[colour_map](s)) for s in np.linspace(0, 1, 9))
    numbers = "".join(f"<span>{v:.3g}</span>" for v in (low, (low + high) / 2, high))
    return (
        f'<div style="margin:4px 0"><div>{html.escape(words)}</div>'
        f'<div style="height:12px;background:linear-gradient(to right, {stops})"></div>'
        f'<div style="display:flex;justify-content:space-between">{numbers}</div></div>'
    )


def _key(name: str, table: gpd.GeoDataFrame, total: int) -> str:
    style = _STYLES[name]
    border = f"border{'-top' if name == 'rivers' else ''}:2px solid {style['color']}"
    size = "height:0" if name == "rivers" else "height:9px"
    noun = _ONE[name] if len(table) == 1 else name
    count = f"{len(table)} {noun}" + (f" ({total - len(table)} without a place)" if total > len(table) else "")
    return (
        '<div style="display:flex;align-items:center;gap:6px;margin:2px 0">'
        f'<span style="display:inline-block;width:16px;{size};{border}"></span>{html.escape(count)}</div>'
    )


def _legend(parts: list[str]) -> str:
    return f'<div style="font:12px/1.4 sans-serif;min-width:180px;padding:2px 8px">{"".join(parts)}</div>'
