"""Displacement series against planted motion, MintPy's inversion, least squares written out, and odd inputs."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import xarray as xr
from moving_scenes import moving_scene
from noise_scenes import bump
from shapely.geometry import Point, Polygon

import labkit as lk
from labkit.errors import LabkitError
from labkit.stack.local_phase import integrate_pairs
from labkit.stack.sbas import invert, make_network

BEHAVIOURS = ("linear", "seasonal", "episodic", "stopped")
QUIET = {"coherence_12": None, "air_mm": 0.0}


def series_of(scene: Any, **arguments: Any) -> xr.Dataset:
    return lk.displacement_series(scene.interferograms, scene.box, progress=False, **arguments)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_pairs_without_noise_give_the_motion_exactly(behaviour: str) -> None:
    scene = moving_scene(behaviour, -60.0, dates=12, **QUIET)
    series = series_of(scene)
    truth = scene.truth(series)
    np.testing.assert_allclose(series["displacement_field"], truth, atol=2e-3)
    moving = series["moving"].values
    np.testing.assert_allclose(series["displacement"], truth[:, moving].mean(1), atol=2e-3)
    assert moving.sum() > 50
    assert (truth[-1][moving] < 0.35 * truth[-1].min()).all(), "what is called moving moves"
    assert (truth[-1][series["quiet"].values] == 0).all()
    assert series["standard_error"].values[0] == 0
    assert float(series["standard_error"].max()) < 2e-3
    t = (series["date"].values - series["date"].values[0]) / np.timedelta64(1, "D") / 365.25
    assert float(series["rate"]) == pytest.approx(np.polyfit(t, truth[:, moving].mean(1), 1)[0], abs=5e-3)


def test_a_slide_that_wraps_between_pixels_in_long_pairs_is_followed_by_the_short_ones() -> None:
    scene = moving_scene("linear", 900.0, radius=8, dates=8, **QUIET)
    step = np.abs(np.diff(scene.rate, axis=0)).max() * 36 / 365.25
    assert step > 0.05546576 * 1000 / 4, "beyond half a cycle in the longest pairs"
    np.testing.assert_allclose(
        series_of(scene)["displacement_field"].values[-1], scene.truth(series_of(scene))[-1], atol=0.01
    )


def test_noise_stays_within_the_standard_error() -> None:
    errors, fields = [], []
    for seed, behaviour in enumerate(BEHAVIOURS):
        scene = moving_scene(
            behaviour, (-1) ** seed * 50.0, radius=9, seed=seed, coherence_12=(0.6, 0.3)[seed % 2], dates=18
        )
        series = series_of(scene)
        errors.append(scene.errors(series))
        field = (series["displacement_field"].values - scene.truth(series))[1:]
        field /= series["standard_error_field"].values[1:]
        fields.append(field[:, series["moving"].values].ravel())
    assert (np.abs(np.concatenate(errors)) <= 3).mean() >= 0.95
    assert (np.abs(np.concatenate(fields)) <= 3).mean() >= 0.95
    assert np.abs(np.concatenate(errors)).mean() > 0.15, "and the error is not stated far too large"


@pytest.mark.slow
def test_noise_stays_within_the_standard_error_over_many_scenes() -> None:
    errors = []
    for seed in range(10):
        for behaviour in BEHAVIOURS:
            scene = moving_scene(
                behaviour, (-1) ** seed * (30.0 + 8 * seed), radius=8 + seed % 4, seed=seed,
                coherence_12=(None, 0.6, 0.3)[seed % 3], dates=30,
            )  # fmt: skip
            errors.append(scene.errors(series_of(scene)))
    assert (np.abs(np.concatenate(errors)) <= 3).mean() >= 0.95


def mintpy_function(name: str) -> Any:
    """A function of MintPy's ``ifgram_inversion``, without the imports of that file that it does not use."""
    found = importlib.util.find_spec("mintpy")
    if found is None or found.origin is None:
        pytest.skip("MintPy is missing: python -m pip install --no-deps 'mintpy>=1.6' (make test does it)")
    tree = ast.parse((Path(found.origin).parent / "ifgram_inversion.py").read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names: dict[str, Any] = {"np": np, "linalg": scipy.linalg}
    exec(compile(tree, "ifgram_inversion.py", "exec"), names)
    return names[name]


@pytest.mark.parametrize("weighted", [False, True])
def test_the_inversion_is_mintpys_on_the_same_unwrapped_pairs(weighted: bool) -> None:
    estimate_timeseries = mintpy_function("estimate_timeseries")
    scene = moving_scene("episodic", 60.0, coherence_12=0.4, dates=16)
    ifgs = scene.interferograms.isel(y=slice(18, 38), x=slice(20, 40))
    years = ifgs["temporal_baseline"].values / 365.25
    phase = integrate_pairs(ifgs["phase"].values, ifgs["coherence"].values, years, progress=False)
    phase = phase.reshape(len(phase), -1).astype(float)
    weight = ifgs["coherence"].values.reshape(phase.shape).astype(float) ** 2 if weighted else np.ones_like(phase)
    network = make_network(ifgs["reference"].values, ifgs["secondary"].values)
    ours = invert(phase, weight, network)
    a = np.zeros((len(phase), len(network.dates)))
    a[np.arange(len(phase)), network.second], a[np.arange(len(phase)), network.first] = 1, -1
    b = np.zeros((len(phase), len(network.dates) - 1))
    for k, (i, j) in enumerate(zip(network.first, network.second, strict=True)):
        b[k, i:j] = np.diff(network.years)[i:j]
    for pixel in range(0, phase.shape[1], 37):
        theirs, _, count = estimate_timeseries(
            a[:, 1:], b, phase[:, [pixel]], np.diff(network.years)[:, None],
            weight_sqrt=np.sqrt(weight[:, [pixel]]) if weighted else None, inv_quality_name="no", print_msg=False,
        )  # fmt: skip
        assert count == len(phase)
        np.testing.assert_allclose(ours.phase[:, pixel], theirs[:, 0], atol=2e-5)


def test_the_variance_of_the_inversion_is_that_of_least_squares() -> None:
    ifgs = moving_scene("linear", 0.0, dates=9, **QUIET).interferograms
    network = make_network(ifgs["reference"].values, ifgs["secondary"].values)
    random = np.random.default_rng(1)
    weight = np.repeat(random.uniform(0.5, 4, (len(network.first), 1)), 4000, axis=1)
    noise = random.standard_normal(weight.shape) / np.sqrt(weight)
    solved = invert(noise, weight, network)
    np.testing.assert_allclose(solved.phase[1:].var(1), solved.variance[1:, 0], rtol=0.1)
    assert solved.chi_square.mean() == pytest.approx(1, abs=0.02)


def test_parts_that_no_pair_joins_are_carried_by_one_line_and_say_so() -> None:
    scene = moving_scene("linear", -80.0, dates=12, **QUIET)
    ifgs = scene.interferograms
    gap = np.datetime64("2018-05-10")
    apart = ifgs.isel(pair=np.flatnonzero((ifgs["reference"] > gap) | (ifgs["secondary"] < gap)))
    series = lk.displacement_series(apart, scene.box, progress=False)
    assert series["part"].values.max() == 1
    np.testing.assert_allclose(series["displacement_field"], scene.truth(series), atol=0.01)
    later = series["part"].values == 1
    days = (series["date"].values[later].min() - series["date"].values[~later].max()) / np.timedelta64(1, "D")
    across = abs(float(series["rate"])) * days / 365.25
    assert float(series["standard_error"].values[~later].max()) < 0.01
    np.testing.assert_allclose(series["standard_error"].values[later], across, rtol=0.05)


def test_one_pair_gives_two_dates() -> None:
    scene = moving_scene("linear", 120.0, dates=2, coherence_12=None, air_mm=0.3)
    series = series_of(scene)
    assert series.sizes["date"] == 2
    assert np.abs(scene.errors(series)) <= 4
    assert series["misfit"].values == pytest.approx(0, abs=1e-4)


def test_nothing_is_invented_where_nothing_moves() -> None:
    scene = moving_scene("linear", 0.0, dates=14, coherence_12=0.5, seed=3)
    series = series_of(scene)
    assert int(series["moving"].sum()) == 400, "the whole box"
    assert (np.abs(scene.errors(series)) <= 3).mean() >= 0.9


def test_the_sign_follows_the_processor() -> None:
    scene = moving_scene("linear", 60.0, dates=10, **QUIET)
    ifgs = scene.interferograms
    other = ifgs.assign(phase=-ifgs["phase"]).assign_attrs(phase_sign=1)
    first, second = (lk.displacement_series(i, scene.box, progress=False) for i in (ifgs, other))
    assert float(first["displacement"][-1]) > 5
    np.testing.assert_allclose(first["displacement"], second["displacement"], atol=1e-4)


def test_no_data_in_a_pair_or_at_a_pixel_is_left_out() -> None:
    scene = moving_scene("linear", 60.0, dates=10, **QUIET)
    phase = scene.interferograms["phase"].values.copy()
    phase[:, 20:24, 25:30] = np.nan
    phase[3, 30:33, 30:34] = np.nan
    phase[5] = np.nan
    ifgs = scene.interferograms.assign(phase=(("pair", "y", "x"), phase))
    series = lk.displacement_series(ifgs, scene.box, progress=False)
    assert series.attrs["left_out"] == str(scene.interferograms["pair"].values[5])
    truth, field = scene.truth(series), series["displacement_field"].values
    hole = np.isnan(field[-1])
    assert hole.sum() == 20
    np.testing.assert_allclose(field[:, ~hole], truth[:, ~hole], atol=5e-3)


def test_a_row_of_a_table_a_polygon_and_corners_say_the_same_place() -> None:
    scene = moving_scene("linear", 60.0, dates=6, **QUIET)
    y, x = np.mgrid[: scene.rate.shape[0], : scene.rate.shape[1]]
    ifgs = scene.interferograms.assign_coords(
        lon=(("y", "x"), 101.0 + 4e-4 * (x + 0.5)), lat=(("y", "x"), 31.0 - 4e-4 * (y + 0.5))
    )
    table = lk.schema.boxes_table({"scene": ["planted"], "direction": ["rate"]} | {
        name: [float(value)] for name, value in zip(("xmin", "ymin", "xmax", "ymax"), scene.box, strict=True)
    })  # fmt: skip
    table = lk.geo.with_geometry(table, ifgs)
    places: list[Any] = [scene.box, table, table.iloc[0], dict(table.iloc[0]), table.geometry.iloc[0]]
    found = [lk.displacement_series(ifgs, place, progress=False)["displacement"].values for place in places]
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], atol=1e-6)


