"""Odd places: the date line, the poles, the world, rows that are nowhere, tables that are none."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from odd_inputs import ACROSS, NOWHERE, WORLD, Case, boxes, cases, check, gradients, named, on_scene, square, table
from shapely.geometry import LineString, Point

import labkit as lk
from labkit import ground, maps, view

# pyproj turns an array of one coordinate into a number as NumPy will no longer have it
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning")


def origin(shapes: gpd.GeoSeries) -> tuple[float, float]:
    """Latitude and longitude about which an equal-area projection is drawn."""
    operation = ground.metric_system("x", shapes).coordinate_operation
    assert operation is not None
    assert operation.method_name == "Lambert Azimuthal Equal Area"
    numbers = {one.name: one.value for one in operation.params}
    return numbers["Latitude of natural origin"], numbers["Longitude of natural origin"]


@cases({
    "a metric system at the equator": (lambda: ground.metric_system("x", table(Point(3, 0)).geometry).to_epsg(), 32631),
    "in the south": (lambda: ground.metric_system("x", table(Point(3, -1)).geometry).to_epsg(), 32731),
    **{f"across the date line, {how}": (
        lambda shape=shape: ground.metric_system("x", ground.placed("x", table(shape))).to_epsg(), 32701,
    ) for how, shape in ACROSS.items()},
    "near the north pole": (
        lambda: origin(table(Point(3, 89)).geometry), (90.0, 0.0)),
    "near the south pole": (
        lambda: origin(table(Point(3, -89)).geometry), (-90.0, 0.0)),
    "all around a pole": (
        lambda: origin(table(*(Point(lon, 85) for lon in (0, 90, 180, -90))).geometry), (90.0, 0.0)),
    "over a continent": (
        lambda: origin(table(Point(75, 30), Point(130, 50)).geometry), (40.0, 102.5)),
    "over the world": (lambda: ground.metric_system("x", table(WORLD).geometry), "x must lie within 5,000 km"),
    "at the antipodes": (
        lambda: ground.metric_system("x", table(Point(0, 10), Point(180, -10)).geometry), "x must lie within 5,000 km"),
    "nothing": (lambda: ground.metric_system("x", table().geometry), "x must hold at least one place"),
})  # fmt: skip
def test_where_things_lie_decides_how_they_are_measured(case: Case) -> None:
    check(case)


@cases({
    f"{shape}, {kind}": (lambda at=at, use=use: use(at), "must all have a place on the Earth, instead 1 of 2 have none")
    for shape, at in NOWHERE.items()
    for kind, use in {
        "compared": lambda at: lk.compare_inventories(boxes(square(1, 1), at), table(Point(1, 1))),
        "as an inventory": lambda at: lk.compare_inventories(boxes(square(1, 1)), table(Point(1, 1), at)),
        "on a density map": lambda at: lk.density(boxes(square(1, 1), at)),
        "in counties": lambda at: maps.by_polygons(boxes(square(1, 1), at), named(square(1, 1, 9))),
        "as a county": lambda at: maps.by_polygons(boxes(), named(square(1, 1, 9), at)),
        "along a river": lambda at: maps.profile(boxes(square(1, 1), at), table(LineString([(1, 1), (1, 1.1)]))),
        "as a river": lambda at: maps.profile(boxes(), table(LineString([(1, 1), (1, 1.1)]), at)),
    }.items()
})  # fmt: skip
def test_a_row_that_is_nowhere_is_named(case: Case) -> None:
    check(case)


@cases({
    f"{shape}, {kind}": (lambda at=at, use=use: use(at), "must all have a place on the Earth")
    for shape, at in NOWHERE.items() if shape not in ("none", "empty")
    for kind, use in {
        "on a web map": lambda at: view.map(boxes(square(1, 1), at)),
        "in a file": lambda at: lk.write_detections(boxes(square(1, 1), at), "never.gpkg"),
        "as an extent": lambda at: lk.density(boxes(), extent=table(square(1, 1), at)),
        "as observed ground": lambda at: maps.by_polygons(boxes(), named(square(1, 1)), observed=table(at)),
        "as a mask": lambda at: lk.filter_detections(
            on_scene(), gradients(np.ones((30, 30))), masks={"snow": table(at)}),
        "on the ground": lambda at: lk.evaluate(boxes(square(1, 1)), boxes(at), ground=True),
    }.items()
})  # fmt: skip
def test_a_coordinate_that_is_no_place_is_an_error_where_a_row_without_one_is_none(case: Case) -> None:
    check(case)


@cases({
    f"{kind}, {name}": (lambda use=use, wrong=wrong: use(wrong), word)
    for kind, use in {
        "compared": lambda t: lk.compare_inventories(t, table(Point(1, 1))),
        "an inventory": lambda t: lk.compare_inventories(boxes(square(1, 1)), t),
        "density": lambda t: lk.density(t, extent=(0, 0, 1, 1)),
        "counties": lambda t: maps.by_polygons(t, named(square(1, 1))),
        "a profile": lambda t: maps.profile(t, table(LineString([(1, 1), (1, 1.1)]))),
        "a file": lambda t: lk.write_detections(t, "never.kml"),
        "a web map": lambda t: view.map(t),
    }.items()
    for name, (wrong, word) in {
        "no coordinate system": (table(Point(1, 1), crs=None), "coordinate system"),
        "a table without geometry": (pd.DataFrame({"a": [1]}), "GeoDataFrame"),
        "a number": (7, "GeoDataFrame"),
    }.items()
    if not (name == "a number" and kind in ("density", "counties", "a profile"))
})  # fmt: skip
def test_what_is_no_table_of_places_is_refused(case: Case) -> None:
    check(case)
