"""Interferograms with a planted answer, for the tests of stacking."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import xarray as xr


def interferograms(
    phase: np.ndarray, coherence: np.ndarray, pairs: list[tuple[str, str]] | None = None, **attrs: object
) -> xr.Dataset:
    """A radar scene from phase and coherence (pair, y, x); pairs follow each other by 12 days unless given."""
    dates = pd.date_range("2020-01-01", periods=len(phase) + 1, freq="12D").strftime("%Y%m%d")
    pairs = pairs or list(itertools.pairwise(dates))
    reference = np.array([pd.Timestamp(p[0]) for p in pairs], "datetime64[ns]")
    secondary = np.array([pd.Timestamp(p[1]) for p in pairs], "datetime64[ns]")
    scene = {
        "scene": "planted",
        "geometry": "radar",
        "wavelength": 0.0555,
        "orbit_direction": "descending",
        "heading": 192.0,
        "incidence_angle": 37.0,
        "y_spacing": 40.0,
        "x_spacing": 24.0,
        "ground_spacing": 40.0,
        "track": "",
        "burst": "",
        "processor": "",
        "phase_sign": -1,
    }
    return xr.Dataset(
        {
            "phase": (("pair", "y", "x"), wrapped(phase).astype(np.float32)),
            "coherence": (("pair", "y", "x"), np.broadcast_to(coherence, phase.shape).astype(np.float32)),
        },
        coords={
            "pair": ["_".join(p) for p in pairs],
            "reference": ("pair", reference),
            "secondary": ("pair", secondary),
            "temporal_baseline": ("pair", (secondary - reference) / np.timedelta64(1, "D")),
            "perpendicular_baseline": ("pair", np.linspace(-90, 90, len(pairs))),
        },
        attrs=scene | attrs,
    )


def wrapped(phase: np.ndarray) -> np.ndarray:
    """Into [−π, π)."""
    return (np.asarray(phase) + np.pi) % (2 * np.pi) - np.pi


def ramp(pairs: int, shape: tuple[int, int], along_y: float, along_x: float) -> np.ndarray:
    """Steady motion: the phase of every (equally long) pair grows by these rad per pixel."""
    y, x = np.indices(shape)
    return np.broadcast_to(along_y * y + along_x * x, (pairs, *shape)).copy()
