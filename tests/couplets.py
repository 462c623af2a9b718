"""Gradient scenes by formula: each landslide is a Gaussian bump of displacement, so that its gradients are known."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter
from shapely.geometry import box

from labkit import geo, schema

#: A box reaches this many standard deviations from the centre; beyond, the gradient is below 15 % of its peak.
REACH = 2.6


def displacement(shape: tuple[int, int], bumps: np.ndarray) -> np.ndarray:
    """Sum of bumps (y, x, sigma_y, sigma_x, amplitude in rad) at the pixel centres."""
    y, x = np.indices(shape) + 0.5
    total = np.zeros(shape)
    for y0, x0, sy, sx, amplitude in bumps:
        total += amplitude * np.exp(-((y - y0) ** 2) / (2 * sy**2) - (x - x0) ** 2 / (2 * sx**2))
    return total


def forward_difference(field: np.ndarray, axis: int) -> np.ndarray:
    """The next pixel minus this one; no data in the last."""
    after = np.full_like(np.take(field, [0], axis=axis), np.nan)
    return np.diff(field, axis=axis, append=after)


def random_bumps(shape: tuple[int, int], count: int, seed: int) -> np.ndarray:
    """Bumps that keep clear of each other and of the edge, with peak gradients of 2 to 4 rad."""
    rng = np.random.default_rng(seed)
    bumps: list[list[float]] = []
    for _ in range(20_000):
        if len(bumps) == count:
            break
        sy, sx = rng.uniform(4, 9, 2)
        y, x = (rng.uniform(REACH * s + 2, edge - REACH * s - 2) for s, edge in zip((sy, sx), shape, strict=True))
        if all(abs(y - b[0]) > 50 or abs(x - b[1]) > 50 for b in bumps):
            bumps.append([y, x, sy, sx, rng.choice([-1, 1]) * rng.uniform(2, 4) * min(sy, sx) / 0.607])
    assert len(bumps) == count, "the scene is too small for so many bumps"
    return np.array(bumps)


def gradients(shape: tuple[int, int], bumps: np.ndarray, *, scene: str = "formula", seed: int = 0) -> xr.Dataset:
    """A stack at the reference, on a UTM grid of 40 m, with smooth noise of 0.3 rad and a strip without data.

    As in a stack, a pixel holds the next one's phase minus its own.
    """
    rng = np.random.default_rng(seed)
    field = displacement(shape, bumps)
    parts = []
    for axis in (0, 1):
        noise = gaussian_filter(rng.standard_normal(shape), 1.5)
        parts.append(forward_difference(field, axis) + 0.3 * noise / noise.std())
    values = np.stack(parts).astype(np.float32)
    values[:, :, :3] = np.nan
    return xr.Dataset(
        {"gradient": (("direction", "y", "x"), values)},
        coords={
            "direction": list(schema.DIRECTIONS),
            "y": 3_400_000.0 - 40.0 * np.arange(shape[0]),
            "x": 400_000.0 + 40.0 * np.arange(shape[1]),
        },
        attrs={
            "scene": scene,
            "geometry": "map",
            "crs": "EPSG:32648",
            "ground_spacing": schema.REFERENCE_SPACING_M,
            "sum_temporal_baseline": schema.REFERENCE_YEARS,
            "wavelength": 0.0555,
            "lag": 1,
            "orbit_direction": "ascending",
            "track": "26",
            "phase_sign": -1,
        },
    )


def truth(data: xr.Dataset, bumps: np.ndarray) -> gpd.GeoDataFrame:
    """The boxes of the bumps, in both directions."""
    y, x, sy, sx = bumps[:, :4].T
    corners = np.column_stack([x - REACH * sx, y - REACH * sy, x + REACH * sx, y + REACH * sy])
    both = np.concatenate([corners, corners])
    columns: dict[str, object] = {"scene": data.attrs["scene"], "direction": np.repeat(schema.DIRECTIONS, len(bumps))}
    columns |= dict(zip(("xmin", "ymin", "xmax", "ymax"), both.T, strict=True))
    return geo.with_geometry(schema.boxes_table(columns), data)


def chips(data: xr.Dataset, size: int, split: str = "train") -> gpd.GeoDataFrame:
    """A plain grid of chips over the whole scene, all of one split."""
    corners = list(geo.windows((data.sizes["y"], data.sizes["x"]), size))
    return gpd.GeoDataFrame(
        {
            "chip_id": [f"{data.attrs['scene']}_{row}_{col}" for row, col in corners],
            "scene": data.attrs["scene"],
            "row": [row for row, _ in corners],
            "col": [col for _, col in corners],
            "size": size,
            "valid_fraction": 1.0,
            "split": split,
        },
        geometry=[box(0, 0, 1, 1)] * len(corners),
        crs="EPSG:4326",
    )
