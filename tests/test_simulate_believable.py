"""Simulated pairs against the real ones of Danba: the same dates, the same looks, quiet ground of the same place.

The statistics of the real files are those of a coherence that is the length of the mean unit phasor over 3 × 3 pixels,
and of a phase of single pixels of 4 range looks by 1; the simulated ones are treated alike. Season and decay of the
ground were chosen to fit the coherence; the spread of the phase and the spectrum follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from composed_scene import observer_of
from scipy.ndimage import gaussian_filter, uniform_filter

import labkit as lk
from labkit.simulate import Effects
from labkit.simulate.cover import Cover
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import Ground, Pair

mpl.use("Agg")
pytestmark = pytest.mark.real

QUIET = np.s_[60:90, 5:40]

#: 4 range looks of 2.33 m, a little less than the resolution of 2.7 m.
LOOKS = 3.4

#: Ground spacing of the real pixels, geometric mean, m.
SPACING_M = 14.7

TOLERANCE = 0.2


@dataclass(frozen=True)
class Stack:
    """Phase and coherence (pair, y, x) and temporal baselines (days) of quiet ground."""

    phase: np.ndarray
    coherence: np.ndarray
    days: np.ndarray


@pytest.fixture(scope="module")
def real(real_data: Path) -> xr.Dataset:
    return lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma")).compute()


@pytest.fixture(scope="module")
def quiet(real: xr.Dataset) -> Stack:
    phase, coherence = (real[name].values[(slice(None), *QUIET)] for name in ("phase", "coherence"))
    return Stack(phase, coherence, real["temporal_baseline"].values)


@pytest.fixture(scope="module")
def simulated(real: xr.Dataset) -> Stack:
    """The whole frame of 101 × 175 pixels over the same dates, cut to the same quiet ground."""
    shape = real["phase"].shape[1:]
    first, second = (real[name].values.astype("datetime64[D]") for name in ("reference", "secondary"))
    dates = np.union1d(first, second)
    pairs = [
        Pair(int(np.searchsorted(dates, a)), int(np.searchsorted(dates, b)), float((b - a).astype(int)))
        for a, b in zip(first, second, strict=True)
    ]
    frame = Frame("descending", 192.8, 37.3, shape, SPACING_M)
    observer = observer_of(replace(Effects.none(), looks=LOOKS, turbulence_mm=1.0), frame=frame, pairs=pairs)
    patches = gaussian_filter(np.random.default_rng(0).standard_normal(shape), 4)
    patches = (patches - patches[QUIET].mean()) / patches[QUIET].std()
    same = np.ones(shape, np.float32)
    memory = (24.4 * np.exp(0.725 * patches)).astype(np.float32)
    ground = Ground(0.989 * same, 0.192 * same, memory, np.zeros(shape, bool))
    observer.cover = Cover(ground, 0 * same, 0.868 * same, np.inf, 0.0, True)
    zero = np.zeros(len(dates))
    observer.series = replace(observer.series, dates=dates, across_track_m=zero, slopes=zero, shifts_mm=zero)
    phase = np.stack([observer.pair(k)[0] for k in range(len(pairs))])
    phasor = np.exp(1j * phase)
    coherence = np.hypot(*(uniform_filter(part, (1, 3, 3)) for part in (phasor.real, phasor.imag)))
    cut = (slice(None), *QUIET)
    return Stack(phase[cut], coherence[cut], real["temporal_baseline"].values)


@pytest.mark.parametrize("days", [12, 24, 36])
def test_the_histogram_of_coherence_is_that_of_the_real_pairs(quiet: Stack, simulated: Stack, days: int) -> None:
    levels = [5, 25, 50, 75, 95]
    expected, got = (np.percentile(s.coherence[s.days == days], levels) for s in (quiet, simulated))
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE)


def spread_by_coherence(stack: Stack, axis: int) -> np.ndarray:
    """Standard deviation of the wrapped difference of pixels five apart, for coherences of 0.1 … 0.9 to 0.1 more."""
    before, after = (np.arange(stack.phase.shape[axis] - 5) + shift for shift in (0, 5))
    near, far = ([np.take(image, rows, axis) for image in (stack.phase, stack.coherence)] for rows in (before, after))
    difference = np.angle(np.exp(1j * (far[0] - near[0])))
    bins = [(np.floor(near[1] * 10) == n) & (np.floor(far[1] * 10) == n) for n in range(1, 10)]
    return np.array([difference[chosen].std() for chosen in bins])


@pytest.mark.parametrize("axis", [1, 2])
def test_the_phase_is_as_noisy_at_each_coherence_as_that_of_the_real_pairs(
    quiet: Stack, simulated: Stack, axis: int
) -> None:
    expected, got = (spread_by_coherence(stack, axis) for stack in (quiet, simulated))
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE)


def spectrum_across_range(stack: Stack) -> np.ndarray:
    """Mean power of the unit phasor at wavelengths of 2 to 4 and of 4 to 8 pixels, 31 to 62 and 62 to 123 m."""
    phasor = np.exp(1j * stack.phase)
    window = np.hanning(phasor.shape[-1])
    power = (np.abs(np.fft.fft(phasor * window)) ** 2).mean(axis=(0, 1)) / (window**2).sum()
    frequency = np.abs(np.fft.fftfreq(phasor.shape[-1]))
    return np.array([power[(frequency > low) & (frequency <= 2 * low)].mean() for low in (1 / 4, 1 / 8)])


def test_the_spectrum_across_range_below_120_metres_is_that_of_the_real_pairs(quiet: Stack, simulated: Stack) -> None:
    """Along azimuth, where the real pixels are finer than their resolution and share looks, it is not alike: the
    simulated speckle is new in each pixel. Nor is it alike within 20 % in the octaves above 120 m."""
    expected, got = (spectrum_across_range(stack) for stack in (quiet, simulated))
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE)


def test_real_and_simulated_pairs_are_drawn_side_by_side(quiet: Stack, simulated: Stack, test_output: Path) -> None:
    from matplotlib import pyplot as plt

    chosen = np.argsort(np.median(quiet.coherence, axis=(1, 2)))[[5, 30, 50, 75]]
    figure, axes = plt.subplots(4, 4, figsize=(10, 9), layout="constrained")
    for column, k in enumerate(chosen):
        for row, (stack, name) in enumerate(((quiet, "real"), (simulated, "simulated"))):
            axes[2 * row, column].imshow(stack.phase[k], cmap="twilight", vmin=-np.pi, vmax=np.pi)
            axes[2 * row, column].set_title(f"{name}, {stack.days[k]:.0f} days")
            axes[2 * row + 1, column].imshow(stack.coherence[k], cmap="gray", vmin=0, vmax=1)
        path = test_output / "believable_pairs.png"
    figure.suptitle("Wrapped phase (rad, ±π) and coherence (0–1), axes in pixels")
    figure.savefig(path)
    plt.close(figure)
    assert path.stat().st_size > 20_000
