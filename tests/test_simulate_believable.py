"""Simulated pairs against the real ones of Danba: the same dates, the same looks, the same quiet ground.

The ground of the simulated pairs, its seasons and storms were chosen to fit the percentiles of coherence; the noise of
the phase at each coherence and the spectrum follow from the sensor's resolution. All that is simulated is the mean over
four grounds. The perpendicular baselines of the real pairs are not known: those of the simulated ones are drawn from
Sentinel-1's tube.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import labkit as lk
from labkit.simulate import Effects, pairs_like

pytestmark = pytest.mark.real

QUIET = {"y": slice(60, 90), "x": slice(5, 40)}

#: All that lies above the landslide: not all of it as quiet, but long enough for one octave more.
STRIP = {"y": slice(2, 99), "x": slice(3, 68)}
TOLERANCE = 0.2
SEEDS = range(4)

#: Octaves of wavelength in pixels: 28 to 448 m in azimuth, 31 to 493 m in range, as far as 30 × 35 quiet pixels reach;
#: and to 896 and 986 m.
OCTAVES = (2, 4, 8, 16, 32)
LONGER_OCTAVES = (*OCTAVES, 64)


@dataclass(frozen=True)
class Stack:
    """Phase and coherence (pair, y, x) and temporal baselines (days) of quiet ground."""

    phase: np.ndarray
    coherence: np.ndarray
    days: np.ndarray


def quiet_part(ifgs: xr.Dataset, part: dict[str, slice] = QUIET) -> Stack:
    cut = ifgs[["phase", "coherence"]].isel(part).compute()
    return Stack(cut["phase"].values, cut["coherence"].values, ifgs["temporal_baseline"].values)


@pytest.fixture(scope="module")
def real(real_data: Path) -> xr.Dataset:
    return lk.select_pairs(lk.open_interferograms(real_data / "danba_gamma"))


@pytest.fixture(scope="module")
def quiet(real: xr.Dataset) -> Stack:
    return quiet_part(real)


@pytest.fixture(scope="module")
def grounds(real: xr.Dataset) -> list[xr.Dataset]:
    return [pairs_like(real, seed=seed).compute() for seed in SEEDS]


@pytest.fixture(scope="module")
def simulated(grounds: list[xr.Dataset]) -> list[Stack]:
    return [quiet_part(ground) for ground in grounds]


@pytest.mark.parametrize("days", [12, 24, 36])
def test_the_histogram_of_coherence_is_that_of_the_real_pairs(quiet: Stack, simulated: list[Stack], days: int) -> None:
    levels = [5, 25, 50, 75, 95]
    expected = np.percentile(quiet.coherence[quiet.days == days], levels)
    got = np.mean([np.percentile(s.coherence[s.days == days], levels) for s in simulated], axis=0)
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE)


def test_coherence_differs_from_place_to_place_and_from_pair_to_pair_as_in_the_real_pairs(real: xr.Dataset) -> None:
    def spreads(ifgs: xr.Dataset) -> list[float]:
        coherence = ifgs["coherence"].values
        places, pairs = np.nanmean(coherence, axis=0), np.nanmean(coherence, axis=(1, 2))
        rest = coherence - places - pairs[:, None, None]
        return [float(np.nanstd(spread)) for spread in (places, pairs, rest)]

    known = real.compute().isel(y=slice(1, -1), x=slice(1, -1))
    got = np.mean([spreads(pairs_like(known, seed=seed).compute()) for seed in SEEDS], axis=0)
    np.testing.assert_allclose(got, spreads(known), rtol=TOLERANCE)


def spread_by_coherence(stack: Stack, axis: int) -> np.ndarray:
    """Standard deviation of the wrapped difference of pixels five apart, for coherences of 0.1 … 0.9 to 0.1 more."""
    before, after = (np.arange(stack.phase.shape[axis] - 5) + shift for shift in (0, 5))
    near, far = ([np.take(image, rows, axis) for image in (stack.phase, stack.coherence)] for rows in (before, after))
    difference = np.angle(np.exp(1j * (far[0] - near[0])))
    bins = [(np.floor(near[1] * 10) == n) & (np.floor(far[1] * 10) == n) for n in range(1, 10)]
    return np.array([difference[chosen].std() for chosen in bins])


@pytest.mark.parametrize("axis", [1, 2])
def test_the_phase_is_as_noisy_at_each_coherence_as_that_of_the_real_pairs(
    quiet: Stack, simulated: list[Stack], axis: int
) -> None:
    expected = spread_by_coherence(quiet, axis)
    got = np.mean([spread_by_coherence(stack, axis) for stack in simulated], axis=0)
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE)


def spectrum(stack: Stack, axis: int, octaves: tuple[int, ...] = OCTAVES) -> np.ndarray:
    """Mean power of the unit phasor in each octave of wavelength, shortest first."""
    phasor = np.moveaxis(np.exp(1j * stack.phase), axis, -1)
    window = np.hanning(phasor.shape[-1] + 2)[1:-1]
    power = (np.abs(np.fft.fft(phasor * window)) ** 2).mean(axis=(0, 1)) / (window**2).sum()
    frequency = np.abs(np.fft.fftfreq(phasor.shape[-1]))
    return np.array(
        [power[(frequency <= 1 / short) & (frequency > 1 / long)].mean() for short, long in pairwise(octaves)]
    )


@pytest.mark.parametrize("axis", [1, 2])
def test_the_spectrum_of_the_phase_is_that_of_the_real_pairs_in_every_octave(
    quiet: Stack, simulated: list[Stack], axis: int
) -> None:
    got = np.mean([spectrum(stack, axis) for stack in simulated], axis=0)
    np.testing.assert_allclose(got, spectrum(quiet, axis), rtol=TOLERANCE)


@pytest.mark.parametrize("axis", [1, 2])
def test_the_spectrum_is_the_same_up_to_900_m(real: xr.Dataset, grounds: list[xr.Dataset], axis: int) -> None:
    """Strips above and below the landslide are longer in range, but other ground: the spectrum goes with coherence."""
    expected = spectrum(quiet_part(real, STRIP), axis, LONGER_OCTAVES)
    got = np.mean([spectrum(quiet_part(ground, STRIP), axis, LONGER_OCTAVES) for ground in grounds], axis=0)
    np.testing.assert_allclose(got, expected, rtol=TOLERANCE)


def test_pixels_that_share_no_looks_would_miss_the_spectrum_along_the_track(quiet: Stack, real: xr.Dataset) -> None:
    """What the resolution is for: independent pixels have over half as much power again at the shortest wavelengths."""
    alone = Effects(looks=3.1, shared_looks=False, coherence_window=5, coherence_by_intensity=False)
    made = quiet_part(pairs_like(real, alone))
    assert spectrum(made, 1)[0] > 1.5 * spectrum(quiet, 1)[0]


def test_neighbours_go_together_as_the_resolution_says(quiet: Stack, simulated: list[Stack]) -> None:
    """In pairs of no coherence to speak of, the noise alone: cos of the difference of lines and samples one apart."""
    together = []
    for stack in (quiet, *simulated):
        noisy = np.median(stack.coherence, axis=(1, 2)) < 0.4
        phase = stack.phase[noisy]
        together.append([np.cos(np.diff(phase, axis=axis)).mean() for axis in (1, 2)])
    expected, *made = np.array(together)
    np.testing.assert_allclose(np.mean(made, axis=0), expected, atol=0.06)
