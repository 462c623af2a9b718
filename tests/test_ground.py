"""In which metres places on the ground are measured: the UTM zone of what lies there."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from pyproj import Geod
from shapely.geometry import Point, box

from labkit import geo, ground, schema
from labkit.errors import LabkitError


def test_lengths_in_the_metric_crs_agree_with_the_ellipsoid() -> None:
    scene = xr.Dataset(
        coords={"y": 30.9 - 0.0005 * np.arange(100), "x": 101.9 + 0.0005 * np.arange(100)}, attrs={"crs": geo.WGS84}
    )
    boxes = schema.boxes_table({"xmin": [10.0], "ymin": [10.0], "xmax": [60.0], "ymax": [60.0]})
    placed = geo.with_geometry(boxes, scene)
    area = placed.to_crs(ground.metric_crs(placed)).area.iloc[0]
    expected, _ = Geod(ellps="WGS84").geometry_area_perimeter(placed.geometry.iloc[0])
    assert area == pytest.approx(abs(expected), rel=2e-3)  # the scale of UTM is within 0.1 % in length


@pytest.mark.parametrize(
    "lonlat",
    [(101.9, 30.9), (-122.5, 37.7), (5.999, 60.4), (15.6, 78.2), (-70.2, -54.8), (179.5, -17.0), (-180.0, 65.0)],
)
def test_the_metric_crs_is_the_one_that_geopandas_finds_in_the_database(lonlat: tuple[float, float]) -> None:
    lon, lat = lonlat
    places = gpd.GeoSeries([box(lon, lat, lon + 0.1, lat + 0.2), Point(lon + 0.05, lat - 0.1)], crs=geo.WGS84)
    assert ground.metric_crs(places) == places.estimate_utm_crs()
    assert ground.metric_crs(places) is ground.metric_crs(places.iloc[:1]), "built anew"


def test_a_metric_crs_needs_a_place() -> None:
    with pytest.raises(LabkitError, match="geometry must hold at least one place on the Earth"):
        ground.metric_crs(schema.boxes_table({"xmin": [0.0], "ymin": [0.0], "xmax": [1.0], "ymax": [1.0]}))
