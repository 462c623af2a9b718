"""Interferograms of one landslide that moves by a course in time, over known noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from noise_scenes import bump, stack
from stack_scenes import wrapped

from labkit.simulate.geometry import WAVELENGTH_M
from labkit.simulate.interferometry import PHASE_SIGN, phase_per_mm
from labkit.simulate.motion import Motion

SHAPE = (56, 60)
CENTRE = (28, 30)


@dataclass(frozen=True)
class MovingScene:
    """``interferograms`` of a landslide in ``box``; ``rate`` (y, x) mm/yr, the mean over the time; ``motion``."""

    interferograms: xr.Dataset
    rate: np.ndarray
    motion: Motion
    box: tuple[float, float, float, float]

    def truth(self, series: xr.Dataset) -> np.ndarray:
        """The displacement (date, y, x) mm over a series' window since its first date."""
        years = self.motion.years(series["date"].values)
        window = self.rate[np.ix_(series["row"].values, series["col"].values)]
        return (years - years[0])[:, None, None] * window

    def errors(self, series: xr.Dataset) -> np.ndarray:
        """Displacement less the truth over its standard error, from the second date on."""
        true = self.truth(series)[:, series["moving"].values].mean(1)
        return (series["displacement"].values - true)[1:] / series["standard_error"].values[1:]


def moving_scene(behaviour: str, peak: float, *, radius: int = 10, seed: int = 0, **noise: Any) -> MovingScene:
    """One landslide of ``radius`` px in the middle; ``noise`` as for ``noise_scenes.stack``."""
    rate = bump(SHAPE, CENTRE, radius, peak)
    ifgs = stack(np.zeros(SHAPE), seed=seed, **noise).assign_attrs(wavelength=WAVELENGTH_M)
    first, second = ifgs["reference"].values, ifgs["secondary"].values
    motion = Motion(behaviour, first.min(), second.max(), phase=0.4)
    phase = ifgs["phase"].values + PHASE_SIGN * phase_per_mm() * rate * motion.between(first, second)[:, None, None]
    moved = ifgs.assign(phase=(ifgs["phase"].dims, wrapped(phase).astype(np.float32)))
    y, x = CENTRE
    return MovingScene(moved, rate, motion, (x - radius, y - radius, x + radius, y + radius))
