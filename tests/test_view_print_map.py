"""The map for a report: its bar is as long as it says, its arrow points north, its text is text."""

from __future__ import annotations

import re
import zlib

import geopandas as gpd
import numpy as np
import pytest
from couplet_scene import couplet_boxes, couplet_gradients
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text
from PIL import Image
from pyproj import Transformer
from shapely.geometry import LineString, box

import labkit as lk
from labkit import LabkitError
from labkit.view import print_map


def share_of(picture, colour: tuple[int, int, int]) -> float:
    with Image.open(picture) as sheet:
        rgb = np.asarray(sheet.convert("RGB"), int)
    return float((np.abs(rgb - np.array(colour)).max(axis=-1) < 12).mean())


@pytest.fixture
def sheets(monkeypatch) -> list[Figure]:
    """The figures that were saved, to measure what stands on them."""
    saved: list[Figure] = []
    save = Figure.savefig

    def keep(self, *given, **options):
        saved.append(self)
        return save(self, *given, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved


def test_a_sheet_holds_density_landslides_counties_rivers_and_grey_ground(tmp_path, sheets):
    boxes = couplet_boxes(couplet_gradients())
    county = gpd.GeoDataFrame({"name": ["Ash"]}, geometry=[box(102.01, 30.96, 102.05, 31.0)], crs=4326)
    river = gpd.GeoDataFrame(geometry=[LineString([(102.0, 30.95), (102.06, 31.0)])], crs=4326)
    field = lk.density(boxes, cell_m=100, bandwidth_m=500)
    seen = field.where(field["x"] > float(field["x"].quantile(0.3)))
    path = print_map(tmp_path / "a" / "map.png", seen, boxes, counties=county, rivers=river, title="Slopes", dpi=60)
    with Image.open(path) as sheet:
        assert sheet.size in ((701, 496), (496, 701))
    for colour in ((0x00, 0x47, 0xFF), (0x4A, 0x90, 0xC2), (0x5A, 0x5A, 0x5A)):
        assert share_of(path, colour) > 1e-4
    assert share_of(path, (0xB3, 0xB3, 0xB3)) > 0.1
    assert [p.name for p in path.parent.iterdir()] == ["map.png"]

    (figure,) = sheets
    words = [text.get_text() for text in figure.findobj(Text)]
    assert {"Slopes", "N", "4 landslides", "counties", "rivers", "not observed", "landslides per km²"} <= set(words)
    # the bar against the map's own frame
    axis = figure.axes[0]
    metres_per_inch = np.ptp(axis.get_xlim()) / (axis.get_position().width * figure.get_figwidth())
    parts = [artist for artist in figure.artists if isinstance(artist, Rectangle)]
    (length,) = (float(w.removesuffix(" km")) for w in words if re.fullmatch(r"[\d.]+ km", w))
    drawn = sum(part.get_width() for part in parts) * figure.get_figwidth() * metres_per_inch
    np.testing.assert_allclose(drawn, 1000 * length, rtol=1e-9)
    (ratio,) = (int(w.split(":")[1].split("on")[0].replace(" ", "")) for w in words if w.startswith("1 :"))
    np.testing.assert_allclose(ratio, metres_per_inch / 0.0254, rtol=0.05)
    # degrees against the projection
    to_lonlat = Transformer.from_crs(field.attrs["crs"], 4326, always_xy=True)
    south = axis.get_ylim()[0]
    for tick, label in zip(axis.get_xticks(), axis.get_xticklabels(), strict=True):
        assert abs(to_lonlat.transform(tick, south)[0] - float(label.get_text().split("°")[0])) < 1e-5
    # the arrow: meridian convergence of a transverse Mercator, tan γ = tan Δλ sin φ
    (arrow,) = (artist for artist in figure.artists if isinstance(artist, FancyArrowPatch))
    (x0, y0), (x1, y1) = (np.array(p) * figure.get_size_inches() for p in arrow._posA_posB)
    lon, lat = np.radians(to_lonlat.transform(np.mean(axis.get_xlim()), np.mean(axis.get_ylim())))
    turned = np.arctan(np.tan(lon - np.radians(99 if lon < np.radians(102) else 105)) * np.sin(lat))
    np.testing.assert_allclose(np.arctan2(x1 - x0, y1 - y0), -turned, atol=2e-4)


def test_a_pdf_holds_text_and_not_outlines_and_is_the_same_each_time(tmp_path):
    scene = couplet_gradients()
    first = print_map(tmp_path / "1.pdf", scene, title="Gradients", dpi=50).read_bytes()
    assert first == print_map(tmp_path / "2.pdf", scene, title="Gradients", dpi=50).read_bytes()
    assert first.startswith(b"%PDF-")
    assert b"/FontFile2" in first
    parts = re.findall(rb"FlateDecode.*?stream\r?\n(.*?)endstream", first, re.DOTALL)
    words = b"".join(zlib.decompressobj().decompress(part) for part in parts)
    # text operators with a font that is in the file, not outlines of letters
    assert words.count(b"\nBT\n") > 10


def test_what_cannot_be_printed_says_why(tmp_path):
    scene = couplet_gradients()
    with pytest.raises(LabkitError, match=r"path must end with \.png or \.pdf, instead got path='x.jpg'"):
        print_map(tmp_path / "x.jpg", scene)
    with pytest.raises(LabkitError, match="dpi must be above 0, instead got dpi=0"):
        print_map(tmp_path / "x.png", scene, dpi=0)
    with pytest.raises(LabkitError, match="rivers must be a GeoDataFrame with a CRS"):
        print_map(tmp_path / "x.png", scene, rivers=gpd.GeoDataFrame(geometry=[LineString([(0, 0), (1, 1)])]))
    with pytest.raises(LabkitError, match="limit must be"):
        print_map(tmp_path / "x.png", scene, limit=-1)
    assert not list(tmp_path.iterdir())
