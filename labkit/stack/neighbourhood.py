"""The ground around a box: which pixels of a scene it takes, and which of them the box holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from shapely import contains_xy
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from labkit.errors import LabkitError
from labkit.geo import lonlat_to_pixel
from labkit.schema import CORNERS

Mask = npt.NDArray[np.bool_]

#: Corners in pixel edges, a row of a table of boxes, or an outline in lon/lat.
Place: TypeAlias = Sequence[float] | Mapping[str, object] | pd.Series | pd.DataFrame | BaseGeometry


#: A box of fewer pixels says little of what moves in it.
_LEAST_PIXELS = 4

#: The margin is as wide as the box, but not narrower than this many pixels.
_LEAST_MARGIN = 12


@dataclass(frozen=True)
class Neighbourhood:
    """A window of a scene: its ``rows`` and ``cols``; ``inside`` (y, x) the pixels of the box; its ``corners`` px."""

    rows: slice
    cols: slice
    inside: Mask
    corners: tuple[float, float, float, float]


def find_neighbourhood(ifgs: xr.Dataset, box: Place, margin: int | None) -> Neighbourhood:
    """Find the window of ``margin`` pixels around a box, cut off at the edge of the scene.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms; only coordinates are read.
    box : sequence, row of a table, or shapely geometry
        As :func:`labkit.displacement_series` takes it.
    margin : int, optional
        Pixels around the box; None: the longer side of the box, at least 12.

    Raises
    ------
    LabkitError
        The box is none of these, lies outside the scene or on another one, or holds fewer than 4 pixels.
    """
    height, width = ifgs.sizes["y"], ifgs.sizes["x"]
    outline = _outline(ifgs, box)
    xmin, ymin, xmax, ymax = outline.bounds
    if xmax <= 0 or ymax <= 0 or xmin >= width or ymin >= height:
        raise LabkitError(
            f"box must lie on the scene of {height} × {width} px, instead it spans x {xmin:.1f} to {xmax:.1f} and "
            f"y {ymin:.1f} to {ymax:.1f}. Look whether it was drawn on this scene and at this pixel spacing"
        )
    if margin is None:
        margin = max(_LEAST_MARGIN, math.ceil(max(xmax - xmin, ymax - ymin)))
    if isinstance(margin, bool) or not isinstance(margin, int | np.integer) or margin < 1:
        raise LabkitError(f"margin must be a whole number of at least 1 px, instead got margin={margin!r}")
    rows = slice(max(math.floor(ymin) - margin, 0), min(math.ceil(ymax) + margin, height))
    cols = slice(max(math.floor(xmin) - margin, 0), min(math.ceil(xmax) + margin, width))
    y, x = np.mgrid[rows, cols]
    inside = np.asarray(contains_xy(outline, x + 0.5, y + 0.5))
    if inside.sum() < _LEAST_PIXELS:
        raise LabkitError(
            f"box must hold at least {_LEAST_PIXELS} pixels of the scene, instead it holds {int(inside.sum())}. "
            "Draw it around the whole landslide"
        )
    return Neighbourhood(rows, cols, inside, (xmin, ymin, xmax, ymax))


def _outline(ifgs: xr.Dataset, box: Place) -> Polygon:
    """The box as a polygon (x, y) in pixel edges."""
    if isinstance(box, BaseGeometry):
        if not isinstance(box, Polygon) or box.is_empty:
            raise LabkitError(f"box must be one polygon in lon/lat, instead got a {box.geom_type} {box.wkt[:60]}")
        lon, lat = np.asarray(box.exterior.coords)[:, :2].T
        y, x = lonlat_to_pixel(ifgs, lon, lat)
        return Polygon(np.column_stack([x, y]))
    return _rectangle(_corners(ifgs, box))


def _corners(ifgs: xr.Dataset, box: Place) -> Sequence[object]:
    if isinstance(box, pd.DataFrame):
        if len(box) != 1:
            raise LabkitError(f"box must be one row of a table, instead got {len(box)} rows. Choose with boxes.iloc[i]")
        box = box.iloc[0]
    if isinstance(box, Mapping | pd.Series):
        missing = [name for name in CORNERS if name not in box]
        if missing:
            raise LabkitError(f"box must have {CORNERS}, instead these are missing: {missing}")
        here, there = str(ifgs.attrs["scene"]), str(box.get("scene") or "")
        if here and there and here != there:
            raise LabkitError(
                f"box must be drawn on the scene {here!r}, instead it is of scene={there!r}. "
                "Give its outline in lon/lat (its geometry) to look at the same ground on another scene"
            )
        return [box[name] for name in CORNERS]
    return box


def _rectangle(corners: Sequence[object]) -> Polygon:
    try:
        xmin, ymin, xmax, ymax = (float(str(value)) for value in corners)
    except (TypeError, ValueError) as error:
        raise LabkitError(
            "box must be xmin, ymin, xmax, ymax in pixel edges, a row of a table of boxes, or a polygon in lon/lat, "
            f"instead got box={corners!r}"
        ) from error
    if not (np.isfinite([xmin, ymin, xmax, ymax]).all() and xmin < xmax and ymin < ymax):
        raise LabkitError(
            f"box must have finite corners with xmin < xmax and ymin < ymax, instead got {(xmin, ymin, xmax, ymax)}"
        )
    return Polygon([(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax)])
