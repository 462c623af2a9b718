"""Masks of scenes on the pixels of their boxes: arrays as they are, polygons where boxes meet them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr

from labkit import geo, ground
from labkit.detect.strength import pixel_windows
from labkit.errors import LabkitError

#: What a mask may be: an array for one scene, one for each scene by its name, or polygons for all.
Mask: TypeAlias = xr.DataArray | Mapping[str, xr.DataArray] | gpd.GeoDataFrame

#: Polygons beyond this longitude may be those of a scene that lies across the date line, degrees.
_NEAR_DATE_LINE = 170.0


def mask_on(name: str, mask: Mask, stack: xr.Dataset, corners: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_] | None:
    """Give a mask on the pixels of a scene (y, x), True = masked; None where it says nothing of the scene.

    Parameters
    ----------
    name : str
        What the mask is called in errors.
    mask : xarray.DataArray, mapping of scene to DataArray, or geopandas.GeoDataFrame
        Arrays (y, x) are on the grid of their scene; an array by itself is for the only scene, or for the one that its
        attribute ``scene`` names. Polygons are in any coordinate system; a pixel is in one when its centre is.
    stack : xarray.Dataset
        The scene.
    corners : numpy.ndarray (n, 4)
        The boxes that matter: polygons are laid on their pixels alone.

    Raises
    ------
    LabkitError
        The mask is of another kind or shape, or polygons say no coordinate system or have no place.
    """
    shape = (stack.sizes["y"], stack.sizes["x"])
    scene = str(stack.attrs["scene"])
    if isinstance(mask, gpd.GeoDataFrame):
        if mask.crs is None:
            raise LabkitError(f"masks[{name!r}] must say its coordinate system, instead got crs=None. Set its crs")
        return _polygons_on(name, mask, stack, shape, corners)
    if isinstance(mask, Mapping) and not isinstance(mask, xr.Dataset):
        if scene not in mask:
            return None
        mask = mask[scene]
    if not isinstance(mask, xr.DataArray):
        raise LabkitError(
            f"masks[{name!r}] must be a DataArray (y, x), one for each scene, or a GeoDataFrame of polygons, instead "
            f"got {type(mask).__name__}"
        )
    if mask.attrs.get("scene", scene) != scene:
        return None
    if mask.dims != ("y", "x") or mask.shape != shape or mask.dtype != bool:
        raise LabkitError(
            f"masks[{name!r}] must be bool (y, x) of shape {shape} as scene {scene!r} is, instead got "
            f"dims={mask.dims}, shape={mask.shape}, dtype={mask.dtype}"
        )
    return np.asarray(mask.values)


def _polygons_on(
    name: str, polygons: gpd.GeoDataFrame, stack: xr.Dataset, shape: tuple[int, int], corners: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    covered, wanted = np.zeros(shape, bool), np.zeros(shape, bool)
    drawn = polygons.geometry[~(polygons.geometry.isna() | polygons.geometry.is_empty)]
    if not len(drawn) or not len(corners):
        return covered
    once = ground.placed(f"masks[{name!r}]", drawn).make_valid()
    # a scene at the date line may have its longitudes on either side of it
    areas = (
        once
        if abs(once.total_bounds[[0, 2]]).max() < _NEAR_DATE_LINE
        else pd.concat([once.translate(turn) for turn in (-360, 0, 360)])
    )
    outlines = np.array(geo.box_polygons(stack, corners), object)
    if outlines[0] is None:
        raise LabkitError(
            f"scene {stack.attrs['scene']!r} must have a place on the Earth for masks of polygons, instead it has no "
            "lon and lat. Open the interferograms with their lookup table"
        )
    met = np.unique(shapely.STRtree(outlines).query(areas.to_numpy(), predicate="intersects")[1])
    for left, top, right, bottom in pixel_windows(corners[met], shape):
        wanted[top:bottom, left:right] = True
    rows, cols = np.nonzero(wanted)
    lon, lat = geo.pixel_to_lonlat(stack, rows + 0.5, cols + 0.5)
    union = areas.union_all()
    shapely.prepare(union)
    covered[rows, cols] = shapely.contains_xy(union, lon, lat)
    return covered
