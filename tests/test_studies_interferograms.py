"""The study of the number of interferograms: what more pairs do, on small scenes whose landslides are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import labkit as lk
from labkit import studies
from labkit.errors import LabkitError
from labkit.simulate import Effects, Scene
from labkit.studies.interferograms import classes_of, number_of_interferograms, stack_as_published

COUNTS = (6, 40)


@pytest.fixture(scope="module")
def scene() -> Scene:
    effects = Effects(snow_share=0.0, creep_mm=0.0, subsidence_mm=0.0)
    return lk.simulate.scene("tiny", seed=4, effects=effects, calendar="two-years")


@pytest.fixture(scope="module")
def table(scene: Scene) -> pd.DataFrame:
    classes = classes_of(scene, "length_m", [500.0], ["short", "long"])
    return number_of_interferograms(
        scene, COUNTS, estimators=("lsq", "sum"), repeats=2, classes=classes, seed=1, progress=False
    )


def pooled(table: pd.DataFrame, **where: str) -> pd.DataFrame:
    rows = table[table["class"] == "all"]
    for column, word in where.items():
        rows = rows[rows[column] == word]
    return studies.pool(rows, ["n_pairs", "direction"]).set_index(["direction", "n_pairs"])


def test_every_setting_has_its_row_once(table: pd.DataFrame) -> None:
    keys = ["estimator", "order", "n_pairs", "repeat", "class", "direction"]
    assert not table.duplicated(keys).any()
    assert len(table) == 2 * 2 * 3 * 2 * 3 * 3
    assert sorted(table["n_pairs"].unique()) == [*COUNTS, 177]


@pytest.mark.parametrize("estimator", ["lsq", "sum"])
def test_more_pairs_find_more_landslides(table: pd.DataFrame, estimator: str) -> None:
    recall = pooled(table, estimator=estimator)["recall"]
    for direction in ("azimuth", "range", "either"):
        assert recall[direction, 6] < recall[direction, 177]
        assert recall[direction, 40] <= recall[direction, 177]


def test_more_landslides_narrow_the_interval(table: pd.DataFrame) -> None:
    once = pooled(table, estimator="sum")
    again = studies.pool(
        [table, table.assign(repeat=table["repeat"] + 2)], ["n_pairs", "direction", "estimator", "class"]
    )
    again = again[(again["estimator"] == "sum") & (again["class"] == "all")].set_index(["direction", "n_pairs"])
    # the same landslides seen twice as often are no more landslides
    pd.testing.assert_series_equal(once["recall_high"], again["recall_high"])
    other = studies.pool([table, table.assign(labels=2 * table["labels"], detected=2 * table["detected"])], ["n_pairs"])
    width = (other["recall_high"] - other["recall_low"]).to_numpy()
    assert (
        width < (studies.pool(table, ["n_pairs"])["recall_high"] - studies.pool(table, ["n_pairs"])["recall_low"])
    ).all()


def test_all_pairs_are_the_same_in_every_order_and_repeat(table: pd.DataFrame) -> None:
    whole = table[table["n_pairs"] == 177]
    assert (whole.groupby(["estimator", "class", "direction"])["detected"].nunique() == 1).all()
    assert whole["years"].nunique() == 1


def test_classes_share_the_landslides_out_and_their_false_boxes_are_those_of_all(table: pd.DataFrame) -> None:
    keys = ["estimator", "order", "n_pairs", "repeat", "direction"]
    of_all = table[table["class"] == "all"].set_index(keys)
    parts = table[table["class"] != "all"].groupby(keys)
    for column in ("labels", "detected"):
        pd.testing.assert_series_equal(parts[column].sum(), of_all[column].sort_index(), check_names=False)
    assert (parts["false"].nunique() == 1).all()


def test_the_same_seed_draws_the_same_pairs(scene: Scene, table: pd.DataFrame) -> None:
    settings = {"estimators": ["sum"], "orders": ["random"], "repeats": 1, "progress": False}
    again = number_of_interferograms(scene, COUNTS[:1], seed=1, **settings)
    rows = table[(table["estimator"] == "sum") & (table["order"] == "random") & (table["repeat"] == 0)]
    rows = rows[(rows["class"] == "all") & rows["n_pairs"].isin([6, 177])].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, rows, check_like=True)


def test_a_rewrapped_stack_is_unwrapped_as_it_was_published(scene: Scene) -> None:
    few = scene.interferograms["ascending"].isel(pair=slice(0, 30))
    wrapped = lk.stack_gradients(few, "rewrapped", progress=False)["gradient"].values
    stacked = stack_as_published(few, "rewrapped")["gradient"].values
    turns = (stacked - wrapped) / (2 * np.pi)
    known = np.isfinite(turns)
    np.testing.assert_allclose(turns[known], turns[known].round(), atol=1e-4)
    assert np.abs(wrapped[known]).max() < np.pi + 1e-4


def test_classes_follow_the_edges(scene: Scene) -> None:
    by_length = classes_of(scene, "length_m", [300.0, 900.0], ["short", "middle", "long"])
    lengths = scene.landslides.set_index("landslide_id")["length_m"]
    for name, word in by_length.items():
        assert (word == "short") == (lengths[name] < 300)
        assert (word == "long") == (lengths[name] >= 900)
    by_rate = classes_of(scene, "los_ascending", [20.0], ["slow", "fast"])
    rates = scene.landslides.set_index("landslide_id")["los_ascending"].abs()
    assert {name for name, word in by_rate.items() if word == "fast"} == set(rates.index[rates >= 20])
    strong = classes_of(scene, "ratio", [1e9], ["weak", "strong"])
    assert set(strong) == set(scene.truth.loc[scene.truth["track"] == "ascending", "landslide_id"])
    assert set(strong.values()) == {"weak"}


def test_what_cannot_be_studied_is_refused(scene: Scene) -> None:
    with pytest.raises(LabkitError, match="track must be one of"):
        number_of_interferograms(scene, track="A1", progress=False)
    with pytest.raises(LabkitError, match="repeats must be at least 1"):
        number_of_interferograms(scene, repeats=0, progress=False)
    with pytest.raises(LabkitError, match="counts must be at least 1 pair"):
        number_of_interferograms(scene, [0], progress=False)
    with pytest.raises(LabkitError, match="words must be one more than edges"):
        classes_of(scene, "length_m", [1.0], ["one"])
    with pytest.raises(LabkitError, match="column must be one of"):
        classes_of(scene, "colour", [1.0], ["one", "two"])


def test_a_detector_is_measured_beside_the_couplet_filter_on_the_same_stacks(scene: Scene, table: pd.DataFrame) -> None:
    shipped = lk.load_detector("gradients-small")
    both = number_of_interferograms(
        scene, [40], estimators=["lsq"], orders=["random"], repeats=1, detector=shipped, seed=1, progress=False
    )
    assert both["finder"].unique().tolist() == ["couplets", "gradients-small"]
    keys = ["estimator", "order", "repeat", "class", "n_pairs", "direction"]
    by_filter = both[both["finder"] == "couplets"].drop(columns="finder").set_index(keys).sort_index()
    before = table.set_index(keys).sort_index().loc[by_filter.index, by_filter.columns]
    pd.testing.assert_frame_equal(by_filter, before)
    stacked = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    found = lk.detect_landslides(stacked, shipped)
    own = both[(both["finder"] == shipped.name) & (both["n_pairs"] == 177)].set_index("direction")
    for direction in ("azimuth", "range"):
        assert own.loc[direction, "boxes"] == (found["direction"] == direction).sum()
        truth = scene.truth[(scene.truth["scene"] == stacked.attrs["scene"]) & (scene.truth["direction"] == direction)]
        assert own.loc[direction, "detected"] == studies.detected_labels(found, truth).sum()
    assert own.loc["either", "recall"] >= 0.6
