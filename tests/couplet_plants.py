"""Stacks with slides of known place and size planted into known noise, for the tests of the couplet filter."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter

from labkit import schema
from labkit.detect.overlaps import iou
from labkit.simulate.fields import power_law_field

CORNERS = ["xmin", "ymin", "xmax", "ymax"]


def scene(phase: np.ndarray, noise: np.ndarray | None = None, *, spacing: float = 40.0, **attrs: object) -> xr.Dataset:
    """A stack at 20 years whose gradients are the next pixel minus this one, on a UTM grid in the array's own frame."""
    values = np.full((2, *phase.shape), np.nan, np.float32)
    values[0, :-1], values[1, :, :-1] = np.diff(phase, axis=0), np.diff(phase, axis=1)
    values = values if noise is None else values + noise.astype(np.float32)
    words = {"geometry": "map", "crs": "EPSG:32648", "orbit_direction": "ascending", "track": "26", "phase_sign": -1}
    numbers = {"ground_spacing": spacing, "sum_temporal_baseline": 20.0, "wavelength": 0.0555, "lag": 1}
    return xr.Dataset(
        {"gradient": (("direction", "y", "x"), values)},
        coords={
            "direction": list(schema.DIRECTIONS),
            "y": 3_400_000.0 - spacing * (np.arange(phase.shape[0]) + 0.5),
            "x": 400_000.0 + spacing * (np.arange(phase.shape[1]) + 0.5),
        },
        attrs={"scene": "formula", **words, **numbers, **attrs},
    )


def with_error(data: xr.Dataset, error: float) -> xr.Dataset:
    return data.assign(standard_error=xr.full_like(data["gradient"], error))


def bump(shape: tuple[int, int], y: float, x: float, long: float, short: float, angle: float = 0.0) -> np.ndarray:
    """A Gaussian bump of height 1; the long axis is turned by ``angle`` from x toward y."""
    rows, cols = np.indices(shape) + 0.5
    along = (rows - y) * np.sin(angle) + (cols - x) * np.cos(angle)
    across = (rows - y) * np.cos(angle) - (cols - x) * np.sin(angle)
    return np.exp(-(along**2) / (2 * long**2) - across**2 / (2 * short**2))


def white(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Independent noise of 1 rad in every pixel and direction."""
    return np.random.default_rng(seed).standard_normal((2, *shape))


def phase_noise(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Phase as a window of 5 px leaves it, of speckle or of turbulent air, with gradients of 1 rad."""
    random = np.random.default_rng(seed)
    if kind == "speckle":
        phase = random.standard_normal(shape)
    else:
        phase = power_law_field(
            shape, 40.0, random, exponent=11 / 3, break_m=3000.0, outer_exponent=8 / 3, lag_m=1000.0,
            rms_difference=1.0,
        )  # fmt: skip
    phase = uniform_filter(phase.astype(float), 5)
    return phase / np.diff(phase, axis=0).std()


def box_of(phase: np.ndarray, axis: int) -> tuple[float, float, float, float]:
    """The stated rule on the noise-free gradient: above 1.2 rad, kept within 0.2 and 0.5 of the peak."""
    gradient = np.abs(np.diff(phase, axis=axis))
    rows, cols = np.nonzero(gradient > np.clip(1.2, 0.2 * gradient.max(), 0.5 * gradient.max()))
    return cols.min(), rows.min(), cols.max() + 1, rows.max() + 1


def overlap(found: gpd.GeoDataFrame, direction: str, box: tuple[float, float, float, float]) -> np.ndarray:
    chosen = found[found["direction"] == direction]
    return iou(chosen[CORNERS].to_numpy(float), np.array(box, float))


def block(shape: tuple[int, int], y: float, x: float, long: float, short: float, edge: float) -> np.ndarray:
    """A slide that moves as one: 1 inside an ellipse, falling to 0 over a share ``edge`` of its radius (smoothstep)."""
    rows, cols = np.indices(shape) + 0.5
    t = np.clip((1 - np.hypot((rows - y) / short, (cols - x) / long)) / edge, 0, 1)
    return t * t * (3 - 2 * t)


def seen_through(phase: np.ndarray, window: int, seed: int) -> xr.Dataset:
    """The stack of a phase and of speckle (0.5 rad in a gradient) after a moving mean of ``window`` pixels."""
    speckle = uniform_filter(np.random.default_rng(seed).standard_normal(phase.shape), window)
    smooth = uniform_filter(phase, window) + 0.5 * speckle / np.diff(speckle, axis=0).std()
    return with_error(scene(smooth, window=window), 0.5)


SLIDES = {
    "small and round": (60.0, 80.0, 2.0, 2.0, 0.0),
    "round": (140.0, 60.0, 6.0, 6.0, 0.0),
    "long across": (60.0, 200.0, 10.0, 5.0, 0.0),
    "long and turned": (150.0, 170.0, 8.0, 4.5, 0.9),
    "2 km": (125.0, 280.0, 12.0, 11.0, 0.3),
}


def plant_slides() -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """Slides of known place, size and orientation, gradients up to about 4 rad in noise of 0.3."""
    shape = (220, 340)
    phases = {}
    for number, (name, (y, x, long, short, angle)) in enumerate(SLIDES.items()):
        phases[name] = (-1) ** number * 4 / 0.607 * np.sqrt(long * short) * bump(shape, y, x, long, short, angle)
    data = scene(sum(phases.values()), 0.3 * white(shape, 1))
    return with_error(data, 0.3), phases
