"""Which chips come next: never one twice, apart from each other, and lots that know nothing of the scores."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import labkit as lk
from labkit.errors import LabkitError
from labkit.label import estimate_total, next_chips
from labkit.schema import boxes_table

EDGE = 50


def scene(name: str, rows: int, cols: int, west: float = 101.0) -> xr.Dataset:
    """A map grid of ones, of about 40 m."""
    grid = {"y": 31 - 4e-4 * (np.arange(rows) + 0.5), "x": west + 4e-4 * (np.arange(cols) + 0.5)}
    rate = np.ones((rows, cols), np.float32)
    return xr.Dataset({"rate": (("y", "x"), rate)}, coords=grid, attrs={"scene": name, "crs": "EPSG:4326"})


def grid_of_chips(rows: int, cols: int, name: str = "s") -> gpd.GeoDataFrame:
    return lk.make_chips(scene(name, rows * EDGE, cols * EDGE), EDGE, 0)


def boxes_at(chips: gpd.GeoDataFrame, scores, **more: object) -> gpd.GeoDataFrame:
    """A box in the middle of each chip."""
    low_x, low_y = chips["col"].to_numpy(float) + 10, chips["row"].to_numpy(float) + 10
    columns = {"scene": chips["scene"].tolist(), "direction": "range", "score": list(scores), **more}
    return boxes_table(columns | {"xmin": low_x, "ymin": low_y, "xmax": low_x + 20, "ymax": low_y + 20})


CHIPS = grid_of_chips(8, 10)
#: Without their place on the Earth, which takes a while to find: for laws that need many draws.
BARE = CHIPS.set_geometry([None] * len(CHIPS))


def some_boxes(chips: gpd.GeoDataFrame, seed: int) -> gpd.GeoDataFrame:
    random = np.random.default_rng(seed)
    on = chips.iloc[random.integers(0, len(chips), 40)]
    return boxes_at(on, random.uniform(0.05, 1, len(on)))


@settings(max_examples=10, deadline=None)
@given(
    st.integers(1, 80), st.sets(st.integers(0, 79), max_size=60), st.floats(0, 1), st.floats(0, 4), st.integers(0, 999)
)
def test_as_many_chips_as_asked_are_chosen_none_twice_and_none_that_is_labelled(count, done, share, spacing, seed):
    labelled = CHIPS["chip_id"].iloc[list(done)]
    assume(count <= len(CHIPS) - len(done))
    found = some_boxes(CHIPS, seed)
    chosen = next_chips(CHIPS, found, labelled, count, random_share=share, spacing=spacing, seed=seed)
    assert len(chosen) == count == chosen["chip_id"].nunique()
    assert not set(chosen["chip_id"]) & set(labelled)
    by_lot = chosen["why"] == "random"
    assert by_lot.sum() == round(share * count) and by_lot.iloc[: by_lot.sum()].all()
    assert (chosen["pool"] == len(CHIPS) - len(done)).all()
    np.testing.assert_allclose(chosen["probability"][by_lot], by_lot.sum() / (len(CHIPS) - len(done)))
    assert chosen["probability"][~by_lot].isna().all()
    again = next_chips(CHIPS, found[::-1], labelled, count, random_share=share, spacing=spacing, seed=seed)
    assert chosen["chip_id"].tolist() == again["chip_id"].tolist()
    # the distance that was kept is kept: on this grid in edges of a chip, to the east 0.86 of them
    kept = chosen.attrs["spacing"]
    assert kept <= spacing
    squares = chosen.geometry.to_crs(chosen.estimate_utm_crs())
    middle, edge = squares.centroid, np.sqrt(squares.area.median())
    away = np.hypot(*(np.subtract.outer(v, v) for v in (middle.x.to_numpy(), middle.y.to_numpy()))) / edge
    np.fill_diagonal(away, np.inf)
    assert not (~by_lot).any() or away[~by_lot].min() >= 0.99 * kept


def test_few_chips_of_many_keep_the_distance_asked_for():
    chosen = next_chips(CHIPS, some_boxes(CHIPS, 0), count=5, random_share=0.4, spacing=2.5)
    assert chosen.attrs["spacing"] == 2.5
    # all of them, and no distance is left
    assert next_chips(CHIPS, some_boxes(CHIPS, 0), count=80, random_share=0).attrs["spacing"] < 1


def test_every_chip_is_drawn_by_lot_as_often_whatever_its_score():
    sure = boxes_at(BARE[:5], [0.5] * 5)
    drawn = pd.Series(0, index=BARE["chip_id"])
    repeats = 200
    for seed in range(repeats):
        chosen = next_chips(BARE, sure, BARE["chip_id"][-20:], 16, random_share=0.5, spacing=0, seed=seed)
        drawn[chosen["chip_id"][chosen["why"] == "random"]] += 1
    assert (drawn[-20:] == 0).all()
    expected, spread = repeats * 8 / 60, np.sqrt(repeats * (8 / 60) * (52 / 60))
    assert np.abs(drawn[:-20] - expected).max() < 4.5 * spread
    # those in doubt are always among the others
    assert set(BARE["chip_id"][:5]) <= set(chosen["chip_id"])


def test_the_doubtful_come_before_the_sure_and_the_contradictory_before_the_agreed():
    doubtful = next_chips(
        CHIPS,
        boxes_at(CHIPS[:4], [0.99, 0.5, 0.02, 0.8]),
        count=3,
        random_share=0,
        spacing=0,
        weights={"uncertainty": 1},
    )
    assert doubtful["chip_id"].tolist() == CHIPS["chip_id"].iloc[[1, 3, 2]].tolist()
    np.testing.assert_allclose(doubtful["value"], [1.0, 0.64, 4 * 0.02 * 0.98])
    both = pd.concat(
        [boxes_at(CHIPS[:2], [0.9, 0.9]), boxes_at(CHIPS[1:2], [0.7]).assign(direction="azimuth")], ignore_index=True
    )
    chosen = next_chips(CHIPS, both, count=2, random_share=0, spacing=0, weights={"directions": 1})
    assert chosen["chip_id"].tolist() == CHIPS["chip_id"].iloc[[0, 1]].tolist()
    np.testing.assert_allclose(chosen["directions"], [0.9, 0.2])
    assert (chosen["why"] == "directions").all()


def test_what_one_orbit_alone_sees_counts_where_the_other_looked_too():
    first, second = grid_of_chips(2, 4, "up"), lk.make_chips(scene("down", EDGE, 4 * EDGE), EDGE, 0)
    chips = pd.concat([first, second], ignore_index=True)
    up = boxes_at(first, [0.9] * 8, orbit_direction="ascending", direction="rate").set_geometry(first.geometry.values)
    down = boxes_at(second[:1], [0.6], orbit_direction="descending", direction="rate")
    found = pd.concat([up, down.set_geometry(second.geometry.values[:1])], ignore_index=True)
    chosen = next_chips(chips, found, count=12, random_share=0, spacing=0).set_index("chip_id")
    # on the first chip both see it; on the other three of the first row one does; below nobody else looked
    np.testing.assert_allclose(chosen.loc[first["chip_id"], "orbits"], [0.3, 0.9, 0.9, 0.9, 0, 0, 0, 0], atol=1e-12)
    assert (chosen.loc[second["chip_id"], "orbits"] == 0).all()


def test_without_a_detector_the_chips_are_spread_out():
    chosen = next_chips(CHIPS, boxes_table(), count=6, random_share=0, spacing=3)
    assert (chosen["why"] == "spread").all() and chosen.attrs["spacing"] == 3


def test_scenes_without_a_place_are_kept_apart_by_their_pixels():
    bare = [lk.make_chips(scene(name, 100, 400).drop_vars(["x", "y"]), EDGE, 0) for name in "ab"]
    chosen = next_chips(pd.concat(bare, ignore_index=True), boxes_table(), count=8, random_share=0, spacing=2)
    assert chosen.attrs["spacing"] == 2
    for _, part in chosen.groupby("scene"):
        away = np.hypot(*(np.subtract.outer(part[v].to_numpy(), part[v].to_numpy()) for v in ("row", "col")))
        assert away[~np.eye(len(part), dtype=bool)].min() >= 2 * EDGE


def rounds_of(seed: int, landslides: pd.Series, rounds: int) -> tuple[list[pd.DataFrame], list[str]]:
    """Rounds of which the detector knows the truth all too well, so that the others are far from usual."""
    start = BARE["chip_id"].iloc[:6].tolist()
    done, tables = list(start), []
    for number in range(rounds):
        scores = 0.5 * landslides.to_numpy() / landslides.max()
        table = next_chips(BARE, boxes_at(BARE, scores), done, 10, random_share=0.4, seed=100 * seed + number)
        tables.append(table)
        done += table["chip_id"].tolist()
    return tables, done


def test_the_total_is_unbiased_however_the_others_were_chosen_and_its_interval_is_honest():
    random = np.random.default_rng(5)
    landslides = pd.Series(random.poisson(1.5, len(BARE)).astype(float), index=BARE["chip_id"])
    truth = landslides.sum()
    estimates = []
    for seed in range(70):
        tables, done = rounds_of(seed, landslides, 3)
        estimates.append(estimate_total(tables, landslides[done]))
    totals = np.array([e.total for e in estimates])
    errors = np.array([e.error for e in estimates])
    assert abs(totals.mean() - truth) < 4 * totals.std() / np.sqrt(len(totals))
    assert np.sqrt((errors**2).mean()) == pytest.approx(totals.std(), rel=0.25)
    held = np.mean([e.low <= truth <= e.high for e in estimates])
    assert held > 0.88
    # all labelled chips together, taken as if they were drawn by lot, would say too much
    naive = [landslides[rounds_of(seed, landslides, 3)[1]].mean() * len(BARE) for seed in range(8)]
    assert np.mean(naive) > truth + 10 * totals.std() / np.sqrt(len(totals))


def test_one_round_of_lots_alone_is_the_mean_of_a_simple_random_sample():
    values = pd.Series(np.arange(80.0), index=CHIPS["chip_id"])
    chosen = next_chips(CHIPS, boxes_table(), count=20, random_share=1, seed=3)
    found = estimate_total(chosen, values[chosen["chip_id"]])
    sample = values[chosen["chip_id"]]
    assert found.mean == pytest.approx(sample.mean())
    assert found.error == pytest.approx(80 * np.sqrt(sample.var() / 20 * (1 - 20 / 80)))
    everything = next_chips(CHIPS, boxes_table(), count=80, random_share=1)
    whole = estimate_total(everything, values)
    assert whole.total == pytest.approx(values.sum()) and whole.error == 0


def test_what_breaks_a_rule_is_refused():
    with pytest.raises(LabkitError, match="count must be from 1 to the 10 chips"):
        next_chips(CHIPS, boxes_table(), CHIPS["chip_id"][:70], 11)
    with pytest.raises(LabkitError, match="random_share must be"):
        next_chips(CHIPS, boxes_table(), random_share=1.5)
    with pytest.raises(LabkitError, match="spacing must be"):
        next_chips(CHIPS, boxes_table(), spacing=-1)
    with pytest.raises(LabkitError, match="weights must be"):
        next_chips(CHIPS, boxes_table(), weights={"novelty": 1})
    with pytest.raises(LabkitError, match="labelled must be"):
        next_chips(CHIPS, boxes_table(), labelled="one")
    with pytest.raises(LabkitError, match="chip_id must name one chip"):
        next_chips(pd.concat([CHIPS, CHIPS]), boxes_table())
    with pytest.raises(LabkitError, match=r"scores in \[0, 1\]"):
        next_chips(CHIPS, boxes_at(CHIPS[:1], [1.5]))
    values = pd.Series(1.0, index=CHIPS["chip_id"])
    first = next_chips(CHIPS, boxes_table(), count=4, random_share=0.5)
    with pytest.raises(LabkitError, match="rounds must each hold chips by lot"):
        estimate_total(next_chips(CHIPS, boxes_table(), count=4, random_share=0), values[:4])
    with pytest.raises(LabkitError, match="values must hold a number"):
        estimate_total(first, {})
    second = next_chips(CHIPS, boxes_table(), first["chip_id"], 4, random_share=0.5)
    with pytest.raises(LabkitError, match="rounds must follow each other"):
        estimate_total([first, first], values[first["chip_id"]])
    assert estimate_total([first, second], values[[*first["chip_id"], *second["chip_id"]]]).total == 80
    with pytest.raises(LabkitError, match="rounds must hold at least one"):
        estimate_total([], values)


def test_boxes_that_merely_touch_are_two_things():
    chip = grid_of_chips(1, 1)
    ends = {"scene": "s", "direction": ["azimuth", "range"], "score": [0.8, 0.8], "ymin": 5, "ymax": 25}
    sides = {k: [float(v)] * 2 for k, v in ends.items() if k.startswith("y")}
    beside = boxes_table(ends | sides | {"xmin": [5.0, 25.0], "xmax": [25.0, 45.0]})
    assert next_chips(chip, beside, count=1, random_share=0)["directions"].tolist() == [pytest.approx(1.6)]
    upon = boxes_table(ends | sides | {"xmin": [5.0, 10.0], "xmax": [25.0, 30.0]})
    assert next_chips(chip, upon, count=1, random_share=0)["directions"].tolist() == [0.0]
