"""The regions that the weights that ship learn from: drawn by split and number, with truth that shows."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import weights_regions as regions
import xarray as xr

from labkit import schema


def test_the_splits_share_neither_seeds_nor_ground_spacings() -> None:
    seeds = {
        split: {regions.recipe(split, n, e).seed for n in range(100) for e in (False, True)} for split in regions.SEEDS
    }
    assert sum(map(len, seeds.values())) == len(set.union(*seeds.values())) == 600
    spacings = [spacing for split in regions.SPACINGS.values() for spacing in split]
    assert len(spacings) == len(set(spacings))
    assert (min(spacings), max(spacings)) == (15.0, 60.0)


def test_a_recipe_is_the_same_each_time_and_stays_within_the_promised_range() -> None:
    for number in range(50):
        drawn = regions.recipe("train", number, False)
        assert drawn == regions.recipe("train", number, False)
        assert all(50 <= pairs <= 350 for pairs in drawn.pairs.values())
    assert regions.recipe("train", 0, True).landslides == 0


def test_other_ranges_move_the_air_and_the_pairs_and_leave_the_rest() -> None:
    ranges = regions.Ranges((1.5, 1.6), 60)
    for number in range(20):
        own, other = (regions.recipe("train", number, True, some) for some in (regions.Ranges(), ranges))
        assert 1.5 <= float(other.effects["turbulence_mm"]) <= 1.6
        assert all(50 <= pairs <= 60 for pairs in other.pairs.values())
        assert {**own.effects, "turbulence_mm": 0} == {**other.effects, "turbulence_mm": 0}
        assert (own.seed, own.spacing_m, own.start, own.missed) == (
            other.seed,
            other.spacing_m,
            other.start,
            other.missed,
        )


@pytest.mark.parametrize("missed", [0.0, 0.3])
def test_dates_are_as_many_as_the_pairs_need_and_no_more(missed: float) -> None:
    dates = regions.dates_for(100, "2018-01-01", missed, np.random.default_rng(1))
    days = (dates[None] - dates[:, None]).astype(int)
    count = int(((days > 0) & (days <= regions.MAX_DAYS)).sum())
    without_last = int(((days[:-1, :-1] > 0) & (days[:-1, :-1] <= regions.MAX_DAYS)).sum())
    assert without_last < 100 <= count


def test_a_part_of_the_pairs_is_a_true_part() -> None:
    for seed in range(20):
        whole, part = regions.subsets(120, np.random.default_rng(seed))
        assert whole.tolist() == list(range(120))
        assert set(part) < set(whole)
        assert len(part) >= regions.FEWEST_PAIRS


def test_a_landslide_shows_on_a_rate_map_at_five_times_the_local_noise_over_twelve_pixels() -> None:
    noise = np.random.default_rng(0).normal(0.0, 4.0, (120, 160))
    slow_air = np.linspace(-30, 30, 160)[None].repeat(120, axis=0)
    rate = np.zeros((120, 160), np.float32)
    rate[20:26, 20:26] = 30.0  # 7 times the noise over 36 px
    rate[60:66, 60:66] = 14.0  # 3 times
    rate[90:93, 90:93] = 60.0  # 9 px
    boxes = schema.boxes_table(
        {
            "scene": "a",
            "direction": "rate",
            "xmin": [20, 60, 90],
            "ymin": [20, 60, 90],
            "xmax": [26, 66, 93],
            "ymax": [26, 66, 93],
        }
    )
    rates = xr.Dataset({"rate": (("y", "x"), rate + noise + slow_air)})
    shown, faint = regions.rates_that_show(boxes, rates, rate, spacing_m=40.0)
    assert isinstance(shown, gpd.GeoDataFrame)
    assert (list(shown.index), list(faint.index)) == ([0], [1, 2])
    assert rates.attrs["local_noise"] == pytest.approx(4.0, rel=0.1)
