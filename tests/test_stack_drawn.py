"""Outlined ground: which pixels lie inside, what becomes of a stack, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.features
import shapely
import xarray as xr

import labkit as lk
from labkit import LabkitError
from labkit.stack import mask_outlines
from labkit.stack.drawn import covered


@pytest.fixture(scope="module")
def stack() -> xr.Dataset:
    return lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)


def test_pixels_are_inside_as_gdal_says():
    rng = np.random.default_rng(5)
    for _ in range(20):
        # beyond the image, too, and crossing itself now and then
        corners = rng.uniform(-15, 75, (rng.integers(3, 9), 2))
        area = shapely.make_valid(shapely.Polygon(corners), method="structure")
        expected = rasterio.features.rasterize([area], (60, 50), fill=0, default_value=1).astype(bool)
        assert np.array_equal(covered({"snow": [corners]}, (60, 50)), expected)


@pytest.mark.parametrize(("x", "y"), [(300, 10), (10, 300), (-300, 10), (10, -300), (300, 300)])
def test_an_outline_beyond_the_image_takes_nothing(x, y):
    outline = [(x, y), (x + 20, y), (x + 20, y + 30)]
    assert covered({"snow": [outline]}, (60, 50)).sum() == 0


def test_outlined_ground_is_no_data_in_a_stack_and_its_rates(stack):
    square = [(10.0, 20.0), (50.0, 20.0), (50.0, 40.0), (10.0, 40.0)]
    triangle = [(100.0, 100.0), (140.0, 100.0), (100.0, 150.0)]
    outlines = {"snow": [square], "water": [triangle]}
    masked = mask_outlines(stack, outlines)
    inside = covered(outlines, (160, 192))
    assert inside[20:40, 10:50].all() and inside.sum() == pytest.approx(800 + 1000, abs=50)
    for name in ("gradient", "standard_error"):
        assert np.isnan(masked[name].values[:, inside]).all()
        np.testing.assert_array_equal(masked[name].values[:, ~inside], stack[name].values[:, ~inside])
        assert masked[name].dtype == stack[name].dtype
    xr.testing.assert_identical(masked["coherence"], stack["coherence"])
    assert masked.attrs == stack.attrs | {"masked_fraction": inside.mean()} and "masked_fraction" not in stack.attrs
    rates = mask_outlines(lk.integrate_rate(masked), outlines)
    assert np.isnan(rates["rate"].values[inside]).all() and np.isfinite(rates["rate"].values[~inside]).mean() > 0.9


@pytest.mark.parametrize(
    ("outline", "words"),
    [
        ([(1, 1), (2, 2)], "at least three finite corners"),
        ([(1, 1), (2, 2), (np.nan, 3)], "at least three finite corners"),
        ([1, 2, 3], "at least three finite corners"),
        ([(1, 1), (2, 2), (3, 3)], "must enclose some ground"),
    ],
)
def test_what_encloses_nothing_is_refused(stack, outline, words):
    with pytest.raises(LabkitError, match=rf"outlines\['snow'\] must .*{words}|{words}"):
        mask_outlines(stack, {"snow": [outline]})
