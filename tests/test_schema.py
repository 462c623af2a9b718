"""Every door of the schema: what it lets through, and that each refusal names the thing, the rule and the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from labkit import schema
from labkit.errors import LabkitError


def interferograms() -> xr.Dataset:
    """Two pairs of 3 × 4 px, with every coordinate and attribute that the schema asks for."""
    shape = (2, 3, 4)
    pairs = ["20200101_20200113", "20200113_20200125"]
    dates = np.array(["2020-01-01", "2020-01-13", "2020-01-25"], "datetime64[ns]")
    attributes: dict[str, Any] = dict.fromkeys(schema.SCENE_ATTRIBUTES, "")
    attributes |= {"geometry": "radar", "phase_sign": -1, "scene": "a", "wavelength": 0.0555}
    return xr.Dataset(
        {
            "phase": (("pair", "y", "x"), np.zeros(shape, np.float32)),
            "coherence": (("pair", "y", "x"), np.ones(shape, np.float32)),
        },
        coords={
            "pair": pairs,
            "reference": ("pair", dates[:2]),
            "secondary": ("pair", dates[1:]),
            "temporal_baseline": ("pair", [12.0, 12.0]),
            "perpendicular_baseline": ("pair", [np.nan, np.nan]),
        },
        attrs=attributes,
    )


def gradients(spacing: float = 40.0, years: float = 20.0) -> xr.Dataset:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return xr.Dataset(
        {"gradient": (("direction", "y", "x"), values)},
        coords={"direction": ["azimuth", "range"]},
        attrs={"scene": "a", "ground_spacing": spacing, "sum_temporal_baseline": years, "wavelength": 0.0555},
    )


def rates() -> xr.Dataset:
    return xr.Dataset({"rate": (("y", "x"), np.ones((3, 4), np.float32))}, attrs={"scene": "a"})


def boxes(**columns: object) -> gpd.GeoDataFrame:
    one: dict[str, object] = {
        "scene": "a",
        "direction": "range",
        "xmin": [1.0],
        "ymin": [2.0],
        "xmax": [5.0],
        "ymax": [9.0],
    }
    return schema.boxes_table(one | columns)


def test_whole_objects_pass_as_they_are() -> None:
    for check, thing in (
        (schema.check_interferograms, interferograms()),
        (schema.check_gradients, gradients()),
        (schema.check_rates, rates()),
        (schema.check_boxes, boxes()),
    ):
        assert check(thing) is thing  # type: ignore[operator]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda d: d.drop_vars("phase"),
            r"interferograms must be a Dataset with the variable 'phase'.*\['coherence'\]",
        ),
        (lambda d: d.drop_vars("coherence"), r"with the variable 'coherence'.*\['phase'\]"),
        (lambda d: d["phase"], "variable 'phase', instead got a DataArray named 'phase'"),
        (lambda d: np.zeros(3), "variable 'phase', instead got ndarray"),
        (
            lambda d: d.transpose("y", "x", "pair"),
            r"phase must have the dims \('pair', 'y', 'x'\), instead got dims=\('y', 'x', 'pair'\)",
        ),
        (lambda d: d.drop_vars("secondary"), "must have the coordinate 'secondary'"),
        (lambda d: d.drop_vars("perpendicular_baseline"), "must have the coordinate 'perpendicular_baseline'"),
        (lambda d: d.isel(pair=slice(0)), "must hold at least one pair, instead got 0 pairs"),
        (
            lambda d: d.assign_coords(pair=["2020-01-01", "b"]),
            r"pair must read 'YYYYMMDD_YYYYMMDD', instead got pair=\['2020-01-01', 'b'\]",
        ),
        (lambda d: _without(d, "wavelength"), "must have the attribute 'wavelength'"),
        (lambda d: d.assign_attrs(geometry="slant"), "geometry must be 'radar' or 'map', instead got geometry='slant'"),
        (lambda d: d.assign_attrs(phase_sign=0), r"phase_sign must be \+1 or −1, instead got phase_sign=0"),
    ],
)
def test_spoilt_interferograms_are_named(spoil: Callable[[xr.Dataset], Any], words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        schema.check_interferograms(spoil(interferograms()))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: rates(), r"gradients must be a Dataset with the variable 'gradient', instead got .*\['rate'\]"),
        (lambda d: d.transpose("y", "x", "direction"), "gradients.gradient must have the dims .*'direction', 'y', 'x'"),
        (
            lambda d: d.assign_coords(direction=["north", "range"]),
            r"direction must be among \('azimuth', 'range'\), instead got direction=\('north', 'range'\)",
        ),
        (lambda d: _without(d, "sum_temporal_baseline"), "must have the attribute 'sum_temporal_baseline'"),
    ],
)
def test_spoilt_gradients_are_named(spoil: Callable[[xr.Dataset], Any], words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        schema.check_gradients(spoil(gradients()))


def test_spoilt_rates_are_named() -> None:
    with pytest.raises(LabkitError, match="rates must be a Dataset with the variable 'rate'"):
        schema.check_rates(gradients())
    with pytest.raises(LabkitError, match=r"rates.rate must have the dims \('y', 'x'\), instead got dims=\('x', 'y'\)"):
        schema.check_rates(rates().transpose("x", "y"))


def test_chips_need_their_columns_and_a_row() -> None:
    empty = gpd.GeoDataFrame({column: [] for column in schema.CHIP_COLUMNS[:-1]}, geometry=[], crs="EPSG:4326")
    with pytest.raises(LabkitError, match="chips must hold at least one row, instead got an empty table"):
        schema.check_chips(empty)
    with pytest.raises(LabkitError, match=r"chips must have the columns .* missing: \['split'\]"):
        schema.check_chips(empty.drop(columns="split"))
    with pytest.raises(LabkitError, match="chips must be a GeoDataFrame, instead got dict"):
        schema.check_chips({})


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"xmax": [1.0]}, r"xmin < xmax and ymin < ymax, instead got row 0 = \[1.0, 2.0, 1.0, 9.0\]"),
        ({"ymin": [10.0]}, r"instead got row 0 = \[1.0, 10.0, 5.0, 9.0\]"),
        ({"xmin": [np.nan]}, r"finite corners .* row 0 = \[nan, 2.0, 5.0, 9.0\]"),
        ({"ymax": [np.inf]}, r"finite corners .* row 0 = \[1.0, 2.0, 5.0, inf\]"),
    ],
)
def test_a_box_that_is_none_is_named_with_its_row(columns: dict[str, object], words: str) -> None:
    with pytest.raises(LabkitError, match=f"detections must have .*{words}"):
        schema.check_boxes(boxes(**columns))


def test_a_table_of_boxes_goes_by_the_name_that_the_caller_gives_it() -> None:
    with pytest.raises(LabkitError, match=r"labels must have the columns .* missing: \['score', 'geometry'\]"):
        schema.check_boxes(pd.DataFrame(boxes()).drop(columns=["score", "geometry"]), "labels")


def test_no_box_at_all_is_an_answer() -> None:
    nothing = schema.boxes_table()
    assert len(schema.check_boxes(nothing)) == 0
    assert list(nothing.columns) == list(schema.BOX_COLUMNS)
    assert nothing.crs == "EPSG:4326"


@given(count=st.integers(0, 5))
def test_a_table_of_boxes_has_every_column_with_its_dtype_whatever_its_length(count: int) -> None:
    table = schema.boxes_table(
        {name: np.arange(count) for name in ("xmin", "ymin", "xmax", "ymax")} | {"by": ["me"] * count}
    )
    assert set(schema.BOX_COLUMNS) | {"by"} == set(table.columns)
    assert len(table) == count
    for column in ("xmin", "ymin", "xmax", "ymax", "score"):
        assert table[column].dtype == float
    assert (table["label"] == schema.LANDSLIDE).all()
    assert (table["score"] == 1.0).all()


@given(spacing=st.floats(1, 1000), years=st.floats(0.01, 1000))
def test_a_steady_slope_has_one_gradient_at_the_reference_whatever_the_stack(spacing: float, years: float) -> None:
    """A velocity gradient of 1 rad/(m yr) gives spacing × years rad per pixel in a stack."""
    stack = gradients(spacing, years)
    stack["gradient"][:] = np.float32(spacing * years)
    reference = schema.at_reference(stack)
    expected = schema.REFERENCE_SPACING_M * schema.REFERENCE_YEARS
    np.testing.assert_allclose(reference.values, expected, rtol=1e-5)
    assert reference.dtype == np.float32


def test_the_reference_stack_is_its_own_reference() -> None:
    assert schema.reference_factor(gradients()) == 1.0


def test_a_difference_over_more_pixels_counts_for_one() -> None:
    assert schema.reference_factor(gradients().assign_attrs(lag=3)) == pytest.approx(1 / 3)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_spacing_or_a_time_that_is_no_positive_number_is_named(value: float) -> None:
    with pytest.raises(LabkitError, match=f"ground_spacing must be a positive number .*ground_spacing={value}"):
        schema.at_reference(gradients(spacing=value))
    with pytest.raises(LabkitError, match=f"sum_temporal_baseline must be a positive .*sum_temporal_baseline={value}"):
        schema.at_reference(gradients(years=value))


def test_the_layers_of_gradients_and_rates_can_be_treated_alike() -> None:
    stack = gradients()
    found = schema.layers(stack)
    assert list(found) == ["azimuth", "range"]
    np.testing.assert_array_equal(found["range"].values, stack["gradient"].values[1])
    assert all(layer.dims == ("y", "x") for layer in found.values())
    assert list(schema.layers(rates())) == ["rate"]
    assert schema.is_gradients(stack)
    assert not schema.is_gradients(rates())
    assert not schema.is_gradients(None)


def _without(data: xr.Dataset, attribute: str) -> xr.Dataset:
    attributes = {name: value for name, value in data.attrs.items() if name != attribute}
    spoilt = data.copy()
    spoilt.attrs = attributes
    return spoilt
