"""A track in bursts: one ground, weather and truth under all of them, speckle and Doppler of its own in each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labkit import schema, stack
from labkit.simulate import Effects, Scene
from labkit.simulate.calendars import Calendar
from labkit.simulate.composed import compose
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.layout import Layout
from labkit.simulate.presets import Preset

TRACKS = ("ascending", "descending")
SHAPE = (240, 280)
LAYOUT = Layout((2, 2), (24, 32))
DATES = np.datetime64("2019-01-05") + 12 * np.arange(6)


def in_bursts(effects: Effects, layout: Layout | None = LAYOUT) -> Scene:
    preset = Preset(SHAPE, {}, 8, 3, 4, (5.0, 200.0), bursts=layout)
    frames = [Frame("ascending", 348.0, 38.6, SHAPE, 40.0), Frame("descending", 192.0, 37.3, SHAPE, 40.0)]
    calendar = Calendar("six", dict.fromkeys(TRACKS, DATES))
    return compose("small", preset, frames, Place(101.95, 30.85), calendar, effects, 0)


@pytest.fixture(scope="module")
def small() -> Scene:
    return in_bursts(Effects())


def windows() -> dict:
    return {name: (sees, owns) for name, sees, owns in LAYOUT.windows(SHAPE)}


def test_bursts_overlap_as_asked_and_the_mosaic_takes_every_pixel_once() -> None:
    taken = np.zeros(SHAPE, int)
    for sees, owns in windows().values():
        assert all(s.start <= o.start < o.stop <= s.stop for s, o in zip(sees, owns, strict=True))
        assert all(s.start % 4 == 0 for s in sees)
        taken[owns] += 1
    assert (taken == 1).all()
    (upper, left), (lower, right) = windows()["IW1-1"][0], windows()["IW2-2"][0]
    assert (upper.stop - lower.start, left.stop - right.start) == (24, 32)
    assert Layout((4, 2), (40, 48)).windows((1816, 2952))[0][1] == (slice(0, 484), slice(0, 1500))


@pytest.mark.parametrize("track", TRACKS)
def test_a_track_is_one_lazy_object_and_a_list_of_bursts(small: Scene, track: str) -> None:
    whole, bursts = small.interferograms[track], small.bursts[track]
    schema.check_interferograms(whole)
    assert whole["phase"].shape == (12, *SHAPE)
    assert all(len(set(chunks)) == 1 for chunks in whole["phase"].chunks[:1]) and whole["phase"].chunks[0][0] == 1
    assert [len(chunks) for chunks in whole["phase"].chunks] == [12, 2, 2]
    assert [burst.attrs["burst"] for burst in bursts] == list(windows())
    assert [burst.attrs["scene"] for burst in bursts] == [f"small-{track}-{name}" for name in windows()]
    for burst in bursts:
        schema.check_interferograms(burst)


def test_the_mosaic_shows_what_each_burst_shows_of_its_own_ground(small: Scene) -> None:
    whole = small.interferograms["descending"].isel(pair=3).compute()
    for burst, (sees, owns) in zip(small.bursts["descending"], windows().values(), strict=True):
        part = burst.isel(pair=3).compute()
        rows, cols = (slice(o.start - s.start, o.stop - s.start) for o, s in zip(owns, sees, strict=True))
        for name in ("phase", "coherence", "lon", "lat"):
            np.testing.assert_array_equal(part[name].values[rows, cols], whole[name].values[owns])


def overlap(scene: Scene, first: str, second: str) -> list[np.ndarray]:
    """The phase of one pair where two bursts see the same ground."""
    seen = []
    bursts = {burst.attrs["burst"]: burst for burst in scene.bursts["ascending"]}
    a, b = windows()[first][0], windows()[second][0]
    shared = tuple(slice(max(s.start, t.start), min(s.stop, t.stop)) for s, t in zip(a, b, strict=True))
    for name, sees in ((first, a), (second, b)):
        rows, cols = (slice(o.start - s.start, o.stop - s.start) for o, s in zip(shared, sees, strict=True))
        seen.append(bursts[name]["phase"].isel(pair=5).compute().values[rows, cols])
    return seen


@pytest.mark.parametrize("second", ["IW1-2", "IW2-1", "IW2-2"])
def test_without_speckle_and_seams_two_bursts_agree_where_they_overlap(second: str) -> None:
    """Motion, ice, layered and turbulent air and DEM error are the ground's and the track's, not the burst's."""
    quiet = in_bursts(replace(Effects(), looks=0.0, shared_looks=False, seam_mm=0.0))
    one, other = overlap(quiet, "IW1-1", second)
    assert one.size and np.isfinite(one).any()
    turned = np.angle(np.exp(1j * (one - other)))
    assert np.nanmax(np.abs(turned)) < 1e-3
    assert np.nanstd(one) > 0.05


