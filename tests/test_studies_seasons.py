"""The study of seasonal landslides: the course by hand, planted phase by formula, and opposite signs of the seasons."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest

import labkit as lk
from labkit.errors import LabkitError
from labkit.simulate import Effects, Scene
from labkit.studies.seasons import PERIODS, TwoSeasons, follow_the_paper, temporal_behaviour
from labkit.studies.sites import choose_sites, plant, shown_rates, site_boxes

SPAN = np.datetime64("2014-10-12"), np.datetime64("2020-10-30")
QUIET = Effects(snow_share=0.0, creep_mm=0.0, subsidence_mm=0.0, stratified_mm_per_km=0.0)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return lk.simulate.scene("tiny", seed=1, effects=QUIET, calendar="fu2022")


@pytest.fixture(scope="module")
def table(scene: Scene) -> pd.DataFrame:
    return temporal_behaviour(
        scene, rates=(-60.0,), winter_shares=(-0.72,), each=3, length_m=700.0, seed=2, progress=False
    )


def test_the_course_is_that_of_two_speeds() -> None:
    course = TwoSeasons("seasonal", *SPAN, winter_share=-0.25)
    dates = np.array(
        ["2018-01-01", "2018-04-01", "2018-04-11", "2018-09-01", "2019-01-01", "2019-04-01"], "datetime64[D]"
    )
    days = np.diff(course.years(dates)) * 365.25
    np.testing.assert_allclose(days, [-90 / 4, 10, 143, -122 / 4, -90 / 4], atol=1e-9)
    assert course.years(SPAN[0]) == 0
    # a winter of no share and one of all are steps and a line
    np.testing.assert_allclose(TwoSeasons("seasonal", *SPAN, winter_share=1.0).years(SPAN[1]), 2210 / 365.25)


def test_at_what_share_a_year_comes_back_to_where_it_was() -> None:
    year = np.array(["2017-01-01", "2018-01-01"], "datetime64[D]")
    assert TwoSeasons("seasonal", *SPAN, winter_share=-153 / 212).between(*year) == pytest.approx(0, abs=1e-12)


def test_a_course_that_cannot_be_is_refused() -> None:
    with pytest.raises(LabkitError, match="winter_share must be in"):
        TwoSeasons("seasonal", *SPAN, winter_share=-3.0)
    with pytest.raises(LabkitError, match="first_month and last_month must be in order"):
        TwoSeasons("seasonal", *SPAN, first_month=9, last_month=3)


def test_planted_phase_is_that_of_the_rate_and_leaves_the_rest_as_it_was(scene: Scene) -> None:
    ifgs = scene.interferograms["ascending"].isel(pair=[3, 40])
    sites = choose_sites(ifgs, scene.frames["ascending"], scene.truth.iloc[:0], [-100.0], 2, length_m=600.0, seed=3)
    course = TwoSeasons("seasonal", *SPAN)
    before, after = ifgs["phase"].values, plant(ifgs, sites, course)["phase"].values
    years = course.between(ifgs["reference"].values, ifgs["secondary"].values)
    changed = np.zeros(before.shape[1:], bool)
    for site in sites:
        changed[site.rows, site.cols] = True
        turned = after[:, site.rows, site.cols] - before[:, site.rows, site.cols]
        # phase_sign −1: away from the satellite is a growing phase
        expected = 4 * np.pi / 55.46576 * 100.0 * years[:, None, None] * site.share
        wrong = np.angle(np.exp(1j * (turned - expected)))
        assert np.isfinite(wrong).mean() > 0.8  # the rest is water
        np.testing.assert_allclose(wrong[np.isfinite(wrong)], 0, atol=1e-4)
        assert site.share.max() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(after[:, ~changed], before[:, ~changed])
    assert np.nanmin(after) >= -np.pi and np.nanmax(after) < np.pi


def test_a_steady_landslide_shows_all_of_its_rate_without_noise() -> None:
    still = lk.simulate.scene("tiny", seed=1, effects=Effects.none(), calendar="two-years")
    ifgs = still.interferograms["ascending"].isel(pair=slice(0, 40))
    ifgs = ifgs.assign(phase=(("pair", "y", "x"), da.zeros(ifgs["phase"].shape, np.float32)))
    sites = choose_sites(ifgs, still.frames["ascending"], still.truth.iloc[:0], [30.0, -50.0], 1, length_m=800.0)
    steady = TwoSeasons("seasonal", *SPAN, winter_share=1.0)
    gradients = lk.stack_gradients(plant(ifgs, sites, steady), "sum", window=1, progress=False)
    shown, snr = shown_rates(
        gradients.assign(standard_error=gradients["gradient"] * 0 + 1), sites, site_boxes(sites, ifgs)
    )
    np.testing.assert_allclose(shown, 1, atol=1e-4)
    assert np.isposinf(snr).all()


def test_sites_keep_apart_from_each_other_and_from_what_moves(scene: Scene) -> None:
    ifgs = scene.interferograms["ascending"]
    moving = pd.concat([scene.truth, scene.unseen]).query("track == 'ascending'")
    sites = choose_sites(ifgs, scene.frames["ascending"], moving, [-20.0, -40.0], 2, length_m=600.0, seed=3)
    taken = np.zeros((160, 192), int)
    for site in sites:
        taken[site.rows, site.cols] += 1
    assert sorted(site.rate for site in sites) == [-40.0, -40.0, -20.0, -20.0]
    assert taken.max() == 1
    for box in moving.itertuples():
        assert not taken[int(box.ymin) : int(box.ymax), int(box.xmin) : int(box.xmax)].any()


def test_too_many_landslides_are_refused(scene: Scene) -> None:
    with pytest.raises(LabkitError, match="each must leave room"):
        choose_sites(scene.interferograms["ascending"], scene.frames["ascending"], scene.truth, [-20.0], 99)


def test_the_seasons_show_opposite_signs_and_cancel_in_the_whole_stack(table: pd.DataFrame) -> None:
    shown, snr = (table.set_index("period")[name] for name in ("shown", "snr"))
    assert shown["April to August"] > 0.5
    assert shown["September to March"] < -0.3
    assert abs(shown["2014 to 2020"]) < 0.2
    assert min(snr["April to August"], -snr["September to March"]) > 5 > abs(snr["2014 to 2020"])


def test_what_the_seasons_find_the_whole_stack_misses(table: pd.DataFrame) -> None:
    recall = table.set_index("period")["recall"]
    assert recall["April to August"] == recall["September to March"] == 1
    assert recall["2014 to 2020"] == 0


def test_planted_landslides_that_come_back_every_year_do_as_luri(table: pd.DataFrame) -> None:
    counts = follow_the_paper(table, missed=["2014 to 2020"])
    assert counts[["winter_share", "rate", "labels", "alike", "share"]].to_numpy().tolist() == [[-0.72, -60, 3, 3, 1]]
    names = table.set_index("period")["found"].str.split()
    assert names["2014 to 2020"] == []
    assert len(set(names["April to August"])) == 3


def test_only_what_is_missed_and_found_in_the_named_periods_is_counted() -> None:
    found = {"A": "one two", "B": "two", "E": "one two three", "F": "one three four"}
    table = pd.DataFrame(
        [
            {"scene": scene, "period": period, "found": names if scene == "s" else "", "labels": 4}
            for scene in ("s", "t")
            for period, names in found.items()
        ]
    ).assign(winter_share=-0.5, rate=-20.0)
    counts = follow_the_paper(table, missed=["A", "B"], found=["E", "F"])
    assert counts[["labels", "alike"]].to_numpy().tolist() == [[8, 1]]
    assert follow_the_paper(table, missed=["B"], found=["E"])["alike"].tolist() == [2]
    with pytest.raises(LabkitError, match=r"not in it: \['C'\]"):
        follow_the_paper(table, missed=["C"], found=["E"])
    with pytest.raises(LabkitError, match="some stand in it twice"):
        follow_the_paper(pd.concat([table, table]), missed=["A"], found=["E"])


def test_every_period_has_its_pairs_and_the_same_seed_the_same_table(scene: Scene, table: pd.DataFrame) -> None:
    assert list(table["period"]) == list(PERIODS)
    pairs = table.set_index("period")["n_pairs"]
    assert pairs["2014 to 2020"] == 348
    assert (pairs.drop("2014 to 2020") < 200).all()
    season = {"April to August": PERIODS["April to August"]}
    again = temporal_behaviour(
        scene, rates=(-60.0,), winter_shares=(-0.72,), each=3, length_m=700.0, periods=season, seed=2, progress=False
    )
    pd.testing.assert_frame_equal(again, table[table["period"] == "April to August"].reset_index(drop=True))
