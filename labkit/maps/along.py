"""How many landslides stand along a river, kilometre by kilometre."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from labkit import ground
from labkit.errors import LabkitError
from labkit.maps.points import landslide_points

#: More reaches than these are taken for a mistake of their length.
MOST_REACHES = 1_000_000


def profile(
    detections: gpd.GeoDataFrame,
    river: gpd.GeoDataFrame | gpd.GeoSeries,
    *,
    distance_m: float = 5000.0,
    step_m: float = 5000.0,
) -> pd.DataFrame:
    """Count landslides along a river, or any line.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        One row for each landslide, which stands at its centroid. May be empty.
    river : geopandas.GeoDataFrame or GeoSeries
        One line with a coordinate system; lines that join end to end are one.
    distance_m : float
        Landslides farther from the line than this do not count, m, > 0.
    step_m : float
        Length of a reach, m, > 0; the last one is what is left.

    Returns
    -------
    pandas.DataFrame
        A row for each reach, from the line's first point on: ``from_km``, ``to_km`` (chainage), ``count``, ``per_km``
        (landslides per km of the line). A landslide counts at the point of the line that is nearest to it.
        ``attrs["n_beyond"]``: landslides farther away.

    Raises
    ------
    LabkitError
        The lines do not join to one, it says no coordinate system, a row has no place, or a length is out of its range.

    Examples
    --------
    >>> from shapely.geometry import LineString, box
    >>> river = gpd.GeoSeries([LineString([(500_000, 0), (510_000, 0)])], crs="EPSG:32647")
    >>> two = [box(501_000, 0, 501_200, 200), box(507_000, 900, 507_200, 1_100)]
    >>> table = profile(gpd.GeoDataFrame(geometry=two, crs="EPSG:32647"), river)
    >>> table[["from_km", "count"]].round(2).values.tolist()
    [[0.0, 1.0], [5.0, 1.0]]
    """
    for name, value in (("distance_m", distance_m), ("step_m", step_m)):
        if not (value > 0 and np.isfinite(value)):
            raise LabkitError(f"{name} must be a number of metres > 0, instead got {name}={value}")
    if not isinstance(river, gpd.GeoDataFrame | gpd.GeoSeries) or river.crs is None:
        raise LabkitError("river must be a table of lines with a coordinate system. Set river.crs")
    shapes = ground.placed("river", river)
    crs = ground.metric_system("river", shapes)
    # on whole millimetres ends that meet are equal, also those that meet at the date line
    lines = gpd.GeoSeries(shapely.set_precision(shapes.to_crs(crs).to_numpy(), 1e-3), crs=crs)
    line = shapely.line_merge(lines.union_all())
    if line.geom_type != "LineString" or line.is_empty:
        parts = len(getattr(line, "geoms", []))
        raise LabkitError(
            f"river must be one line, instead got {line.geom_type} of {parts} parts. Choose one river: "
            "rivers[rivers['name'] == …]"
        )
    # line_merge may turn a line round: chainage starts where the first line given does
    first = getattr(lines.iloc[0].boundary, "geoms", [])
    if len(first) == 2 and line.project(first[0]) > line.project(first[1]):
        line = line.reverse()
    if line.length > MOST_REACHES * step_m:
        raise LabkitError(
            f"step_m must cut the river into at most {MOST_REACHES:,} reaches, instead got step_m={step_m} for "
            f"{line.length / 1000:,.1f} km. Take longer reaches"
        )
    edges = np.r_[np.arange(0, line.length, step_m), line.length]
    points = landslide_points(detections, crs).to_numpy() if len(detections) else np.zeros(0, object)
    near = np.atleast_1d(shapely.distance(points, line)) <= distance_m
    chainage = np.atleast_1d(shapely.line_locate_point(line, points[near]))
    count, _ = np.histogram(chainage, edges)
    kilometres = edges / 1000
    table = pd.DataFrame({"from_km": kilometres[:-1], "to_km": kilometres[1:], "count": count})
    table["per_km"] = table["count"] / (table["to_km"] - table["from_km"])
    table.attrs["n_beyond"] = int((~near).sum())
    return table
