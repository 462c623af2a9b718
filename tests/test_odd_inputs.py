"""Odd inputs: nothing, one thing, the date line, the poles, huge boxes, no numbers, mixed systems, any script."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
import xarray as xr
from pyproj import Geod
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

import labkit as lk
from labkit import detect, geo, ground, maps, schema, view
from labkit.detect.masking import mask_on
from labkit.errors import LabkitError
from labkit.region import read_plan

# pyproj turns an array of one coordinate into a number as NumPy will no longer have it
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning")

EARTH = Geod(ellps="WGS84")

#: One box of about 1 km² across the date line, drawn in the three ways that files draw it.
ACROSS = {
    "corners jump": Polygon([(179.995, -17), (-179.995, -17), (-179.995, -17.01), (179.995, -17.01)]),
    "beyond 180": box(179.995, -17.01, 180.005, -17),
    "beyond -180": box(-180.005, -17.01, -179.995, -17),
    "in two parts": MultiPolygon([box(179.995, -17.01, 180, -17), box(-180, -17.01, -179.995, -17)]),
}
WORLD = box(-180, -90, 180, 90)
UNICODE = "滑坡 Оползень 🏔 <b>&\"'"

#: Shapes that are nowhere on the Earth.
NOWHERE = {
    "none": None,
    "empty": Polygon(),
    "nan": Point(np.nan, 1),
    "infinite": Point(np.inf, 1),
    "beyond the pole": Point(10, 100),
    "beyond any turn": Point(999, 10),
}


def square(lon: float, lat: float, km: float = 1.0) -> Polygon:
    """A square of so many km."""
    east, north = (float(metres) for metres in geo.metres_per_degree(np.float64(lat)))
    return box(lon - 500 * km / east, lat - 500 * km / north, lon + 500 * km / east, lat + 500 * km / north)


def boxes(*shapes: Any, **columns: Any) -> gpd.GeoDataFrame:
    left = np.arange(len(shapes)) * 20.0
    corners = {"xmin": left, "ymin": left * 0, "xmax": left + 10, "ymax": left * 0 + 10}
    words = {"scene": ["s"] * len(shapes), "direction": ["rate"] * len(shapes)}
    return schema.boxes_table(words | corners | {"geometry": list(shapes)} | columns)


def table(*shapes: Any, crs: Any = 4326, **columns: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs)


def named(*shapes: Any, **columns: Any) -> gpd.GeoDataFrame:
    return table(*shapes, **({"name": [f"county {n}" for n in range(len(shapes))]} | columns))


def rates(values: Any, **attrs: Any) -> xr.Dataset:
    words = {"scene": "r", "ground_spacing": 40.0} | attrs
    return xr.Dataset({"rate": (("y", "x"), np.asarray(values, np.float32))}, attrs=words)


def gradients(values: Any, lon: float = 102.0, lat: float = 31.0) -> xr.Dataset:
    layer = np.asarray(values, np.float32)
    both = np.stack([layer, layer])
    rows, cols = layer.shape
    return xr.Dataset(
        {"gradient": (("direction", "y", "x"), both), "standard_error": (("direction", "y", "x"), both * 0 + 0.1)},
        {"direction": ["azimuth", "range"], "y": lat - np.arange(rows) * 4e-4, "x": lon + np.arange(cols) * 4e-4},
        {"scene": "g", "ground_spacing": 40.0, "sum_temporal_baseline": 20.0, "wavelength": 0.055,
         "crs": "EPSG:4326", "geometry": "map"},
    )  # fmt: skip


def on_scene(**corners: Any) -> gpd.GeoDataFrame:
    where = {"xmin": [5], "ymin": [5], "xmax": [15], "ymax": [15]} | corners
    return schema.boxes_table({"scene": ["g"], "direction": ["azimuth"]} | where)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or the words of its error."""
    try:
        return call()
    except LabkitError as error:
        return str(error)


def origin(shapes: gpd.GeoSeries) -> tuple[float, float]:
    """Latitude and longitude about which an equal-area projection is drawn."""
    operation = ground.metric_system("x", shapes).coordinate_operation
    assert operation is not None
    assert operation.method_name == "Lambert Azimuthal Equal Area"
    numbers = {one.name: one.value for one in operation.params}
    return numbers["Latitude of natural origin"], numbers["Longitude of natural origin"]


Case = tuple[Callable[[], Any], Any]


def check(case: Case) -> None:
    """Compare with the right answer: a number nearly, the start of a word where an error is right, else equality."""
    call, right = case
    got = outcome(call)
    if isinstance(right, str) and not (isinstance(got, str) and got == right):
        assert isinstance(got, str), f"an error was due, instead got {got}"
        assert right in got
    elif isinstance(right, float | list | tuple) and not isinstance(right, str):
        assert not isinstance(got, str), got
        np.testing.assert_allclose(got, right, rtol=1e-3, atol=1e-9)
    else:
        assert got == right


def cases(found: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(found.values()), ids=list(found))


# ---- places ----


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


# ---- inventories ----


def compared(found: gpd.GeoDataFrame, known: gpd.GeoDataFrame, buffer_m: float = 0.0, **more: Any) -> tuple[int, ...]:
    told = lk.compare_inventories(found, known, buffer_m, **more)
    return told.correct, told.missed, told.new


#: 460 and 540 m east of 75° E, 35° N.
NEAR, FAR = (EARTH.fwd(75, 35, 90, metres)[:2] for metres in (460, 540))
WIDE = square(130, 45)


