"""A scene made by formula for the tests of what people look at: bumps of phase, their gradients and their boxes."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import geo, schema

#: Centre (share of rows, share of cols), width (share of rows) and peak phase (rad) of each bump.
BUMPS = ((0.3, 0.3, 0.05, 50.0), (0.65, 0.7, 0.08, -90.0))


def couplet_gradients(rows: int = 120, cols: int = 160, scene: str = "formula") -> xr.Dataset:
    """The exact derivative of Gaussian bumps along y and x, no noise, with a corner of no data."""
    y, x = np.mgrid[:rows, :cols] + 0.5
    along, across = np.zeros((rows, cols)), np.zeros((rows, cols))
    for cy, cx, width, peak in BUMPS:
        dy, dx, w = y - cy * rows, x - cx * cols, width * rows
        bump = peak * np.exp(-(dy**2 + dx**2) / (2 * w**2))
        along, across = along - bump * dy / w**2, across - bump * dx / w**2
    gradient = np.stack([along, across]).astype(np.float32)
    gradient[:, : rows // 10, : cols // 10] = np.nan
    return xr.Dataset(
        {
            "gradient": (("direction", "y", "x"), gradient),
            "standard_error": (("direction", "y", "x"), np.full_like(gradient, 0.25)),
        },
        coords={
            "direction": ["azimuth", "range"],
            "lon": (("y", "x"), 102 + x * 40 / 95_000),
            "lat": (("y", "x"), 31 - y * 40 / 111_000),
        },
        attrs={
            "scene": scene,
            "geometry": "radar",
            "wavelength": 0.0555,
            "y_spacing": 40.0,
            "x_spacing": 24.07,
            "incidence_angle": 37.0,
            "ground_spacing": 40.0,
            "sum_temporal_baseline": 12.3,
            "n_pairs": 120,
            "estimator": "lsq",
        },
    )


def couplet_boxes(gradients: xr.Dataset) -> gpd.GeoDataFrame:
    """A box around each bump on each direction."""
    rows, cols = gradients.sizes["y"], gradients.sizes["x"]
    found = [
        (
            direction,
            cx * cols - 2.3 * w * rows,
            cy * rows - 2.3 * w * rows,
            cx * cols + 2.3 * w * rows,
            cy * rows + 2.3 * w * rows,
        )
        for direction in schema.DIRECTIONS
        for cy, cx, w, _ in BUMPS
    ]
    names = ("direction", "xmin", "ymin", "xmax", "ymax")
    columns: dict[str, object] = dict(zip(names, map(list, zip(*found, strict=True)), strict=True))
    columns |= {"scene": [gradients.attrs["scene"]] * len(found), "score": np.linspace(0.95, 0.55, len(found))}
    return geo.with_geometry(schema.boxes_table(columns), gradients)


#: Perpendicular baselines (m) of the acquisitions of :func:`small_network`, every 12 days from 2020-01-01.
POSITIONS = (0.0, 55.0, -30.0, 80.0, 10.0, -60.0, 25.0)


def small_network(known: bool = True, max_step: int = 2) -> xr.Dataset:
    """Interferograms of seven acquisitions, each with its next ``max_step``; pixels are few and of no interest."""
    dates = pd.date_range("2020-01-01", periods=len(POSITIONS), freq="12D")
    joined = [(i, j) for i in range(len(dates)) for j in range(i + 1, min(i + max_step + 1, len(dates)))]
    reference, secondary = dates[[i for i, _ in joined]], dates[[j for _, j in joined]]
    across = [POSITIONS[j] - POSITIONS[i] if known else np.nan for i, j in joined]
    days = (secondary - reference).days.to_numpy(float)
    coherence = np.repeat(0.9 - 0.01 * days, 12).reshape(-1, 3, 4).astype(np.float32)
    attributes = dict.fromkeys(schema.SCENE_ATTRIBUTES, "") | {"geometry": "radar", "phase_sign": 1, "scene": "network"}
    return xr.Dataset(
        {"phase": (("pair", "y", "x"), np.zeros_like(coherence)), "coherence": (("pair", "y", "x"), coherence)},
        coords={
            "pair": [f"{r:%Y%m%d}_{s:%Y%m%d}" for r, s in zip(reference, secondary, strict=True)],
            "reference": ("pair", reference),
            "secondary": ("pair", secondary),
            "temporal_baseline": ("pair", days),
            "perpendicular_baseline": ("pair", across),
        },
        attrs=attributes,
    )
