"""Odd inventories and detections, compared: nothing, one thing, the date line, the poles, huge boxes, mixed systems."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from odd_inputs import ACROSS, EARTH, UNICODE, WORLD, Case, boxes, cases, check, compared, square, table
from shapely.geometry import LineString, Point, Polygon, box

import labkit as lk
from labkit import detect

# pyproj turns an array of one coordinate into a number as NumPy will no longer have it
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning")


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
