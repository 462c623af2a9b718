"""Density, counties and rivers of odd landslides, on odd grounds, with odd settings."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from odd_inputs import ACROSS, EARTH, FIJI, UNICODE, WORLD, Case, boxes, cases, check, named, square, table
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

import labkit as lk
from labkit import maps

# pyproj turns an array of one coordinate into a number as NumPy will no longer have it
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning")


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
