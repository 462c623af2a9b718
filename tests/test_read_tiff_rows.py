"""Rows of GeoTIFFs are those that GDAL reads, however the file is laid out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin

import labkit as lk
from labkit.read.tiff_layout import read_layout
from labkit.read.tiff_rows import tiff_rows

SHAPE = (75, 53)

PLAIN = {
    "strips": {},
    "strips of 16 rows": {"blockysize": 16},
    "big-endian": {"ENDIANNESS": "BIG"},
    "BigTIFF": {"BIGTIFF": "YES"},
    "tiles": {"tiled": True, "blockxsize": 32, "blockysize": 16},
    "big-endian tiles": {"tiled": True, "blockxsize": 16, "blockysize": 32, "ENDIANNESS": "BIG", "BIGTIFF": "YES"},
    "no-data": {"nodata": -3.25},
    "no-data NaN": {"nodata": np.nan},
}
FOR_GDAL = {
    "deflate": {"compress": "deflate"},
    "predictor": {"compress": "lzw", "predictor": 3, "tiled": True, "blockxsize": 32, "blockysize": 32},
    "two bands": {"count": 2},
    "whole numbers": {"dtype": "int16"},
    "64 bits": {"dtype": "float64"},
    "sparse": {"SPARSE_OK": True, "tiled": True, "blockxsize": 32, "blockysize": 32},
}


def written(path: Path, **options: object) -> np.ndarray:
    """A GeoTIFF of numbers around 0 with some that stand for no data; what rasterio reads of it."""
    profile = {"driver": "GTiff", "height": SHAPE[0], "width": SHAPE[1], "count": 1, "dtype": "float32"} | options
    values = np.random.default_rng(6).normal(0, 5, SHAPE).astype(profile["dtype"])
    values[:40, :40] = 0
    values[50, 3:9] = -3.25
    with rasterio.open(path, "w", crs="EPSG:32648", transform=from_origin(3e5, 3.4e6, 40, 40), **profile) as target:
        for band in range(profile["count"]):
            target.write(values if band == 0 else values + 1, band + 1)
    with rasterio.open(path) as source:
        band, no_data = source.read(1), source.nodata
    return np.where(band == (np.nan if no_data is None else no_data), np.nan, band)


def read(path: Path, portion: int) -> np.ndarray:
    with tiff_rows(path, SHAPE) as rows:
        parts = []
        for first in range(0, SHAPE[0], portion):
            parts.append(rows.read(first, min(portion, SHAPE[0] - first)).copy())
        rows.judge()
    return np.concatenate(parts)


@pytest.mark.parametrize("portion", [1, 7, 16, 75])
@pytest.mark.parametrize("kind", [*PLAIN, *FOR_GDAL])
def test_any_portions_of_any_layout_make_up_the_band(tmp_path: Path, kind: str, portion: int) -> None:
    path = tmp_path / "a.tif"
    expected = written(path, **(PLAIN | FOR_GDAL)[kind])
    np.testing.assert_array_equal(read(path, portion), expected)
    assert (read_layout(path) is not None) == (kind in PLAIN)


def test_strips_that_lie_in_another_order_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    expected = written(path, blockysize=16)
    layout = read_layout(path)
    assert layout is not None and layout.block == SHAPE
    size = 16 * SHAPE[1] * 4
    raw = bytearray(path.read_bytes())
    first = int(layout.offsets[0, 0])
    second = first + size
    raw[first : first + size], raw[second : second + size] = raw[second : second + size], raw[first : first + size]
    listed = raw.index(np.array([first, second], "<u4").tobytes())
    raw[listed : listed + 8] = np.array([second, first], "<u4").tobytes()
    path.write_bytes(raw)
    np.testing.assert_array_equal(read(path, 10), expected)
    swapped = read_layout(path)
    assert swapped is not None and swapped.offsets.shape == (5, 1)


def test_a_sidecar_that_may_say_more_is_left_to_gdal(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    written(path)
    text = '<PAMDataset><PAMRasterBand band="1"><NoDataValue>-3.25</NoDataValue></PAMRasterBand></PAMDataset>'
    path.with_name("a.tif.aux.xml").write_text(text)
    assert np.isnan(read(path, 20)[50, 3:9]).all()


@pytest.mark.parametrize("kind", ["strips", "tiles", "deflate"])
def test_a_file_that_is_cut_missing_or_of_another_shape_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    written(path, **(PLAIN | FOR_GDAL)[kind])
    with pytest.raises(lk.FileError, match=r"a.tif must have the shape \(9, 9\), instead got"), tiff_rows(path, (9, 9)):
        pass
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(lk.FileError, match=r"a.tif must be a whole GeoTIFF"):
        read(path, 20)
    path.unlink()
    with pytest.raises(lk.FileError, match="there is no such file"):
        read(path, 20)


@pytest.fixture(scope="module")
def plain_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that are read directly."""
    folder = tmp_path_factory.mktemp("plain")
    for i, options in enumerate(PLAIN.values()):
        written(folder / f"{i}.tif", **options)
    return folder


@given(
    which=st.sampled_from(range(len(PLAIN))), damage=st.lists(st.tuples(st.integers(-500, 500), st.binary(max_size=3)))
)
def test_a_damaged_directory_is_read_refused_or_left_to_gdal(
    plain_files: Path, which: int, damage: list[tuple[int, bytes]]
) -> None:
    raw = bytearray((plain_files / f"{which}.tif").read_bytes())
    # The directory stands at the begin or at the end.
    for at, change in damage:
        place = at % (len(raw) - 3)
        raw[place : place + len(change)] = change
    path = plain_files / "damaged.tif"
    path.write_bytes(raw)
    with contextlib.suppress(lk.FileError):
        assert read(path, 30).shape == SHAPE
