"""Counties are counted, measured and ranked."""

from __future__ import annotations

import geopandas as gpd
import pytest
from pyproj import Geod
from shapely.geometry import box

from labkit import LabkitError
from labkit.maps import by_polygons


@pytest.fixture
def counties() -> gpd.GeoDataFrame:
    shapes = [box(101, 30, 102, 31), box(102, 30, 103, 31), box(101, 31, 103, 32)]
    return gpd.GeoDataFrame({"county": ["Ash", "Birch", "Cedar"]}, geometry=shapes, crs="EPSG:4326")


def slides(*centres: tuple[float, float]) -> gpd.GeoDataFrame:
    shapes = [box(x - 0.01, y - 0.01, x + 0.01, y + 0.01) for x, y in centres]
    return gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326", index=range(50, 50 + len(centres)))


def test_each_landslide_counts_in_the_county_of_its_centroid(counties):
    table = by_polygons(slides((101.5, 30.5), (102.5, 30.5), (102.6, 30.6), (102.7, 31.5)), counties, name="county")
    assert dict(zip(table["county"], table["count"], strict=True)) == {"Ash": 1, "Birch": 2, "Cedar": 1}
    assert table["county"].iloc[0] == "Birch" and table["rank"].iloc[0] == 1
    assert table.attrs["n_outside"] == 0


def test_areas_are_those_on_the_ellipsoid(counties):
    table = by_polygons(slides((101.5, 30.5)), counties, name="county").set_index("county")
    for name, shape in zip(counties["county"], counties.geometry, strict=True):
        geodesic = abs(Geod(ellps="WGS84").geometry_area_perimeter(shape.segmentize(0.01))[0]) / 1e6
        # The projected border is a chord between the corners, the geodesic one follows the parallel.
        assert table.loc[name, "area_km2"] == pytest.approx(geodesic, rel=1e-3)
        assert table.loc[name, "density_per_km2"] == table.loc[name, "count"] / table.loc[name, "area_km2"]


def test_a_landslide_on_the_border_counts_once_and_one_outside_is_reported(counties):
    table = by_polygons(slides((102.0, 30.5), (110.0, 30.5)), counties, name="county")
    assert table["count"].sum() == 1
    assert table.attrs["n_outside"] == 1


def test_equal_densities_share_a_rank_and_no_landslides_is_an_answer(counties):
    table = by_polygons(slides(), counties, name="county")
    assert table["rank"].tolist() == [1, 1, 1] and table["count"].sum() == 0
    assert table.geometry.geom_equals(counties.geometry).all()


def test_wrong_counties_are_named(counties):
    with pytest.raises(LabkitError, match=r"name must be a column of counties, instead got name='name'.*county"):
        by_polygons(slides(), counties)
    with pytest.raises(LabkitError, match="crs=None"):
        by_polygons(slides(), gpd.GeoDataFrame(counties, crs=None).set_crs(None, allow_override=True), name="county")
    lines = counties.set_geometry(counties.boundary)
    with pytest.raises(LabkitError, match=r"counties must all have an area, instead row 0 \('Ash'\)"):
        by_polygons(slides(), lines, name="county")
