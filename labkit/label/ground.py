"""Labels taken to another grid through the ground: restacking with other settings moves boxes and loses none."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.label.columns import LABEL_COLUMNS, with_hash
from labkit.schema import CORNERS


def move_labels(labels: gpd.GeoDataFrame, data: xr.Dataset) -> gpd.GeoDataFrame:
    """Give labels the pixels that their ground has on another scene: other multilooking, another track, a map grid.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels (:mod:`labkit.schema`) with their lon/lat polygons; their own pixels and scenes are not looked at.
    data : xarray.Dataset
        The scene to take them to (gradients, rates or interferograms), with lon/lat.

    Returns
    -------
    geopandas.GeoDataFrame
        The labels that touch the scene, with ``scene`` and pixel corners of it; ``geometry`` and all other columns as
        they were. ``attrs["outside"]`` counts those that lie wholly beyond its edges and were left out.

    Raises
    ------
    LabkitError
        A label has no place on the Earth, or the scene has none.

    Notes
    -----
    The corners of the polygon become pixel positions; the box is the smallest that holds them all. On a grid along the
    same axes (other multilooking of one radar geometry) that is the same box, exactly; on one at an angle, such as a
    map grid, it is the larger box around the turned one. A direction keeps its word: azimuth and range are those of
    the satellite, so labels belong on another track only where that is what is meant.

    Examples
    --------
    >>> grid = {"y": [31.0, 30.8], "x": [101.0, 101.2]}
    >>> scene = xr.Dataset(coords=grid, attrs={"crs": "EPSG:4326", "scene": "coarse"})
    >>> box = shapely.box(101.0, 30.85, 101.1, 30.95)
    >>> label = schema.boxes_table({"direction": "range", "xmin": [0], "ymin": [0], "xmax": [1], "ymax": [1],
    ...                             "geometry": [box]})
    >>> move_labels(label, scene)[["scene", "xmin", "ymin", "xmax", "ymax"]].round(3).values.tolist()
    [['coarse', 0.5, 0.75, 1.0, 1.25]]
    """
    schema.check_boxes(labels, "labels")
    missing = labels.geometry.isna() | labels.geometry.is_empty
    if missing.any():
        raise LabkitError(
            f"labels must have a place on the Earth to be moved, instead {int(missing.sum())} of {len(labels)} have "
            "none. Pull them with data=, the scenes that they were drawn on"
        )
    in_lonlat = labels.geometry if labels.crs is None else labels.geometry.to_crs(geo.WGS84)
    boxes = _boxes_on(data, in_lonlat)
    rows, cols = data.sizes["y"], data.sizes["x"]
    touches = (boxes[:, 0] < cols) & (boxes[:, 1] < rows) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    moved = labels.copy()
    moved[CORNERS] = boxes
    moved["scene"] = str(data.attrs.get("scene", ""))
    moved = gpd.GeoDataFrame(moved[touches].reset_index(drop=True))
    if set(LABEL_COLUMNS) <= set(moved.columns):
        moved = with_hash(moved)
    moved.attrs = dict(labels.attrs) | {"outside": int((~touches).sum())}
    return moved


def _boxes_on(data: xr.Dataset, shapes: gpd.GeoSeries) -> npt.NDArray[np.float64]:
    """The smallest box of the scene around each shape, (n, 4)."""
    lonlat, owner = shapely.get_coordinates(shapes.to_numpy(), return_index=True)
    y, x = geo.lonlat_to_pixel(data, lonlat[:, 0], lonlat[:, 1])
    boxes = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(shapes), 1))
    np.minimum.at(boxes, (owner[:, None], [0, 1]), np.column_stack([x, y]))
    np.maximum.at(boxes, (owner[:, None], [2, 3]), np.column_stack([x, y]))
    return boxes
