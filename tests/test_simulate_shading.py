"""Relief under light and under a radar: shading, layover and shadow by their formulas, the way to the map and back."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from labkit.errors import LabkitError
from labkit.simulate import Scene, hillshade, layover_and_shadow, radar_lookup
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.interferometry import make_ground
from labkit.simulate.relief import Region, make_mountains

PLACE = Place(101.95, 30.85)
FRAME = Frame("ascending", 348.0, 38.6, (60, 120), 40.0)


def dem_over(height_of_ground_range: np.ufunc, frame: Frame = FRAME) -> xr.DataArray:
    """A relief that changes along the frame's range alone; g = 0 in the middle of the image."""
    lon = PLACE.lon + np.arange(-400, 401) * 1e-4
    lat = PLACE.lat - np.arange(-400, 401) * 1e-4
    _, col = frame.pixel(*PLACE.to_ground(*np.meshgrid(lon, lat)))
    g = (col - frame.shape[1] / 2) * frame.spacing_m
    attrs = {"crs": "EPSG:4326"}
    return xr.DataArray(height_of_ground_range(g), {"y": lat, "x": lon}, ("y", "x"), attrs=attrs)


def ramp(slope_deg: float, width: float = 800.0) -> np.ufunc:
    """Level ground, a slope over ``width`` metres that rises away from the radar, level again."""
    return lambda g: np.clip(g + width / 2, 0.0, width) * np.tan(np.radians(slope_deg))


@pytest.mark.parametrize(("slope", "laid_over"), [(30.0, False), (37.0, False), (41.0, True), (60.0, True)])
def test_a_face_steeper_than_the_incidence_is_laid_over(slope: float, laid_over: bool) -> None:
    masks = layover_and_shadow(dem_over(ramp(slope)), FRAME, PLACE)
    assert bool(masks["layover"][30, 60]) == laid_over
    assert not masks["shadow"].any()


def test_layover_reaches_as_far_beyond_the_face_as_the_slant_ranges_overlap() -> None:
    """A face of 800 m at 60° is 1386 m high; at 38.6° its top comes 1386 · cot 38.6° = 1736 m nearer in ground range.

    So the foot of the slope is laid over from 1736 − 800 = 936 m before it, and the top to as far behind it.
    """
    row = layover_and_shadow(dem_over(ramp(60.0)), FRAME, PLACE)["layover"].values[30]
    g = (np.arange(120) + 0.5 - 60) * 40.0
    reach = 800.0 * np.tan(np.radians(60.0)) / np.tan(np.radians(38.6)) - 800.0
    assert g[row].min() == pytest.approx(-400.0 - reach, abs=45.0)
    assert g[row].max() == pytest.approx(400.0 + reach, abs=45.0)
    assert row[np.flatnonzero(row)[0] : np.flatnonzero(row)[-1] + 1].all()


@pytest.mark.parametrize(("slope", "hidden"), [(45.0, False), (50.0, False), (53.0, True), (65.0, True)])
def test_a_back_slope_steeper_than_ninety_degrees_less_the_incidence_is_in_shadow(slope: float, hidden: bool) -> None:
    masks = layover_and_shadow(dem_over(lambda g: -ramp(slope)(g)), FRAME, PLACE)
    assert bool(masks["shadow"][30, 60]) == hidden
    assert not masks["layover"].any()


def test_a_shadow_is_as_long_as_the_cliff_is_high_times_the_tangent_of_the_incidence() -> None:
    """A fall of 1000 m over 100 m hides 1000 · tan 38.6° = 798 m from its upper edge on."""
    shadow = layover_and_shadow(dem_over(lambda g: -np.clip(g, 0.0, 100.0) * 10.0), FRAME, PLACE)["shadow"].values[30]
    assert shadow.sum() * 40.0 == pytest.approx(1000.0 * np.tan(np.radians(38.6)), abs=90.0)


