"""What the images show where a known landslide lies: why it was missed may be read there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr
from rasterio import Affine
from rasterio.features import geometry_mask

from labkit import geo
from labkit.errors import LabkitError

Array = npt.NDArray[np.float64]
Scenes = xr.Dataset | xr.DataArray | Iterable[xr.Dataset | xr.DataArray]


def measure_items(
    items: gpd.GeoSeries,
    buffer_m: float = 0.0,
    *,
    rates: Scenes | None = None,
    coherence: Scenes | None = None,
    layover: Scenes | None = None,
) -> dict[str, Array]:
    """Measure images where known landslides lie.

    Parameters
    ----------
    items : geopandas.GeoSeries
        The landslides, in a metric system.
    buffer_m : float
        Points and lines are measured over the ground within this distance, m ≥ 0; polygons over their own.
    rates, coherence, layover : Dataset, DataArray, or iterable of them, optional
        Images (y, x) with lon/lat or a CRS: ``rate``, ``coherence``, ``layover``.

    Returns
    -------
    dict of str to numpy.ndarray
        A value for each item, of the image that shows it best, NaN where none has data there: ``measured_rate``, the
        median in mm/yr with its sign, greatest without it; ``fastest_rate``, the fastest pixel with its sign;
        ``measured_coherence``, the mean, highest; ``layover_share``, the share of pixels, least. Only of the images
        that were given.

    Raises
    ------
    LabkitError
        An image lacks its variable, is not (y, x), or has no place on the Earth.

    Notes
    -----
    A pixel counts when its centre lies in the item; an item that holds no centre is measured at the pixel of its own.
    """
    wide = items.where(items.geom_type.isin(["Polygon", "MultiPolygon"]) | (buffer_m == 0), items.buffer(buffer_m))
    answer: dict[str, Array] = {}
    for layer in _layers("rates", rates, "rate"):
        under = _pixels(wide, layer)
        _keep(answer, "measured_rate", _each(np.median, under), np.abs)
        _keep(answer, "fastest_rate", _each(_fastest, under), np.abs)
    for layer in _layers("coherence", coherence, "coherence"):
        _keep(answer, "measured_coherence", _each(np.mean, _pixels(wide, layer)), np.positive)
    for layer in _layers("layover", layover, "layover"):
        _keep(answer, "layover_share", _each(np.mean, _pixels(wide, layer)), np.negative)
    return answer


def _fastest(pixels: Array) -> float:
    return float(pixels[np.abs(pixels).argmax()])


def _each(measure: Callable[[Array], Any], under: list[Array]) -> Array:
    return np.array([measure(pixels) if len(pixels) else np.nan for pixels in under], float)


def _keep(answer: dict[str, Array], name: str, values: Array, merit: np.ufunc) -> None:
    """Keep for each item the value of greater merit."""
    before = answer.get(name, np.full(len(values), np.nan))
    better = np.isnan(before) | (merit(values) > merit(before))
    answer[name] = np.where(better, values, before)


def _layers(name: str, scenes: Scenes | None, variable: str) -> Iterator[xr.DataArray]:
    if scenes is None:
        return
    for scene in [scenes] if isinstance(scenes, xr.Dataset | xr.DataArray) else scenes:
        if isinstance(scene, xr.Dataset) and variable not in scene:
            raise LabkitError(f"{name} must hold the variable {variable!r}, instead got {sorted(map(str, scene))}")
        layer = scene[variable].assign_attrs(scene.attrs) if isinstance(scene, xr.Dataset) else scene
        if layer.dims != ("y", "x"):
            raise LabkitError(f"{name} must be images with the dims ('y', 'x'), instead got dims={layer.dims}")
        yield layer


def _pixels(items: gpd.GeoSeries, layer: xr.DataArray) -> list[Array]:
    """Give the finite values of the pixels under each item."""
    if not len(items) or not layer.size:
        return [np.zeros(0)] * len(items)
    lonlat = items.to_crs(geo.WGS84).to_numpy()
    y, x = geo.lonlat_to_pixel(layer, *shapely.get_coordinates(lonlat).T)
    shapes = shapely.set_coordinates(lonlat.copy(), np.column_stack([x, y]))
    values = layer.to_numpy()
    under = [_under(shape, values) for shape in shapes]
    return [pixels[np.isfinite(pixels)].astype(float) for pixels in under]


def _under(shape: shapely.Geometry, values: npt.NDArray) -> npt.NDArray:
    rows, cols = values.shape
    if not np.isfinite(shape.bounds).all():  # so far outside that the lookup table does not lead there
        return values[:0, 0]
    left, top = (max(int(np.floor(edge)), 0) for edge in shape.bounds[:2])
    right, bottom = min(int(np.ceil(shape.bounds[2])), cols), min(int(np.ceil(shape.bounds[3])), rows)
    if left < right and top < bottom and shape.area:
        window = (bottom - top, right - left)
        inside = geometry_mask([shape], window, Affine.translation(left, top), invert=True)
        if inside.any():
            return values[top:bottom, left:right][inside]
    x, y = (int(np.floor(at)) for at in (shape.centroid.x, shape.centroid.y))
    return values[y : y + 1, x : x + 1].ravel() if 0 <= x < cols and 0 <= y < rows else values[:0, 0]