@cases({
    **{f"{one} on {other}, {matching}": (
        lambda a=a, b=b, matching=matching: compared(boxes(a), table(b), matching=matching), (1, 0, 0))
       for one, a in ACROSS.items() for other, b in ACROSS.items() for matching in ("many", "one")},
    **{f"a point {side} of the line, {how}": (lambda a=a, x=x: compared(boxes(a), table(Point(x, -17.005))), right)
       for how, a in ACROSS.items()
       for side, x, right in (("east", -179.996, (1, 0, 0)), ("west", 179.996, (1, 0, 0)),
                              ("far east", -179.99, (0, 1, 1)), ("far west", 179.99, (0, 1, 1)))},
    # at 60° N a degree of longitude is 55.8 km
    "223 m over the line": (
        lambda: compared(boxes(Point(179.998, 60)), table(Point(-179.998, 60)), 224), (1, 0, 0)),
    "223 m over the line is not 222": (
        lambda: compared(boxes(Point(179.998, 60)), table(Point(-179.998, 60)), 222), (0, 1, 1)),
    "over the pole": (lambda: compared(boxes(Point(10, 89.99)), table(Point(-170, 89.99)), 2240), (1, 0, 0)),
    "over the pole, too far": (lambda: compared(boxes(Point(10, 89.99)), table(Point(-170, 89.99)), 2230), (0, 1, 1)),
    "on the pole": (lambda: compared(boxes(Point(0, 90)), table(Point(123, 90))), (1, 0, 0)),
    "on the south pole": (lambda: compared(boxes(Point(0, -90)), table(Point(123, -90))), (1, 0, 0)),
    "at 85° N": (lambda: compared(boxes(square(20, 85, 0.1)), table(Point(20, 85))), (1, 0, 0)),
    "beside each other at 85° N": (lambda: compared(boxes(Point(20, 85)), table(Point(20.1, 85)), 970), (0, 1, 1)),
    "within 980 m at 85° N": (lambda: compared(boxes(Point(20, 85)), table(Point(20.1, 85)), 980), (1, 0, 0)),
    "460 m, on a map of a continent": (
        lambda: compared(boxes(Point(75, 35), WIDE), table(Point(NEAR), Point(130, 45)), 500), (2, 0, 0)),
    "540 m, on a map of a continent": (
        lambda: compared(boxes(Point(75, 35), WIDE), table(Point(FAR), Point(130, 45)), 500), (1, 1, 1)),
    "half the world apart": (
        lambda: compared(boxes(square(0, 0)), table(Point(120, 0))), "must lie within 5,000 km of their middle"),
    "the world as a box": (lambda: compared(boxes(WORLD), table(Point(1, 1))), "must lie within 5,000 km"),
    "a huge box holds all": (
        lambda: compared(boxes(box(100, 20, 120, 40)), table(*(Point(x, 30) for x in range(101, 120)))), (19, 0, 0)),
    "a huge box, one for one": (
        lambda: compared(boxes(box(100, 20, 120, 40)), table(*(Point(x, 30) for x in range(101, 120))),
                         matching="one"), (1, 18, 0)),
    "nothing with nothing": (lambda: compared(boxes(), table()), (0, 0, 0)),
    "nothing found": (lambda: compared(boxes(), table(Point(1, 1))), (0, 1, 0)),
    "nothing known": (lambda: compared(boxes(square(1, 1)), table()), (0, 0, 1)),
    "one of one": (lambda: compared(boxes(square(1, 1)), table(Point(1, 1))), (1, 0, 0)),
    "one hundred times the same": (
        lambda: compared(boxes(*[square(1, 1)] * 100), table(Point(1, 1)), matching="one"), (1, 0, 99)),
    "UTM with Mercator": (
        lambda: compared(boxes(square(102, 31)).to_crs(32648), table(Point(102, 31)).to_crs(3857)), (1, 0, 0)),
    "a zone far away": (
        lambda: compared(boxes(square(102, 31)).to_crs(32638), table(Point(102, 31))), (1, 0, 0)),
    "a bow tie, in its half": (
        lambda: compared(boxes(Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])), table(Point(0.9, 0.5))), (1, 0, 0)),
    "a bow tie, beside it": (
        lambda: compared(boxes(Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])), table(Point(0.5, 0.9))), (0, 1, 1)),
    "a line": (lambda: compared(boxes(square(1, 1)), table(LineString([(0, 1), (2, 1)]))), (1, 0, 0)),
    "a score of no number": (lambda: compared(boxes(square(1, 1), score=[np.nan]), table(Point(1, 1))), (1, 0, 0)),
    "words of any script": (
        lambda: lk.compare_inventories(boxes(square(1, 1)), table(Point(1, 1), name=[UNICODE])).items["name"].iloc[0],
        UNICODE),
    "a buffer of no number": (lambda: compared(boxes(), table(), np.nan), "buffer_m must be a number of metres ≥ 0"),
    "an infinite buffer": (lambda: compared(boxes(), table(), np.inf), "buffer_m must be a number of metres ≥ 0"),
    "a negative buffer": (lambda: compared(boxes(), table(), -1), "buffer_m must be a number of metres ≥ 0"),
    "rows of one name": (
        lambda: compared(boxes(square(1, 1)), table(Point(1, 1), Point(2, 2)).set_index(pd.Index([0, 0]))),
        "inventory must have rows of different names"),
    "another way to match": (lambda: compared(boxes(), table(), matching="all"), "matching must be one of"),
    "methods without one": (lambda: detect.compare_methods({}, table()), "methods must name at least one table"),
})  # fmt: skip
def test_an_inventory_is_compared(case: Case) -> None:
    check(case)


# ---- density, counties, profiles ----


def total(*args: Any, **more: Any) -> float:
    """The number of landslides that a density map integrates to."""
    field = lk.density(*args, **more)
    return float(field.fillna(0).dot(field["observed"])) * (field.attrs["cell_m"] / 1000) ** 2


def cells(*args: Any, **more: Any) -> tuple[int, ...]:
    return tuple(lk.density(*args, **more).shape)


def left_out(*args: Any, **more: Any) -> tuple[int, int, int]:
    attrs = lk.density(*args, **more).attrs
    return attrs["n_landslides"], attrs["n_outside"], attrs["n_unobserved"]