def test_each_burst_has_speckle_of_its_own() -> None:
    noise = in_bursts(replace(Effects.none(), looks=24.0, decorrelation=True))
    one, other = overlap(noise, "IW1-1", "IW1-2")
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.2
    same_rows = [burst["phase"].isel(pair=5).values[:50, :50] for burst in noise.bursts["ascending"][:2]]
    assert not np.array_equal(*same_rows)


def test_misregistration_makes_a_jump_where_bursts_meet_and_nowhere_else() -> None:
    """A ramp along each burst: 2π · 4500 Hz / (6800 m/s) · δ over 19.5 km; the next begins anew."""
    seams = in_bursts(replace(Effects.none(), seam_mm=20.0, creep_mm=0.0))
    phase = seams.interferograms["ascending"]["phase"].isel(pair=2).values
    still = np.abs(seams.true_rates["ascending"].values) == 0
    column = int(np.argmax(still.all(axis=0)))
    assert still[:, column].all()
    steps = np.angle(np.exp(1j * np.diff(phase[:, column])))
    at = windows()["IW1-1"][1][0].stop - 1
    others = np.delete(steps, at)
    assert np.abs(others - np.median(others)).max() < 1e-4 and np.median(others) != 0
    lines = windows()["IW1-2"][0][0].start
    assert steps[at] == pytest.approx(np.median(others) * (1 - lines), rel=0.01)


def test_neighbouring_bursts_are_told_from_their_grounds(small: Scene) -> None:
    rates = small.rates["ascending"]
    bursts = [
        rates.isel(y=sees[0], x=sees[1]).assign_attrs(scene=burst.attrs["scene"])
        for burst, (sees, _) in zip(small.bursts["ascending"], windows().values(), strict=True)
    ]
    for rate, burst in zip(bursts, small.bursts["ascending"], strict=True):
        np.testing.assert_array_equal(rate["lon"], burst["lon"])
    table = stack.burst_overlaps(bursts)
    assert len(table) == 6
    beside = table[(table["first"] == "small-ascending-IW1-1") & (table["second"] == "small-ascending-IW1-2")].iloc[0]
    lines, samples = 24, windows()["IW1-1"][0][1].stop
    assert beside["area_km2"] == pytest.approx(lines * samples * 0.04**2, rel=0.03)
    seen = stack.shared_pixels(bursts[0], bursts).values
    assert seen[:90, :100].max() == 0 and seen[-10, 50] == 1 and seen[50, -10] == 1 and seen[-10, -10] == 3


def test_the_truth_names_the_burst_in_which_a_box_lies(small: Scene) -> None:
    assert small.burst_truth is not None
    assert set(small.truth["scene"]) <= {f"small-{track}" for track in TRACKS}
    assert set(small.truth["burst"]) <= set(windows())
    for row in small.truth.itertuples():
        y, x = (row.ymin + row.ymax) / 2, (row.xmin + row.xmax) / 2
        _, (rows, cols) = windows()[row.burst]
        assert rows.start <= y < rows.stop and cols.start <= x < cols.stop


def test_the_truth_of_a_burst_is_that_of_the_track_in_the_burst_s_pixels(small: Scene) -> None:
    assert small.burst_truth is not None
    compared = 0
    for row in small.truth.itertuples():
        (rows, cols), _ = windows()[row.burst]
        if min(row.ymin - rows.start, rows.stop - row.ymax, row.xmin - cols.start, cols.stop - row.xmax) < 25:
            continue
        table = small.burst_truth
        match = table[
            (table["scene"] == f"small-{row.track}-{row.burst}")
            & (table["landslide_id"] == row.landslide_id)
            & (table["direction"] == row.direction)
        ]
        assert len(match) == 1
        box = match.iloc[0]
        assert [box.xmin + cols.start, box.ymin + rows.start] == [row.xmin, row.ymin]
        assert [box.xmax - box.xmin, box.ymax - box.ymin] == [row.xmax - row.xmin, row.ymax - row.ymin]
        assert box.geometry.equals_exact(row.geometry, 1e-9)
        compared += 1
    assert compared >= 3


def test_the_rates_of_bursts_meet_without_a_step(small: Scene) -> None:
    """Across the line where bursts meet, neighbours differ no more than elsewhere."""
    rate = small.rates["ascending"]["rate"].values
    at = windows()["IW1-1"][1][0].stop - 1
    steps = np.nanmedian(np.diff(rate, axis=0), axis=1)
    assert abs(steps[at]) < 4 * np.std(np.delete(steps, at))


def test_a_scene_without_bursts_is_one_image() -> None:
    whole = in_bursts(Effects.none(), None)
    assert all(len(whole.bursts[track]) == 1 for track in TRACKS)
    assert whole.bursts["ascending"][0] is whole.interferograms["ascending"]
    assert whole.burst_truth is not None and len(whole.burst_truth) == len(whole.truth)
