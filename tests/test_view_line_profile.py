"""The profile along a line: it holds the numbers of the stack at the places of the line."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit import LabkitError
from labkit.view.explorer_ground import Ground, read_at
from labkit.view.line_profile import read_profile


@pytest.fixture(scope="module")
def scene() -> lk.simulate.Scene:
    return lk.simulate.scene("tiny", seed=0)


@pytest.fixture(scope="module")
def planes(scene) -> xr.Dataset:
    """Gradients that are planes, so that values between pixels are known."""
    stack = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    y, x = np.mgrid[: stack.sizes["y"], : stack.sizes["x"]] + 0.5
    gradient = np.stack([0.02 * x - 0.01 * y, 0.5 - 0.005 * x]).astype(np.float32)
    error = np.stack([0.001 * x, 0.002 * y]).astype(np.float32)
    dims = ("direction", "y", "x")
    return stack.assign(gradient=(dims, gradient), standard_error=(dims, error))


def test_the_profile_reads_both_directions_with_their_errors(planes):
    table = read_profile(planes, (20.25, 100.5, 90.75, 40.0))
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    assert (x[0], y[0], x[-1], y[-1]) == (20.25, 100.5, 90.75, 40.0)
    assert len(table) == math.ceil(math.hypot(70.5, 60.5)) + 1
    expected = {
        "azimuth": 0.02 * x - 0.01 * y, "range": 0.5 - 0.005 * x, "azimuth_error": 0.001 * x, "range_error": 0.002 * y,
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(table[name], values, atol=1e-5)
    across = planes.attrs["x_spacing"] / math.sin(math.radians(planes.attrs["incidence_angle"]))
    length = math.hypot(70.5 * across, 60.5 * planes.attrs["y_spacing"])
    assert table["distance"].iloc[-1] == pytest.approx(length)
    assert table[["rate", "height"]].isna().all(axis=None)


def test_no_data_is_a_gap_and_reaches_no_further_than_its_pixels(planes):
    gap = planes.copy(deep=True)
    gap["gradient"][0, :, 50] = np.nan
    table = read_profile(gap, (40.5, 80.5, 60.5, 80.5))
    missing = table.loc[table["azimuth"].isna(), "x"].to_numpy()
    np.testing.assert_array_equal(missing, [50.5])
    assert table["range"].notna().all()
    beyond = read_profile(planes, (-5.0, 80.0, 5.0, 80.0))
    np.testing.assert_array_equal(beyond["azimuth"].isna(), beyond["x"] < 0)


def test_heights_are_those_of_the_dem_at_the_places_of_the_line(scene, planes):
    table = read_profile(planes, (20, 30, 150, 120), dem=scene.dem)
    lon, lat = lk.geo.pixel_to_lonlat(planes, table["y"].to_numpy(), table["x"].to_numpy())
    expected = scene.dem.interp(y=("p", lat), x=("p", lon)).values
    np.testing.assert_allclose(table["height"], expected, atol=0.05)


def test_the_rate_of_a_slide_is_read_along_a_line_across_it(scene, planes):
    rates = scene.rates["ascending"]
    box = scene.rate_truth[scene.rate_truth["scene"] == rates.attrs["scene"]].iloc[0]
    row = round((box["ymin"] + box["ymax"]) / 2)
    table = read_profile(planes, (box["xmin"], row + 0.5, box["xmax"], row + 0.5), rates=rates)
    pixels = np.floor(table["x"]).astype(int)
    inside = (table["x"] % 1 == 0.5) & table["rate"].notna()
    np.testing.assert_allclose(table["rate"][inside], rates["rate"].values[row, pixels[inside]], rtol=1e-5)


def test_the_figure_shows_bands_of_one_standard_error(planes):
    from bokeh.models import Quad

    gradient, rate, _ = lk.view.profile(planes, (20, 30, 60, 30)).object.children
    bands = [r for r in gradient.renderers if isinstance(r.glyph, Quad)]
    assert len(bands) == 2
    data = bands[0].data_source.data
    np.testing.assert_allclose(data["azimuth_high"] - data["azimuth_low"], 2 * data["azimuth_error"], atol=1e-6)
    assert "± one standard error" in gradient.title.text and rate.title.text == "LOS rate: not known here"


def test_lines_and_heights_that_break_their_rules_are_refused(scene, planes):
    with pytest.raises(LabkitError, match="line must be x0, y0, x1, y1 of two different points"):
        read_profile(planes, (1, 2, 1, 2))
    with pytest.raises(LabkitError, match="rates must lie on the grid of the gradients"):
        read_profile(planes, (1, 2, 3, 4), rates=scene.rates["ascending"].isel(y=slice(0, 9)))
    with pytest.raises(LabkitError, match="dem must be a DataArray"):
        read_profile(planes, (1, 2, 3, 4), dem=scene.dem.drop_attrs())
    far = scene.dem.assign_coords(x=scene.dem["x"] + 5)
    with pytest.raises(LabkitError, match="dem must lie under the scene"):
        read_profile(planes, (1, 2, 3, 4), dem=far)
    lost = planes.drop_vars(["lon", "lat"])
    with pytest.raises(LabkitError, match="ifgs must have lon/lat or a CRS for dem"):
        read_profile(lost, (1, 2, 3, 4), dem=scene.dem)


def test_an_optical_image_is_read_where_the_pixels_lie(scene, planes):
    dem = scene.dem
    bands = np.stack([dem.values, 2 * dem.values, dem.values.max() - dem.values])
    optical = xr.DataArray(
        bands,
        {"band": list("rgb"), "y": scene.dem["y"], "x": scene.dem["x"]},
        ("band", "y", "x"),
        attrs=scene.dem.attrs,
    )
    y, x = np.array([50.5, 100.5]), np.array([40.5, 160.5])
    read = Ground(planes, None, optical).optical(y, x)
    low, high = np.percentile(bands, [2, 98])
    heights = Ground(planes, dem, None).heights(y, x)
    np.testing.assert_allclose(read[:, 0], np.clip((heights - low) / (high - low), 0, 1), atol=1e-4)
    np.testing.assert_allclose(read[:, 1], np.clip((2 * heights - low) / (high - low), 0, 1), atol=1e-4)


def test_reading_between_pixels_is_bilinear():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(7, 9))
    row, col = rng.uniform(0.5, 6.5, 40), rng.uniform(0.5, 8.5, 40)
    grid = xr.DataArray(values, {"y": np.arange(7) + 0.5, "x": np.arange(9) + 0.5}, ("y", "x"))
    np.testing.assert_allclose(read_at(values, row, col), grid.interp(y=("p", row), x=("p", col)).values, atol=1e-12)
