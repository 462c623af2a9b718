"""The ground under a scene: heights, shaded relief and an optical image, read at the pixels of a radar image."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import map_coordinates

from labkit import geo
from labkit.errors import LabkitError
from labkit.view.relief import hillshade
from labkit.view.review_layers import Layer, ground_layer

Array = npt.NDArray[np.float64]

#: Cells of the heights around a scene: slopes at its edge want neighbours.
_BEYOND = 2


class Ground:
    """What lies under a scene.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The scene.
    dem : xarray.DataArray, optional
        Heights (y, x), m, with 1-D ``y`` and ``x`` and a CRS; NaN = no data.
    optical : xarray.DataArray, optional
        (band, y, x) with red, green and blue, or (y, x), with a CRS or lon/lat.

    Raises
    ------
    LabkitError
        One of them breaks its rule, or the scene has no lon/lat to find its pixels on them.
    """

    def __init__(self, ifgs: xr.Dataset, dem: xr.DataArray | None, optical: xr.DataArray | None) -> None:
        self._ifgs = ifgs
        for name, given in (("dem", dem), ("ground", optical)):
            if given is not None and not geo.has_lonlat(ifgs):
                raise LabkitError(
                    f"ifgs must have lon/lat or a CRS for {name} to be laid under it, instead it has neither. "
                    "In radar geometry, put the lookup table beside the interferograms"
                )
        self._dem = None if dem is None else self._around(_checked_dem(dem))
        self._layer: Layer | None = None if optical is None else ground_layer(optical)
        self._shade: xr.DataArray | None = None
        self._once: tuple[Hashable, Array] | None = None

    @property
    def has_heights(self) -> bool:
        """Whether heights were given."""
        return self._dem is not None

    @property
    def has_optical(self) -> bool:
        """Whether an optical image was given."""
        return self._layer is not None

    def once(self, what: Hashable, read: Callable[[], Array]) -> Array:
        """Give what was read last of the same name, else read it: a slider changes nothing below the stack."""
        if self._once is None or self._once[0] != what:
            self._once = what, read()
        return self._once[1]

    def heights(self, y: Array, x: Array) -> Array:
        """Give the heights (m) at pixel positions of the scene, NaN where they are unknown or not given."""
        if self._dem is None:
            return np.full(np.shape(y), np.nan)
        return sampled(self._dem, *self._lonlat(y, x))

    def shade(self, y: Array, x: Array) -> Array:
        """Give how brightly a sun in the north-west lights pixel positions of the scene, 0..1.

        Raises
        ------
        LabkitError
            No heights were given.
        """
        if self._dem is None:
            raise LabkitError("third must be another panel: hillshade wants heights. Give them: explore(ifgs, dem=...)")
        if self._shade is None:
            self._shade = self._dem.copy(data=hillshade(self._dem.values, *_steps_m(self._dem)))
        return sampled(self._shade, *self._lonlat(y, x))

    def optical(self, y: Array, x: Array) -> Array:
        """Give the optical image at pixel positions of the scene, stretched to 0..1: (…, 3), or (…) of one band.

        Raises
        ------
        LabkitError
            No image was given.
        """
        if self._layer is None:
            raise LabkitError("third must be another panel: no image was given. Give it: explore(ifgs, ground=...)")
        image, (low, high) = self._layer.image, self._layer.limits
        bands = [image] if image.ndim == 2 else [image[k] for k in range(3)]
        lon, lat = self._lonlat(y, x)
        row, col = geo.lonlat_to_pixel(self._layer.grid, lon, lat)
        shown = [np.clip((read_at(band.values, row, col) - low) / (high - low), 0, 1) for band in bands]
        return shown[0] if image.ndim == 2 else np.stack(shown, axis=-1)

    def _lonlat(self, y: Array, x: Array) -> tuple[Array, Array]:
        return geo.pixel_to_lonlat(self._ifgs, y, x)

    def _around(self, dem: xr.DataArray) -> xr.DataArray:
        """The heights around the scene alone: a DEM is often much larger."""
        height, width = self._ifgs.sizes["y"], self._ifgs.sizes["x"]
        y, x = np.meshgrid(np.linspace(0, height, 9), np.linspace(0, width, 9), indexing="ij")
        row, col = geo.lonlat_to_pixel(dem, *self._lonlat(y, x))
        spans = []
        for at, length in ((row, dem.sizes["y"]), (col, dem.sizes["x"])):
            first = int(np.clip(np.floor(at.min()) - _BEYOND, 0, length - 1))
            last = int(np.clip(np.ceil(at.max()) + _BEYOND, 0, length))
            if last - first < _BEYOND:
                raise LabkitError("dem must lie under the scene, instead none of it does. Look at its CRS")
            spans.append(slice(first, last))
        return dem.isel(y=spans[0], x=spans[1])


def sampled(image: xr.DataArray, lon: Array, lat: Array) -> Array:
    """Read an image (y, x) with a place on the Earth at lon/lat, bilinearly; NaN outside."""
    return read_at(image.values, *geo.lonlat_to_pixel(image, lon, lat))


def read_at(values: npt.NDArray[np.floating], row: Array, col: Array) -> Array:
    """Read an array at positions in pixel edges, bilinearly between the centres of pixels.

    A position beyond the edge is NaN; one nearer to the edge than half a pixel reads its own pixel. NaN where a pixel
    that counts is NaN.

    Examples
    --------
    >>> read_at(np.array([[0.0, 2.0], [4.0, np.nan]]), [0.5, 0.5, 0.5, 1.4], [0.5, 1.0, 3.0, 1.2]).tolist()
    [0.0, 1.0, nan, nan]
    """
    row, col = np.asarray(row, float), np.asarray(col, float)
    inside = (row >= 0) & (col >= 0) & (row <= values.shape[0]) & (col <= values.shape[1])
    at = [np.where(inside, row, 0.5) - 0.5, np.where(inside, col, 0.5) - 0.5]
    known = np.isfinite(values)
    read = map_coordinates(np.where(known, values, 0).astype(float), at, order=1, mode="nearest")
    if not known.all():
        # what is known alone has the weight of all; 0 × NaN would take a neighbour away that does not count
        share = map_coordinates(known.astype(float), at, order=1, mode="nearest")
        inside = inside & (share > 1 - 1e-6)
    return np.asarray(np.where(inside, read, np.nan))


def _checked_dem(dem: xr.DataArray) -> xr.DataArray:
    placed = isinstance(dem, xr.DataArray) and dem.dims == ("y", "x") and bool(dem.attrs.get("crs"))
    if not placed or dem["y"].ndim != 1 or min(dem.shape) < 2:
        raise LabkitError(
            "dem must be a DataArray (y, x) with 1-D y and x and the attribute crs, instead got "
            f"{type(dem).__name__} of {getattr(dem, 'dims', '')}"
        )
    return dem


def _steps_m(dem: xr.DataArray) -> tuple[float, float]:
    """Metres to the north from row to row, and to the east from column to column."""
    steps = [float(dem[a].values[-1] - dem[a].values[0]) / (dem.sizes[a] - 1) for a in "yx"]
    if "4326" not in str(dem.attrs["crs"]):
        return steps[0], steps[1]
    east, north = geo.metres_per_degree(np.asarray(dem["y"].values, float).mean(keepdims=True))
    return steps[0] * float(north[0]), steps[1] * float(east[0])
