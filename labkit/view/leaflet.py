"""The map: landslides, density, counties and gradients where they lie, also without a network."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import geo, ground, schema
from labkit.errors import LabkitError
from labkit.view import colours, overlay
from labkit.view.leaflet_detections import (
    SCORE_COLOURS,
    Colouring,
    colouring,
    features,
    pictures,
    score_slider,
    words,
)
from labkit.view.painting import UNOBSERVED, density_top
from labkit.view.panels import rate_limit

if TYPE_CHECKING:
    import leafmap.leafmap as leafmap

DENSITY_LAYER = "landslide density"

#: Width and height of a notebook's map, px, and the share of it that the content fills at first.
_USUAL_SIZE = (950.0, 600.0)
_FILL = 0.92

#: Web maps end at this latitude, degrees.
_MERCATOR_END = 85.06


def map(
    detections: gpd.GeoDataFrame | None = None,
    density: xr.DataArray | None = None,
    labels: gpd.GeoDataFrame | None = None,
    counties: gpd.GeoDataFrame | None = None,
    rivers: gpd.GeoDataFrame | None = None,
    gradients: xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset] | None = None,
    *,
    colour_by: str | None = None,
    direction: str = "azimuth",
    basemap: str | None = None,
    height: str = "600px",
) -> leafmap.Map:
    """Show landslides on a map that can be panned and zoomed, with no network needed.

    Parameters
    ----------
    detections, labels : geopandas.GeoDataFrame, optional
        Drawn in blue and red. The pointer on one shows its score, its support and its other columns in the corner; a
        click also shows what it looks like in the gradients of its scene. Rows without geometry are not drawn; the
        legend says how many are. Where detections have several scores, a slider hides those below one.
    density : xarray.DataArray, optional
        From :func:`labkit.maps.density`, landslides per km², with a colour bar; what was not observed is grey.
    counties, rivers : geopandas.GeoDataFrame, optional
        Outlines and lines.
    gradients : Dataset, or iterable or dict of Datasets, optional
        Scenes with lon/lat, of one track or several; their ``direction`` is drawn red-blue under the rest, no-data
        transparent, each scene a layer that can be switched. Scenes of rates may be among them: blue toward the radar,
        the ends of the colours as in :func:`labkit.view.rates`.
    colour_by : str, optional
        "score" colours detections from dark to bright, "support" by the tracks, else directions, that saw them.
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
        Nothing is given to show, nothing of it has a place, it lies near a pole, or an argument breaks its rule.

    Notes
    -----
    Vectors are drawn on one canvas, and the page is told no more of a detection than its shape and colour, so that
    thousands stay fluent.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> drawn = lk.view.map(scene.landslides, counties=scene.counties, rivers=scene.rivers)
    >>> [layer.name for layer in drawn.layers]
    ['counties', 'rivers', 'detections']
    """
    given = {"counties": counties, "rivers": rivers, "labels": labels, "detections": detections}
    tables = _placed({name: table for name, table in given.items() if table is not None})
    totals = {name: len(table) for name, table in given.items() if table is not None}
    if colour_by is not None and detections is None:
        raise LabkitError(f"detections must be given to be coloured, instead got colour_by={colour_by!r} without them")
    stacks = _by_scene(gradients)
    overlays = _overlays(density, stacks, direction, _middle(tables))
    bounds = [p.bounds for p, *_ in overlays.values()] + [tuple(t.total_bounds) for t in tables.values() if len(t)]
    if not bounds:
        raise LabkitError(
            "a map must have something with a place to show, instead got "
            f"{', '.join(f'{len(t)} placed {n}' for n, t in tables.items()) or 'nothing'}. "
            "Give detections, density, labels, counties, rivers or gradients with lon/lat"
        )
    west, south, _, _ = np.min(bounds, axis=0)
    _, _, east, north = np.max(bounds, axis=0)
    if south < -_MERCATOR_END or north > _MERCATOR_END:
        raise LabkitError(
            f"a map must lie between {_MERCATOR_END}° south and north, where web maps end, instead it reaches from "
            f"{south:.2f}° to {north:.2f}°. Use lk.view.print_map there"
        )
    shown = _empty_map(basemap, height, (west, south, east, north))

    import ipyleaflet
    import ipywidgets

    legend = []
    for name, (picture, colour_map, low, high, told) in overlays.items():
        # The gradient shows through the density above it.
        opacity = 0.45 if density is not None and stacks and name == DENSITY_LAYER else 0.8
        rgba = overlay.coloured(picture.values, colour_map, low, high, opacity)
        west_, south_, east_, north_ = picture.bounds
        place = ((south_, west_), (north_, east_))
        shown.add(ipyleaflet.ImageOverlay(url=overlay.png_uri(rgba), bounds=place, name=name))
        if told:
            legend.append(_bar(colour_map, low, high, told))
    if density is not None and bool(density.isnull().any()):
        shown.add(_blank(density, _middle(tables)))
        legend.append(f'<div style="background:{colours.NO_DATA};padding:0 4px">{UNOBSERVED}</div>')
    info = ipywidgets.HTML(layout={"max_width": "280px", "margin": "0 8px", "display": "none"})
    for name, table in tables.items():
        shades = colouring(table, colour_by if name == "detections" else None, _STYLES[name]["color"])
        legend.append(_key(name, table, totals[name], shades))
        if not len(table):
            continue
        drawn = features(table, shades.colours, _STYLES[name])
        layer = _vectors(name, table, drawn, info, stacks)
        shown.add(layer)
        if name == "detections" and "score" in table and table["score"].nunique() > 1:
            slider = score_slider(layer, table, drawn)
            shown.add(ipyleaflet.WidgetControl(widget=slider, position="bottomleft"))
    shown.add(ipyleaflet.WidgetControl(widget=ipywidgets.HTML(_legend(legend)), position="bottomright"))
    shown.add(ipyleaflet.LayersControl(position="topright", collapsed=True))
    shown.add(ipyleaflet.WidgetControl(widget=info, position="topright"))
    return shown


def _placed(tables: Mapping[str, gpd.GeoDataFrame]) -> dict[str, gpd.GeoDataFrame]:
    """The rows that have a place, in lon/lat, all tables on one side of the date line."""
    found = {}
    for name, table in tables.items():
        if not isinstance(table, gpd.GeoDataFrame) or table.active_geometry_name is None or table.crs is None:
            raise LabkitError(f"{name} must be a GeoDataFrame with a geometry and a coordinate system")
        there = table[~(table.geometry.isna() | table.geometry.is_empty)]
        found[name] = there.set_geometry(ground.placed(name, there))
    if found:
        together = pd.concat([table.geometry for table in found.values()])
        shapes = iter(ground.on_one_side(together).to_numpy())
        for name, table in found.items():
            found[name] = table.set_geometry(
                gpd.GeoSeries([next(shapes) for _ in range(len(table))], index=table.index, crs=geo.WGS84)
            )
    return found


def _middle(tables: Mapping[str, gpd.GeoDataFrame]) -> float | None:
    """The longitude in the middle of all that is drawn in lines, or None where nothing is."""
    edges = [table.total_bounds[[0, 2]] for table in tables.values() if len(table)]
    return float(np.mean([np.min(edges), np.max(edges)])) if edges else None


def _turned(picture: overlay.Overlay, middle: float | None) -> overlay.Overlay:
    """A picture on the side of the date line where the rest is."""
    west, south, east, north = picture.bounds
    turn = 0.0 if middle is None else 360.0 * round((middle - (west + east) / 2) / 360)
    return overlay.Overlay(picture.values, (west + turn, south, east + turn, north))


def _by_scene(
    gradients: xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset] | None,
) -> dict[str, xr.Dataset]:
    if gradients is None:
        return {}
    if isinstance(gradients, xr.Dataset):  # asked first: a Dataset is a mapping too, of its variables
        return _by_scene([gradients])
    # what lies under the keys of a mapping is checked below, as the rest is
    given: list[Any] = list(gradients.values() if isinstance(gradients, Mapping) else gradients)
    checked = [(schema.check_gradients if schema.is_gradients(s) else schema.check_rates)(s) for s in given]
    stacks = {str(stack.attrs.get("scene", "")): stack for stack in checked}
    if len(stacks) < len(given):
        raise LabkitError(
            f"gradients must be of different scenes, instead got {len(given)} stacks of {sorted(stacks)}. "
            "Show stacks of one scene on maps of their own"
        )
    return stacks


def _overlays(
    density: xr.DataArray | None, stacks: Mapping[str, xr.Dataset], direction: str, middle: float | None
) -> dict[str, tuple[overlay.Overlay, str, float, float, str]]:
    found: dict[str, tuple[overlay.Overlay, str, float, float, str]] = {}
    rates = [stack["rate"].values for stack in stacks.values() if not schema.is_gradients(stack)]
    fastest = max((rate_limit(values) for values in rates), default=0.0)
    for scene, stack in stacks.items():
        layers = schema.layers(stack)
        shown = direction if schema.is_gradients(stack) else "rate"
        if shown not in layers:
            raise LabkitError(f"direction must be one of {tuple(layers)}, instead got direction={direction!r}")
        if shown == "rate":
            what, colour_map, limit = "line-of-sight rate", colours.RATE_COLOURS, fastest
            ends = f"{what}, mm/yr · {colours.RATE_ENDS}"
        else:
            what, colour_map, limit = f"gradient along {shown}", colours.GRADIENT_COLOURS, schema.DISPLAY_LIMIT_RAD
            ends = f"gradient, rad · {colours.gradient_ends(shown)}"
        # the same colours are explained once
        told = ends if ends not in {words for *_, words in found.values()} else ""
        picture = _turned(overlay.from_layer(stack, layers[shown]), middle)
        found[what + (f", {scene}" if len(stacks) > 1 else "")] = (picture, colour_map, -limit, limit, told)
    if density is not None:
        top = density_top(density)
        picture = _turned(overlay.from_density(density.where(density > 0.01 * top)), middle)
        found[DENSITY_LAYER] = (picture, colours.DENSITY_COLOURS, 0.0, top, "landslides per km²")
    return found


def _blank(density: xr.DataArray, middle: float | None) -> Any:
    """The cells of which nothing was observed: not the same as clear ground, where the density is about 0."""
    import ipyleaflet
    from matplotlib.colors import to_rgb

    unseen = density.copy(data=np.where(np.isfinite(density.values), np.nan, 1.0))
    picture = _turned(overlay.from_density(unseen), middle)
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
            prefer_canvas=True,
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


def _vectors(
    name: str, table: gpd.GeoDataFrame, drawn: list[dict[str, Any]], info: Any, stacks: Mapping[str, xr.Dataset]
) -> Any:
    import ipyleaflet

    layer = ipyleaflet.GeoJSON(
        data={"type": "FeatureCollection", "features": drawn},
        hover_style={"weight": 5, "fillOpacity": 0.25},
        name=name,
    )
    columns = pd.DataFrame(table.drop(columns=table.active_geometry_name))

    def show(picture: bool, feature: dict[str, Any], **_: Any) -> None:
        row = columns.iloc[[int(feature["properties"]["row"])]].to_dict("records")[0]
        told = words(_ONE[name], row)
        info.value = told + (pictures(row, stacks) if picture else "")
        info.layout.display = "block"

    if name != "rivers":
        layer.on_hover(partial(show, False))
        layer.on_click(partial(show, True))
    return layer


def _bar(colour_map: str, low: float, high: float, told: str) -> str:
    import matplotlib
    from matplotlib.colors import to_hex

    stops = ", ".join(to_hex(matplotlib.colormaps[colour_map](s)) for s in np.linspace(0, 1, 9))
    numbers = "".join(f"<span>{v:.3g}</span>" for v in (low, (low + high) / 2, high))
    return (
        f'<div style="margin:4px 0"><div>{html.escape(told)}</div>'
        f'<div style="height:12px;background:linear-gradient(to right, {stops})"></div>'
        f'<div style="display:flex;justify-content:space-between">{numbers}</div></div>'
    )


def _key(name: str, table: gpd.GeoDataFrame, total: int, shades: Colouring) -> str:
    noun = _ONE[name] if len(table) == 1 else name
    count = f"{len(table)} {noun}" + (f" ({total - len(table)} without a place)" if total > len(table) else "")
    if shades.scale is not None:
        return _bar(SCORE_COLOURS, *shades.scale, f"{count}, by score")
    if shades.keys:
        lines = [_line(name, f"{word}: {shades.colours.count(colour)}", colour) for word, colour in shades.keys.items()]
        return f"<div>{html.escape(count)}, {shades.heading}</div>" + "".join(lines)
    return _line(name, count, _STYLES[name]["color"])


def _line(name: str, told: str, colour: str) -> str:
    border = f"border{'-top' if name == 'rivers' else ''}:2px solid {colour}"
    size = "height:0" if name == "rivers" else "height:9px"
    return (
        '<div style="display:flex;align-items:center;gap:6px;margin:2px 0">'
        f'<span style="display:inline-block;width:16px;{size};{border}"></span>{html.escape(told)}</div>'
    )


def _legend(parts: list[str]) -> str:
    return f'<div style="font:12px/1.4 sans-serif;min-width:180px;padding:2px 8px">{"".join(parts)}</div>'
