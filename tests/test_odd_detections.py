"""Baselines, filter, merging and measures of odd rates, gradients and boxes."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from odd_inputs import (
    ACROSS,
    SLIDE,
    UNICODE,
    WORLD,
    Case,
    boxes,
    cases,
    check,
    compared,
    gradients,
    on_scene,
    rates,
    square,
    table,
)
from shapely.geometry import MultiPolygon, Point, Polygon, box

import labkit as lk
from labkit import detect, geo, schema
from labkit.detect.masking import mask_on

# pyproj turns an array of one coordinate into a number as NumPy will no longer have it
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning")


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
