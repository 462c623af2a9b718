"""What is shown of a detection while it is reviewed: windows of images, however each of them lies on the ground."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.schema import CORNERS
from labkit.view import colours, panels

Array = npt.NDArray[np.float64]
Scenes = xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset]


#: Edge of a window: so many times the longer edge of the box, and at least so many metres.
_TIMES, _LEAST_M = 3.0, 1500.0

#: Of a scene that is smaller than that its own longer edge is taken, and at least so many times the box's.
_MARGIN = 1.2

#: Pixels that a window's lookup table reaches beyond the window, so that outlines at its edge are placed too.
_BEYOND_PX = 8

#: Kinds of layers in the order of their panels.
_ORDER = (*schema.DIRECTIONS, "rate", "coherence", "ground")

_METRES_PER_DEGREE = 111_319.49


@dataclass(frozen=True)
class Layer:
    """An image that is shown: (y, x), or (band, y, x) with red, green and blue; ``scene`` "" where it is of none."""

    kind: str
    scene: str
    image: xr.DataArray
    grid: xr.Dataset | xr.DataArray
    limits: tuple[float, float]
    unit: str = ""

    @property
    def spacing(self) -> tuple[float, float]:
        """Metres on the ground from row to row and from column to column; 1, 1 where it is unknown."""
        return spacing_m(self.grid)


@dataclass(frozen=True)
class Window:
    """A cut of a layer: values (rows, columns[, 3]), NaN = no data; ``left``, ``top`` in pixel edges of the layer."""

    layer: Layer
    values: npt.NDArray[np.float32]
    left: int
    top: int

    @property
    def right(self) -> int:
        """The edge beyond the last column."""
        return self.left + self.values.shape[1]

    @property
    def bottom(self) -> int:
        """The edge beyond the last row."""
        return self.top + self.values.shape[0]

    def to_lonlat(self, shape: BaseGeometry) -> BaseGeometry:
        """Lay a shape in pixels (x, y) of the layer on the Earth."""
        cut, top, left = self._grid()

        def place(points: Array) -> Array:
            return np.column_stack(geo.pixel_to_lonlat(cut, points[:, 1] - top, points[:, 0] - left))

        return shapely.transform(shape, place)

    def to_pixels(self, shape: BaseGeometry) -> BaseGeometry:
        """Lay a shape in lon/lat on the layer, in pixels (x, y)."""
        cut, top, left = self._grid()

        def place(points: Array) -> Array:
            y, x = geo.lonlat_to_pixel(cut, points[:, 0], points[:, 1])
            return np.column_stack([x + left, y + top])

        return shapely.transform(shape, place)

    def _grid(self) -> tuple[xr.Dataset | xr.DataArray, int, int]:
        """The lookup table around the window alone: inverting a whole scene's takes seconds."""
        rows, cols = self.layer.image.shape[-2:]
        top = int(np.clip(self.top - _BEYOND_PX, 0, max(rows - 2, 0)))
        left = int(np.clip(self.left - _BEYOND_PX, 0, max(cols - 2, 0)))
        bottom, right = max(self.bottom + _BEYOND_PX, top + 2), max(self.right + _BEYOND_PX, left + 2)
        names = [name for name in ("lon", "lat") if name in self.layer.grid.coords]
        grid = self.layer.grid
        coordinates = {n: grid[n].variable for n in names} or {n: grid[n].variable for n in ("y", "x")}
        cut = xr.Dataset(coords=coordinates, attrs=grid.attrs).isel(y=slice(top, bottom), x=slice(left, right))
        return cut, top, left