@cases({
    "one": (lambda: total(boxes(square(102, 31))), 1.0),
    "one hundred in one place": (lambda: total(boxes(*[square(102, 31)] * 100)), 100.0),
    **{f"across the date line, {how}": (lambda a=a: total(boxes(a), 1000, 2000), 1.0) for how, a in ACROSS.items()},
    **{f"across the date line, cells, {how}": (lambda a=a: cells(boxes(a), 1000, 2000), (13, 13))
       for how, a in ACROSS.items()},
    "two sides of the date line, 4.3 km apart": (
        lambda: cells(boxes(square(179.98, -17), square(-179.98, -17)), 1000, 2000), (14, 17)),
    **{f"at {lat}°": (lambda lat=lat: total(boxes(square(10, lat, 0.1)), 1000, 2000), 1.0)
       for lat in (-89.99, -85, -80.1, 0, 83.9, 84.1, 89.9, 89.99)},
    "all around the pole": (
        lambda: total(boxes(*(square(lon, 89.9, 0.1) for lon in (0, 90, 180, -90))), 1000, 2000), 4.0),
    # four landslides 11.2 km from the pole: 2 · 11.2 km and three bandwidths on each side
    "all around the pole, cells": (
        lambda: cells(boxes(*(square(lon, 89.9, 0.1) for lon in (0, 90, 180, -90))), 1000, 2000), (36, 36)),
    "over a continent": (lambda: total(boxes(square(75, 35), square(130, 45)), 50_000, 100_000), 2.0),
    "half the world apart": (lambda: total(boxes(square(0, 0), square(120, 0))), "must lie within 5,000 km"),
    "the world as a box": (lambda: total(boxes(WORLD)), "must lie within 5,000 km of their middle"),
    "the world as extent": (lambda: total(boxes(), 1e5, extent=(-180, -90, 180, 90)), "must lie within 5,000 km"),
    "nothing": (lambda: total(boxes()), "detections must hold at least one landslide when no extent is given"),
    "nothing on an extent": (lambda: total(boxes(), extent=(102, 31, 103, 32)), 0.0),
    "an extent over the date line": (lambda: left_out(boxes(ACROSS["corners jump"]), extent=(179.9, -17.1, 180.1, -17)),
                                     (1, 0, 0)),
    "an extent with a jump": (lambda: total(boxes(), extent=(179.9, -17.1, -179.9, -16.9)), "east exceeds 180"),
    "an extent of three": (lambda: total(boxes(), extent=(1, 2, 3)), "extent must be (west, south, east, north)"),
    "an extent of no number": (lambda: total(boxes(), extent=(1, 2, 3, np.nan)), "extent must be (west, south"),
    "an extent beyond the pole": (lambda: total(boxes(), extent=(0, 80, 1, 100)), "extent must be (west, south"),
    "an extent twice around": (lambda: total(boxes(), extent=(-400, 0, 400, 1)), "extent must be (west, south"),
    "an extent of nothing": (lambda: total(boxes(), extent=table()), "extent must hold at least one place"),
    "an extent of none": (lambda: total(boxes(), extent=table(None)), "extent must hold at least one place"),
    "an extent without a system": (
        lambda: total(boxes(), extent=table(square(1, 1), crs=None)), "extent must say its coordinate system"),
    # the middle of a parallel lies nearer to the pole than its ends do
    "a wide extent holds its parallels": (
        lambda: left_out(boxes(*(square(lon, lat, 0.1) for lon in np.linspace(0.5, 19.5, 20) for lat in (60.1, 69.9))),
                         20_000, 0, extent=(0, 60, 20, 70)), (40, 0, 0)),
    "a landslide on the other side of the Earth": (
        lambda: left_out(boxes(square(1, 1), square(-179, -1)), extent=(0, 0, 2, 2)), (1, 1, 0)),
    "nothing observed": (lambda: left_out(boxes(square(1, 1)), observed=table()), (0, 0, 1)),
    "nothing observed there": (lambda: left_out(boxes(square(1, 1)), observed=table(square(9, 1))), (0, 0, 1)),
    "no scene observed": (lambda: left_out(boxes(square(1, 1)), observed=[]), (0, 0, 1)),
    "observed numbers": (lambda: total(boxes(square(1, 1)), observed=xr.DataArray(np.ones((3, 3)), dims=("y", "x"))),
                         "observed must be polygons or bool images"),
    "observed without a system": (
        lambda: total(boxes(square(1, 1)), observed=table(square(1, 1), crs=None)), "observed must say its"),
    "cells of a millimetre": (lambda: total(boxes(square(1, 1)), 0.001), "cell_m must give at most 100,000,000 cells"),
    "a bandwidth of the Earth": (lambda: total(boxes(square(1, 1)), 1000, 1e9), "cell_m must give at most"),
    "cells of no number": (lambda: total(boxes(square(1, 1)), np.nan), "cell_m must be a number of metres > 0"),
    "cells of nothing": (lambda: total(boxes(square(1, 1)), 0), "cell_m must be a number of metres > 0"),
    "infinite cells": (lambda: total(boxes(square(1, 1)), np.inf), "cell_m must be a number of metres > 0"),
    "a bandwidth of no number": (lambda: total(boxes(square(1, 1)), 1000, np.nan), "bandwidth_m must be a number"),
    "a negative bandwidth": (lambda: total(boxes(square(1, 1)), 1000, -1), "bandwidth_m must be a number"),
    "scores of no number": (lambda: total(boxes(square(1, 1), score=[np.nan])), 1.0),
    "UTM": (lambda: total(boxes(square(102, 31)).to_crs(32648)), 1.0),
    "Mercator": (lambda: total(boxes(square(102, 31)).to_crs(3857)), 1.0),
    "like nothing": (lambda: total(boxes(), like=xr.DataArray(np.zeros((2, 2)))), "like must be a density map"),
})  # fmt: skip
def test_a_density_map_integrates_to_the_count(case: Case) -> None:
    check(case)


def ranked(found: gpd.GeoDataFrame, counties: gpd.GeoDataFrame, **more: Any) -> list[list[float]]:
    got = maps.by_polygons(found, counties, **more)
    return got[["count", "area_km2"]].to_numpy(float).tolist()


def geodesic_km2(shape: Any) -> float:
    """By pyproj's geodesics, with parallels of many corners."""
    return abs(EARTH.geometry_area_perimeter(shapely.segmentize(shape, 0.02))[0]) / 1e6


FIJI = box(179.5, -18, 180.5, -16)
COUNTIES = {
    "corners jump": Polygon([(179.5, -18), (-179.5, -18), (-179.5, -16), (179.5, -16)]),
    "beyond 180": FIJI,
    "in two parts": MultiPolygon([box(179.5, -18, 180, -16), box(-180, -18, -179.5, -16)]),
}
CAP_KM2 = EARTH.geometry_area_perimeter(Polygon([(lon, 85) for lon in np.arange(0, 360, 0.02)]))[0] / 1e6
HALVES = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])


