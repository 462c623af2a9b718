"""How many landslides each county holds, and how densely."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
from pyproj import CRS

from labkit import ground
from labkit.errors import LabkitError
from labkit.maps.points import landslide_points

#: What the table says of each county.
_COLUMNS = ("count", "area_km2", "density_per_km2", "rank", "high")

#: Edges of polygons in degrees get a corner at least so often, so that a parallel stays one on a map in metres.
_EDGE_DEG = 0.5


def by_polygons(
    detections: gpd.GeoDataFrame,
    counties: gpd.GeoDataFrame,
    *,
    name: str = "name",
    high_per_km2: float = 0.1,
    observed: gpd.GeoDataFrame | gpd.GeoSeries | None = None,
) -> gpd.GeoDataFrame:
    """Rank counties, or any polygons, by the density of their landslides.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        One row for each landslide, which counts in the polygon that holds its centroid. May be empty.
    counties : geopandas.GeoDataFrame
        Polygons with a coordinate system; those that cross themselves are mended.
    name : str
        Column of ``counties`` with their names.
    high_per_km2 : float
        A county above this density is flagged, landslides per km², at least 0.
    observed : geopandas.GeoDataFrame or GeoSeries, optional
        Polygons of the ground that was looked at (:func:`labkit.geo.footprint` draws a scene's). Only it counts as a
        county's area; without it, all does.

    Returns
    -------
    geopandas.GeoDataFrame
        One row for each county, densest first: ``name`` (under its own column's name), ``count``, ``area_km2`` (on an
        equal-area projection), ``density_per_km2``, ``rank`` (1 = densest; equals share a rank), ``high`` (above
        ``high_per_km2``), geometry as given. With ``observed`` the area is what was observed of the county, and a
        county of which nothing was has the density NaN and the last rank. Attribute ``attrs["n_outside"]``: landslides
        in no county. A landslide on a common border counts once, in the county that comes first.

    Raises
    ------
    LabkitError
        ``high_per_km2`` is negative, the column is missing or holds no names, a polygon has no area, a landslide has no
        place, or the counties reach farther than 5,000 km from their middle.

    References
    ----------
    Fu et al. (2022), section 5.2: above 0.1 per km² is a high-risk area.

    Examples
    --------
    >>> from shapely.geometry import box
    >>> counties = gpd.GeoDataFrame({"name": ["west", "east"]}, geometry=[box(0, 0, 1, 1), box(1, 0, 2, 1)], crs=4326)
    >>> one = gpd.GeoDataFrame(geometry=[box(1.4, 0.4, 1.6, 0.6)], crs=4326)
    >>> by_polygons(one, counties)[["name", "count", "rank"]].values.tolist()
    [['east', 1, 1], ['west', 0, 2]]
    """
    if not high_per_km2 >= 0:
        raise LabkitError(f"high_per_km2 must be at least 0, instead got high_per_km2={high_per_km2}")
    if not isinstance(counties, gpd.GeoDataFrame) or name not in counties.columns:
        columns = list(getattr(counties, "columns", []))
        raise LabkitError(f"name must be a column of counties, instead got name={name!r} with the columns {columns}")
    if name == counties.active_geometry_name or name in _COLUMNS:
        raise LabkitError(f"name must be a column of names, none of {_COLUMNS} or the geometry, instead got {name!r}")
    if counties.crs is None or not len(counties):
        raise LabkitError(
            f"counties must hold polygons with a coordinate system, instead got {len(counties)} rows and "
            f"crs={counties.crs}"
        )
    shapes = ground.placed("counties", counties)
    equal_area = ground.equal_area_system("counties", shapes)
    polygons = gpd.GeoDataFrame({name: counties[name].to_numpy()}, geometry=_on(equal_area, shapes))
    areas = polygons.area.to_numpy() / 1e6
    if not (areas > 0).all():
        raise LabkitError(
            f"counties must all have an area, instead row {int(np.argmin(areas > 0))} "
            f"({polygons[name].iloc[int(np.argmin(areas > 0))]!r}) has none"
        )
    if observed is not None:
        if observed.crs is None:
            raise LabkitError("observed must say its coordinate system, instead got crs=None. Set observed.crs")
        seen = observed.geometry[~(observed.geometry.isna() | observed.geometry.is_empty)]
        looked_at = _on(equal_area, ground.placed("observed", seen)).union_all()
        areas = polygons.intersection(looked_at).area.to_numpy() / 1e6
    counts = np.zeros(len(polygons), int)
    if len(detections):
        points = gpd.GeoDataFrame(geometry=landslide_points(detections, equal_area).reset_index(drop=True))
        joined = points.sjoin(polygons[["geometry"]], predicate="intersects")
        counts += np.bincount(joined.groupby(level=0)["index_right"].min(), minlength=len(polygons))

    table = gpd.GeoDataFrame(
        {
            name: counties[name].to_numpy(),
            "count": counts,
            "area_km2": areas,
            "density_per_km2": np.divide(counts, areas, out=np.full(len(areas), np.nan), where=areas > 0),
        },
        geometry=counties.geometry.to_numpy(),
        crs=counties.crs,
    )
    table["rank"] = table["density_per_km2"].rank(method="min", ascending=False, na_option="bottom").astype(int)
    table["high"] = table["density_per_km2"] > high_per_km2
    table = table[[name, *_COLUMNS, "geometry"]]
    table = table.sort_values(["rank", "count"], ascending=[True, False], kind="stable").reset_index(drop=True)
    table.attrs["n_outside"] = int(len(detections) - counts.sum())
    return table


def _on(crs: CRS, lonlat: gpd.GeoSeries) -> gpd.GeoSeries:
    """Polygons on a map in metres, valid, with a plain index."""
    # made valid first: corners more can make what crosses itself another shape
    return lonlat.make_valid().segmentize(_EDGE_DEG).to_crs(crs).make_valid().reset_index(drop=True)
