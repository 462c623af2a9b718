"""What people see of a chip: red above zero, blue below, grey where there is nothing; one file for each direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labkit import make_chips
from labkit.chip import colourize, write_images, write_pictures
from labkit.errors import LabkitError
from labkit.simulate import Scene


def a_gradient(rows: int = 20, cols: int = 30) -> xr.Dataset:
    """+4 rad in azimuth, −4 rad in range, no data in the first row."""
    values = np.stack([np.full((rows, cols), 4.0, np.float32), np.full((rows, cols), -4.0, np.float32)])
    values[:, 0] = np.nan
    attrs = {"scene": "a slope/1", "ground_spacing": 40.0, "sum_temporal_baseline": 20.0, "wavelength": 0.055}
    return xr.Dataset({"gradient": (("direction", "y", "x"), values)}, {"direction": ["azimuth", "range"]}, attrs=attrs)


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_positive_is_red_negative_blue_zero_nearly_white_and_no_data_grey() -> None:
    red, blue, white, grey = colourize(np.array([3.0, -3.0, 0.0, np.nan]), limit=4.0).astype(int)
    assert red[0] > red[1] + 80 and red[0] > red[2] + 80
    assert blue[2] > blue[0] + 80
    assert white.min() > 240
    assert grey[0] == grey[1] == grey[2] and 100 < grey[0] < 160


@given(st.floats(0.01, 100), st.floats(1, 50))
def test_beyond_the_limit_the_colour_stays(value: float, beyond: float) -> None:
    ends = colourize(np.array([value, value * beyond, -value, -value * beyond]), limit=value)
    assert (ends[0] == ends[1]).all() and (ends[2] == ends[3]).all()


def test_lightness_falls_evenly_from_the_middle_to_both_ends() -> None:
    colours = colourize(np.linspace(-4, 4, 201)).astype(float)
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[:101]) >= 0).all() and (np.diff(lightness[100:]) <= 0).all()


def test_the_shape_is_kept_with_three_channels() -> None:
    assert colourize(np.zeros((4, 5))).shape == (4, 5, 3)
    assert colourize(np.zeros((4, 5))).dtype == np.uint8


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_senseless_limit_is_named(limit: float) -> None:
    with pytest.raises(LabkitError, match=r"^limit must be"):
        colourize(np.zeros(3), limit)


def test_each_chip_has_one_image_for_each_direction(tmp_path: Path) -> None:
    data = a_gradient()
    chips = make_chips(data, size=20, overlap=0.0)
    images = write_images(chips, data, tmp_path, progress=False)
    assert images["chip_id"].tolist() == [c for c in chips["chip_id"] for _ in range(2)]
    assert images["direction"].tolist() == ["azimuth", "range"] * 2
    first, second = pixels(images["path"][0]), pixels(images["path"][1])
    assert first.shape == (20, 20, 3)
    assert (first[1:] == colourize([4.0]).astype(int)).all()
    assert (second[1:] == colourize([-4.0]).astype(int)).all()
    assert (first[0] == 128).all()


def test_a_chip_that_reaches_beyond_the_scene_is_grey_there(tmp_path: Path) -> None:
    data = a_gradient(20, 30)
    images = write_images(make_chips(data, size=40), data, tmp_path, progress=False)
    shown = pixels(images["path"][0])
    assert (shown[20:] == 128).all() and (shown[:, 30:] == 128).all()


def test_rates_show_motion_toward_the_satellite_in_blue(tmp_path: Path) -> None:
    rates = xr.Dataset({"rate": (("y", "x"), np.full((8, 8), 30.0, np.float32))}, attrs={"scene": "s"})
    images = write_images(make_chips(rates, size=8), rates, tmp_path, limit=40.0, progress=False)
    red, _, blue = pixels(images["path"][0])[0, 0]
    assert blue > red


def test_scale_repeats_pixels_without_blurring_them(tmp_path: Path) -> None:
    data = a_gradient(4, 4)
    images = write_images(make_chips(data, size=4), data, tmp_path, scale=3, progress=False)
    shown = pixels(images["path"][0])
    assert shown.shape == (12, 12, 3)
    assert (shown[:3] == 128).all() and (shown[3:] == colourize([4.0])).all()


def test_names_follow_the_content_and_nothing_half_written_stays(tmp_path: Path) -> None:
    data = a_gradient()
    chips = make_chips(data, size=20)
    before = write_images(chips, data, tmp_path, progress=False)["path"].tolist()
    assert write_images(chips, data, tmp_path, progress=False)["path"].tolist() == before
    after = write_images(chips, data, tmp_path, limit=8.0, progress=False)["path"].tolist()
    assert not set(before) & set(after)
    assert {str(path) for path in tmp_path.iterdir()} == set(before) | set(after)


def test_file_names_hold_nothing_that_an_address_may_not(tmp_path: Path) -> None:
    data = a_gradient()
    images = write_images(make_chips(data, size=20), data, tmp_path / "new" / "chips", progress=False)
    for path in images["path"]:
        assert Path(path).is_file()
        assert not set(Path(path).name) & set(" /?#%&")


def test_the_number_of_threads_changes_nothing(tmp_path: Path, tiny_scene: Scene) -> None:
    rates = tiny_scene.rates["ascending"]
    chips = make_chips(rates, size=64)
    one = write_images(chips, rates, tmp_path / "one", workers=1, progress=False)
    four = write_images(chips, rates, tmp_path / "four", workers=4, progress=False)
    assert [Path(p).name for p in one["path"]] == [Path(p).name for p in four["path"]]


def test_chips_of_another_scene_are_an_error_that_names_it(tiny_scene: Scene, tmp_path: Path) -> None:
    chips = make_chips(tiny_scene.rates["ascending"], size=64)
    with pytest.raises(LabkitError, match="tiny-ascending"):
        write_images(chips, tiny_scene.rates["descending"], tmp_path)


def test_a_senseless_scale_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabkitError, match=r"^scale must be"):
        write_images(make_chips(a_gradient(), size=20), a_gradient(), tmp_path, scale=0)


def test_pictures_beside_are_grey_by_their_values_and_no_data_as_in_the_images(tmp_path: Path) -> None:
    coherence = np.array([[0.0, 0.5], [1.0, np.nan]], np.float32)
    bands = np.stack([np.full((2, 2), band, np.float32) for band in (1, 2, 3)])
    bands[:, 0, 0], bands[:, 1, 1] = 0, 10
    scene = xr.Dataset({"rate": (("y", "x"), coherence * 40)}, attrs={"scene": "s"})
    chips = make_chips(scene, 2, min_valid=0.0)
    layers = {
        "coherence": xr.DataArray(coherence, dims=("y", "x")),
        "rate": scene["rate"],
        "optical": xr.DataArray(bands, dims=("band", "y", "x")),
    }
    table = write_pictures(chips, layers, tmp_path, progress=False).set_index("direction")["path"]
    shown = {name: np.asarray(Image.open(path).convert("RGB")) for name, path in table.items()}
    np.testing.assert_array_equal(shown["coherence"][..., 0], [[0, 128], [255, 128]])
    np.testing.assert_array_equal(shown["rate"], colourize(-coherence * 40, 40.0))
    # between black and white at the percentiles 2 and 98, band by band
    for band, value in enumerate((1, 2, 3)):
        low, high = np.percentile([0, value, value, 10], [2, 98])
        assert shown["optical"][0, 1, band] == round(255 * (value - low) / (high - low))
    assert (shown["optical"][0, 0] == 0).all()
    assert (shown["optical"][1, 1] == 255).all()


def test_pictures_of_another_kind_or_shape_are_refused(tmp_path: Path) -> None:
    scene = xr.Dataset({"rate": (("y", "x"), np.ones((4, 4), np.float32))}, attrs={"scene": "s"})
    chips = make_chips(scene, 4)
    with pytest.raises(LabkitError, match="layers must be named among"):
        write_pictures(chips, {"slope": scene["rate"]}, tmp_path)
    with pytest.raises(LabkitError, match="coherence must have the dims"):
        write_pictures(chips, {"coherence": scene["rate"].expand_dims(band=3)}, tmp_path)
