"""What tests of odd inputs share: places, tables and scenes that are odd, and how a case is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from pyproj import Geod
from shapely.geometry import MultiPolygon, Point, Polygon, box

import labkit as lk
from labkit import geo, schema
from labkit.errors import LabkitError

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


#: One degree by two, across the date line.
FIJI = box(179.5, -18, 180.5, -16)

#: One slide of 10 × 10 px, mm/yr.
SLIDE = np.zeros((30, 30))
SLIDE[5:15, 5:15] = -30.0


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


def compared(found: gpd.GeoDataFrame, known: gpd.GeoDataFrame, buffer_m: float = 0.0, **more: Any) -> tuple[int, ...]:
    told = lk.compare_inventories(found, known, buffer_m, **more)
    return told.correct, told.missed, told.new
