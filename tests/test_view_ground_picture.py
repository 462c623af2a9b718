"""Pictures on the ground, as other programs see them: GDAL opens the KMZ and finds every colour at its place."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import geopandas as gpd
import matplotlib
import numpy as np
import pyogrio
import pytest
import rasterio
import xarray as xr
from couplet_scene import couplet_boxes, couplet_gradients
from PIL import Image
from pyproj import Transformer

import labkit as lk
from labkit import LabkitError
from labkit.kml import GroundPicture
from labkit.view import ground_picture

KML = "{http://www.opengis.net/kml/2.2}"


def turned_rates() -> xr.Dataset:
    """Rates that fall evenly to the north on an array that is turned by 12° against it, with a hole."""
    y, x = np.mgrid[:90, :120] - 40.0
    turn = np.radians(12.0)
    east, north = 40 * (np.cos(turn) * x + np.sin(turn) * y), 40 * (np.sin(turn) * x - np.cos(turn) * y)
    lon, lat = 102 + east / 95_000, 31 + north / 111_000
    rate = (5_000 * (31 - lat)).astype(np.float32)
    rate[50:60, 60:75] = np.nan
    coords = {"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)}
    return xr.Dataset({"rate": (("y", "x"), rate)}, coords, {"geometry": "radar", "ground_spacing": 40.0})


def opened(picture: GroundPicture, folder) -> tuple[np.ndarray, rasterio.Affine]:
    """What GDAL finds in a KMZ of one picture: RGBA (y, x, 4) and its place."""
    path = lk.write_detections(lk.schema.boxes_table(), folder / "one.kmz", pictures=[picture])
    with rasterio.open(path, driver="KMLSUPEROVERLAY") as file:
        assert file.crs == "EPSG:4326"
        return np.moveaxis(file.read(), 0, -1), file.transform


def test_gdal_finds_each_rate_of_a_radar_image_at_its_latitude(tmp_path):
    picture = ground_picture(turned_rates(), limit=100.0, opacity=1.0)
    rgba, place = opened(picture, tmp_path)
    row, col = np.nonzero(rgba[..., 3])
    lat = place.f + place.e * (row + 0.5)
    rate = 5_000 * (31 - lat)
    expected = matplotlib.colormaps["RdBu"](np.clip((rate + 100) / 200, 0, 1))[:, :3] * 255
    # one step of the colour map is 0.8 mm/yr, which is 18 m on the ground
    assert np.abs(rgba[row, col, :3] - expected).max() < 8
    assert 0.80 < len(row) / (90 * 120 * 40**2 / 95_000 / 111_000) * abs(place.a * place.e) < 1.05


def test_no_data_lets_the_ground_through(tmp_path):
    rates = turned_rates()
    rgba, place = opened(ground_picture(rates, opacity=0.5), tmp_path)
    assert set(np.unique(rgba[..., 3])) == {0, 128}
    for (y, x), seen in (((54, 67), 0), ((30, 30), 128)):
        lon, lat = (float(rates[name][y, x]) for name in ("lon", "lat"))
        assert rgba[int((lat - place.f) / place.e), int((lon - place.c) / place.a), 3] == seen


def test_the_densest_cell_is_darkest_and_unobserved_ground_is_clear(tmp_path):
    boxes = couplet_boxes(couplet_gradients()).iloc[[0]]
    whole = lk.density(boxes, cell_m=200, bandwidth_m=600)
    y, x = np.unravel_index(np.argmax(whole.values), whole.shape)
    seen = whole.where(whole["x"] > float(whole["x"][x - 3]))
    rgba, place = opened(ground_picture(seen, opacity=1.0), tmp_path)
    to_lonlat = Transformer.from_crs(whole.attrs["crs"], 4326, always_xy=True)

    def at(column: int) -> np.ndarray:
        lon, lat = to_lonlat.transform(float(whole["x"][column]), float(whole["y"][y]))
        return rgba[int((lat - place.f) / place.e), int((lon - place.c) / place.a)]

    dark = np.round(np.array(matplotlib.colormaps["YlOrBr"](1.0)) * 255)
    np.testing.assert_allclose(at(x), dark, atol=1)
    # the picture ends where nothing darker than 1 % of the peak was observed
    assert place.c > to_lonlat.transform(float(whole["x"][x - 3]) - 150, float(whole["y"][y]))[0]
    assert at(x + 1)[:3].astype(int).sum() > dark[:3].sum()


def test_pictures_lie_in_folders_of_their_own_under_the_landslides(tmp_path):
    scene = couplet_gradients()
    boxes = couplet_boxes(scene)
    pictures = [ground_picture(scene), ground_picture(scene, "range", shown=False)]
    path = lk.write_detections(boxes, tmp_path / "slides.kmz", pictures=pictures)
    # LIBKML: the landslides are the first layer, as without pictures
    names = [name for name, _ in pyogrio.list_layers(path)]
    assert names == ["slides", "gradient along azimuth", "gradient along range"]
    back = gpd.read_file(path, layer="slides")
    assert len(back) == len(boxes)
    np.testing.assert_allclose(back.total_bounds, boxes.total_bounds, atol=1e-7)

    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        members = {name: archive.read(name) for name in archive.namelist()}
    root = ElementTree.fromstring(members["doc.kml"])  # noqa: S314
    hrefs = [element.text for element in root.iter(f"{KML}href")]
    assert sorted([*hrefs, "doc.kml"]) == sorted(members)
    overlays = list(root.iter(f"{KML}GroundOverlay"))
    assert [o.findtext(f"{KML}visibility") for o in overlays] == ["1", "0"]
    for overlay, picture in zip(overlays, pictures, strict=True):
        box = [float(overlay.findtext(f"{KML}LatLonBox/{KML}{edge}")) for edge in ("west", "south", "east", "north")]
        np.testing.assert_allclose(box, picture.bounds, atol=1e-9)
        drawn = Image.open(io.BytesIO(members[overlay.findtext(f"{KML}Icon/{KML}href")]))
        assert drawn.mode == "RGBA"
        # even in degrees: a pixel is as tall as it is wide
        west, south, east, north = picture.bounds
        np.testing.assert_allclose((east - west) / drawn.width, (north - south) / drawn.height, rtol=1e-9)
    again = lk.write_detections(boxes, tmp_path / "again" / "slides.kmz", pictures=pictures)
    assert again.read_bytes() == path.read_bytes()


def test_a_large_scene_is_held_to_the_longest_side():
    picture = ground_picture(couplet_gradients(), max_side=64)
    assert 48 < max(Image.open(io.BytesIO(picture.png)).size) <= 64


def test_a_picture_across_the_date_line_is_the_same_as_elsewhere():
    """Written with a jump from 180 to −180 or without, the scene reaches beyond 180 as KML wants it there."""
    scene = couplet_gradients()
    beyond = scene.assign_coords(lon=scene["lon"] + 77.97)
    assert float(beyond["lon"].min()) < 180 < float(beyond["lon"].max())
    jumping = beyond.assign_coords(lon=(beyond["lon"] + 180) % 360 - 180)
    whole, cut = ground_picture(beyond), ground_picture(jumping)
    assert whole.bounds == pytest.approx(cut.bounds)
    assert whole.bounds[0] < 180 < whole.bounds[2]
    west, south, east, north = ground_picture(scene).bounds
    # edges lie on multiples of the spacing
    assert whole.bounds == pytest.approx((west + 77.97, south, east + 77.97, north), abs=4e-4)
    np.testing.assert_array_equal(Image.open(io.BytesIO(whole.png)), Image.open(io.BytesIO(cut.png)))


def test_what_cannot_be_laid_on_the_ground_says_why(tmp_path):
    scene = couplet_gradients()
    with pytest.raises(LabkitError, match="data must have lon/lat"):
        ground_picture(scene.drop_vars(["lon", "lat"]))
    with pytest.raises(LabkitError, match="direction must be one of"):
        ground_picture(scene, "up")
    with pytest.raises(LabkitError, match="opacity must be above 0 and at most 1, instead got opacity=0"):
        ground_picture(scene, opacity=0)
    with pytest.raises(LabkitError, match="max_side must be at least 16 px, instead got max_side=3"):
        ground_picture(scene, max_side=3)
    with pytest.raises(LabkitError, match="data must be a density map, rates or gradients"):
        ground_picture(scene["lon"])
    with pytest.raises(LabkitError, match="every pixel of the gradient along azimuth is no data"):
        ground_picture(scene.where(scene["gradient"] > 1e9))
    with pytest.raises(LabkitError, match="bounds must be"):
        GroundPicture("x", b"", (10.0, 0.0, 5.0, 1.0))
    with pytest.raises(LabkitError, match="must be the bytes of PNG files"):
        GroundPicture("x", b"GIF89a", (0.0, 0.0, 5.0, 1.0))
    with pytest.raises(LabkitError, match=r"pictures must be none for \.gpkg, instead got 1"):
        lk.write_detections(couplet_boxes(scene), tmp_path / "x.gpkg", pictures=[ground_picture(scene, max_side=64)])
    assert not list(tmp_path.iterdir())
