"""Scenes with effects: they obey the schema, a seed tells everything, and each switch changes what it names."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

import labkit as lk
from labkit import schema
from labkit.errors import LabkitError
from labkit.simulate import Calendar, Effects, Scene, demo, scene, write_scene

TRACKS = ("ascending", "descending")


@pytest.fixture(scope="module")
def everything() -> Scene:
    return scene("tiny", effects=Effects())


@pytest.mark.parametrize("track", TRACKS)
def test_a_scene_with_effects_obeys_the_schema_and_is_lazy(everything: Scene, track: str) -> None:
    ifgs = schema.check_interferograms(everything.interferograms[track])
    assert ifgs["phase"].chunks is not None and ifgs["phase"].dtype == ifgs["coherence"].dtype == np.float32
    some = ifgs.isel(pair=slice(0, 3)).compute()
    assert np.nanmin(some["phase"]) >= -np.float32(np.pi) and np.nanmax(some["phase"]) < np.float32(np.pi)
    assert np.nanmin(some["coherence"]) >= 0 and np.nanmax(some["coherence"]) <= 1
    assert (np.isnan(some["phase"]) == np.isnan(some["coherence"])).all() and np.isnan(some["phase"]).any()
    schema.check_rates(everything.rates[track])
    schema.check_boxes(everything.truth, "truth")
    assert everything.unseen is not None
    schema.check_boxes(everything.unseen, "unseen")
    assert everything.truth["visible"].all() and not everything.unseen["visible"].any()
    assert set(everything.truth["scene"]) <= {f"tiny-{t}" for t in TRACKS}


def test_every_landslide_is_seen_or_unseen_in_both_directions_of_both_tracks(everything: Scene) -> None:
    assert everything.unseen is not None
    rows = {
        (row.landslide_id, row.track, row.direction)
        for table in (everything.truth, everything.unseen)
        for row in table.itertuples()
    }
    assert len(rows) == len(everything.truth) + len(everything.unseen) == 5 * 2 * 2


def test_a_seed_gives_the_same_scene_and_another_one_another(everything: Scene) -> None:
    again, other = scene("tiny", effects=Effects()), scene("tiny", 1, effects=Effects())
    for track in TRACKS:
        made, same = (s.interferograms[track].isel(pair=slice(4, 6)).compute() for s in (everything, again))
        assert made.identical(same)
        assert again.rates[track].identical(everything.rates[track])
    assert again.truth.equals(everything.truth) and again.landslides.equals(everything.landslides)
    assert not other.dem.equals(everything.dem)


def test_without_effects_the_phase_is_motion_alone() -> None:
    quiet = scene("tiny", effects=Effects.none())
    ifgs = quiet.interferograms["descending"].isel(pair=slice(0, 4)).compute()
    still = np.abs(quiet.true_rates["descending"].values) == 0
    assert still.any() and not ifgs["phase"].values[:, still].any()
    assert ifgs["phase"].values[:, ~still].any()
    assert not np.isnan(ifgs["phase"]).any()
    np.testing.assert_allclose(quiet.rates["descending"]["rate"], quiet.true_rates["descending"], atol=1e-4)


SWITCHED_ON = {
    "turbulence_mm": 1.0,
    "stratified_mm_per_km": 4.8,
    "dem_error_m": 5.0,
    "dem_blur_m": 40.0,
    "seam_mm": 20.0,
    "looks": 24.0,
    "decorrelation": True,
    "season": 0.6,
    "layover": True,
    "water": True,
    "snow_share": 0.05,
    "creep_mm": 300.0,
    "subsidence_mm": 100.0,
}


@pytest.mark.parametrize("name", SWITCHED_ON)
def test_each_switch_changes_what_it_names_and_nothing_else(name: str) -> None:
    base = replace(Effects.none(), snow_share=0.05) if name == "creep_mm" else Effects.none()
    off, on = (scene("tiny", effects=effects) for effects in (base, replace(base, **{name: SWITCHED_ON[name]})))
    first, second = (s.interferograms["ascending"].isel(pair=slice(0, 2)).compute() for s in (off, on))
    same_phase = np.array_equal(first["phase"], second["phase"], equal_nan=True)
    same_coherence = np.array_equal(first["coherence"], second["coherence"], equal_nan=True)
    phase_only = {
        "turbulence_mm",
        "stratified_mm_per_km",
        "dem_error_m",
        "dem_blur_m",
        "seam_mm",
        "creep_mm",
        "subsidence_mm",
    }
    coherence_only = {"decorrelation", "season", "layover", "snow_share"}
    assert same_phase == (name in coherence_only)
    assert same_coherence == (name in phase_only)
    moves = not np.array_equal(off.true_rates["ascending"], on.true_rates["ascending"])
    assert moves == (name in ("creep_mm", "subsidence_mm"))
    assert off.landslides.drop(columns="visible").equals(on.landslides.drop(columns="visible"))


def test_the_paper_s_calendar_gives_the_paper_s_pairs() -> None:
    made = scene("tiny", calendar="fu2022")
    assert [made.interferograms[track].sizes["pair"] for track in TRACKS] == [348, 191]
    for track, dates in zip(TRACKS, (145, 97), strict=True):
        ifgs = made.interferograms[track]
        assert len(np.union1d(ifgs["reference"], ifgs["secondary"])) == dates
        assert ifgs["temporal_baseline"].max() <= 36


def test_an_own_calendar_needs_both_tracks() -> None:
    dates = np.datetime64("2020-01-01") + 12 * np.arange(5)
    own = scene("tiny", effects=Effects.none(), calendar=Calendar("own", dict.fromkeys(TRACKS, dates)))
    assert own.interferograms["ascending"].sizes["pair"] == 9
    with pytest.raises(LabkitError, match="calendar must have the tracks .* missing: {'descending'}"):
        scene("tiny", calendar=Calendar("own", {"ascending": dates}))
    with pytest.raises(LabkitError, match="calendar must be one of"):
        scene("tiny", calendar="yesterday")


def test_a_scene_with_effects_is_written_with_what_it_was_made_from_and_read_back(
    everything: Scene, tmp_path: Path
) -> None:
    folder = write_scene(everything, tmp_path / "scene")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert Effects(**manifest["effects"]) == Effects() and manifest["calendar"] == "preset"
    assert manifest["effects"] == asdict(Effects())
    read = lk.open_interferograms(folder / "ascending")
    for name in ("phase", "coherence"):
        np.testing.assert_allclose(read[name][2].values, everything.interferograms["ascending"][name][2], atol=1e-5)
    assert everything.unseen is not None
    assert len(gpd.read_file(folder / "unseen.gpkg")) == len(everything.unseen)
    # it is no demo scene: that one is simple
    demo(folder, name="tiny", progress=False)
    assert "effects" not in json.loads((folder / "manifest.json").read_text())
