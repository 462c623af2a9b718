"""Whole scenes: what they hold, that they obey the schema, and that a seed tells everything."""

from __future__ import annotations

import time
from io import StringIO

import numpy as np
import pandas as pd
import pytest

from labkit import schema
from labkit.errors import LabkitError
from labkit.simulate import Effects, Scene, scene

TRACKS = ("ascending", "descending")


@pytest.fixture(scope="module")
def demo_scene() -> Scene:
    return scene("demo")


@pytest.mark.parametrize("track", TRACKS)
def test_a_scene_obeys_the_schema(tiny_scene: Scene, track: str) -> None:
    ifgs = schema.check_interferograms(tiny_scene.interferograms[track])
    rates = schema.check_rates(tiny_scene.rates[track])
    assert ifgs["phase"].dtype == ifgs["coherence"].dtype == rates["rate"].dtype == np.float32
    assert ifgs["phase"].shape[1:] == rates["rate"].shape == ifgs["lon"].shape == (160, 192)
    phase, coherence = ifgs["phase"].values, ifgs["coherence"].values
    assert np.nanmin(phase) >= -np.float32(np.pi) and np.nanmax(phase) < np.float32(np.pi)
    assert np.nanmin(coherence) > 0 and np.nanmax(coherence) <= 1
    assert (np.isnan(phase) == np.isnan(coherence)).all() and np.isnan(phase).any()
    assert ifgs.attrs["orbit_direction"] == ifgs.attrs["track"] == track
    assert ifgs.attrs["ground_spacing"] == pytest.approx(40.0)


def test_a_page_shows_a_scene_as_a_table_of_its_tracks(tiny_scene: Scene) -> None:
    html = tiny_scene._repr_html_()
    (table,) = pd.read_html(StringIO(html), index_col=0)
    assert table["pairs"].to_dict() == {
        track: pairs.sizes["pair"] for track, pairs in tiny_scene.interferograms.items()
    }
    assert table["boxes on gradients"].sum() == len(tiny_scene.truth)
    assert html.startswith("<p><b>Scene 'tiny'</b>, seed 0, simulated: 5 landslides, 4 counties, 3 rivers</p>")


def test_pair_names_dates_and_baselines_agree(tiny_scene: Scene) -> None:
    ifgs = tiny_scene.interferograms["descending"]
    for k, name in enumerate(ifgs["pair"].values):
        first, second = (np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:]}") for d in str(name).split("_"))
        assert (ifgs["reference"].values[k], ifgs["secondary"].values[k]) == (first, second)
        assert ifgs["temporal_baseline"].values[k] == (second - first).astype(int) <= 36
    assert np.isfinite(ifgs["perpendicular_baseline"]).all()


def test_the_same_seed_gives_the_same_scene_bit_for_bit(tiny_scene: Scene) -> None:
    again = scene("tiny", seed=0)
    for track in TRACKS:
        assert again.interferograms[track].identical(tiny_scene.interferograms[track])
        assert again.rates[track].identical(tiny_scene.rates[track])
    assert again.truth.equals(tiny_scene.truth)
    assert again.dem.identical(tiny_scene.dem)
    assert again.counties.equals(tiny_scene.counties) and again.rivers.equals(tiny_scene.rivers)


def test_another_seed_gives_another_scene(tiny_scene: Scene) -> None:
    other = scene("tiny", seed=1)
    assert not np.array_equal(other.dem.values, tiny_scene.dem.values)
    assert len(other.truth) > 0


def test_tiny_is_made_in_two_seconds() -> None:
    start = time.process_time()
    scene("tiny", seed=2)
    assert time.process_time() - start < 2.0 * 2  # twice, for a busy machine


def test_the_demo_scene_has_a_dozen_visible_landslides_in_each_track(demo_scene: Scene) -> None:
    assert len(demo_scene.landslides) == 24
    for track in TRACKS:
        ifgs = demo_scene.interferograms[track]
        assert ifgs["phase"].shape[1:] == (480, 720)
        seen = demo_scene.truth[demo_scene.truth["track"] == track]
        assert seen["landslide_id"].nunique() >= 12
        assert (seen.groupby("direction").size() >= 12).all()
    assert 50 <= demo_scene.interferograms["ascending"].sizes["pair"] <= 70
    assert 35 <= demo_scene.interferograms["descending"].sizes["pair"] <= 50


@pytest.fixture(scope="module")
def workshop() -> Scene:
    return scene("workshop")


