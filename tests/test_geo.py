"""Pixel ↔ lon/lat on map and radar geometry, windows that cover and pad, spacings."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
import rasterio.transform
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from labkit import geo, schema
from labkit.errors import LabkitError

UTM = "EPSG:32647"


def map_scene(shape: tuple[int, int], x0: float, y0: float, step: float, crs: str) -> xr.Dataset:
    """A grid whose first pixel centre is (y0, x0), going north to south and west to east."""
    return xr.Dataset(
        coords={"y": y0 - step * np.arange(shape[0]), "x": x0 + step * np.arange(shape[1])},
        attrs={"crs": crs, "scene": "grid"},
    )


def radar_scene(shape: tuple[int, int] = (60, 80), *, heading: float = 192.8, bend: float = 0.0) -> xr.Dataset:
    """A lookup table: a 14 m × 15 m grid turned by the heading, bent like foreshortening over hills by ``bend`` px."""
    rows, cols = np.indices(shape).astype(float)
    across = cols + bend * np.sin(rows / 9.0) * np.sin(cols / 11.0)
    turn = np.radians(heading)
    north = 14.0 * rows * np.cos(turn) - 15.0 * across * np.sin(turn)
    east = 14.0 * rows * np.sin(turn) + 15.0 * across * np.cos(turn)
    lon = 101.94 + east / (111_320 * np.cos(np.radians(30.84)))
    lat = 30.84 + north / 110_880
    return xr.Dataset(coords={"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)}, attrs={"scene": "radar", "crs": ""})


@given(
    y=st.floats(0, 300),
    x=st.floats(0, 400),
    east=st.floats(200_000, 800_000),
    north=st.floats(1_000_000, 8_000_000),
    step=st.floats(5, 200),
)
def test_pixels_of_a_map_go_to_lonlat_and_back(y: float, x: float, east: float, north: float, step: float) -> None:
    scene = map_scene((300, 400), east, north, step, UTM)
    back_y, back_x = geo.lonlat_to_pixel(scene, *geo.pixel_to_lonlat(scene, y, x))
    np.testing.assert_allclose([back_y, back_x], [y, x], atol=1e-6)


@settings(max_examples=40)
@given(y=st.floats(2, 58), x=st.floats(2, 78), heading=st.floats(0, 360), bend=st.floats(0, 2))
def test_pixels_of_a_radar_scene_go_to_lonlat_and_back(y: float, x: float, heading: float, bend: float) -> None:
    scene = radar_scene(heading=heading, bend=bend)
    back_y, back_x = geo.lonlat_to_pixel(scene, *geo.pixel_to_lonlat(scene, y, x))
    np.testing.assert_allclose([back_y, back_x], [y, x], atol=1e-6)


def test_the_centre_of_a_pixel_lies_where_rasterio_puts_it() -> None:
    scene = map_scene((4, 5), 400_010.0, 3_399_990.0, 20.0, UTM)
    transform = rasterio.Affine(20.0, 0.0, 400_000.0, 0.0, -20.0, 3_400_000.0)
    east, north = rasterio.transform.xy(transform, 2, 3, offset="center")
    expected = Transformer.from_crs(UTM, geo.WGS84, always_xy=True).transform(east, north)
    np.testing.assert_allclose(np.array(geo.pixel_to_lonlat(scene, 2.5, 3.5)), expected, rtol=0, atol=1e-12)


def test_the_centre_of_a_radar_pixel_is_its_entry_in_the_lookup_table() -> None:
    scene = radar_scene(bend=1.0)
    lon, lat = geo.pixel_to_lonlat(scene, 20.5, 31.5)
    assert lon == pytest.approx(scene["lon"].values[20, 31], abs=1e-12)
    assert lat == pytest.approx(scene["lat"].values[20, 31], abs=1e-12)


def test_a_pixel_beyond_the_edge_of_a_radar_scene_continues_its_grid() -> None:
    scene = radar_scene()
    lon, lat = geo.pixel_to_lonlat(scene, [-1.5, 0.5], [0.5, 0.5])
    inner = geo.pixel_to_lonlat(scene, 2.5, 0.5)
    np.testing.assert_allclose([lon[1] - lon[0], lat[1] - lat[0]], [inner[0] - lon[1], inner[1] - lat[1]], atol=1e-12)


def test_a_hole_in_the_lookup_table_is_bridged_where_the_ground_is_plane() -> None:
    whole = radar_scene()
    lon, lat = whole["lon"].values.copy(), whole["lat"].values.copy()
    lon[20:30, 30:40] = np.nan
    lat[20:30, 30:40] = np.nan
    holed = xr.Dataset(coords={"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)}, attrs=whole.attrs)
    y, x = np.meshgrid(np.arange(18.0, 32.0), np.arange(28.0, 42.0))
    for found, known in zip(geo.pixel_to_lonlat(holed, y, x), geo.pixel_to_lonlat(whole, y, x), strict=True):
        np.testing.assert_allclose(found, known, atol=1e-9)


def test_a_scene_without_place_says_what_it_lacks() -> None:
    nowhere = xr.Dataset(attrs={"scene": "lost", "crs": ""})
    with pytest.raises(LabkitError, match=r"scene 'lost' must have 2-D lon and lat, or y and x with a CRS.*lookup"):
        geo.pixel_to_lonlat(nowhere, 0, 0)
    with pytest.raises(LabkitError, match="scene 'lost' must have"):
        geo.lonlat_to_pixel(nowhere, 0, 0)


def test_a_lookup_table_without_any_place_says_so() -> None:
    empty = np.full((4, 5), np.nan)
    scene = xr.Dataset(coords={"lon": (("y", "x"), empty), "lat": (("y", "x"), empty)}, attrs={"scene": "void"})
    with pytest.raises(LabkitError, match="lookup table of scene 'void' must place some pixels"):
        geo.pixel_to_lonlat(scene, 1, 1)


def test_a_box_becomes_the_polygon_of_its_four_corners() -> None:
    scene = map_scene((100, 100), 101.0005, 30.9995, 0.001, geo.WGS84)
    (polygon,) = geo.box_polygons(scene, [[10, 20, 30, 60]])
    np.testing.assert_allclose(polygon.bounds, [101.010, 30.940, 101.030, 30.980], atol=1e-12)


def test_boxes_on_a_scene_without_place_have_no_polygon() -> None:
    assert geo.box_polygons(xr.Dataset(), [[0, 0, 1, 1], [2, 2, 3, 3]]) == [None, None]


def test_a_box_that_gets_its_geometry_keeps_everything_else() -> None:
    scene = map_scene((100, 100), 101.0005, 30.9995, 0.001, geo.WGS84)
    boxes = schema.boxes_table({"xmin": [1.0], "ymin": [2.0], "xmax": [5.0], "ymax": [9.0], "scene": ["grid"]})
    placed = geo.with_geometry(boxes, scene)
    assert boxes.geometry.isna().all(), "the table that came in must stay as it was"
    assert placed.crs == geo.WGS84
    assert placed.geometry.notna().all()
    assert placed.drop(columns="geometry").equals(boxes.drop(columns="geometry"))


def test_boxes_of_other_scenes_or_of_other_ground_are_left_out() -> None:
    here = map_scene((100, 100), 101.0, 31.0, 0.001, geo.WGS84)
    there = map_scene((100, 100), 7.0, 46.0, 0.001, geo.WGS84)  # of the same name
    corners = {"xmin": [5.0] * 3, "ymin": [5.0] * 3, "xmax": [9.0] * 3, "ymax": [9.0] * 3}
    boxes = geo.with_geometry(schema.boxes_table(corners | {"scene": ["grid", "grid", "other"]}), here)
    boxes.loc[1, "geometry"] = None
    assert geo.of_scenes(boxes, [here]).index.tolist() == [0, 1]
    assert geo.of_scenes(boxes.to_crs(UTM), [here]).index.tolist() == [0, 1]
    assert geo.of_scenes(boxes, [there]).index.tolist() == [1], "a box without a place has only its name"
    assert geo.of_scenes(boxes, [here, there, there.assign_attrs(scene="other")]).index.tolist() == [0, 1]
    assert geo.of_scenes(boxes, []).empty
    assert geo.of_scenes(schema.boxes_table(), [here]).empty


def test_boxes_of_a_scene_at_the_date_line_are_its_own_on_either_side_of_it() -> None:
    scene = map_scene((100, 100), 179.95, -17.0, 0.001, geo.WGS84)
    boxes = schema.boxes_table({"xmin": [70.0], "ymin": [5.0], "xmax": [80.0], "ymax": [9.0], "scene": ["grid"]})
    east = geo.with_geometry(boxes, scene)
    assert east.total_bounds[0] > 180
    assert len(geo.of_scenes(east, [scene])) == 1
    assert len(geo.of_scenes(east.set_geometry(east.translate(-360)), [scene])) == 1
    assert len(geo.of_scenes(east.set_geometry(east.translate(-359)), [scene])) == 0


@pytest.mark.parametrize("bend", [0.0, 2.0])
def test_a_radar_scene_across_the_date_line_is_placed_as_one_that_is_not(bend: float) -> None:
    """A lookup table jumps there from 180 to −180; whole turns apart is the same place."""
    scene = radar_scene(bend=bend)
    turn = 180 - float(scene["lon"].mean())
    across = scene.assign_coords(lon=(scene["lon"] + turn + 180) % 360 - 180)
    assert float(across["lon"].min()) < -179 and float(across["lon"].max()) > 179
    y, x = np.random.default_rng(0).uniform([[0], [0]], [[60], [80]], (2, 300))
    lon, lat = geo.pixel_to_lonlat(scene, y, x)
    at_lon, at_lat = geo.pixel_to_lonlat(across, y, x)
    np.testing.assert_allclose(at_lon, lon + turn, atol=1e-9)
    np.testing.assert_array_equal(at_lat, lat)
    for turned in (at_lon, (at_lon + 180) % 360 - 180, at_lon - 360):
        np.testing.assert_allclose(geo.lonlat_to_pixel(across, turned, at_lat), (y, x), atol=1e-5)


@pytest.mark.parametrize(("crs", "left", "step"), [("EPSG:32760", 8.15e5, 40.0), (geo.WGS84, 179.97, 4e-4)])
def test_a_map_grid_across_the_date_line_is_placed_without_a_jump(crs: str, left: float, step: float) -> None:
    north = -17.0 if crs == geo.WGS84 else 8.1e6
    scene = map_scene((100, 150), left, north, step, crs)
    y, x = np.random.default_rng(0).uniform([[0], [0]], [[100], [150]], (2, 300))
    lon, lat = geo.pixel_to_lonlat(scene, y, x)
    assert lon.min() < 180 < lon.max() and np.ptp(lon) < 0.1
    east, _ = Transformer.from_crs(geo.WGS84, crs, always_xy=True).transform((lon + 180) % 360 - 180, lat)
    away = (east - left) / step + 0.5 - x
    np.testing.assert_allclose(away - 360 / step * np.round(away * step / 360) * (crs == geo.WGS84), 0, atol=1e-6)
    for turned in (lon, (lon + 180) % 360 - 180, lon - 360):
        np.testing.assert_allclose(geo.lonlat_to_pixel(scene, turned, lat), (y, x), atol=1e-6)


@given(rows=st.integers(1, 90), cols=st.integers(1, 90), size=st.integers(1, 40), overlap=st.floats(0, 0.95))
def test_windows_cover_every_pixel_and_stay_inside(rows: int, cols: int, size: int, overlap: float) -> None:
    seen = np.zeros((rows, cols), int)
    corners = list(geo.windows((rows, cols), size, overlap))
    for row, col in corners:
        assert 0 <= row <= max(rows - size, 0)
        assert 0 <= col <= max(cols - size, 0)
        seen[row : row + size, col : col + size] += 1
    assert seen.min() >= 1
    assert len(set(corners)) == len(corners)


@given(rows=st.integers(41, 120), size=st.integers(4, 40), overlap=st.floats(0, 0.9))
def test_neighbouring_windows_share_at_least_the_overlap(rows: int, size: int, overlap: float) -> None:
    starts = [row for row, _ in geo.windows((rows, 1), size, overlap)]
    # the step is a whole number of pixels, and at least one
    assert np.diff(starts).max() <= max(1, size * (1 - overlap) + 0.5)


@pytest.mark.parametrize(
    ("size", "overlap", "words"),
    [(0, 0.0, "size must be at least 1 px, instead got size=0"), (4, 1.0, "overlap must be in .*got overlap=1.0")],
)
def test_windows_that_cannot_be_are_refused(size: int, overlap: float, words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        list(geo.windows((10, 10), size, overlap))


@given(row=st.integers(-15, 25), col=st.integers(-15, 25), size=st.integers(1, 30))
def test_a_window_holds_the_image_inside_and_no_data_outside(row: int, col: int, size: int) -> None:
    image = xr.DataArray(np.arange(12 * 17, dtype=np.float32).reshape(12, 17), dims=("y", "x"))
    # the same by numpy: a wide frame of NaN around the image, then an ordinary slice
    framed = np.pad(image.values, 60, constant_values=np.nan)
    window = geo.read_window(image, row, col, size)
    assert window.dtype == np.float32
    np.testing.assert_array_equal(window, framed[row + 60 : row + 60 + size, col + 60 : col + 60 + size])


def test_a_window_of_a_lazy_image_reads_only_its_own_chunks() -> None:
    read: list[tuple[int, ...]] = []

    def load(block_info: Any = None) -> np.ndarray:
        read.append(tuple(block_info[None]["chunk-location"]))
        return np.zeros((10, 10), np.float32)

    chunks = ((10,) * 4, (10,) * 4)
    lazy = xr.DataArray(da.map_blocks(load, chunks=chunks, meta=np.empty((0, 0), np.float32)), dims=("y", "x"))
    geo.read_window(lazy, 2, 31, 8)
    assert read == [(0, 3)]


@given(y=st.floats(1, 100), x=st.floats(1, 100), incidence=st.floats(20, 60))
def test_the_ground_spacing_squared_is_the_area_of_a_pixel_on_the_ground(y: float, x: float, incidence: float) -> None:
    area = y * x / np.sin(np.radians(incidence))
    assert geo.ground_spacing(y, x, incidence) ** 2 == pytest.approx(area)
    assert geo.ground_spacing(-y, x) ** 2 == pytest.approx(y * x)
