"""What is written is read back by independent readers: GDAL, GeoPandas, an XML parser."""

from __future__ import annotations

import json
import sqlite3
import xml.etree.ElementTree as ElementTree
import zipfile
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
from shapely.geometry import LineString, MultiPolygon, Point, box

import labkit as lk
from labkit import LabkitError
from labkit.maps import write_density, write_detections

KML = "{http://www.opengis.net/kml/2.2}"
FORMATS = (".gpkg", ".geojson", ".parquet", ".kml", ".kmz")


@pytest.fixture
def detections() -> gpd.GeoDataFrame:
    table = lk.schema.boxes_table(
        {
            "scene": ["demo", "demo", "démo & <co>"],
            "direction": ["azimuth", "range", "azimuth"],
            "xmin": [1.0, 20.5, 3.0],
            "ymin": [2.0, 30.5, 4.0],
            "xmax": [11.0, 40.5, 13.0],
            "ymax": [12.0, 50.5, 14.0],
            "score": [0.91, 0.5, 0.75],
            "geometry": [
                box(102.0, 31.0, 102.01, 31.01),
                box(102.02, 31.03, 102.05, 31.06),
                MultiPolygon([box(102.1, 31.1, 102.2, 31.2), box(102.3, 31.3, 102.4, 31.4)]),
            ],
        }
    )
    table["support"] = [["azimuth"], ["azimuth", "range"], []]
    table["ascending"] = [True, False, True]
    table["descending"] = np.array([True, None, False], dtype=object)
    table["when"] = pd.to_datetime(["2020-01-01T10:00:00", "2020-02-01T00:00:00", None])
    table["n_boxes"] = [1, 2, 3]
    table["class"] = pd.Categorical(["a", "b", "a"])
    return table


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson"])
def test_gis_files_come_back_with_their_places_and_values(detections, tmp_path, suffix):
    path = write_detections(detections, tmp_path / f"slides{suffix}")
    back = gpd.read_file(path)
    assert back.crs == "EPSG:4326"
    assert len(back) == 3 and back["scene"].tolist() == detections["scene"].tolist()
    np.testing.assert_allclose(back[["xmin", "score"]], detections[["xmin", "score"]])
    # RFC 7946 keeps seven decimals, which is a centimetre.
    for one, other in zip(back.geometry, detections.geometry, strict=True):
        assert one.symmetric_difference(other).area < 1e-8
    # GDAL reads JSON inside GeoJSON as lists of its own.
    support = [json.loads(v) if isinstance(v, str) else list(v) for v in back["support"]]
    assert support == detections["support"].tolist()
    assert [bool(v) for v in back["ascending"]] == [True, False, True]
    assert back["descending"].isna().tolist() == [False, True, False]
    assert pd.Timestamp(back["when"].iloc[0]) == pd.Timestamp("2020-01-01T10:00:00")
    assert back["class"].tolist() == ["a", "b", "a"]
    assert pyogrio.list_layers(path)[0][0] == "slides"


def test_geojson_is_in_longitude_and_latitude_whatever_the_table_is_in(detections, tmp_path):
    path = write_detections(detections.to_crs("EPSG:32647"), tmp_path / "slides.geojson")
    features = json.loads(path.read_text())["features"]
    lon, lat = features[0]["geometry"]["coordinates"][0][0]
    assert 101.9 < lon < 102.1 and 30.9 < lat < 31.1


def test_geoparquet_comes_back_with_its_types(detections, tmp_path):
    back = gpd.read_parquet(write_detections(detections, tmp_path / "slides.parquet"))
    assert back.geometry.geom_equals(detections.geometry).all()
    assert back["ascending"].dtype == bool and back["when"].dtype.kind == "M" and back["n_boxes"].dtype == int


def test_kml_is_read_by_gdal_with_names_and_places(detections, tmp_path):
    back = gpd.read_file(write_detections(detections.to_crs("EPSG:32647"), tmp_path / "slides.kml"), engine="pyogrio")
    assert back["Name"].tolist() == ["landslide 1 (0.91)", "landslide 2 (0.50)", "landslide 3 (0.75)"]
    for one, other in zip(back.geometry, detections.geometry, strict=True):
        assert one.symmetric_difference(other).area < 1e-8


def test_kml_escapes_names_carries_every_column_and_draws_in_blue(detections, tmp_path):
    detections.loc[0, "model"] = "a\x00b </description><script>"
    root = ElementTree.fromstring(write_detections(detections, tmp_path / "x & y.kml").read_bytes())  # noqa: S314
    document = root.find(f"{KML}Document")
    assert document.findtext(f"{KML}name") == "x & y"
    places = document.findall(f"{KML}Placemark")
    data = {e.get("name"): e.findtext(f"{KML}value") for e in places[2].iter(f"{KML}Data")}
    assert data["scene"] == "démo & <co>" and float(data["score"]) == 0.75
    assert "when" not in data, "an unknown time is left out"
    popup = places[0].findtext(f"{KML}description")
    assert "<script>" not in popup and "a\ufffdb" in popup
    colour = document.findtext(f"{KML}Style/{KML}LineStyle/{KML}color")
    alpha, blue, red = (int(colour[i : i + 2], 16) for i in (0, 2, 6))
    assert alpha == 255 and blue > 2 * red


