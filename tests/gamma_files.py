"""Write small GAMMA folders for tests, byte by byte as GAMMA documents them, independent of labkit's own writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

IMAGE_PAR = """Gamma Interferometric SAR Processor (ISP) - Image Parameter File

title:     a test
sensor:    S1A IW IW1 VV
date:      2019 01 09
range_samples:                   {samples}
azimuth_lines:                   {lines}
image_format:               FLOAT
image_geometry:             SLANT_RANGE
heading:                 {heading}   degrees
range_pixel_spacing:        9.318248   m
azimuth_pixel_spacing:     13.983590   m
incidence_angle:             37.2920   degrees
radar_frequency:        5.4050005e+09  Hz
sar_to_earth_center:             7071912.0992   m
earth_radius_below_sensor:       6372653.4681   m
"""

DEM_PAR = """Gamma DIFF&GEO DEM/MAP parameter file
DEM_projection:     EQA
width:                 {width}
nlines:                {lines}
corner_lat:     {lat}  decimal degrees
corner_lon:    {lon}  decimal degrees
post_lat:   {post_lat}  decimal degrees
post_lon:    {post_lon}  decimal degrees
"""

BASE_PAR = """initial_baseline(TCN):         0.0       {c}        {n}   m   m   m
initial_baseline_rate:          0.0   0.0   0.0   m/s m/s m/s
precision_baseline(TCN):        0.0000000       0.0000000        0.0000000   m   m   m
"""


def write_pair(folder: Path, name: str, phase: np.ndarray, coherence: np.ndarray) -> Path:
    """One ``diff/NAME.diff.ml.sm``: big-endian complex64, magnitude = coherence, 0 = no data."""
    path = folder / "diff" / f"{name}.diff.ml.sm"
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.where(np.isfinite(phase), coherence * np.exp(1j * np.nan_to_num(phase)), 0)
    values.astype(">c8").tofile(path)
    return path


def write_parameters(folder: Path, shape: tuple[int, int], heading: float = 192.7697418) -> Path:
    """The image parameter file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "20190109.rmli.par"
    path.write_text(IMAGE_PAR.format(lines=shape[0], samples=shape[1], heading=heading))
    return path


def write_lookup_table(folder: Path, y: np.ndarray, x: np.ndarray, lat: float, lon: float, post: float) -> None:
    """A lookup table and its dem_par; NaN = outside the image."""
    values = np.where(np.isfinite(y), x + 1j * y, 0)
    values.astype(">c8").tofile(folder / "20190109.lt_fine")
    text = DEM_PAR.format(width=y.shape[1], lines=y.shape[0], lat=lat, lon=lon, post_lat=-post, post_lon=post)
    (folder / "EQA.dem_par").write_text(text)
