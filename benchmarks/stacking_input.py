"""Pairs to measure stacking on: simulated in memory, and in files of GAMMA, ISCE2 and LiCSAR and in GeoTIFFs."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
import xarray as xr
from rasterio.transform import from_origin

IMAGE_PAR = """range_samples: {samples}
azimuth_lines: {lines}
heading: 192.8 degrees
range_pixel_spacing: 9.3 m
azimuth_pixel_spacing: 14.0 m
incidence_angle: 37.3 degrees
radar_frequency: 5.405e+09 Hz
sar_to_earth_center: 7071912.0 m
earth_radius_below_sensor: 6372653.0 m
"""


def simulated(pairs: int, shape: tuple[int, int], begin: int = 0) -> xr.Dataset:
    """Pairs of noise with a moving slope, in memory; ``begin`` tells pairs of several calls apart."""
    rng = np.random.default_rng(begin)
    dates = pd.date_range(pd.Timestamp("2000-01-01") + begin * pd.Timedelta(days=12), periods=pairs + 1, freq="12D")
    phase = np.empty((pairs, *shape), np.float32)
    coherence = np.empty((pairs, *shape), np.float32)
    slope = np.arange(shape[1], dtype=np.float32) * np.float32(0.02)
    for image, level in zip(phase, coherence, strict=True):
        rng.random(out=level, dtype=np.float32)
        image[...] = rng.standard_normal(shape, dtype=np.float32) + slope
        image[...] = (image + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
        level[...] = np.float32(0.05) + np.float32(0.9) * level
    numbers = dict.fromkeys(("wavelength", "heading", "incidence_angle", "y_spacing", "x_spacing"), 1.0)
    words = dict.fromkeys(("orbit_direction", "track", "burst", "processor"), "")
    return xr.Dataset(
        {"phase": (("pair", "y", "x"), phase), "coherence": (("pair", "y", "x"), coherence)},
        coords={
            "pair": [f"{a:%Y%m%d}_{b:%Y%m%d}" for a, b in itertools.pairwise(dates)],
            "reference": ("pair", dates[:-1].to_numpy()),
            "secondary": ("pair", dates[1:].to_numpy()),
            "temporal_baseline": ("pair", np.full(pairs, 12.0)),
            "perpendicular_baseline": ("pair", np.zeros(pairs)),
        },
        attrs={"scene": "benchmark", "geometry": "radar", "ground_spacing": 40.0, "phase_sign": -1, **numbers, **words},
    )


def write_gamma(folder: Path, ifgs: xr.Dataset) -> list[Path]:
    """Pairs as GAMMA writes them."""
    folder.mkdir(exist_ok=True)
    lines, samples = ifgs["phase"].shape[1:]
    (folder / "image.rmli.par").write_text(IMAGE_PAR.format(lines=lines, samples=samples))
    paths = [folder / f"{name}.diff" for name in ifgs["pair"].values]
    for path, phase, coherence in zip(paths, ifgs["phase"].values, ifgs["coherence"].values, strict=True):
        (coherence * np.exp(1j * phase)).astype(">c8").tofile(path)
    return paths


def write_geotiff(folder: Path, ifgs: xr.Dataset) -> list[Path]:
    """Pairs as uncompressed GeoTIFFs on a map grid."""
    folder.mkdir(exist_ok=True)
    height, width = ifgs["phase"].shape[1:]
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "float32"}
    place = {"crs": "EPSG:32648", "transform": from_origin(3e5, 3.4e6, 40, 40)}
    paths = []
    for i, name in enumerate(ifgs["pair"].values):
        for variable, word in (("phase", "phase"), ("coherence", "cc")):
            paths.append(folder / f"{name}_{word}.tif")
            with rasterio.open(paths[-1], "w", **profile, **place) as target:
                target.write(ifgs[variable].values[i], 1)
    return paths


def isce_header(path: Path, kind: str) -> str:
    """A header with all that ISCE2 writes into one: for each property its text, and both coordinates."""
    words = {"access_mode": "read", "byte_order": "l", "data_type": kind, "family": "intimage", "file_name": path}
    words |= {"extra_file_name": f"{path}.vrt", "image_type": "cpx", "isce_version": "Release: 2.6.3", "length": 16}
    words |= {"number_bands": 1, "scheme": "BIP", "width": 16, "xmin": 0, "xmax": 16}
    axis = {"delta": 1, "endingvalue": 16, "family": "imagecoordinate", "name": "imagecoordinate_name", "size": 16}

    def listed(properties: dict[str, object]) -> str:
        return "".join(
            f'<property name="{name}"><value>{value}</value><doc>What the property {name} of an image means.</doc>'
            "<units>none</units></property>\n"
            for name, value in properties.items()
        )

    axes = (f'<component name="coordinate{i}">{listed(axis | {"startingvalue": 0})}</component>' for i in (1, 2))
    return f"<imageFile>\n{listed(words)}{''.join(axes)}</imageFile>\n"


def write_isce2(folder: Path, ifgs: xr.Dataset) -> list[Path]:
    """Pairs of 16 × 16 as ISCE2 stores them; their headers."""
    headers = []
    for name, phase, coherence in zip(*(ifgs[v].values for v in ("pair", "phase", "coherence")), strict=True):
        place = folder / "merged" / "interferograms" / str(name)
        place.mkdir(parents=True)
        for file, kind, values in (("int", "CFLOAT", coherence * np.exp(1j * phase)), ("cor", "FLOAT", coherence)):
            path = place / f"filt_fine.{file}"
            values.astype("<c8" if kind == "CFLOAT" else "<f4").tofile(path)
            headers.append(path.with_name(path.name + ".xml"))
            headers[-1].write_text(isce_header(path, kind))
    return headers


def write_licsar(folder: Path, ifgs: xr.Dataset) -> list[Path]:
    """Pairs as LiCSAR hands them out."""
    profile = {"driver": "GTiff", "height": 16, "width": 16, "count": 1, "compress": "deflate", "crs": "EPSG:4326"}
    paths = []
    for name, phase, coherence in zip(*(ifgs[v].values for v in ("pair", "phase", "coherence")), strict=True):
        place = folder / "interferograms" / str(name)
        place.mkdir(parents=True)
        for word, image in (("diff_pha", phase), ("cc", (255 * coherence).astype(np.uint8))):
            paths.append(place / f"{name}.geo.{word}.tif")
            with rasterio.open(
                paths[-1], "w", dtype=image.dtype, transform=from_origin(101, 31, 0.001, 0.001), **profile
            ) as target:
                target.write(image, 1)
    return paths
