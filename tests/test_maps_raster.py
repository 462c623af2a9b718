"""Maps as cloud-optimised GeoTIFF: opened again by GDAL, with their place, their bands and their no-data."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.warp import transform as warp

import labkit as lk
from labkit import LabkitError


@pytest.fixture(scope="module")
def on_map(tiny_scene):
    stacked = lk.stack_gradients(tiny_scene.interferograms["descending"], progress=False)
    return lk.geocoding(stacked, 5.0)(stacked[["gradient", "coherence"]])


def test_a_map_is_a_whole_cog(on_map, tmp_path):
    path = lk.write_map(on_map, tmp_path / "new" / "gradients.tif")
    assert [p.name for p in path.parent.iterdir()] == ["gradients.tif"]
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
        assert file.block_shapes == [(512, 512)] * 3
        assert min(s // 2 ** len(file.overviews(1)) for s in file.shape) < 512 <= min(file.shape)
        assert file.overviews(1)[:2] == [2, 4]
        assert file.crs.to_epsg() == 32647 and file.res == (5.0, 5.0) and np.isnan(file.nodata)
        assert file.descriptions == ("gradient azimuth", "gradient range", "coherence")
        assert file.units == ("rad", "rad", "1") and file.dtypes == ("float32",) * 3
        assert file.tags()["estimator"] == "lsq" and file.tags()["track"] == on_map.attrs["track"]
        np.testing.assert_array_equal(file.read(3), on_map["coherence"])
        np.testing.assert_array_equal(file.read(1), on_map["gradient"][0])
        row, col = (int(v) for v in np.argwhere(np.isfinite(on_map["coherence"].values))[5000])
        assert file.xy(row, col) == (float(on_map["x"][col]), float(on_map["y"][row]))
        quarter = file.read(3, out_shape=(file.height // 4, file.width // 4))
        mean = on_map["coherence"].coarsen(y=4, x=4, boundary="trim").mean().values
        inner = np.isfinite(mean) & np.isfinite(quarter[: mean.shape[0], : mean.shape[1]])
        assert np.abs(quarter[: mean.shape[0], : mean.shape[1]] - mean)[inner].mean() < 0.02


def test_the_overviews_come_before_the_image_as_a_cog_wants_it(on_map, tmp_path):
    """The offsets of TIFF's own directories: the smallest image's tiles lie first in the file."""
    path = lk.write_map(on_map["coherence"], tmp_path / "c.tif")
    with rasterio.open(path) as file:
        levels = [None, *range(len(file.overviews(1)))]
        first = [int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1, ovr=level)) for level in levels]
    assert len(first) >= 3
    assert first == sorted(first, reverse=True)


def test_a_landslide_lies_at_its_place_in_the_file(tiny_scene, tmp_path):
    """The known landslide that moves fastest, read from the file at its longitude and latitude."""
    rates = tiny_scene.rates["ascending"].assign(rate=tiny_scene.true_rates["ascending"])
    path = lk.write_map(lk.geocoding(rates)(rates["rate"]), tmp_path / "rates.tif")
    at = np.unravel_index(np.abs(rates["rate"].values).argmax(), rates["rate"].shape)
    lon, lat = float(rates["lon"][at]), float(rates["lat"][at])
    with rasterio.open(path) as file:
        (east,), (north,) = warp("EPSG:4326", file.crs, [lon], [lat])
        (value,) = next(file.sample([(east, north)]))
    assert value == pytest.approx(float(rates["rate"][at]), rel=0.15)


def test_density_and_rows_from_south_to_north_are_written_north_up(tmp_path):
    values = np.arange(6.0).reshape(3, 2)
    image = xr.DataArray(values, {"y": [10.0, 20.0, 30.0], "x": [5.0, 15.0]}, ("y", "x"), attrs={"crs": "EPSG:32648"})
    with rasterio.open(lk.write_map(image, tmp_path / "a.tif")) as file:
        np.testing.assert_array_equal(file.read(1), values[::-1])
        assert tuple(file.bounds) == (0.0, 5.0, 20.0, 35.0) and file.dtypes == ("float64",)


def test_what_is_no_map_is_refused(on_map, tiny_scene, tmp_path):
    uneven = on_map["coherence"].isel(x=[0, 1, 3])
    for data, name, words in (
        (on_map, "a.png", "path must end with .tif"),
        (tiny_scene.rates["ascending"], "a.tif", "attribute crs.*lk.geocoding"),
        (uneven, "a.tif", "x is not regular"),
        (on_map["coherence"].isel(x=slice(None, None, -1)), "a.tif", "x from west to east"),
        (on_map[[]], "a.tif", "data must hold an image"),
        (on_map["coherence"].drop_vars("y").assign_attrs(y_spacing=np.nan), "a.tif", "y is not regular"),
    ):
        with pytest.raises(LabkitError, match=words):
            lk.write_map(data, tmp_path / name)
    assert not list(tmp_path.iterdir())
