"""A split that does not leak: no ground is seen on two sides."""

from __future__ import annotations

from itertools import combinations

import geopandas as gpd
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import geo, make_chips, split_chips
from labkit.chip.splits import SPLITS
from labkit.errors import LabkitError
from labkit.simulate import Scene


def a_grid(rows: int, cols: int, size: int, overlap: float, scene: str = "valley") -> gpd.GeoDataFrame:
    """Chips over an array of rows × cols pixels without lon/lat."""
    corners = list(geo.windows((rows, cols), size, overlap))
    table = {
        "chip_id": [f"{scene}-{r}-{c}" for r, c in corners],
        "scene": scene,
        "row": [r for r, _ in corners],
        "col": [c for _, c in corners],
        "size": size,
        "valid_fraction": 1.0,
        "split": "",
    }
    return gpd.GeoDataFrame(table, geometry=[None] * len(corners), crs="EPSG:4326")


def shares_pixels(a: tuple, b: tuple) -> bool:
    return bool(abs(a.row - b.row) < a.size and abs(a.col - b.col) < a.size and a.scene == b.scene)


@settings(max_examples=60, deadline=None)
@given(st.integers(100, 400), st.integers(100, 400), st.integers(20, 60), st.floats(0, 0.6), st.integers(0, 9))
def test_overlapping_chips_never_come_into_different_splits(
    rows: int, cols: int, size: int, overlap: float, seed: int
) -> None:
    chips = a_grid(rows, cols, size, overlap)
    try:
        split = split_chips(chips, (8, 1, 1), seed)
    except LabkitError as error:
        assert "overlap too much" in str(error)
        return
    for a, b in combinations(split[split["split"] != ""].itertuples(), 2):
        assert a.split == b.split or not shares_pixels(a, b)


def test_without_overlap_every_chip_is_used_in_the_given_shares() -> None:
    split = split_chips(a_grid(100, 100, 10, 0.0), (8, 1, 1))
    assert split["split"].value_counts().to_dict() == {"train": 80, "validation": 10, "test": 10}


def test_with_a_quarter_of_overlap_few_chips_are_lost() -> None:
    """A strip or corner at the edge of a 20 × 20 grid borders on about one row of chips, and there are two of them."""
    split = split_chips(a_grid(1525, 1525, 100, 0.25), (8, 1, 1))
    assert (split["split"] == "").sum() <= 2 * 20
    assert (split["split"] == "test").sum() == 40
    assert (split["split"] == "validation").sum() == 40


def test_the_same_seed_splits_alike_and_another_seed_otherwise() -> None:
    chips = a_grid(300, 300, 30, 0.25)
    assert split_chips(chips, seed=3)["split"].tolist() == split_chips(chips, seed=3)["split"].tolist()
    assert len({tuple(split_chips(chips, seed=seed)["split"]) for seed in range(5)}) > 1


def test_two_tracks_over_the_same_ground_do_not_leak_into_each_other(tiny_scene: Scene) -> None:
    tables = [make_chips(rates, size=32, overlap=0.25) for rates in tiny_scene.rates.values()]
    chips = gpd.GeoDataFrame(pd.concat(tables, ignore_index=True))
    split = split_chips(chips, (8, 1, 1))
    assert set(split["split"]) >= set(SPLITS)
    for one, other in combinations(SPLITS, 2):
        ground = split[split["split"] == one].union_all()
        assert ground.intersection(split[split["split"] == other].union_all()).area == pytest.approx(0.0, abs=1e-12)
    for name in SPLITS:
        assert (split["split"] == name).any()


def test_a_weight_of_zero_leaves_that_split_out() -> None:
    split = split_chips(a_grid(100, 100, 10, 0.0), (9, 1, 0))
    assert split["split"].value_counts().to_dict() == {"train": 90, "validation": 10}
    assert set(split_chips(a_grid(50, 50, 50, 0.0), (1, 0, 0))["split"]) == {"train"}


def test_the_given_table_stays_as_it_was() -> None:
    chips = a_grid(100, 100, 10, 0.0)
    split_chips(chips)
    assert set(chips["split"]) == {""}


def test_chips_that_all_overlap_are_an_error_with_a_remedy() -> None:
    with pytest.raises(LabkitError, match="smaller chips"):
        split_chips(a_grid(120, 120, 100, 0.5))


@pytest.mark.parametrize("weights", [(0, 0, 0), (1, -1, 1), (1, float("nan"), 1), (1, 1)])
def test_senseless_weights_are_named(weights: tuple[float, float, float]) -> None:
    with pytest.raises(LabkitError, match=r"^weights must be"):
        split_chips(a_grid(100, 100, 10, 0.0), weights)


def test_an_empty_table_is_an_error() -> None:
    with pytest.raises(LabkitError, match="empty table"):
        split_chips(a_grid(100, 100, 10, 0.0).iloc[:0])
