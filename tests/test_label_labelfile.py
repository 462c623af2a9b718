"""Labels on the disk come back with every column, type and place."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label import load_labels, save_labels
from labkit.label.columns import complete
from labkit.label.convert import to_region
from labkit.label.table import empty_labels, to_labels

FILES = ["labels.parquet", "labels.gpkg", "labels.geojson", "labels.kml", "labels.kmz"]


@pytest.fixture
def labels() -> gpd.GeoDataFrame:
    corners = [[10, 50], [12, 50], [12, 49], [10, 49]]
    data = {"chip_id": "c", "scene": "s", "row": 100, "col": 200, "size": 50, "corners": corners}
    regions = [to_region(f"r{n}", "range", (10 + n / 7, 20, 30, 40), 50) for n in range(3)]
    times = {"created_at": "2024-05-06T07:08:09.5Z", "updated_at": "2024-05-06T07:08:10Z"}
    annotation = {"id": 1, "completed_by": 1, "result": regions, **times}
    return to_labels([{"id": 1, "data": data, "annotations": [annotation]}], {"range": {"landslide"}}, {1: "a@x"})


@pytest.mark.parametrize("name", FILES)
def test_labels_come_back_whole(labels, tmp_path, name):
    path = save_labels(labels, tmp_path / "new" / name)
    read = load_labels(path)
    assert list(read.columns) == list(labels.columns)
    # KML holds places to 1e-8 degrees
    tolerance = 1.1e-8 if "km" in name else 0.0
    assert all(a.equals_exact(b, tolerance) for a, b in zip(read.geometry, labels.geometry, strict=True))
    pd.testing.assert_frame_equal(read.drop(columns="geometry"), labels.drop(columns="geometry"), check_dtype=False)
    assert [path.name] == [p.name for p in path.parent.iterdir()]


@pytest.mark.parametrize("name", FILES)
def test_an_empty_table_and_labels_without_a_place_can_be_kept(labels, tmp_path, name):
    assert len(load_labels(save_labels(empty_labels(), tmp_path / name))) == 0
    homeless = labels.set_geometry(gpd.GeoSeries([None] * 3, crs="EPSG:4326"))
    assert load_labels(save_labels(homeless, tmp_path / name)).geometry.isna().all()


def test_what_was_set_aside_is_kept_in_geoparquet(labels, tmp_path):
    labels.attrs["set_aside"] = [{"chip_id": "c", "reason": "rotation"}]
    assert load_labels(save_labels(labels, tmp_path / "labels.parquet")).attrs == labels.attrs


@pytest.mark.parametrize("name", FILES[:3])
def test_a_failed_save_leaves_the_older_file_and_nothing_beside_it(labels, tmp_path, name):
    path = save_labels(labels, tmp_path / name)
    before = path.read_bytes()
    with pytest.raises(Exception, match=r"."):
        save_labels(labels.assign(unheard_of=np.array([1j, 2j, 3j])), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_another_ending_and_a_cut_file_are_named(labels, tmp_path):
    with pytest.raises(FileError, match=r"nothing\.parquet must be a file of labels"):
        load_labels(tmp_path / "nothing.parquet")
    with pytest.raises(LabkitError, match="path must end with one of"):
        save_labels(labels, tmp_path / "labels.csv")
    for name in FILES:
        path = save_labels(labels, tmp_path / name)
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(FileError, match=name):
            load_labels(path)


def test_a_table_without_the_columns_of_boxes_is_refused(tmp_path):
    other = tmp_path / "other.parquet"
    gpd.GeoDataFrame({"name": ["x"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:4326").to_parquet(other)
    with pytest.raises(LabkitError, match="labels must have the columns"):
        load_labels(other)
    with pytest.raises(LabkitError, match="labels must have the columns"):
        save_labels(gpd.read_parquet(other), Path("x.parquet"))


def test_the_schema_of_labels_is_that_of_boxes(labels):
    assert schema.check_boxes(labels, "labels") is labels


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=12)
NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def tables_of_labels(draw: st.DrawFn) -> gpd.GeoDataFrame:
    tables = []
    for number in range(draw(st.integers(1, 3))):
        x, y, w, h = draw(st.tuples(NUMBERS, NUMBERS, st.floats(0.01, 1e3), st.floats(0.01, 1e3)))
        lon, lat = draw(st.tuples(st.floats(-179, 179), st.floats(-89, 89)))
        row = {
            "scene": draw(WORDS),
            "direction": "range",
            "xmin": x,
            "ymin": y,
            "xmax": x + w,
            "ymax": y + h,
            "label": draw(WORDS),
            "label_id": str(number),
            "annotator": draw(WORDS),
            "lead_time": draw(st.floats(0, 1e6) | st.just(float("nan"))),
            "created": draw(st.datetimes(pd.Timestamp("1980-01-01"), pd.Timestamp("2100-01-01"))),
            "geometry": draw(st.sampled_from([box(lon, lat, lon + 0.01, lat + 0.01), None])),
        }
        tables.append({name: [value] for name, value in row.items()})
    columns = {name: [table[name][0] for table in tables] for name in tables[0]}
    columns["created"] = pd.to_datetime(pd.Series(columns["created"]), utc=True)
    return complete(schema.boxes_table(columns), project="p", annotator="", origin="imported")


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=tables_of_labels())
@pytest.mark.parametrize("name", FILES)
def test_what_is_written_is_what_is_read_in_every_format(tmp_path_factory, name, labels):
    read = load_labels(save_labels(labels, tmp_path_factory.mktemp("any") / name))
    for one, other in zip(read.geometry, labels.geometry, strict=True):
        assert (one is None and other is None) or one.equals_exact(other, 1.1e-8 if "km" in name else 0.0)
    pd.testing.assert_frame_equal(read.drop(columns="geometry"), labels.drop(columns="geometry"), check_dtype=False)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), at=st.floats(0, 1), put=st.binary(max_size=6))
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_read_or_refused_by_name_and_nothing_else(tmp_path, labels, name, cut, at, put):
    path = tmp_path / name
    if not path.exists():
        save_labels(labels, path)
        path.rename(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    place = int(at * len(content))
    damaged = content[:place] + put + content[place + len(put) :]
    path.write_bytes(damaged[: int(cut * len(damaged))] if cut < 0.5 else damaged)
    try:
        load_labels(path)
    except LabkitError as error:
        assert name in str(error) or "labels must have" in str(error)


@pytest.mark.parametrize("name", ["labels.geojson", "labels.kml", "labels.gpkg"])
def test_another_reader_finds_the_same_outlines_and_words(labels, tmp_path, name):
    found = pyogrio.read_dataframe(save_labels(labels, tmp_path / name))
    np.testing.assert_allclose(found.total_bounds, labels.total_bounds, atol=1.1e-8)
    assert found.crs.to_epsg() == 4326
    if name != "labels.kml":
        assert list(found["annotator"]) == ["a@x"] * 3
        assert list(found["xmin"]) == list(labels["xmin"])


def test_outlines_that_somebody_else_drew_are_laid_on_a_scene(tmp_path):
    grid = {"y": 31.0 - 0.01 * np.arange(50), "x": 101.0 + 0.01 * np.arange(60)}
    scene = xr.Dataset(coords=grid, attrs={"crs": "EPSG:4326", "scene": "grid"})
    drawn = gpd.GeoDataFrame({"name": ["one"]}, geometry=[box(101.095, 30.805, 101.195, 30.905)], crs="EPSG:4326")
    for suffix in ("geojson", "gpkg", "kml"):
        path = tmp_path / f"inventory.{suffix}"
        drawn.to_file(path, driver={"geojson": "GeoJSON", "gpkg": "GPKG", "kml": "KML"}[suffix], engine="pyogrio")
        labels = load_labels(path, scene, direction="range")
        np.testing.assert_allclose(labels[["xmin", "ymin", "xmax", "ymax"]], [[10, 10, 20, 20]], atol=1e-5)
        assert (labels["scene"][0], labels["direction"][0], labels["label"][0]) == ("grid", "range", "landslide")
        with pytest.raises(LabkitError, match="labels must have the columns"):
            load_labels(path)
        with pytest.raises(LabkitError, match="direction must be one of"):
            load_labels(path, scene)


def test_entities_in_kml_are_refused(tmp_path):
    path = tmp_path / "evil.kml"
    path.write_text(
        '<!DOCTYPE kml [<!ENTITY a SYSTEM "file:///etc/passwd">]><kml><Placemark><name>&a;</name></Placemark></kml>'
    )
    with pytest.raises(FileError, match=r"evil\.kml must be whole, plain XML"):
        load_labels(path)


def test_points_are_no_outlines(tmp_path):
    path = tmp_path / "points.kml"
    path.write_text("<kml><Placemark><Point><coordinates>1,2</coordinates></Point></Placemark></kml>")
    with pytest.raises(FileError, match=r"points\.kml must hold outlines"):
        load_labels(path)