def test_kml_keeps_holes_and_points_and_refuses_lines(tmp_path):
    ring = box(0, 0, 1, 1).difference(box(0.4, 0.4, 0.6, 0.6))
    table = gpd.GeoDataFrame({"label": ["a", None]}, geometry=[ring, Point(2, 3)], crs="EPSG:4326")
    back = gpd.read_file(write_detections(table, tmp_path / "holes.kml"))
    assert back.geometry.iloc[0].area == pytest.approx(0.96)
    assert (back.geometry.iloc[1].x, back.geometry.iloc[1].y) == (2, 3)
    line = gpd.GeoDataFrame(geometry=[LineString([(0, 0), (1, 1)])], crs="EPSG:4326")
    with pytest.raises(LabkitError, match="instead got LineString"):
        write_detections(line, tmp_path / "line.kml")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["holes.kml"], "nothing half-written stays"


def test_kmz_holds_the_kml_and_is_the_same_each_time(detections, tmp_path):
    first = write_detections(detections, tmp_path / "a" / "slides.kmz").read_bytes()
    second = write_detections(detections, tmp_path / "b" / "slides.kmz").read_bytes()
    kml = write_detections(detections, tmp_path / "c" / "slides.kml").read_bytes()
    assert first == second
    with zipfile.ZipFile(tmp_path / "a" / "slides.kmz") as archive:
        assert archive.namelist() == ["doc.kml"] and archive.read("doc.kml") == kml


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_empty_table_writes_a_valid_file(tmp_path, suffix):
    path = write_detections(lk.schema.boxes_table(), tmp_path / f"nothing{suffix}")
    if suffix == ".parquet":
        assert len(gpd.read_parquet(path)) == 0
    elif suffix in (".gpkg", ".geojson"):
        assert len(gpd.read_file(path)) == 0
    else:
        text = zipfile.ZipFile(path).read("doc.kml") if suffix == ".kmz" else path.read_bytes()
        assert not list(ElementTree.fromstring(text).iter(f"{KML}Placemark"))  # noqa: S314


@pytest.mark.parametrize("suffix", FORMATS)
def test_detections_without_a_place_are_written_all_the_same(tmp_path, suffix):
    table = lk.schema.boxes_table(
        {"scene": ["a"], "direction": ["range"], "xmin": [1], "ymin": [2], "xmax": [5], "ymax": [9]}
    )
    path = write_detections(table, tmp_path / f"radar{suffix}")
    if suffix in (".gpkg", ".geojson"):
        assert gpd.read_file(path)["xmax"].tolist() == [5]
    assert path.stat().st_size > 0


def test_an_existing_file_is_replaced_and_survives_a_failure(detections, tmp_path):
    path = write_detections(detections, tmp_path / "slides.gpkg")
    write_detections(detections.iloc[:1], path)
    assert len(gpd.read_file(path)) == 1
    twice = detections.rename(columns={"label": "scene"})
    with pytest.raises(LabkitError, match=r"columns.*scene"):
        write_detections(twice, path)
    assert len(gpd.read_file(path)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["slides.gpkg"]


def test_the_table_given_is_not_changed(detections, tmp_path):
    before = detections.copy()
    write_detections(detections, tmp_path / "slides.gpkg")
    pd.testing.assert_frame_equal(detections, before)


def test_an_unknown_suffix_names_those_that_are_known(detections, tmp_path):
    with pytest.raises(
        LabkitError, match=r"\.gpkg, \.geojson, \.parquet, \.kml, \.kmz, \.shp, instead got path='slides.dxf'"
    ):
        write_detections(detections, tmp_path / "slides.dxf")
    with pytest.raises(LabkitError, match="crs=None"):
        write_detections(gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)]), tmp_path / "slides.gpkg")
    with pytest.raises(LabkitError, match="GeoDataFrame with a geometry"):
        write_detections(pd.DataFrame({"a": [1]}), tmp_path / "slides.gpkg")
    assert not list(tmp_path.iterdir())


def test_the_observed_share_of_each_cell_is_the_second_band(detections, tmp_path):
    west, south, east, north = detections.to_crs(4326).total_bounds
    half = gpd.GeoSeries([box(west - 0.1, south - 0.1, (west + east) / 2, north + 0.1)], crs=4326)
    field = lk.density(detections, cell_m=1000, bandwidth_m=2000, observed=half)
    with rasterio.open(write_density(field, tmp_path / "density.tif")) as file:
        density, share = file.read()
    assert {0.0, 1.0} < set(share.ravel()), "some cells are cut by the edge"
    np.testing.assert_allclose(share, field["observed"], rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(density), share == 0)
    # what a GIS would do with both bands gives back the count
    assert np.nansum(density * share) == pytest.approx(field.attrs["n_landslides"], rel=1e-5)
    with rasterio.open(write_density(field.drop_vars("observed"), tmp_path / "older.tif")) as file:
        assert file.count == 1


