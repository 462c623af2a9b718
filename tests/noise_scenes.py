"""Stacks with a known rate and known noise: turbulent air of each date, speckle of each pair, or both."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import xarray as xr
from stack_scenes import interferograms

from labkit.simulate.fields import power_law_field
from labkit.simulate.interferometry import PHASE_SIGN, multilook_noise, phase_per_mm

SPACING_M = 40.0
LOOKS = 24.0


def air(dates: int, shape: tuple[int, int], rms_mm: float, random: np.random.Generator) -> np.ndarray:
    """Turbulent delay of every date (mm), ``rms_mm`` between points 1 km apart, each date half to twice as strong."""
    return np.stack(
        [
            power_law_field(
                shape, SPACING_M, random, exponent=11 / 3, break_m=3000.0, outer_exponent=8 / 3,
                lag_m=1000.0, rms_difference=rms_mm * 2.0 ** random.uniform(-1, 1),
            )
            for _ in range(dates)
        ]
    )  # fmt: skip


def stack(
    rate: np.ndarray,
    dates: int = 40,
    *,
    coherence_12: float | np.ndarray | None = 0.3,
    air_mm: float = 1.0,
    seed: int = 0,
    max_days: int = 36,
) -> xr.Dataset:
    """All pairs of at most ``max_days`` over a LOS rate (mm/yr); None: no decorrelation, coherence 0.7 throughout.

    The coherence falls from 0.75 at day 0 through ``coherence_12`` at day 12 toward 0.03, exponentially.
    """
    random = np.random.default_rng(seed)
    names = pd.date_range("2018-03-05", periods=dates, freq="12D").strftime("%Y%m%d")
    delay = air(dates, rate.shape, air_mm, random) if air_mm else np.zeros((dates, *rate.shape))
    pairs = [(i, j) for i, j in itertools.combinations(range(dates), 2) if (j - i) * 12 <= max_days]
    phase = np.empty((len(pairs), *rate.shape), np.float32)
    coherence = np.full_like(phase, 0.7)
    for k, (i, j) in enumerate(pairs):
        years = (j - i) * 12 / 365.25
        phase[k] = PHASE_SIGN * phase_per_mm() * (rate * years - (delay[j] - delay[i]))
        if coherence_12 is not None:
            kept = (np.broadcast_to(coherence_12, rate.shape) - 0.03) / 0.72
            noise, coherence[k] = multilook_noise(0.03 + 0.72 * kept ** (j - i), LOOKS, random)
            phase[k] += noise
    return interferograms(
        phase,
        coherence,
        [(names[i], names[j]) for i, j in pairs],
        phase_sign=PHASE_SIGN,
        x_spacing=SPACING_M * np.sin(np.radians(37.0)),
    )


def bump(shape: tuple[int, int], centre: tuple[float, float], radius_px: float, peak: float) -> np.ndarray:
    """A landslide: peak · (1 − ρ²)² within the radius."""
    y, x = np.indices(shape)
    rho = np.hypot(y - centre[0], x - centre[1]) / radius_px
    return peak * np.clip(1 - rho**2, 0, None) ** 2
