"""Chips cover a scene, know their place on it, and are the same when made again."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import make_chips, schema
from labkit.errors import LabkitError
from labkit.simulate import Scene


def a_rate_map(rows: int, cols: int, scene: str = "valley") -> xr.Dataset:
    """A rate of 0 on a map grid with 0.001° pixels."""
    coords = {"y": 31.0 - 0.001 * np.arange(rows), "x": 101.0 + 0.001 * np.arange(cols)}
    rate = xr.DataArray(np.zeros((rows, cols), np.float32), coords, ("y", "x"))
    return xr.Dataset({"rate": rate}, attrs={"scene": scene, "crs": "EPSG:4326"})


def a_gradient(rows: int, cols: int) -> xr.Dataset:
    """A gradient of 0 in both directions, without lon/lat."""
    values = np.zeros((2, rows, cols), np.float32)
    attrs = {"scene": "slope", "ground_spacing": 40.0, "sum_temporal_baseline": 20.0, "wavelength": 0.055}
    return xr.Dataset({"gradient": (("direction", "y", "x"), values)}, {"direction": ["azimuth", "range"]}, attrs=attrs)


def test_gradients_get_416_px_with_a_quarter_of_overlap_and_rates_512_px_without() -> None:
    gradients = make_chips(a_gradient(416, 728))
    assert gradients["size"].unique().tolist() == [416]
    assert gradients["col"].tolist() == [0, 312]
    rates = make_chips(a_rate_map(512, 1024))
    assert rates["size"].unique().tolist() == [512]
    assert rates["col"].tolist() == [0, 512]


def test_given_size_and_overlap_take_the_place_of_the_defaults() -> None:
    chips = make_chips(a_gradient(100, 150), size=100, overlap=0.5)
    assert chips[["row", "col", "size"]].to_numpy().tolist() == [[0, 0, 100], [0, 50, 100]]


def test_a_smaller_scene_gives_one_padded_chip() -> None:
    chips = make_chips(a_gradient(101, 175))
    assert chips[["row", "col", "size"]].to_numpy().tolist() == [[0, 0, 416]]
    assert chips["valid_fraction"].item() == pytest.approx(101 * 175 / 416**2)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(5, 40), st.floats(0, 0.8))
def test_every_pixel_lies_in_a_chip(rows: int, cols: int, size: int, overlap: float) -> None:
    covered = np.zeros((rows, cols), bool)
    for chip in make_chips(a_rate_map(rows, cols), size, overlap).itertuples():
        covered[chip.row : chip.row + size, chip.col : chip.col + size] = True
    assert covered.all()


def test_a_pixel_counts_as_valid_when_either_direction_has_a_value() -> None:
    data = a_gradient(10, 10)
    data["gradient"][0, :5] = np.nan
    data["gradient"][1, 4:, :] = np.nan
    # rows 0-3 have a range value, rows 5-9 an azimuth value, row 4 has none
    assert make_chips(data, size=10)["valid_fraction"].item() == pytest.approx(0.9)


def test_chips_without_any_data_are_left_out() -> None:
    data = a_rate_map(20, 60)
    data["rate"][:, 20:40] = np.nan
    assert make_chips(data, size=20)["col"].tolist() == [0, 40]


def test_chips_with_too_little_data_are_left_out_on_demand() -> None:
    data = a_rate_map(20, 40)
    data["rate"][:, 30:] = np.nan
    assert make_chips(data, size=20, min_valid=0.5)["col"].tolist() == [0]


def test_a_chip_is_known_by_scene_place_and_size(tiny_scene: Scene) -> None:
    rates = tiny_scene.rates["ascending"]
    chips = make_chips(rates, size=64, overlap=0.25)
    assert chips["chip_id"].is_unique
    assert make_chips(rates, size=64, overlap=0.25)["chip_id"].tolist() == chips["chip_id"].tolist()
    other = make_chips(tiny_scene.rates["descending"], size=64, overlap=0.25)
    assert not set(chips["chip_id"]) & set(other["chip_id"])
    assert not set(chips["chip_id"]) & set(make_chips(rates, size=65)["chip_id"])


def test_the_square_of_a_chip_lies_where_its_corner_pixels_lie() -> None:
    chip = make_chips(a_rate_map(20, 40), size=20).iloc[1]
    # columns 20..39: outer edges half a pixel of 0.001° beyond the centres
    assert chip.geometry.bounds == pytest.approx((101.0195, 30.9805, 101.0395, 31.0005), abs=1e-9)


def test_a_scene_without_place_still_has_chips() -> None:
    chips = make_chips(a_gradient(10, 10), size=5, overlap=0.0)
    assert len(schema.check_chips(chips)) == 4
    assert chips.geometry.isna().all()


def test_a_scene_of_no_data_is_an_error_that_names_it() -> None:
    data = a_rate_map(5, 5, scene="lake")
    data["rate"][:] = np.nan
    with pytest.raises(LabkitError, match="lake"):
        make_chips(data)


@pytest.mark.parametrize(
    ("arguments", "name"), [({"size": 0}, "size"), ({"overlap": 1.0}, "overlap"), ({"min_valid": 1.0}, "min_valid")]
)
def test_arguments_out_of_bounds_are_named(arguments: dict[str, float], name: str) -> None:
    with pytest.raises(LabkitError, match=f"^{name} must be"):
        # a mapping does not say the type of each argument
        make_chips(a_rate_map(5, 5), **arguments)  # type: ignore[arg-type]
