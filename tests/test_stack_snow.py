"""The snow mask: published thresholds, most of the clear looks, the scene's own grid, polygons."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from pyproj import Transformer
from rasterio.warp import Resampling, reproject
from sentinel2_files import NORTH, SHAPE, WEST, write_product
from shapely import Point, Polygon, box

import labkit as lk
from labkit.simulate import Scene
from labkit.stack.snow import is_snow

#: Reflectances (B03, B8A, B11) as textbooks give them: fresh snow is bright in the green and near infrared and dark at
#: 1.6 µm (Dozier 1989); clouds stay bright there; water is dark beyond the green; old, wet firn is grey.
SNOW = (0.90, 0.80, 0.10)
FIRN = (0.45, 0.35, 0.05)
GRASS = (0.07, 0.40, 0.22)
ROCK = (0.22, 0.27, 0.32)
CLOUD = (0.60, 0.62, 0.50)
WATER = (0.06, 0.02, 0.01)
#: Water that glints or carries silt: bright enough in the green, not in the near infrared.
MILKY_WATER = (0.30, 0.10, 0.02)
DARK_FOREST = (0.03, 0.25, 0.01)
NOTHING = (np.nan, np.nan, np.nan)


def looks_of(pixels: np.ndarray, classes: np.ndarray | None = None, **attrs: object) -> xr.Dataset:
    """A tile from reflectances (time, y, x, band), its first pixel at WEST, NORTH."""
    time, rows, cols, _ = pixels.shape
    variables = {"reflectance": (("time", "band", "y", "x"), pixels.transpose(0, 3, 1, 2).astype(np.float32))}
    if classes is not None:
        variables["scene_class"] = (("time", "y", "x"), classes.astype(np.uint8))
    return xr.Dataset(
        variables,
        coords={
            "time": pd.date_range("2020-01-05", periods=time, freq="5D"),
            "band": ["B03", "B8A", "B11"],
            "y": NORTH - 20 * (np.arange(rows) + 0.5),
            "x": WEST + 20 * (np.arange(cols) + 0.5),
        },
        attrs={"crs": "EPSG:32647", "y_spacing": 20.0, "x_spacing": 20.0} | attrs,
    )


def same_grid(looks: xr.Dataset) -> xr.Dataset:
    """A scene on the very grid of the looks."""
    zeros = np.zeros((looks.sizes["y"], looks.sizes["x"]), np.float32)
    return xr.Dataset({"rate": (("y", "x"), zeros)}, {"y": looks["y"], "x": looks["x"]}, {"crs": looks.attrs["crs"]})


def mask_of(pixels: list[list[tuple[float, ...]]], classes: list[list[int]] | None = None) -> xr.DataArray:
    """The mask of a row of pixels; the outer list is time."""
    values = np.array(pixels)[:, None]
    looks = looks_of(np.repeat(values, 2, axis=1), None if classes is None else np.array(classes)[:, None].repeat(2, 1))
    return lk.snow_mask(looks, like=same_grid(looks), progress=False)[0]


def test_snow_and_firn_are_found_and_what_resembles_them_is_not() -> None:
    kinds = [SNOW, FIRN, GRASS, ROCK, CLOUD, WATER, MILKY_WATER, DARK_FOREST, NOTHING]
    assert mask_of([kinds]).values.tolist() == [True, True] + [False] * 7


def test_each_threshold_is_a_limit_that_its_value_does_not_pass() -> None:
    # (0.7 − 0.3) / (0.7 + 0.3) is 0.4 in binary as well, within the last digit: stay a little to each side.
    b03 = np.array([0.7, 0.7, 0.28, 0.2801, 0.7, 0.7])
    b8a = np.array([0.5, 0.5, 0.5, 0.5, 0.15, 0.1501])
    b11 = np.array([0.3001, 0.2999, 0.01, 0.01, 0.01, 0.01])
    assert is_snow(b03, b8a, b11).tolist() == [False, True, False, True, False, True]


def test_reflectances_below_zero_never_make_snow() -> None:
    # The offset of −0.1 of newer products leaves dark bands negative.
    assert is_snow(np.array([0.3, -0.1]), np.array([0.5, 0.5]), np.array([-0.4, 0.05])).tolist() == [False, False]


def test_more_than_half_of_the_known_looks_decide() -> None:
    mask = mask_of(
        [
            [SNOW, SNOW, SNOW, NOTHING, SNOW],
            [SNOW, SNOW, ROCK, NOTHING, NOTHING],
            [ROCK, ROCK, ROCK, SNOW, NOTHING],
            [SNOW, ROCK, ROCK, ROCK, NOTHING],
        ]
    )
    # 3 of 4; 2 of 4, which is no more than half; 1 of 4; 1 of 2; 1 of 1
    assert mask.values.tolist() == [True, False, False, False, True]


@pytest.mark.parametrize("seen", [4, 5, 6, 7, 11])
def test_a_look_through_cloud_or_shadow_does_not_count(seen: int) -> None:
    for hidden in (0, 1, 2, 3, 8, 9, 10):
        # One clear look of snow against two hidden ones of rock; then the reverse.
        mask = mask_of([[SNOW, ROCK], [ROCK, SNOW], [ROCK, SNOW]], [[seen, seen], [hidden, hidden], [hidden, hidden]])
        assert mask.values.tolist() == [True, False]


def test_pixels_that_no_look_saw_are_counted_apart() -> None:
    pixels = np.empty((1, 4, 5, 3))
    pixels[:], pixels[0, 0], pixels[0, 3] = ROCK, SNOW, NOTHING
    looks = looks_of(pixels)
    mask = lk.snow_mask(looks, like=same_grid(looks), progress=False)
    assert mask.attrs["masked_fraction"] == pytest.approx(5 / 15)
    assert mask.attrs["no_data_fraction"] == pytest.approx(5 / 20)
    assert mask.attrs["n_looks"] == 1
    assert mask.attrs["thresholds"] == "NDSI > 0.4, B03 > 0.28, B8A > 0.15, share of looks > 0.5"
    assert not mask[3].any()
    assert mask.dtype == bool


def test_a_map_grid_takes_the_pixel_that_gdal_takes() -> None:
    rng = np.random.default_rng(4)
    snowy = rng.random((60, 50)) < 0.4
    looks = looks_of(np.where(snowy[..., None], SNOW, ROCK)[None])
    # The scene is in lon/lat, coarser, and reaches beyond the tile.
    to_lonlat = Transformer.from_crs("EPSG:32647", "EPSG:4326", always_xy=True)
    west, north = to_lonlat.transform(WEST - 100, NORTH + 100)
    transform = rasterio.transform.from_origin(west, north, 0.00031, 0.00027)
    x, y = west + 0.00031 * (np.arange(45) + 0.5), north - 0.00027 * (np.arange(55) + 0.5)
    scene = xr.Dataset({"rate": (("y", "x"), np.zeros((55, 45)))}, {"y": y, "x": x}, {"crs": "EPSG:4326"})
    expected = np.full((55, 45), 9, np.uint8)
    reproject(
        snowy.astype(np.uint8),
        expected,
        src_transform=rasterio.transform.from_origin(WEST, NORTH, 20, 20),
        src_crs="EPSG:32647",
        dst_transform=transform,
        dst_crs="EPSG:4326",
        dst_nodata=9,
        resampling=Resampling.nearest,
        tolerance=0,
    )
    mask = lk.snow_mask(looks, like=scene, progress=False)
    east, up = Transformer.from_crs("EPSG:4326", "EPSG:32647", always_xy=True).transform(*np.meshgrid(x, y))
    # A centre within 2 cm of an edge may fall to either side of it.
    firm = np.all([np.abs((v / 20 + 0.5) % 1 - 0.5) > 0.001 for v in (east - WEST, NORTH - up)], axis=0)
    assert firm.mean() > 0.99
    np.testing.assert_array_equal(mask.values[firm], (expected == 1)[firm])
    assert mask.attrs["no_data_fraction"] == pytest.approx((expected == 9).mean())
    assert mask.attrs["crs"] == "EPSG:4326"


def test_a_radar_scene_is_masked_where_its_lookup_table_meets_the_snow(tiny_scene: Scene) -> None:
    ifgs = tiny_scene.interferograms["descending"]
    lon, lat = ifgs["lon"].values.copy(), ifgs["lat"].values
    zone = gpd.GeoSeries([Point(lon.mean(), lat.mean())], crs=4326).estimate_utm_crs()
    east, north = Transformer.from_crs("EPSG:4326", zone, always_xy=True).transform(lon, lat)
    x, y = np.arange(east.min() - 50, east.max() + 50, 20), np.arange(north.max() + 50, north.min() - 50, -20)
    # Snow on the northern half, as the tile's own rows see it.
    border = float(np.median(north))
    pixels = np.where((y > border)[:, None, None], SNOW, GRASS) * np.ones((1, len(y), len(x), 1))
    looks = looks_of(pixels).assign_coords(y=y, x=x).assign_attrs(crs=zone.to_string())
    hole = ifgs.assign_coords(lon=(("y", "x"), np.where(np.arange(lon.shape[1]) < 5, np.nan, lon)))
    mask = lk.snow_mask(looks, like=hole, progress=False)
    near = np.abs(north - border) < 21
    near[:, :5] = True
    np.testing.assert_array_equal(mask.values[~near], (north > border)[~near])
    assert not mask[:, :5].any()
    assert mask.attrs["no_data_fraction"] == pytest.approx(5 / lon.shape[1])
    np.testing.assert_array_equal(mask["lat"].values, lat)


def test_tiles_together_cover_a_scene(tmp_path: Path) -> None:
    snowy = {
        band: np.full(SHAPE, int(v * 10000), np.uint16) for band, v in zip(("B03", "B8A", "B11"), SNOW, strict=True)
    }
    rocky = {
        band: np.full(SHAPE, int(v * 10000), np.uint16) for band, v in zip(("B03", "B8A", "B11"), ROCK, strict=True)
    }
    # Numbers of a newer product are higher by the 1000 that its metadata takes off again.
    newer = {band: layer + 1000 for band, layer in snowy.items()}
    write_product(tmp_path, newer, tile="T47RQQ", baseline="05.09", offset=-1000)
    write_product(tmp_path, rocky, tile="T47RQR", west=WEST + 20 * SHAPE[1])
    tiles = [lk.read.open_sentinel2(tmp_path, tile=tile) for tile in ("T47RQQ", "T47RQR")]
    x = np.concatenate([tile["x"].values for tile in tiles])
    scene = same_grid(tiles[0]).reindex(x=x)
    mask = lk.snow_mask(tiles, like=scene, progress=False)
    np.testing.assert_array_equal(mask.values, np.broadcast_to(x < WEST + 20 * SHAPE[1], mask.shape))
    assert (mask.attrs["n_looks"], mask.attrs["no_data_fraction"]) == (2, 0)


def test_polygons_add_to_the_snow_whatever_their_crs() -> None:
    pixels = np.empty((1, 40, 30, 3))
    pixels[:], pixels[0, :, :4] = GRASS, SNOW
    looks = looks_of(pixels)
    area = box(WEST + 200, NORTH - 400, WEST + 400, NORTH - 100)
    expected = np.zeros((40, 30), bool)
    expected[:, :4], expected[5:20, 10:20] = True, True
    for crs in ("EPSG:32647", "EPSG:4326"):
        drawn = gpd.GeoDataFrame(geometry=[area], crs="EPSG:32647").to_crs(crs)
        mask = lk.snow_mask(looks, like=same_grid(looks), polygons=drawn, progress=False)
        np.testing.assert_array_equal(mask.values, expected)
        assert mask.attrs["n_polygons"] == 1
    alone = lk.snow_mask(None, like=same_grid(looks), polygons=drawn, progress=False)
    assert alone.sum() == 150
    assert alone.attrs["masked_fraction"] == 1
    assert alone.attrs["no_data_fraction"] == pytest.approx(1 - 150 / 1200)


def test_a_polygon_that_crosses_itself_masks_both_of_its_halves() -> None:
    looks = looks_of(np.ones((1, 40, 30, 3)) * GRASS)
    bow = Polygon([(WEST, NORTH), (WEST + 600, NORTH - 800), (WEST + 600, NORTH), (WEST, NORTH - 800)])
    mask = lk.snow_mask(looks, same_grid(looks), polygons=gpd.GeoDataFrame(geometry=[bow], crs=32647), progress=False)
    assert mask.mean() == pytest.approx(0.5, abs=0.03)
    assert mask[20, 1] and mask[20, 28] and not mask[1, 15] and not mask[38, 15]


def test_masked_gradients_are_still_gradients(tiny_scene: Scene) -> None:
    ifgs = tiny_scene.interferograms["descending"]
    gradients = lk.stack_gradients(ifgs, progress=False)
    half = box(float(ifgs["lon"].min()), float(ifgs["lat"].min()), float(ifgs["lon"].mean()), float(ifgs["lat"].max()))
    mask = lk.snow_mask(None, like=gradients, polygons=gpd.GeoDataFrame(geometry=[half], crs=4326), progress=False)
    masked = gradients.assign(gradient=gradients.gradient.where(~mask))
    lk.schema.check_gradients(masked)
    assert masked.attrs == gradients.attrs
    assert np.isnan(masked["gradient"].values[:, mask.values]).all()
    np.testing.assert_array_equal(
        masked["gradient"].values[:, ~mask.values], gradients["gradient"].values[:, ~mask.values]
    )
    assert mask.attrs["scene"] == gradients.attrs["scene"]


@pytest.mark.real
def test_real_reflectances_without_snow_give_an_empty_mask_until_snow_is_laid_on_them(real_data: Path) -> None:
    bands = np.load(real_data / "sentinel2" / "REFERENCE_SCENES.npy")[..., [2, 8, 11]]
    looks = looks_of(bands)
    bare = lk.snow_mask(looks, like=same_grid(looks), progress=False)
    assert not bare.any()
    assert (bare.attrs["masked_fraction"], bare.attrs["no_data_fraction"], bare.attrs["n_looks"]) == (0, 0, 5)
    for number, expected in ((2, False), (3, True)):
        snowed = bands.copy()
        snowed[:number, 20:50, 30:70] = SNOW
        looks = looks_of(snowed)
        mask = lk.snow_mask(looks, like=same_grid(looks), progress=False)
        assert mask[20:50, 30:70].values.all() == expected
        assert mask.sum() == (1200 if expected else 0)


def test_what_breaks_a_rule_is_named() -> None:
    looks = looks_of(np.ones((1, 4, 4, 3)) * SNOW)
    scene = same_grid(looks)
    points = gpd.GeoDataFrame(geometry=[Point(100, 30)], crs=4326)
    with pytest.raises(lk.LabkitError, match=r"instead got the path 'S2'. Open it first: lk.snow_mask\(lk.read"):
        lk.snow_mask("S2", like=scene)  # type: ignore[arg-type]
    with pytest.raises(lk.LabkitError, match="sentinel2 or polygons must be given"):
        lk.snow_mask(None, like=scene)
    with pytest.raises(lk.LabkitError, match=r"band must hold .* instead got band=\['B03', 'B8A'\]"):
        lk.snow_mask(looks.isel(band=[0, 1]), like=scene)
    with pytest.raises(lk.LabkitError, match="attribute 'crs'"):
        lk.snow_mask(looks.drop_attrs(), like=scene)
    with pytest.raises(lk.LabkitError, match="dims \\(time, band, y, x\\)"):
        lk.snow_mask(looks.transpose("band", "time", "y", "x"), like=scene)
    with pytest.raises(lk.LabkitError, match="share_above must be in"):
        lk.snow_mask(looks, like=scene, share_above=1)
    with pytest.raises(lk.LabkitError, match="ndsi_above must be in"):
        lk.snow_mask(looks, like=scene, ndsi_above=4)
    with pytest.raises(lk.LabkitError, match="instead no look does"):
        lk.snow_mask(looks, like=scene.assign_coords(x=scene["x"] + 90_000), progress=False)
    with pytest.raises(lk.LabkitError, match="instead got a row with Point"):
        lk.snow_mask(looks, like=scene, polygons=points, progress=False)
    with pytest.raises(lk.LabkitError, match="polygons.crs=None"):
        lk.snow_mask(looks, like=scene, polygons=gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)]), progress=False)
    with pytest.raises(lk.LabkitError, match="2-D lon and lat"):
        lk.snow_mask(looks, like=scene.drop_attrs())