def test_a_box_that_cannot_be_followed_says_why() -> None:
    scene = moving_scene("linear", 60.0, dates=5, **QUIET)
    ifgs, box = scene.interferograms, scene.box
    everywhere = np.full(scene.rate.shape, True)
    nothing = ifgs.assign(phase=ifgs["phase"].where(~everywhere))
    other = {"scene": "elsewhere", "xmin": 1, "ymin": 1, "xmax": 9, "ymax": 9}
    cases: list[tuple[xr.Dataset, Any, dict[str, Any], str]] = [
        (ifgs, (100, 100, 120, 120), {}, "box must lie on the scene of 56 × 60 px"),
        (ifgs, (10, 10, 11, 12), {}, "box must hold at least 4 pixels"),
        (ifgs, (20, 10, 10, 30), {}, "xmin < xmax"),
        (ifgs, (1, 2, 3), {}, "box must be xmin, ymin, xmax, ymax"),
        (ifgs, "here", {}, "box must be xmin, ymin, xmax, ymax"),
        (ifgs, Point(1, 1), {}, "box must be one polygon"),
        (ifgs, Polygon(), {}, "box must be one polygon"),
        (ifgs, other, {}, "box must be drawn on the scene 'planted'"),
        (ifgs, {"xmin": 1}, {}, "these are missing"),
        (ifgs, lk.schema.boxes_table(), {}, "box must be one row of a table"),
        (ifgs, box, {"margin": 0}, "margin must be a whole number"),
        (ifgs, (0, 0, 60, 56), {}, "at least 30 pixels around it"),
        (nothing, box, {}, "box must lie on ground with data"),
        (ifgs.assign_attrs(wavelength=float("nan")), box, {}, "wavelength must be a positive number"),
        (ifgs.assign_coords(temporal_baseline=("pair", np.zeros(ifgs.sizes["pair"]))), box, {}, "above 0 days"),
    ]
    for data, place, arguments, words in cases:
        with pytest.raises(LabkitError, match=words):
            lk.displacement_series(data, place, progress=False, **arguments)


def test_ground_without_quiet_places_is_refused() -> None:
    scene = moving_scene("linear", 60.0, dates=6, **QUIET)
    rough = sum(bump(scene.rate.shape, (y, x), 5, 90.0) for y in range(4, 56, 8) for x in range(4, 60, 8))
    years = scene.interferograms["temporal_baseline"].values[:, None, None] / 365.25
    phase = scene.interferograms["phase"].values - 4 * np.pi / 55.46576 * rough * years
    wrapped = ((phase + np.pi) % (2 * np.pi) - np.pi).astype(np.float32)
    ifgs = scene.interferograms.assign(phase=(("pair", "y", "x"), wrapped))
    series = lk.displacement_series(ifgs, scene.box, progress=False)
    assert float(series["standard_error"][1:].min()) > 0.05, "moving ground around shows in the error"
    with pytest.raises(LabkitError, match="at least 30 pixels around it"):
        lk.displacement_series(ifgs, (1, 1, 59, 55), progress=False)
