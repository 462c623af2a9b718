"""Labels on the disk come back with every column, type and place."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from geopandas.testing import assert_geodataframe_equal
from shapely.geometry import box

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label import load_labels, save_labels
from labkit.label.convert import to_region
from labkit.label.table import empty_labels, to_labels


@pytest.fixture
def labels() -> gpd.GeoDataFrame:
    corners = [[10, 50], [12, 50], [12, 49], [10, 49]]
    data = {"chip_id": "c", "scene": "s", "row": 100, "col": 200, "size": 50, "corners": corners}
    regions = [to_region(f"r{n}", "range", (10 + n / 7, 20, 30, 40), 50) for n in range(3)]
    times = {"created_at": "2024-05-06T07:08:09.5Z", "updated_at": "2024-05-06T07:08:10Z"}
    annotation = {"id": 1, "completed_by": 1, "result": regions, **times}
    return to_labels([{"id": 1, "data": data, "annotations": [annotation]}], {"range": {"landslide"}}, {1: "a@x"})


@pytest.mark.parametrize("name", ["labels.parquet", "labels.gpkg"])
def test_labels_come_back_whole(labels, tmp_path, name):
    path = save_labels(labels, tmp_path / "new" / name)
    read = load_labels(path)
    assert list(read.columns) == list(labels.columns)
    assert_geodataframe_equal(read, labels, check_dtype=False, check_like=True)
    assert [path.name] == [p.name for p in path.parent.iterdir()]


@pytest.mark.parametrize("name", ["labels.parquet", "labels.gpkg"])
def test_an_empty_table_and_labels_without_a_place_can_be_kept(labels, tmp_path, name):
    assert len(load_labels(save_labels(empty_labels(), tmp_path / name))) == 0
    homeless = labels.set_geometry(gpd.GeoSeries([None] * 3, crs="EPSG:4326"))
    assert load_labels(save_labels(homeless, tmp_path / name)).geometry.isna().all()


def test_what_was_set_aside_is_kept_in_geoparquet(labels, tmp_path):
    labels.attrs["set_aside"] = [{"chip_id": "c", "reason": "rotation"}]
    assert load_labels(save_labels(labels, tmp_path / "labels.parquet")).attrs == labels.attrs


@pytest.mark.parametrize("name", ["labels.parquet", "labels.gpkg"])
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
    for name in ("labels.parquet", "labels.gpkg"):
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