@cases({
    **{f"a county across the date line, {how}": (
        lambda shape=shape: ranked(boxes(square(179.9, -17), square(-179.9, -17), square(179, -17)), named(shape)),
        [[2, geodesic_km2(FIJI)]]) for how, shape in COUNTIES.items()},
    **{f"a landslide across the date line, {how}": (
        lambda shape=shape: ranked(boxes(shape), named(FIJI)), [[1, geodesic_km2(FIJI)]])
       for how, shape in ACROSS.items()},
    "the cap of the Earth": (
        lambda: ranked(boxes(square(0, 89.99, 0.1), square(100, 89, 0.1), square(0, 84)),
                       named(box(-180, 85, 180, 90))),
        [[2, abs(CAP_KM2)]]),
    "the southern cap": (
        lambda: ranked(boxes(square(0, -89.99, 0.1)), named(box(-180, -90, 180, -85))), [[1, abs(CAP_KM2)]]),
    "a wide county": (
        lambda: ranked(boxes(square(20, 59.9)), named(box(0, 50, 40, 60))), [[1, geodesic_km2(box(0, 50, 40, 60))]]),
    "the world": (lambda: ranked(boxes(), named(WORLD)), "counties must lie within 5,000 km of their middle"),
    "counties all over the world": (
        lambda: ranked(boxes(), named(square(0, 0), square(150, 0))), "counties must lie within 5,000 km"),
    "no landslide": (lambda: ranked(boxes(), named(square(0, 0))), [[0, 1.0]]),
    "no county": (lambda: ranked(boxes(), named()), "counties must hold polygons"),
    "a line as a county": (lambda: ranked(boxes(), named(LineString([(0, 0), (1, 1)]))), "counties must all have an"),
    "a bow tie as a county": (
        lambda: ranked(boxes(square(0.9, 0.5), square(0.5, 0.9)), named(HALVES)),
        [[1, geodesic_km2(box(0, 0, 1, 1)) / 2]]),
    "counties of one name": (
        lambda: ranked(boxes(square(0, 0)), named(square(0, 0), square(9, 0), name=["a", "a"])), [[1, 1.0], [0, 1.0]]),
    "overlapping counties": (
        lambda: ranked(boxes(square(0, 0)), named(square(0, 0, 9), square(0, 0, 5))), [[1, 81.0], [0, 25.0]]),
    "any script": (
        lambda: maps.by_polygons(boxes(), named(square(0, 0), name=[UNICODE]))["name"].iloc[0], UNICODE),
    "a name that is none": (
        lambda: maps.by_polygons(boxes(), named(square(0, 0), name=[None]))["name"].isna().sum(), 1),
    "a column of the answer as name": (
        lambda: ranked(boxes(), named(square(0, 0), count=["x"]), name="count"), "name must be a column of names"),
    "the geometry as name": (
        lambda: ranked(boxes(), named(square(0, 0)), name="geometry"), "name must be a column of names"),
    "another name": (lambda: ranked(boxes(), named(square(0, 0)), name="nom"), "name must be a column of counties"),
    "a geometry of another name": (
        lambda: ranked(boxes(square(0, 0)), named(square(0, 0)).rename_geometry("shape")), [[1, 1.0]]),
    "mixed systems": (
        lambda: ranked(boxes(square(102, 31)).to_crs(32648), named(square(102, 31, 9)).to_crs(3857)), [[1, 81.0]]),
    "nothing observed": (lambda: ranked(boxes(square(0, 0)), named(square(0, 0)), observed=table()), [[1, 0.0]]),
    "a bow tie observed": (
        lambda: ranked(boxes(), named(box(0, 0, 1, 1)), observed=table(HALVES)),
        [[0, geodesic_km2(box(0, 0, 1, 1)) / 2]]),
    "observed across the date line": (
        lambda: ranked(boxes(), named(FIJI), observed=table(COUNTIES["corners jump"])), [[0, geodesic_km2(FIJI)]]),
    "a limit of no number": (lambda: ranked(boxes(), named(square(0, 0)), high_per_km2=np.nan), "high_per_km2 must be"),
})  # fmt: skip
def test_counties_count_and_have_their_area(case: Case) -> None:
    check(case)


def counts(found: gpd.GeoDataFrame, river: Any, **more: Any) -> list[int]:
    return maps.profile(found, river, **more)["count"].tolist()


def line(*points: tuple[float, float]) -> gpd.GeoDataFrame:
    return table(LineString(points))


@cases({
    # 10.65 km at 17° S: five reaches of 2 km and what is left
    **{f"across the date line, {how}": (
        lambda river=river: counts(boxes(square(179.99, -17), square(-179.99, -17)), river, step_m=2000),
        [0, 0, 1, 1, 0, 0]) for how, river in {
            "beyond 180": line((179.95, -17), (180.05, -17)),
            "corners jump": line((179.95, -17), (-179.95, -17)),
            "in two parts": table(LineString([(179.95, -17), (180, -17)]), LineString([(-180, -17), (-179.95, -17)])),
        }.items()},
    "to the pole": (lambda: counts(boxes(square(0, 89.99, 0.1)), line((0, 89.9), (0, 90)), step_m=2000),
                    [0, 0, 0, 0, 0, 1]),
    "over the pole": (lambda: counts(boxes(Point(0, 90)), line((0, 89.9), (180, 89.9)), step_m=10_000), [0, 1, 0]),
    "no landslide": (lambda: counts(boxes(), line((0, 0), (0, 0.1)), step_m=6000), [0, 0]),
    "nothing as a river": (lambda: counts(boxes(), table()), "river must hold at least one place"),
    "a point as a river": (lambda: counts(boxes(), table(Point(0, 0))), "river must be one line"),
    "a river without length": (lambda: counts(boxes(), line((0, 0), (0, 0))), "river must be one line"),
    "two rivers": (lambda: counts(boxes(), table(*line((0, 0), (0, 1)).geometry, *line((2, 0), (2, 1)).geometry)),
                   "river must be one line"),
    "a ring": (lambda: sum(counts(boxes(square(0.05, 0)), line((0, 0), (0.1, 0), (0.1, 0.1), (0, 0)))), 1),
    "all around the Earth": (lambda: counts(boxes(), line((-170, 0), (0, 0), (170, 0))), "river must lie within 5,000"),
    "reaches of a micrometre": (lambda: counts(boxes(), line((0, 0), (0, 10)), step_m=1e-6), "step_m must cut"),
    "reaches of no number": (lambda: counts(boxes(), line((0, 0), (0, 1)), step_m=np.nan), "step_m must be a number"),
    "an infinite distance": (
        lambda: counts(boxes(), line((0, 0), (0, 1)), distance_m=np.inf), "distance_m must be a number"),
})  # fmt: skip
def test_a_river_counts_its_landslides(case: Case) -> None:
    check(case)


# ---- files ----


def read_back(path: Path) -> gpd.GeoDataFrame:
    if path.suffix == ".parquet":
        return gpd.read_parquet(path)
    return pyogrio.read_dataframe(f"/vsizip/{path}/doc.kml" if path.suffix == ".kmz" else path)


