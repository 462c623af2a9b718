"""Files of odd tables: what comes back from each format, and what is refused with nothing left behind."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
import xarray as xr
from odd_inputs import ACROSS, UNICODE, WORLD, Case, boxes, cases, check, square, table
from shapely.geometry import LineString, Point, Polygon

import labkit as lk
from labkit import geo, ground, maps
from labkit.errors import LabkitError

# pyproj turns an array of one coordinate into a number as NumPy will no longer have it
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning")


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