class Layers:
    """The layers of a review, and where each detection lies on them.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        All that are to be looked at.
    gradients, rates : Dataset, or iterable or dict of Datasets, optional
        Found by their attribute ``scene``. Rates of no detection's scene are found by their place.
    ground : xarray.DataArray, optional
        (y, x) or (band, y, x), with lon/lat or a CRS.

    Raises
    ------
    LabkitError
        An object breaks its rule, nothing is given to look at, or a detection lies on none of it.
    """

    def __init__(
        self,
        detections: gpd.GeoDataFrame,
        gradients: Scenes | None,
        rates: Scenes | None,
        ground: xr.DataArray | None,
    ) -> None:
        given = [*_of_gradients(gradients), *_of_rates(rates), *([] if ground is None else [ground_layer(ground)])]
        self.layers = sorted(given, key=lambda layer: _ORDER.index(layer.kind))
        if not self.layers:
            raise LabkitError("gradients, rates or ground must be given to look at, instead got none of them")
        self.kinds = list(dict.fromkeys(layer.kind for layer in self.layers))
        self._on = [self._boxes_on(layer, detections) for layer in self.layers]
        nowhere = ~np.any([np.isfinite(corners).all(axis=1) for corners, _ in self._on], axis=0)
        if nowhere.any():
            raise LabkitError(
                f"gradients, rates or ground must show each detection, instead {int(nowhere.sum())} lie on none of "
                f"them, the first of scene={detections['scene'].iloc[int(np.argmax(nowhere))]!r}. Give that scene too"
            )

    def windows(self, index: int, extent_m: float) -> dict[str, Window]:
        """Cut what shows a detection, by its row, of each kind: its own scene's first, else where it lies."""
        found: dict[str, Window] = {}
        for own in (True, False):
            for number, layer in enumerate(self.layers):
                corners = self._on[number][0][index]
                if layer.kind in found or self._on[number][1][index] != own or not _inside(layer, corners):
                    continue
                found[layer.kind] = _cut(layer, corners, extent_m)
        return {kind: found[kind] for kind in self.kinds if kind in found}

    def corners(self, window: Window) -> Array:
        """Give where all detections lie on a window's layer, (n, 4) px; NaN where that is unknown or elsewhere."""
        number = next(i for i, layer in enumerate(self.layers) if layer is window.layer)
        return self._on[number][0]

    def extent_m(self, index: int) -> float:
        """Give the edge of the ground to show around a detection, m: of a small scene no more than there is."""
        for number, layer in enumerate(self.layers):
            left, top, right, bottom = self._on[number][0][index]
            if np.isfinite(left):
                along, across = layer.spacing
                rows, cols = layer.image.shape[-2:]
                box = max((right - left) * across, (bottom - top) * along)
                whole = max(cols * across, rows * along, _MARGIN * box)
                return min(max(_TIMES * box, _LEAST_M), whole)
        return _LEAST_M

    @staticmethod
    def _boxes_on(layer: Layer, detections: gpd.GeoDataFrame) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Corners of each detection on a layer, and whether they are those of the table: the layer is of its scene."""
        corners = np.full((len(detections), 4), np.nan)
        own = (detections["scene"].astype(str) == layer.scene).to_numpy() & bool(layer.scene)
        corners[own] = detections.loc[own, CORNERS].to_numpy(float)
        shapes = detections.geometry.to_numpy()
        placed = np.flatnonzero(~(shapely.is_missing(shapes) | shapely.is_empty(shapes)) & ~own)
        if len(placed) and not own.any() and geo.has_lonlat(layer.grid):
            points, row = shapely.get_coordinates(shapes[placed], return_index=True)
            y, x = geo.lonlat_to_pixel(layer.grid, points[:, 0], points[:, 1])
            for at, place in ((x, 0), (y, 1)):
                low, high = np.full(len(placed), np.inf), np.full(len(placed), -np.inf)
                np.minimum.at(low, row, at)
                np.maximum.at(high, row, at)
                corners[placed, place], corners[placed, place + 2] = low, high
        return corners, own


def spacing_m(grid: xr.Dataset | xr.DataArray) -> tuple[float, float]:
    """Give the metres on the ground from row to row and from column to column; 1, 1 where they are unknown."""
    attributes = grid.attrs
    if "lon" not in grid.coords and geo.has_lonlat(grid):
        steps = [abs(float(grid[a][-1] - grid[a][0])) / max(grid.sizes[a] - 1, 1) for a in "yx"]
        if "4326" in str(attributes["crs"]):
            north = float(np.cos(np.radians(grid["y"].values.mean())))
            return steps[0] * _METRES_PER_DEGREE, steps[1] * _METRES_PER_DEGREE * north
        return steps[0], steps[1]
    along, across = (abs(float(attributes.get(f"{axis}_spacing", np.nan))) for axis in "yx")
    incidence = float(attributes.get("incidence_angle", np.nan))
    if attributes.get("geometry") == "radar" and np.isfinite(incidence):
        across /= np.sin(np.radians(incidence))
    known = np.isfinite(along) and np.isfinite(across) and along > 0 and across > 0
    return (along, across) if known else (1.0, 1.0)


def polygons_of(shape: BaseGeometry | None) -> list[Polygon]:
    """Give the polygons of a shape, none of None."""
    if shape is None or shape.is_empty:
        return []
    return list(shapely.get_parts(MultiPolygon([shape]) if isinstance(shape, Polygon) else shape))


def _of_gradients(given: Scenes | None) -> list[Layer]:
    layers = []
    for stack in _datasets(given):
        scene = str(schema.check_gradients(stack).attrs["scene"])
        limit = schema.DISPLAY_LIMIT_RAD
        for direction, image in schema.layers(stack).items():
            layers.append(Layer(direction, scene, image, stack, (-limit, limit), "rad"))
        if "coherence" in stack and set(stack["coherence"].dims) == {"y", "x"}:
            layers.append(Layer("coherence", scene, stack["coherence"].transpose("y", "x"), stack, (0.0, 1.0)))
    return layers


def _of_rates(given: Scenes | None) -> list[Layer]:
    stacks = [schema.check_rates(stack) for stack in _datasets(given)]
    limit = max((panels.rate_limit(stack["rate"].values) for stack in stacks), default=1.0)
    return [
        Layer("rate", str(one.attrs.get("scene", "")), one["rate"], one, (-limit, limit), "mm/yr") for one in stacks
    ]


def ground_layer(ground: xr.DataArray) -> Layer:
    """Give an optical image (band, y, x), or shaded relief (y, x), as a layer, from its 2nd to its 98th percentile.

    Raises
    ------
    LabkitError
        It has other dims, or lies nowhere on the Earth.
    """
    bands = ground.dims != ("y", "x")
    if not isinstance(ground, xr.DataArray) or (bands and (ground.dims[1:] != ("y", "x") or ground.shape[0] != 3)):
        raise LabkitError(
            "ground must be a DataArray (y, x), or (band, y, x) with red, green and blue, instead got "
            f"{dict(ground.sizes)}"
        )
    if not geo.has_lonlat(ground):
        raise LabkitError("ground must have 1-D y and x with a CRS, or 2-D lon and lat, instead got neither")
    known = np.asarray(ground.values, float)
    known = known[np.isfinite(known)]
    low, high = np.percentile(known, [2, 98]) if known.size else (0.0, 1.0)
    return Layer("ground", "", ground, ground, (float(low), float(high) if high > low else float(low) + 1.0))


def _datasets(given: Scenes | None) -> list[xr.Dataset]:
    if given is None:
        return []
    if isinstance(given, xr.Dataset):  # asked first: a Dataset is a mapping too, of its variables
        return [given]
    return list(given.values() if isinstance(given, Mapping) else given)


def _inside(layer: Layer, corners: Array) -> bool:
    """Whether any of a box lies on the image."""
    rows, cols = layer.image.shape[-2:]
    left, top, right, bottom = corners
    return bool(np.isfinite(corners).all() and right > 0 and bottom > 0 and left < cols and top < rows)


def _cut(layer: Layer, corners: Array, extent_m: float) -> Window:
    along, across = layer.spacing
    if (along, across) == (1.0, 1.0):
        # of unknown spacing: by the box's own pixels
        extent_m = max(_TIMES * max(corners[2] - corners[0], corners[3] - corners[1]), 48.0)
    rows, cols = (max(8, round(extent_m / step)) for step in (along, across))
    left = round((corners[0] + corners[2]) / 2 - cols / 2)
    top = round((corners[1] + corners[3]) / 2 - rows / 2)
    bands = [layer.image] if layer.image.ndim == 2 else list(layer.image)
    values = np.stack([_padded(band, top, left, rows, cols) for band in bands], axis=-1)
    return Window(layer, values[..., 0] if len(bands) == 1 else values, left, top)


def _padded(image: xr.DataArray, top: int, left: int, rows: int, cols: int) -> npt.NDArray[np.float32]:
    height, width = image.shape
    out = np.full((rows, cols), np.nan, np.float32)
    inside_y, inside_x = slice(max(top, 0), min(top + rows, height)), slice(max(left, 0), min(left + cols, width))
    if inside_y.stop > inside_y.start and inside_x.stop > inside_x.start:
        part = np.asarray(image.isel(y=inside_y, x=inside_x), np.float32)
        out[inside_y.start - top : inside_y.stop - top, inside_x.start - left : inside_x.stop - left] = part
    return out


def footprints(given: Scenes | None) -> gpd.GeoSeries:
    """Outline the ground of each scene that has a place, lon/lat, by its name."""
    found = {}
    for stack in _datasets(given):
        if geo.has_lonlat(stack):
            image = next(iter(schema.layers(stack).values()))
            found[str(stack.attrs.get("scene", ""))] = geo.footprint(stack, np.isfinite(image.values))
    return gpd.GeoSeries(found, crs=geo.WGS84)


def colour_map(kind: str) -> str:
    """Name the colours of a kind of layer, those of every other figure."""
    known = {"rate": colours.RATE_COLOURS, "coherence": "gray", "ground": "gray"}
    return known.get(kind, colours.GRADIENT_COLOURS)