FORMATS = ("gpkg", "geojson", "parquet", "kml", "kmz", "shp")
ODD_TABLES: dict[str, gpd.GeoDataFrame] = {
    "one": boxes(square(102, 31)),
    **{f"across, {how}": boxes(shape) for how, shape in ACROSS.items()},
    "pole": boxes(square(10, 89.9, 0.1)),
    "the world": boxes(WORLD),
    "a score of no number": boxes(square(1, 1), score=[np.nan]),
    "an infinite score": boxes(square(1, 1), score=[np.inf]),
    "UTM": boxes(square(102, 31)).to_crs(32648),
    "any script": boxes(square(1, 1), label=[UNICODE]),
    "control characters": boxes(square(1, 1), label=["a\x01\x1fb"]),
    "half a surrogate pair": boxes(square(1, 1), label=["a\ud800b"]),
    "columns of any script": boxes(square(1, 1)).assign(**{"Fläche 面积": [1]}),
    "a row without a place": boxes(None, square(1, 1)),
    "an empty shape": boxes(Polygon(), square(1, 1)),
    "points and polygons": boxes(Point(1, 1), square(1, 1)),
    "heights": boxes(Point(1, 1, 5)),
    "whole numbers beyond 64 bits": boxes(square(1, 1)).assign(n=[10**30]),
    "complex numbers": boxes(square(1, 1)).assign(n=[1 + 2j]),
    "a span of time": boxes(square(1, 1)).assign(n=pd.to_timedelta([3], unit="D")),
    "a moment with a zone": boxes(square(1, 1)).assign(n=pd.to_datetime(["2020-01-01T00:00Z"])),
    "no category": boxes(square(1, 1)).assign(c=pd.Categorical([None], categories=["a"])),
    "bytes": boxes(square(1, 1)).assign(n=[b"abc"]),
    "shapes in a column": boxes(square(1, 1)).assign(outline=[square(1, 1)]),
    "a column fid": boxes(square(1, 1), square(2, 2)).assign(fid=[7, 7]),
    "a list": boxes(square(1, 1)).assign(n=[[1, None, "ü"]]),
}
REFUSED = {
    ("points and polygons", "shp"): "geometry must be of one kind for a shapefile",
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", ODD_TABLES)
def test_a_file_comes_back_with_its_rows_and_places(name: str, suffix: str, tmp_path: Path) -> None:
    given = ODD_TABLES[name]
    call = lambda: lk.write_detections(given, tmp_path / f"滑坡 ü.{suffix}")  # noqa: E731
    if (name, suffix) in REFUSED:
        with pytest.raises(LabkitError, match=REFUSED[name, suffix]):
            call()
        assert not list(tmp_path.iterdir())
        return
    back = read_back(call())
    assert len(back) == len(given)
    placed = ~(given.geometry.isna() | given.geometry.is_empty)
    one_side = ground.on_one_side(ground.placed("given", given.geometry[placed.to_numpy()]))
    come = back.geometry[~(back.geometry.isna() | back.geometry.is_empty)].to_crs(geo.WGS84)
    again = ground.on_one_side(ground.placed("back", come))
    assert len(again) == len(one_side)
    came, went = again.to_numpy(), one_side.to_numpy()
    # whole turns apart is the same place
    east, north = (
        np.abs(f(shapely.centroid(came)) - f(shapely.centroid(went))) for f in (shapely.get_x, shapely.get_y)
    )
    np.testing.assert_allclose(east - 360 * np.round(east / 360), 0, atol=1e-6)
    np.testing.assert_allclose(north, 0, atol=1e-6)
    np.testing.assert_allclose(shapely.area(came), shapely.area(went), rtol=1e-3, atol=1e-12)
    if suffix in ("geojson", "kml", "kmz"):
        assert np.abs(come.bounds[["minx", "maxx"]].to_numpy()).max() <= 180
    if "label" in back and name not in ("control characters", "half a surrogate pair"):
        assert back["label"].tolist() == given["label"].tolist()
    if name == "a column fid":
        assert back["fid"].astype(int).tolist() == [7, 7]


@cases({
    "names that differ in capitals": (
        lambda: lk.write_detections(boxes(square(1, 1)).assign(Score=[1]), "never.gpkg"),
        "differ by more than capitals"),
    "two columns of a name": (
        lambda: lk.write_detections(pd.concat([boxes(square(1, 1)), table(Point(1, 1), score=[1])[["score"]]], axis=1),
                                    "never.kml"), "columns of different names"),
    "another suffix": (lambda: lk.write_detections(boxes(), "never.doc"), "path must end with one of"),
    "a line in KML": (lambda: lk.write_detections(boxes(LineString([(0, 0), (1, 1)])), "never.kml"),
                      "geometry must be a point or a polygon for KML"),
    "a style for KML": (lambda: lk.write_detections(boxes(), "never.kml", style=True), "style must be False"),
    "a density of another kind": (lambda: maps.write_density(xr.DataArray(np.ones((2, 2))), "never.tif"),
                                  "density must be a map"),
    "an image without a system": (lambda: lk.write_map(xr.DataArray(np.ones((2, 2)), dims=("y", "x")), "never.tif"),
                                  "must say their coordinate system"),
    "an image on no grid": (
        lambda: lk.write_map(xr.DataArray(np.ones((3, 3)), {"y": [3, 1, 0], "x": [0, 1, 2]}, ("y", "x"),
                                          attrs={"crs": "EPSG:32648"}), "never.tif"), "y is not regular"),
})  # fmt: skip
def test_what_a_file_cannot_hold_is_refused_and_nothing_is_left(case: Case, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    check(case)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_found_is_a_valid_file(suffix: str, tmp_path: Path) -> None:
    path = lk.write_detections(boxes(), tmp_path / f"nothing.{suffix}")
    if suffix in ("kml", "kmz"):  # a KML without a placemark has no layer
        text = zipfile.ZipFile(path).read("doc.kml") if suffix == "kmz" else path.read_bytes()
        assert b"<Document>" in text
        assert b"<Placemark" not in text
    else:
        assert len(read_back(path)) == 0


# ---- detections ----


SLIDE = np.zeros((30, 30))
SLIDE[5:15, 5:15] = -30.0
TWO = SLIDE.copy()
TWO[20:26, 20:26] = 12.0
ODD_RATES: dict[str, tuple[Any, dict[str, int]]] = {
    "nothing moves": (SLIDE * 0, {}),
    "one slide": (SLIDE, {"hot_spots": 1, "threshold_regions": 1}),
    "two speeds": (TWO, {"hot_spots": 1, "threshold_regions": 2, "kmeans_regions": 1}),
    "no data": (SLIDE * np.nan, {}),
    "infinite": (np.where(SLIDE < 0, np.inf, SLIDE), {}),
    "the largest number": (np.where(SLIDE < 0, 3e38, SLIDE), {"hot_spots": 1, "threshold_regions": 1}),
    "the smallest number": (np.where(SLIDE < 0, 1e-45, SLIDE), {}),
    "one pixel": ([[50.0]], {}),
    "no pixel": (np.zeros((0, 0)), {}),
    "one row": (SLIDE[6:7], {}),
    "one column": (SLIDE[:, 6:7], {}),
    "all of it moves": (SLIDE * 0 + 50, {"threshold_regions": 1}),
    "one known pixel": (np.where(np.arange(900).reshape(30, 30) == 200, 50, np.nan), {}),
}
BASELINES = {
    "hot_spots": lk.hot_spots,
    "kmeans_regions": lk.kmeans_regions,
    "threshold_regions": detect.threshold_regions,
}


@pytest.mark.parametrize("method", BASELINES)
@pytest.mark.parametrize("name", ODD_RATES)
def test_the_baselines_find_what_there_is(name: str, method: str) -> None:
    values, right = ODD_RATES[name]
    found = BASELINES[method](rates(values))
    assert len(schema.check_boxes(found)) == right.get(method, 0)


@pytest.mark.parametrize("method", BASELINES)
def test_the_outline_of_a_slide_across_the_date_line_lies_there(method: str) -> None:
    grid = rates(TWO, crs="EPSG:4326").assign_coords(y=-17 - np.arange(30) * 1e-3, x=179.99 + np.arange(30) * 1e-3)
    found = BASELINES[method](grid).set_geometry("outline", crs=geo.WGS84)
    np.testing.assert_allclose(found.total_bounds[:2], [179.9945, found.total_bounds[1]], atol=1e-9)
    assert found.geometry.iloc[0].area == pytest.approx(100 * 1e-6)
    assert compared(found, table(Point(-179.9975, -17.01)))[0] == 1


@cases({
    **{f"{kind} of {name}": (lambda use=use, data=data: use(data), "rates must be a Dataset" if "3-D" not in name
                             else "must have the dims")
       for kind, use in BASELINES.items()
       for name, data in {"nothing": None, "no rate": xr.Dataset(), "an array": xr.DataArray(SLIDE),
                          "a 3-D rate": xr.Dataset({"rate": (("t", "y", "x"), SLIDE[None])})}.items()},
    **{f"a distance of {d}": (lambda d=d: lk.hot_spots(rates(SLIDE), distance=d), "distance must be a number of pixels")
       for d in (0, -1, 0.5, np.nan, np.inf)},
    "a distance beyond the scene": (lambda: len(lk.hot_spots(rates(SLIDE), distance=1000)), 0),
    **{f"a z of {z}": (lambda z=z: lk.hot_spots(rates(SLIDE), z=z), "z must be") for z in (0, -1, np.nan, np.inf)},
    **{f"{kind} above {r}": (lambda use=use, r=r: use(rates(SLIDE), min_rate=r), "min_rate must be")
       for kind, use in BASELINES.items() for r in (-1, np.nan, np.inf)},
    **{f"{kind} of {n} pixels": (lambda use=use, n=n: use(rates(SLIDE), min_pixels=n), "min_pixels must be a whole")
       for kind, use in BASELINES.items() for n in (0, 1.5, True, -3)},
    "couplets of nothing that moves": (lambda: len(lk.couplets(gradients(SLIDE * 0), progress=False)), 0),
    "couplets of no data": (lambda: lk.couplets(gradients(SLIDE * np.nan), progress=False), "must have data somewhere"),
    "couplets of four pixels": (lambda: len(lk.couplets(gradients(SLIDE[:2, :2]), progress=False)), 0),
    "couplets of one pixel": (lambda: len(lk.couplets(gradients(SLIDE[:1, :1]), progress=False)), 0),
    "couplets of rates": (lambda: lk.couplets(rates(SLIDE), progress=False), "gradients must be a Dataset"),
})  # fmt: skip
def test_odd_arguments_of_the_baselines(case: Case) -> None:
    check(case)


STRONG = np.where(SLIDE < 0, 3.0, 0.0)


def kept(found: gpd.GeoDataFrame, data: Any, **more: Any) -> int:
    return len(lk.filter_detections(found, data, **more))


def reason(found: gpd.GeoDataFrame, data: Any, **more: Any) -> str:
    return str(lk.filter_detections(found, data, **more).attrs["dropped"][0]["reason"])


MASKS = {
    "corners jump": Polygon([(179.9, -18), (-179.9, -18), (-179.9, -16), (179.9, -16)]),
    "beyond 180": box(179.9, -18, 180.1, -16),
    "beyond -180": box(-180.1, -18, -179.9, -16),
    "in two parts": MultiPolygon([box(179.9, -18, 180, -16), box(-180, -18, -179.9, -16)]),
}


@cases({
    "strong": (lambda: kept(on_scene(), gradients(STRONG)), 1),
    "quiet": (lambda: reason(on_scene(), gradients(STRONG * 0)), "its gradient stays below 1.2 rad, at most 0.00 rad"),
    "no data": (lambda: reason(on_scene(), gradients(STRONG * np.nan)), "no valid pixel in the box"),
    "outside": (lambda: reason(on_scene(xmin=[500], xmax=[600]), gradients(STRONG)), "no valid pixel in the box"),
    "far left": (lambda: reason(on_scene(xmin=[-600], xmax=[-500]), gradients(STRONG)), "no valid pixel in the box"),
    "between two centres": (
        lambda: reason(on_scene(xmin=[7.6], xmax=[8.4]), gradients(STRONG)), "no valid pixel in the box"),
    "nothing": (lambda: kept(schema.boxes_table(), gradients(STRONG)), 0),
    "nothing on nothing": (lambda: kept(schema.boxes_table(), []), 0),
    "a huge box": (lambda: kept(on_scene(xmin=[-1e30], xmax=[1e30]), gradients(STRONG)), 1),
    "a box of all": (lambda: kept(on_scene(xmin=[-1e9], xmax=[1e9], ymin=[-1e9], ymax=[1e9]), gradients(STRONG)), 1),
    "a box without area": (lambda: kept(on_scene(xmax=[5]), gradients(STRONG)), "xmin < xmax"),
    "a box of no number": (lambda: kept(on_scene(xmin=[np.nan]), gradients(STRONG)), "finite corners"),
    "a score of no number": (lambda: kept(on_scene().assign(score=np.nan), gradients(STRONG)), 1),
    "another scene": (lambda: kept(on_scene(), gradients(STRONG).assign_attrs(scene=UNICODE)), "without 'g'"),
    "a box on rates": (lambda: kept(on_scene().assign(direction="rate"), gradients(STRONG)), "must have a direction"),
    "a mask over it": (
        lambda: kept(on_scene(), gradients(STRONG), masks={"snow": table(box(101, 30, 103, 32))}), 0),
    "a mask elsewhere": (lambda: kept(on_scene(), gradients(STRONG), masks={"snow": table(box(0, 0, 1, 1))}), 1),
    "a mask of nothing": (lambda: kept(on_scene(), gradients(STRONG), masks={"snow": table()}), 1),
    "a mask of none": (lambda: kept(on_scene(), gradients(STRONG), masks={"snow": table(None)}), 1),
    "a mask in Mercator": (
        lambda: kept(on_scene(), gradients(STRONG), masks={"snow": table(box(101, 30, 103, 32)).to_crs(3857)}), 0),
    "a mask that crosses itself": (
        lambda: kept(on_scene(), gradients(STRONG),
                     masks={"snow": table(Polygon([(100.5, 30), (102.5, 32), (102.5, 30), (100.5, 32)]))}), 0),
    "a mask of the world": (lambda: kept(on_scene(), gradients(STRONG), masks={"snow": table(WORLD)}), 0),
    "a mask without a system": (
        lambda: kept(on_scene(), gradients(STRONG), masks={"雪": table(WORLD, crs=None)}), "masks['雪'] must say"),
    **{f"a mask across the date line, {how}, scene from {lon}°": (
        lambda lon=lon, shape=shape: kept(on_scene(), gradients(STRONG, lon, -17), masks={"snow": table(shape)}), 0)
       for how, shape in MASKS.items() for lon in (179.995, -180.005, -179.999, 179.98)},
    **{f"a threshold of {v}": (lambda v=v: kept(on_scene(), gradients(STRONG), min_gradient=v), "min_gradient must be")
       for v in (-1, np.nan)},
    **{f"a share of {v}": (lambda v=v: kept(on_scene(), gradients(STRONG), min_fraction=v), "min_fraction must be")
       for v in (-0.1, 1.1, np.nan)},
})  # fmt: skip
def test_the_filter_judges_odd_boxes(case: Case) -> None:
    check(case)


def test_polygons_on_a_scene_at_the_date_line_mask_the_pixels_that_they_hold() -> None:
    """Half of the scene lies on either side, and the mask on one."""
    scene = gradients(STRONG, 179.994, -17)
    masked = mask_on("snow", table(box(-180, -18, -179, -16)), scene, np.array([[0.0, 0.0, 30.0, 30.0]]))
    assert masked is not None
    np.testing.assert_array_equal(masked, np.broadcast_to(scene["x"].values > 180, masked.shape))


def merged(*shapes: Any, **columns: Any) -> list[float]:
    words = {"scene": [f"s{n}" for n in range(len(shapes))]} | columns
    return list(lk.merge_detections(boxes(*shapes, **words))["members"])


@cases({
    "nothing": (lambda: len(lk.merge_detections([])), 0),
    "empty tables": (lambda: len(lk.merge_detections([boxes(), boxes()])), 0),
    "one": (lambda: merged(square(1, 1)), [1]),
    **{f"{one} with {other}": (lambda a=a, b=b: merged(a, b), [2])
       for one, a in ACROSS.items() for other, b in ACROSS.items()},
    "223 m over the line": (lambda: merged(square(179.998, 60, 0.1), square(-179.998, 60, 0.1)), [2]),
    "557 m over the line": (lambda: merged(square(179.995, 60, 0.1), square(-179.995, 60, 0.1)), [1, 1]),
    "near a pole": (lambda: merged(square(0, 89.99, 0.1), square(180, 89.99, 0.1)), "must lie between 89° south"),
    "beyond the pole": (lambda: merged(square(0, 5), Point(0, 100)), "must lie between 89° south and north"),
    "a huge box with a small one": (lambda: merged(box(-170, -80, 170, 80), square(0, 5)), [1, 1]),
    "a score of no number": (lambda: merged(square(0, 5), square(0, 5), score=[np.nan, 0.5]), [2]),
    "mixed systems": (
        lambda: len(lk.merge_detections([boxes(square(102, 31)), boxes(square(102, 31), scene=["t"]).to_crs(32648)])),
        1),
    "without a system": (
        lambda: lk.merge_detections([boxes(square(1, 1)),
                                     boxes(square(1, 1), scene=["t"]).set_crs(None, allow_override=True)]),
        "must say their coordinate system"),
    "a row without a place": (lambda: merged(square(0, 5), None), "must have a geometry to be merged"),
    "an empty shape": (lambda: merged(square(0, 5), Polygon()), "must have a geometry to be merged"),
    **{f"a place at {v}": (lambda v=v: merged(square(0, 5), Point(v, 1)), "must have finite coordinates, instead 1 of")
       for v in (np.nan, np.inf)},
    "any script": (lambda: lk.merge_detections(boxes(square(1, 1), label=[UNICODE]))["label"].iloc[0], UNICODE),
    **{f"GIoU above {v}": (lambda v=v: lk.merge_detections(boxes(), min_giou=v), "min_giou must be in [0, 1)")
       for v in (-0.1, 1, np.nan)},
    **{f"{v} m apart": (lambda v=v: lk.merge_detections(boxes(), max_distance_m=v), "max_distance_m must be")
       for v in (-1, np.inf, np.nan)},
    **{f"{v} m long": (lambda v=v: lk.merge_detections(boxes(), max_extent_m=v), "max_extent_m must be")
       for v in (0, -1, np.nan)},
})  # fmt: skip
def test_odd_boxes_are_merged(case: Case) -> None:
    check(case)


def on_the_ground(found: gpd.GeoDataFrame, labels: gpd.GeoDataFrame) -> tuple[int, int, int]:
    told = lk.evaluate(found, labels, ground=True)
    return told.true_positives, told.false_positives, told.false_negatives


@cases({
    "nothing": (lambda: on_the_ground(boxes(), boxes()), (0, 0, 0)),
    "nothing found": (lambda: on_the_ground(boxes(), boxes(square(1, 1))), (0, 0, 1)),
    "nothing there": (lambda: on_the_ground(boxes(square(1, 1)), boxes()), (0, 1, 0)),
    **{f"{one} on {other}": (lambda a=a, b=b: on_the_ground(boxes(a), boxes(b)), (1, 0, 0))
       for one, a in ACROSS.items() for other, b in ACROSS.items()},
    "near a pole": (lambda: on_the_ground(boxes(square(0, 89.95)), boxes(square(0, 89.95))), (1, 0, 0)),
    "over a continent": (
        lambda: on_the_ground(boxes(square(75, 35), square(130, 45)), boxes(square(75, 35), square(130, 45))),
        (2, 0, 0)),
    "over the world": (
        lambda: on_the_ground(boxes(square(0, 0)), boxes(square(170, 0))), "must lie within 5,000 km of their middle"),
    "without a place": (lambda: on_the_ground(boxes(None), boxes(None)), "must have a geometry to be matched"),
    "a score of no number": (lambda: lk.evaluate(boxes(square(1, 1), score=[np.nan]), boxes()), "finite scores"),
    "an infinite score": (lambda: lk.evaluate(boxes(square(1, 1), score=[np.inf]), boxes()), "finite scores"),
})  # fmt: skip
def test_odd_boxes_are_measured_on_the_ground(case: Case) -> None:
    check(case)


# ---- maps that people look at ----


def shown(*args: Any, **more: Any) -> tuple[float, float]:
    """Latitude and longitude in the middle of a web map."""
    lat, lon = view.map(*args, **more).center
    return float(lat), float(lon) % 360


@cases({
    "one": (lambda: shown(boxes(square(102, 31))), (31.0, 102.0)),
    "a point": (lambda: shown(table(Point(102, 31))), (31.0, 102.0)),
    "nothing": (lambda: shown(boxes()), "a map must have something with a place"),
    "only rows without a place": (lambda: shown(boxes(None, Polygon())), "a map must have something with a place"),
    "one of them without": (lambda: shown(boxes(square(102, 31), None)), (31.0, 102.0)),
    "UTM": (lambda: shown(boxes(square(102, 31)).to_crs(32648)), (31.0, 102.0)),
    **{f"across the date line, {how}": (lambda shape=shape: shown(boxes(shape)), (-17.005, 180.0))
       for how, shape in ACROSS.items()},
    "two sides of the date line": (lambda: shown(boxes(square(179.98, -17), square(-179.98, -17))), (-17.0, 180.0)),
    "labels there and detections here": (
        lambda: shown(boxes(square(179.98, -17)), labels=boxes(square(-179.98, -17))), (-17.0, 180.0)),
    "density across the date line": (
        lambda: shown(None, lk.density(boxes(ACROSS["corners jump"]), 1000, 2000)), (-17.0, 180.0)),
    "density and landslides on other sides": (
        lambda: shown(boxes(square(-179.998, -17)), lk.density(boxes(square(179.998, -17)), 100, 200)), (-17.0, 180.0)),
    "near a pole": (lambda: shown(boxes(square(0, 89))), "a map must lie between 85.06° south and north"),
    "the world": (lambda: shown(boxes(WORLD)), "a map must lie between 85.06° south and north"),
    "scores of no number": (lambda: shown(boxes(square(102, 31), score=[np.nan]), colour_by="score"), (31.0, 102.0)),
    "another colour": (lambda: shown(boxes(square(102, 31)), colour_by="colour"), "colour_by"),
    "colours of nothing": (lambda: shown(colour_by="score", counties=named(square(1, 1))), "detections must be given"),
    "any script": (lambda: shown(boxes(square(102, 31), label=[UNICODE])), (31.0, 102.0)),
})  # fmt: skip
def test_a_web_map_shows_odd_places(case: Case) -> None:
    check(case)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps")


HERE = boxes(square(102, 31))


@pytest.mark.parametrize(
    ("draw", "right"),
    {
        "one": (lambda to: view.save_map_png(HERE, None, to, dpi=30), ""),
        "a point": (lambda to: view.save_map_png(boxes(Point(102, 31)), None, to, dpi=30), ""),
        "any script that is here": (
            lambda to: view.save_map_png(HERE, None, to, dpi=30, counties=named(square(102, 31, 9), name=["Оползень"])),
            "",
        ),
        "dollars": (lambda to: view.save_map_png(HERE, None, to, dpi=30, title="$1 and $2 \\frac"), ""),
        "across the date line": (lambda to: view.save_map_png(boxes(ACROSS["corners jump"]), None, to, dpi=30), ""),
        "near a pole": (lambda to: view.save_map_png(boxes(square(0, 89)), None, to, dpi=30), ""),
        "nothing": (lambda to: view.save_map_png(boxes(), None, to), "detections must hold at least one place"),
        "neither": (lambda to: view.save_map_png(None, None, to), "must have detections or density"),
        "print across the date line": (
            lambda to: view.print_map(to, lk.density(boxes(FIJI), 1000, 2000), boxes(FIJI), dpi=30), ""),
        "print near a pole": (
            lambda to: view.print_map(to, lk.density(boxes(square(0, 89.9)), 1000, 2000), dpi=30), ""),
        "print what nobody observed": (
            lambda to: view.print_map(to, lk.density(HERE, observed=table()), dpi=30), ""),
        "print nothing found": (
            lambda to: view.print_map(to, lk.density(boxes(), extent=(102, 31, 102.1, 31.1)), boxes(), dpi=30), ""),
        "print what lies nowhere": (lambda to: view.print_map(to, rates(SLIDE)), "data must have lon/lat"),
        "print with a limit of no number": (
            lambda to: view.print_map(to, lk.density(HERE), limit=np.nan), "limit must be a number > 0"),
        "print at no resolution": (lambda to: view.print_map(to, lk.density(HERE), dpi=0), "dpi must be above 0"),
        "print without a system": (
            lambda to: view.print_map(to, lk.density(HERE), table(Point(1, 1), crs=None)), "detections must be a"),
        "print no place": (
            lambda to: view.print_map(to, lk.density(HERE), boxes(Point(np.nan, 1))), "must all have a place"),
        "a picture of no data": (
            lambda to: view.ground_picture(lk.density(HERE, observed=table())), "must hold some known pixels"),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_printed_map_shows_odd_places(draw: str, right: Any, folder: Path) -> None:
    use, word = right
    to = folder / f"{draw}.png"
    got = outcome(lambda: use(to))
    if word:
        assert isinstance(got, str)
        assert word in got
        assert not to.exists()
    else:
        assert to.read_bytes().startswith(b"\x89PNG")


def test_letters_that_no_font_has_are_told_of(folder: Path) -> None:
    from labkit.view.map_sheet import font_families

    nowhere = chr(0x0378)  # no letter
    assert font_families(f"Danba {nowhere}") == ["DejaVu Sans"]
    with pytest.warns(UserWarning, match="Glyph 888"):
        view.save_map_png(HERE, None, folder / "private.png", title=nowhere, dpi=30)


# ---- the configuration of a region ----


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "must"),
        ("out = 3", "must"),
        ("= nonsense", "must"),
        ('out = "r"\ndetector = "couplets"\ntracks = {}', "tracks must name"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nthreads = 0', "threads must be a whole number"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\ndevice = "tpu"', "device must be one of"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nformats = []', "formats must be among"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nformats = ["doc"]', "formats must be among"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nwrong = 1', "wrong"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\ndetect = {score = 0.5}', "detect must fit"),
        (
            'out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nfilter = {min_fraction = nan}',
            "min_fraction must be",
        ),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nmerge = {max_distance_m = -1}', "max_distance_m must"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\ndensity = {cell_m = 0}', "cell_m must be"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\ncounties = "無.gpkg"', "counties must be a file"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_before_anything_runs(
    text: str, word: str, tmp_path: Path
) -> None:
    path = tmp_path / "region.toml"
    path.write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert word in outcome(lambda: read_plan(path))
    assert list(tmp_path.iterdir()) == [path]


def test_a_plan_takes_names_of_any_script(tmp_path: Path) -> None:
    (tmp_path / "計畫.toml").write_text('out = "結果"\ndetector = "couplets"\ntracks = {"升轨 ↑" = "升-*"}', "utf-8")
    plan = read_plan(tmp_path / "計畫.toml")
    assert plan.results == tmp_path / "結果"
    assert plan.tracks == {"升轨 ↑": ("升-*",)}
