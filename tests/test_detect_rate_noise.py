"""The noise of a rate map that came without its standard error."""

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit import LabkitError


def rates(values, spacing=40.0):
    return xr.Dataset({"rate": (("y", "x"), values.astype(np.float32))}, attrs={"ground_spacing": spacing})


@pytest.mark.parametrize("spacing", [15.0, 40.0, 90.0])
def test_planted_noise_is_measured_beside_landslides_a_ramp_and_water(spacing):
    rng = np.random.default_rng(1)
    y, x = np.indices((300, 320)) * spacing
    # 5 mm/yr in 10 km, and air that waves over 12 km
    values = 2.5 * rng.standard_normal(y.shape) + 5e-4 * x + 4 * np.sin(2 * np.pi * y / 12_000)
    values[20:60, 30:80] -= 60
    values[:, 150:165] = np.nan
    made = lk.estimate_standard_error(rates(values, spacing))["standard_error"]
    np.testing.assert_array_equal(np.isfinite(made), np.isfinite(values))
    assert np.nanmin(made) == np.nanmax(made) == pytest.approx(2.5, rel=0.06)
    assert made.attrs["units"] == "mm/yr"


def test_a_map_that_has_standard_errors_keeps_them():
    given = rates(np.ones((8, 8))).assign(standard_error=(("y", "x"), np.full((8, 8), 7.0, np.float32)))
    assert lk.estimate_standard_error(given).identical(given)


@pytest.mark.parametrize(
    ("data", "local_m", "message"),
    [
        (rates(np.ones((8, 8))), 0.0, r"local_m must be positive, m, instead got local_m=0\.0"),
        (rates(np.ones((8, 8)), np.nan), 1000.0, "ground_spacing must be a positive number of metres"),
        (rates(np.full((8, 8), np.nan)), 1000.0, "rates must hold data"),
    ],
)
def test_what_cannot_be_measured_is_refused(data, local_m, message):
    with pytest.raises(LabkitError, match=message):
        lk.estimate_standard_error(data, local_m)