@pytest.mark.parametrize("track", ["ascending", "descending"])
def test_every_slope_that_loses_its_coherence_is_laid_over_or_in_shadow(track: str) -> None:
    """The simulation takes coherence where a pixel's own slope is too steep; the whole line tells of more."""
    terrain = make_mountains(PLACE, Region(12_000.0, 12_000.0, 40.0, 120.0, (9000.0,), 3.0), seed=2)
    frame = Frame(track, 348.0 if track == "ascending" else 192.0, 38.6, (200, 200), 40.0)
    masks = layover_and_shadow(terrain.dem(), frame, PLACE)
    hidden = make_ground(frame, terrain, np.zeros_like(terrain.height)).initial < 0.2
    told = (masks["layover"] | masks["shadow"]).values
    assert hidden.sum() > 20
    assert (hidden & told).sum() > 0.8 * hidden.sum()
    assert told.mean() < 0.3


@pytest.mark.parametrize("track", ["ascending", "descending"])
def test_the_way_to_the_map_and_back_is_the_same_point(tiny_scene: Scene, track: str) -> None:
    lookup = tiny_scene.lookup(track)
    inside = np.argwhere(np.isfinite(lookup["row"].values))
    assert len(inside) > 20_000
    ifgs = tiny_scene.interferograms[track]
    np.testing.assert_array_equal(lookup["longitude"], ifgs["lon"])
    for i, j in inside[:: len(inside) // 50]:
        row, col = float(lookup["row"][i, j]), float(lookup["col"][i, j])
        y, x = min(int(row), 159), min(int(col), 191)
        metres = np.hypot(
            *(np.subtract(*pair) for pair in zip(
                tiny_scene.place.to_ground(lookup["longitude"].values[y, x], lookup["latitude"].values[y, x]),
                tiny_scene.place.to_ground(float(lookup["lon"][j]), float(lookup["lat"][i])),
                strict=True,
            ))
        )  # fmt: skip
        assert metres == pytest.approx(40.0 * np.hypot(row - y - 0.5, col - x - 0.5), abs=1e-6)
        assert metres < 40.0


def test_the_scene_hands_out_its_shading_and_masks(tiny_scene: Scene) -> None:
    shade = tiny_scene.hillshade
    assert shade.shape == tiny_scene.dem.shape and 0 <= float(shade.min()) < 0.4 < float(shade.max()) <= 1
    masks = tiny_scene.masks("descending")
    assert masks["layover"].shape == (160, 192) and masks["layover"].dtype == bool


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32648"])
@pytest.mark.parametrize(("azimuth", "aspect"), [(90.0, 90.0), (0.0, 0.0), (225.0, 225.0)])
def test_a_slope_that_faces_the_sun_squarely_is_fully_bright(crs: str, azimuth: float, aspect: float) -> None:
    """The sun 50° high stands square on a slope of 40° that faces it, and passes over one that faces away."""
    step = 1e-3 if crs == "EPSG:4326" else 100.0
    y, x = -np.arange(5) * step, np.arange(6) * step
    metres = 111_319.49 if crs == "EPSG:4326" else 1.0
    downhill = x[None, :] * np.sin(np.radians(aspect)) + y[:, None] * np.cos(np.radians(aspect))
    dem = xr.DataArray(-downhill * metres * np.tan(np.radians(40.0)), {"y": y, "x": x}, ("y", "x"), attrs={"crs": crs})
    assert hillshade(dem, azimuth=azimuth, altitude=50.0).values == pytest.approx(np.ones((5, 6)), abs=1e-4)
    away = hillshade(dem, azimuth=azimuth + 180.0, altitude=30.0).values
    assert not away.any()


def test_what_cannot_be_shaded_is_refused() -> None:
    flat = xr.DataArray(np.zeros((3, 3)), {"y": [2.0, 1.0, 0.0], "x": [0.0, 1.0, 2.0]}, ("y", "x"))
    with pytest.raises(LabkitError, match="dem must have the attribute 'crs'"):
        hillshade(flat)
    flat = flat.assign_attrs(crs="EPSG:32648")
    with pytest.raises(LabkitError, match="altitude must be above 0 and at most 90"):
        hillshade(flat, altitude=0.0)
    with pytest.raises(LabkitError, match="exaggeration must be above 0"):
        hillshade(flat, exaggeration=0.0)


def test_the_lookup_knows_what_lies_outside() -> None:
    lookup = radar_lookup(dem_over(ramp(10.0)), FRAME, PLACE)
    assert np.isnan(lookup["row"].values[0, 0]) and np.isfinite(lookup["row"].values[400, 400])
    assert float(lookup["row"][400, 400]) == pytest.approx(30.0) and float(lookup["col"][400, 400]) == pytest.approx(
        60.0
    )
