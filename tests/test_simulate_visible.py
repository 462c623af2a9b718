"""What the pairs of a track can show: the expected noise is the noise that stacks have, and the flag follows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from composed_scene import DATES, FRAME, observer_of

import labkit as lk
from labkit.simulate import Effects, Scene, scene
from labkit.simulate.blocks import BlockSlide
from labkit.simulate.interferometry import Pair
from labkit.simulate.landslides import Landslide
from labkit.simulate.motion import Motion
from labkit.simulate.observing import lazy_images
from labkit.simulate.speckle import add_speckle, pair_key
from labkit.simulate.visible import gradient_error, phase_variance, response, truth_of_track

LOOKS = replace(Effects.none(), looks=24.0)


def attributes() -> dict:
    return {
        "scene": "by hand", "geometry": "radar", "wavelength": 0.05546576, "orbit_direction": "ascending",
        "heading": 348.0, "incidence_angle": 38.6, "y_spacing": 40.0, "x_spacing": 40.0 * np.sin(np.radians(38.6)),
        "ground_spacing": 40.0, "track": "ascending", "burst": "", "processor": "simulated", "phase_sign": -1,
    }  # fmt: skip


def dataset(observer) -> xr.Dataset:
    phase, coherence = lazy_images(observer)
    series = observer.series
    first = series.dates[[p.reference for p in series.pairs]].astype("datetime64[ns]")
    second = series.dates[[p.secondary for p in series.pairs]].astype("datetime64[ns]")
    lat, lon = np.indices(FRAME.shape) * 4e-4
    names = [f"{a}_{b}".replace("-", "") for a, b in zip(first.astype("M8[D]"), second.astype("M8[D]"), strict=True)]
    return xr.Dataset(
        {"phase": (("pair", "y", "x"), phase), "coherence": (("pair", "y", "x"), coherence)},
        {
            "pair": names,
            "reference": ("pair", first),
            "secondary": ("pair", second),
            "temporal_baseline": ("pair", [p.days for p in series.pairs]),
            "perpendicular_baseline": ("pair", np.zeros(len(names))),
            "lon": (("y", "x"), lon),
            "lat": (("y", "x"), lat),
        },
        attributes(),
    )


@pytest.mark.parametrize("coherence", [0.3, 0.6, 0.9])
def test_the_mean_of_a_window_reaches_the_variance_of_all_its_looks(coherence: float) -> None:
    """Of the coherence-weighted mean over 5 × 5 pixels the argument has a 25th of the variance of one pixel's bound."""
    phase, image = np.zeros((500, 500), np.float32), np.full((500, 500), coherence, np.float32)
    add_speckle(pair_key(1), 24.0, phase, image)
    means = (image * np.exp(1j * phase)).reshape(100, 5, 100, 5).mean(axis=(1, 3))
    expected = float(phase_variance(np.array([coherence]), 24.0)[0])
    assert 25 * np.angle(means).var() == pytest.approx(expected, rel=0.1)
    assert phase_variance(np.array([0.0, 1.0]), 24.0) == pytest.approx([np.pi**2 / 3, 0.0])


def test_the_expected_error_is_the_spread_of_a_real_stack_of_these_pairs() -> None:
    """Quiet ground of coherence 0.6, disjoint pairs of one baseline, no weather: least squares over a 5 × 5 window."""
    pairs = [Pair(2 * k, 2 * k + 1, 12.0) for k in range(15)]
    observer = observer_of(LOOKS, pairs=pairs)
    gradients = lk.stack_gradients(dataset(observer), estimator="lsq", window=5, progress=False)
    spread = lk.schema.at_reference(gradients).values[:, 4:-4, 4:-4].std()
    assert float(np.median(gradient_error(observer))) == pytest.approx(spread, rel=0.15)


def test_a_steady_landslide_shows_all_of_its_rate_and_a_stopped_one_what_is_left() -> None:
    observer = observer_of(LOOKS)
    flat = np.zeros((1, 2))
    body = Landslide("L", 0.0, 0.0, 500.0, 500.0, 0.0, 20.0, 40.0, 0.5, flat)

    def of(behaviour: str, **how: float) -> float:
        motion = Motion(behaviour, DATES[0], DATES[-1], **how)
        return response(BlockSlide("L", 0.0, 0.0, 500.0, 500.0, 0.0, 20.0, 40.0, 0.5, flat, (body,), motion), observer)

    assert of("linear") == pytest.approx(1.0)
    # twice the mean rate in half of the time: the pairs see the mean, but for those at the ends and the middle
    assert of("stopped", phase=0.5) == pytest.approx(1.0, abs=0.05)
    late = replace(observer.series, pairs=[p for p in observer.series.pairs if p.reference >= 16])
    observer.series = late
    assert of("stopped", phase=0.5) == 0.0 and of("accelerating") > 1.5


def test_a_landslide_is_visible_where_the_ratio_reaches_five_over_twelve_pixels() -> None:
    flat = np.zeros((1, 2))
    motion = Motion("linear", DATES[0], DATES[-1])

    def seen(speed: float, length: float) -> tuple:
        body = Landslide("L", 0.0, 0.0, length, length, 78.0, 20.0, speed, 0.8, flat)
        slide = BlockSlide("L", 0.0, 0.0, length, length, 78.0, 20.0, speed, 0.8, flat, (body,), motion)
        observer = observer_of(LOOKS)
        return truth_of_track([slide], observer, dataset(observer))

    shown, hidden, rates = seen(100.0, 700.0)
    assert sorted(shown["direction"]) == ["azimuth", "range"] and len(hidden) == 0 and len(rates) == 1
    assert (shown["pixels"] >= 12).all() and (shown["ratio"] >= 5).all() and shown["visible"].all()
    for weak in (seen(1.0, 700.0), seen(100.0, 80.0)):
        assert len(weak[0]) == 0 and len(weak[1]) == 2 and not weak[1]["visible"].any()


def test_a_landslide_wholly_under_water_has_no_box_on_the_gradients() -> None:
    flat = np.zeros((1, 2))
    body = Landslide("L", 0.0, 0.0, 700.0, 700.0, 78.0, 20.0, 100.0, 0.8, flat)
    slide = BlockSlide(
        "L", 0.0, 0.0, 700.0, 700.0, 78.0, 20.0, 100.0, 0.8, flat, (body,), Motion("linear", DATES[0], DATES[-1])
    )
    observer = observer_of(LOOKS)
    observer.cover.ground.water[:] = True
    shown, hidden, _ = truth_of_track([slide], observer, dataset(observer))
    assert len(shown) == len(hidden) == 0


@pytest.fixture(scope="module")
def everything() -> Scene:
    return scene("tiny", effects=Effects(), calendar="two-years")


def test_a_stack_shows_what_is_called_visible_in_its_boxes(everything: Scene) -> None:
    """The gradient that the noisy pairs give stands out of the expected error in boxes of steady, visible slides."""
    for track in ("ascending", "descending"):
        gradients = lk.schema.at_reference(lk.stack_gradients(everything.interferograms[track], progress=False))
        truth = everything.truth
        steady = truth[(truth["track"] == track) & (truth["behaviour"] == "linear")]
        assert len(steady)
        for row in steady.itertuples():
            image = np.abs(gradients.sel(direction=row.direction).values)
            inside = image[int(row.ymin) : int(row.ymax), int(row.xmin) : int(row.xmax)]
            assert np.nanpercentile(inside, 90) > 3 * np.nanmedian(image)
