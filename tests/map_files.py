"""GeoTIFFs for tests, written by rasterio alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin


def write_map(
    path: Path,
    values: np.ndarray,
    *,
    crs: str = "EPSG:32602",
    corner: tuple[float, float] = (660960.0, 5950880.0),
    step: float = 80.0,
    nodata: float | None = None,
) -> Path:
    """One band north up; ``corner`` is the outer (west, north) corner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype=values.dtype.name,
        crs=crs,
        transform=from_origin(*corner, step, step),
        nodata=nodata,
    ) as file:
        file.write(values, 1)
    return path