def test_the_workshop_has_everything_that_fools_people_in_two_tracks_of_its_size(workshop: Scene) -> None:
    assert workshop.effects == Effects() and workshop.calendar == "workshop"
    assert len(workshop.landslides) == 25 and len(workshop.counties) == 6
    for track, pairs in (("ascending", 120), ("descending", 80)):
        ifgs = workshop.interferograms[track]
        assert ifgs["phase"].shape == (pairs, 750, 1500) and ifgs["phase"].chunks is not None
        assert ifgs.attrs["ground_spacing"] == pytest.approx(40.0)
        pair = ifgs.isel(pair=pairs // 2).compute()
        assert 0.002 < float(np.isnan(pair["phase"]).mean()) < 0.03
    assert {"name", "order", "area_km2", "length_km"} < set(workshop.rivers.columns)


def test_the_truth_of_the_workshop_is_of_landslides_as_they_are(workshop: Scene) -> None:
    slides = workshop.landslides
    assert slides["length_m"].between(150, 2000).all() and slides["slope"].between(10, 40).all()
    best = slides[["los_ascending", "los_descending"]].abs().max(axis=1)
    assert best.between(5 - 1e-6, 200 + 1e-6).all() and best.max() > 60
    metres = slides.to_crs("EPSG:32647")
    assert metres.distance(workshop.rivers.to_crs("EPSG:32647").union_all()).max() < 4000
    assert (metres.area < 2000.0**2).all() and (metres.area > 50.0**2).all()
    seen = workshop.truth.groupby("track")["landslide_id"].nunique()
    assert (seen >= 12).all() and slides["visible"].sum() < 25
    assert workshop.unseen is not None and len(workshop.unseen) + len(workshop.truth) == 25 * 4


def test_landslides_are_as_large_and_fast_as_slow_landslides_are(demo_scene: Scene) -> None:
    assert demo_scene.landslides["length_m"].between(300, 2000).all()
    fastest = demo_scene.rate_truth.groupby("landslide_id")["rate"].agg(lambda r: r.abs().max())
    assert fastest.between(10, 150.01).all()


def test_a_pair_never_moves_by_more_than_half_a_cycle_from_pixel_to_pixel(demo_scene: Scene) -> None:
    """A gradient of one pair is unambiguous only below π; 36 of 20 · 365.25 days are a share of the reference."""
    assert demo_scene.truth["peak"].max() * 36 / (20 * 365.25) < np.pi


@pytest.mark.parametrize("track", TRACKS)
def test_the_rate_map_differs_from_the_truth_by_its_standard_error(tiny_scene: Scene, track: str) -> None:
    rates = tiny_scene.rates[track]
    good = rates["standard_error"].values < 1.0
    difference = (rates["rate"].values - tiny_scene.true_rates[track].values)[good]
    pixel_noise = np.diff(rates["rate"].values - tiny_scene.true_rates[track].values, axis=1)[
        good[:, 1:] & good[:, :-1]
    ]
    assert np.std(difference) < 3.0
    assert np.std(pixel_noise) / np.sqrt(2) == pytest.approx(
        float(np.mean(rates["standard_error"].values[good])), rel=0.2
    )
    assert (np.isnan(rates["rate"].values) == np.isnan(rates["standard_error"].values)).all()


def test_counties_share_the_region_without_gap_or_overlap(tiny_scene: Scene) -> None:
    counties = tiny_scene.counties
    assert counties["name"].is_unique and len(counties) == 4
    shares = [county.area for county in counties.geometry]
    assert sum(shares) == pytest.approx(counties.union_all().area, rel=1e-9)
    assert min(shares) > 0.1 * max(shares)
    assert counties.union_all().covers(tiny_scene.landslides.union_all())
    assert counties.crs == tiny_scene.rivers.crs == tiny_scene.truth.crs == "EPSG:4326"


def test_both_tracks_see_every_landslide_at_its_place(tiny_scene: Scene) -> None:
    for slide in tiny_scene.landslides.geometry:
        for ifgs in tiny_scene.interferograms.values():
            distance = np.hypot(ifgs["lon"] - slide.centroid.x, ifgs["lat"] - slide.centroid.y)
            assert float(distance.min()) < 0.001


def test_an_unknown_name_is_an_error_that_lists_the_names() -> None:
    with pytest.raises(LabkitError, match=r"'tiny', 'demo', 'workshop'.*instead got name='huge'"):
        scene("huge")


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_senseless_seed_is_named(seed: int) -> None:
    with pytest.raises(LabkitError, match=r"^seed must be"):
        scene("tiny", seed=seed)