def test_the_density_map_comes_back_from_its_geotiff(detections, tmp_path):
    field = lk.density(detections, cell_m=1000, bandwidth_m=2000)
    path = write_density(field, tmp_path / "maps" / "density.tif")
    with rasterio.open(path) as file:
        np.testing.assert_allclose(file.read(1), field.values, rtol=1e-6, atol=1e-30)
        assert file.crs == field.attrs["crs"] and np.isnan(file.nodata)
        assert file.count == 2 and file.descriptions == ("landslide density", "observed share")
        assert file.units == ("landslides per km²", "1")
        np.testing.assert_array_equal(file.read(2), np.ones(field.shape))
        row, col = 3, 5
        assert file.xy(row, col) == (field.x.values[col], field.y.values[row])
    assert [p.name for p in path.parent.iterdir()] == ["density.tif"]
    with pytest.raises(LabkitError, match=r"\.tif or \.tiff"):
        write_density(field, tmp_path / "density.png")
    with pytest.raises(LabkitError, match="crs and cell_m"):
        write_density(field.drop_attrs(), Path(tmp_path / "density.tif"))


def test_a_geopackage_carries_a_style_that_colours_by_score(detections, tmp_path):
    path = write_detections(detections, tmp_path / "Rutsche & 滑坡.gpkg", style=True)
    assert [name for name, _ in pyogrio.list_layers(path)] == ["Rutsche & 滑坡", "layer_styles"]
    with closing(sqlite3.connect(path)) as file:
        [(layer, column, default, qml)] = file.execute(
            "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
        )
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert file.execute(f'SELECT count("{column}") FROM "{layer}"').fetchone() == (3,)
    assert (layer, default) == ("Rutsche & 滑坡", 1)
    renderer = ElementTree.fromstring(qml).find("renderer-v2")  # noqa: S314
    assert (renderer.get("type"), renderer.get("attr")) == ("graduatedSymbol", "score")
    ranges = renderer.findall("ranges/range")
    limits = [(float(r.get("lower")), float(r.get("upper"))) for r in ranges]
    assert limits[0][0] == 0 and limits[-1][1] == 1 and all(a[1] == b[0] for a, b in pairwise(limits))
    assert [r.get("symbol") for r in ranges] == [s.get("name") for s in renderer.findall("symbols/symbol")]
    assert gpd.read_file(path, layer="Rutsche & 滑坡")["scene"].tolist() == detections["scene"].tolist()
    with pytest.raises(LabkitError, match="style must be False for .kml, instead got style=True"):
        write_detections(detections, tmp_path / "slides.kml", style=True)


def test_a_shapefile_tells_what_its_short_names_mean_and_what_it_cut(detections, tmp_path):
    detections["member_boxes"] = ["demo/azimuth/1.0,2.0,11.0,12.0; " * 20, "ü" * 200, "short"]
    detections["member_box_count"] = [1, 2, 3]
    path = write_detections(detections, tmp_path / "slides.shp")
    back = gpd.read_file(path)
    fields = pd.read_csv(tmp_path / "slides.fields.csv").set_index("column")
    assert back.crs == "EPSG:4326" and set(fields["field"]) == set(back.columns) - {"geometry"}
    assert fields["field"].map(lambda name: len(name.encode())).max() <= 10 and fields["field"].is_unique
    assert back["scene"].tolist() == detections["scene"].tolist()
    assert back[fields["field"]["member_box_count"]].tolist() == [1, 2, 3]
    assert fields["texts_cut"]["member_boxes"] == 2 and fields["texts_cut"].sum() == 2
    assert back[fields["field"]["member_boxes"]].iloc[1] == "ü" * 127
    assert back["ascending"].tolist() == [1, 0, 1] and back["when"].iloc[0] == "2020-01-01T10:00:00"
    for one, other in zip(back.geometry, detections.geometry, strict=True):
        assert one.symmetric_difference(other).area < 1e-12
    mixed = gpd.GeoDataFrame(geometry=[Point(1, 2), box(0, 0, 1, 1)], crs="EPSG:4326")
    with pytest.raises(LabkitError, match=r"geometry must be of one kind for a shapefile.*Write a .gpkg"):
        write_detections(mixed, tmp_path / "mixed.shp")
    assert not list(tmp_path.glob("mixed*")) and not list(tmp_path.glob(".*"))


def test_a_box_on_the_date_line_is_two_parts_in_geojson(tmp_path):
    table = lk.schema.boxes_table(
        {
            "scene": ["a"],
            "direction": ["range"],
            "xmin": [0],
            "ymin": [0],
            "xmax": [5],
            "ymax": [5],
            "geometry": [box(179.99, -17.01, 180.01, -16.99)],
        }
    )
    back = gpd.read_file(write_detections(table, tmp_path / "fiji.geojson"))
    assert back.geometry.iloc[0].geom_type == "MultiPolygon"
    west, _, east, _ = back.total_bounds
    assert (west, east) == (-180, 180) and back.geometry.iloc[0].area == pytest.approx(0.02**2)
