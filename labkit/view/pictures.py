"""Pictures for print and for the project page: PNG files by matplotlib, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from pyproj import CRS

from labkit import ground, schema
from labkit.errors import LabkitError
from labkit.files import whole
from labkit.view import colours, marks, panels
from labkit.view.map_sheet import Bounds, draw_image, draw_outlines, font_families, image_edges, placed_tables
from labkit.view.painting import painted
from labkit.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Of the outlines on a map, points.
_WIDTHS = {"counties": 0.9, "rivers": 1.6, "detections": 1.6}

#: Around landslides without a density map, m.
_LEAST_MARGIN_M = 500.0


def save_gradients_png(
    gradients: xr.Dataset,
    path: str | Path,
    *,
    limit: float = schema.DISPLAY_LIMIT_RAD,
    labels: gpd.GeoDataFrame | None = None,
    detections: gpd.GeoDataFrame | None = None,
    title: str | None = None,
    dpi: int = 110,
) -> Path:
    """Save the gradients along azimuth and range side by side, red-blue, with boxes.

    Parameters
    ----------
    gradients, limit, labels, detections
        As for :func:`labkit.view.gradients`.
    path : str or pathlib.Path
        A ``.png``; its folder is made.
    title : str, optional
        Headline; without it the scene and how it was stacked.
    dpi : int
        Resolution, px per inch of a picture 11 inches wide.

    Returns
    -------
    pathlib.Path
        The file.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> stack = lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_gradients_png(stack, folder + "/gradients.png").stat().st_size > 10_000
    True
    """
    path = _checked(path)
    layers = schema.layers(schema.check_gradients(gradients))
    if not np.isfinite(limit) or limit <= 0:
        raise LabkitError(f"limit must be a number > 0, instead got limit={limit}")
    shape = next(iter(layers.values())).shape
    tall = panels.frame_height(gradients, shape, 500) / 500
    figure = _figure(11.0, 11.0 / len(layers) * 0.9 * tall + 1.9, dpi)
    # Bars in a row of their own: all panels keep one size, whatever their words.
    grid = figure.add_gridspec(2, len(layers), height_ratios=[1, 0.04])
    for column, (direction, layer) in enumerate(layers.items()):
        axis = figure.add_subplot(grid[0, column])
        image = _image(axis, layer, limit)
        bar = figure.colorbar(image, cax=figure.add_subplot(grid[1, column]), orientation="horizontal")
        bar.set_label(f"rad  ·  {colours.gradient_ends(direction)}")
        notes = []
        for boxes, name, colour in ((labels, "labels", colours.LABEL), (detections, "detections", colours.DETECTION)):
            here, words = marks.boxes_of(boxes, name, gradients, direction)
            if here is not None:
                _draw_boxes(axis, here, colour)
                notes.append(f"{'red' if name == 'labels' else 'blue'}: {words}")
        axis.set_title("\n".join([f"Phase gradient along {direction}", *notes]), fontsize=11)
        axis.set_aspect(tall * shape[1] / shape[0])
        radar = gradients.attrs.get("geometry") == "radar"
        axis.set_xlabel("range, px" if radar else "column, px")
        axis.set_ylabel("azimuth, px" if radar else "row, px")
    figure.suptitle(panels.headline(gradients) if title is None else title, fontsize=13)
    return _save(figure, path)


def save_map_png(
    detections: gpd.GeoDataFrame | None,
    density: xr.DataArray | None,
    path: str | Path,
    *,
    counties: gpd.GeoDataFrame | None = None,
    rivers: gpd.GeoDataFrame | None = None,
    county_name: str = "name",
    title: str | None = None,
    dpi: int = 110,
) -> Path:
    """Save a map of landslides and their density with counties and rivers, north up.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame, optional
        Landslides, drawn as blue outlines at their place.
    density : xarray.DataArray, optional
        From :func:`labkit.maps.density`; its coordinate system is the map's, and what was not observed is grey. Without
        it the map is in the UTM zone of the detections (:func:`labkit.ground.metric_system`).
    path : str or pathlib.Path
        A ``.png``; its folder is made.
    counties, rivers : geopandas.GeoDataFrame, optional
        Outlines, named by the column ``county_name`` where it exists, and lines.
    title : str, optional
        Headline.
    dpi : int
        Resolution, px per inch of a picture 8 inches wide.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    LabkitError
        There are neither detections nor a density map, or the suffix is not ``.png``.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> field = lk.density(scene.landslides, cell_m=500, bandwidth_m=1000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_map_png(scene.landslides, field, folder + "/map.png", counties=scene.counties).stat().st_size > 10_000
    True
    """
    path = _checked(path)
    shapes = placed_tables({"counties": counties, "rivers": rivers, "detections": detections})
    crs, bounds = _frame(shapes.get("detections"), density)
    west, south, east, north = bounds
    figure = _figure(8.0, float(np.clip(6.3 * (north - south) / (east - west), 3.0, 11.0)) + 0.8, dpi)
    axis = figure.subplots()
    if density is not None:
        look = painted(density)
        words = look.words + (f" (grey: {look.no_data})" if bool(density.isnull().any()) else "")
        figure.colorbar(draw_image(axis, density, look), ax=axis, label=words, shrink=0.8, pad=0.02)
    draw_outlines(axis, shapes, crs, _WIDTHS)
    if counties is not None and county_name in counties.columns:
        _name_counties(axis, shapes["counties"].to_crs(crs).clip(bounds), counties[county_name])
    axis.set(xlim=(west, east), ylim=(south, north), aspect="equal")
    axis.set_xlabel("easting, km", fontsize=10)
    axis.set_ylabel("northing, km", fontsize=10)
    # A small map has ticks less than a kilometre apart: without decimals they would read alike.
    decimals = 1 if max(east - west, north - south) < 8_000 else 0
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter(lambda metres, _: f"{metres / 1000:.{decimals}f}")
    count = 0 if detections is None else len(detections)
    headline = title if title is not None else counted(count, "landslide")
    axis.set_title(headline, family=font_families(headline), parse_math=False)
    return _save(figure, path)


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise LabkitError(f"path must end with .png, instead got path={path.name!r}")
    return path


def _figure(width: float, height: float, dpi: int) -> Figure:
    # Not by pyplot: no window system is asked, and nothing stays in its global list.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _image(axis: Axes, layer: xr.DataArray, limit: float) -> Any:
    rows, cols = layer.shape
    axis.set_facecolor(colours.NO_DATA)
    return axis.imshow(
        np.ma.masked_invalid(layer.values),
        cmap=colours.GRADIENT_COLOURS,
        vmin=-limit,
        vmax=limit,
        extent=(0, cols, rows, 0),
        interpolation="none",
    )


def _draw_boxes(axis: Axes, boxes: gpd.GeoDataFrame, colour: str) -> None:
    from matplotlib.patches import Rectangle

    for xmin, ymin, xmax, ymax in boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float):
        for ink, width in ((colours.CASING, 3.5), (colour, 1.7)):
            axis.add_patch(
                Rectangle((xmin, ymin), xmax - xmin, ymax - ymin, fill=False, edgecolor=ink, linewidth=width)
            )


def _frame(detections: gpd.GeoSeries | None, density: xr.DataArray | None) -> tuple[CRS, Bounds]:
    if density is not None:
        return CRS(density.attrs["crs"]), image_edges(density)
    if detections is None:
        raise LabkitError("a map must have detections or density to show, instead got neither")
    crs = ground.metric_system("detections", detections)
    west, south, east, north = detections.to_crs(crs).total_bounds
    margin = max(0.1 * max(east - west, north - south), _LEAST_MARGIN_M)
    return crs, (west - margin, south - margin, east + margin, north + margin)


def _name_counties(axis: Axes, counties: gpd.GeoSeries, names: pd.Series) -> None:
    from matplotlib.patheffects import withStroke

    # clipping may have left some out, and changed the order
    named = names.loc[counties.index].astype(str)
    families = font_families(*named)
    for words, place in zip(named, counties.representative_point(), strict=True):
        halo = [withStroke(linewidth=3, foreground="white")]
        axis.annotate(words, (place.x, place.y), ha="center", fontsize=9, color=colours.COUNTY, path_effects=halo,
                      family=families, parse_math=False)  # fmt: skip


def _save(figure: Figure, path: Path) -> Path:
    with whole(path) as partial:
        figure.savefig(partial, format="png")
    return path
