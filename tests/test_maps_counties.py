"""Counties are counted, measured and ranked."""

from __future__ import annotations

import geopandas as gpd
import pytest
from pyproj import Geod
from shapely.geometry import LineString, MultiPolygon, Point, box

from labkit import LabkitError
from labkit.maps import by_polygons, profile


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


def test_counties_above_the_limit_are_flagged(counties):
    table = by_polygons(slides((101.5, 30.5), (102.5, 30.5)), counties, name="county", high_per_km2=5e-5)
    assert table["high"].tolist() == [True, True, False], "one in about 10,000 km² is 1e-4"
    assert not by_polygons(slides((101.5, 30.5)), counties, name="county")["high"].any()
    with pytest.raises(LabkitError, match="high_per_km2 must be at least 0, instead got high_per_km2=-1"):
        by_polygons(slides(), counties, name="county", high_per_km2=-1)


def test_only_observed_ground_is_a_countys_area(counties):
    seen = gpd.GeoSeries([box(101, 30, 101.5, 31), box(101, 31, 103, 32)], crs="EPSG:4326")
    whole = by_polygons(slides((101.2, 30.5)), counties, name="county").set_index("county")
    table = by_polygons(slides((101.2, 30.5)), counties, name="county", observed=seen.to_crs("EPSG:32647"))
    assert table["county"].tolist() == ["Ash", "Cedar", "Birch"] and table["rank"].tolist() == [1, 2, 3]
    table = table.set_index("county")
    assert table["area_km2"]["Ash"] == pytest.approx(whole["area_km2"]["Ash"] / 2, rel=1e-3)
    assert table["density_per_km2"].isna().tolist() == [False, False, True]


def test_counties_on_the_date_line_have_their_areas():
    shapes = [MultiPolygon([box(179, -18, 180, -17), box(-180, -18, -179, -17)]), box(178, -18, 179, -17)]
    table = by_polygons(slides((-179.5, -17.5)), gpd.GeoDataFrame({"name": ["a", "b"]}, geometry=shapes, crs=4326))
    assert table["name"].tolist() == ["a", "b"] and table["count"].tolist() == [1, 0]
    assert table["area_km2"][0] == pytest.approx(2 * table["area_km2"][1], rel=1e-3)


UTM = "EPSG:32647"


def river(*points: tuple[float, float]) -> gpd.GeoSeries:
    return gpd.GeoSeries([LineString(points)], crs=UTM)


def at(*centres: tuple[float, float]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=[Point(p).buffer(50) for p in centres], crs=UTM).to_crs(4326)


def test_landslides_are_counted_by_the_kilometre_along_a_bent_river():
    bent = river((500_000, 0), (500_000, 10_000), (506_000, 10_000))
    found = at((500_900, 2_000), (499_100, 4_000), (503_000, 10_900), (505_900, 9_500), (504_000, 2_000))
    table = profile(found, bent, distance_m=1000, step_m=5000)
    assert table["from_km"].tolist() == [0, 5, 10, 15] and table["to_km"].iloc[-1] == pytest.approx(16)
    assert table["count"].tolist() == [2, 0, 1, 1] and table.attrs["n_beyond"] == 1
    assert table["per_km"].tolist() == pytest.approx([0.4, 0.0, 0.2, 1.0])


def test_a_river_in_pieces_is_one_from_the_first_point_on_and_two_rivers_are_refused():
    pieces = gpd.GeoSeries(
        [LineString([(509_000, 0), (504_000, 0)]), LineString([(504_000, 0), (500_000, 0)])], crs=UTM
    )
    table = profile(at((508_500, 0)), pieces, step_m=3000)
    assert table["count"].tolist() == [1, 0, 0]
    apart = gpd.GeoSeries([LineString([(0, 0), (1, 0)]), LineString([(5, 5), (6, 6)])], crs=UTM)
    with pytest.raises(LabkitError, match="river must be one line, instead got MultiLineString of 2 parts"):
        profile(at(), apart)
    assert profile(at(), pieces)["count"].sum() == 0
    for option in ({"step_m": 0}, {"distance_m": float("inf")}):
        with pytest.raises(LabkitError, match=f"{next(iter(option))} must be a number of metres > 0"):
            profile(at(), pieces, **option)
