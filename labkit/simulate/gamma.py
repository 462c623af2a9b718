"""GAMMA's files for one track: interferograms, image and DEM parameters, lookup table, baselines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from labkit.simulate.geometry import Frame, Place

_LIGHT_M_S = 299_792_458.0
_GROUND_SPEED_M_S = 6800.0
_CENTRE_RANGE_M = 880_000.0
_MARGIN = 2.0


def write_pair(folder: Path, pair: xr.Dataset) -> None:
    """Write one interferogram and its baselines.

    ``diff/<pair>.diff.ml.sm`` is big-endian complex64, line by line; the value's argument is the phase, its magnitude
    the coherence, and 0 means no data. ``geometry/<pair>_bperp.par`` lists the perpendicular baseline over the image.
    """
    name = str(pair["pair"].item())
    phase, coherence = pair["phase"].values, pair["coherence"].values
    values = np.empty((*phase.shape, 2), np.float32)
    np.multiply(coherence, np.cos(phase), out=values[..., 0])
    np.multiply(coherence, np.sin(phase), out=values[..., 1])
    values[np.isnan(phase) | np.isnan(coherence)] = 0.0
    values.astype(">f4").tofile(folder / "diff" / f"{name}.diff.ml.sm")
    (folder / "geometry").mkdir(exist_ok=True)
    lines, samples = phase.shape
    text = _bperp(lines, samples, float(pair["perpendicular_baseline"]), float(pair.attrs["incidence_angle"]))
    (folder / "geometry" / f"{name}_bperp.par").write_text(text)


def write_geometry(folder: Path, ifgs: xr.Dataset, dem: xr.DataArray, frame: Frame, place: Place) -> None:
    """Write the image parameters, the DEM with its parameters, and the lookup table from the DEM to the image.

    ``<date>.lt_fine`` is big-endian complex64 on the DEM's grid: the real part is the range sample, the imaginary part
    the azimuth line (whole numbers are pixel centres), and 0 lies outside the image; the table goes on for two pixels
    beyond, so that its cells cover the outermost ones.
    """
    date = str(ifgs["reference"].values.min().astype("datetime64[D]"))
    stem = date.replace("-", "")
    (folder / f"{stem}.rmli.par").write_text(_image_parameters(ifgs, place, date))
    (folder / "EQA.dem_par").write_text(_dem_parameters(dem))
    dem.values.astype(">f4").tofile(folder / "EQA.dem")
    lon, lat = np.meshgrid(dem["x"].values, dem["y"].values)
    y, x = frame.pixel(*place.to_ground(lon, lat))
    lines, samples = frame.shape
    inside = (y > -_MARGIN) & (y < lines + _MARGIN) & (x > -_MARGIN) & (x < samples + _MARGIN)
    table = np.where(inside, (x - 0.5) + 1j * (y - 0.5), 0)
    table.astype(">c8").tofile(folder / f"{stem}.lt_fine")


def _image_parameters(ifgs: xr.Dataset, place: Place, date: str) -> str:
    lines, samples = ifgs.sizes["y"], ifgs.sizes["x"]
    attrs = ifgs.attrs
    line_time = attrs["y_spacing"] / _GROUND_SPEED_M_S
    # Sentinel-1 passes these valleys before sunrise (descending) and after sunset (ascending), local time
    centre_time = 83577.0 if attrs["orbit_direction"] == "descending" else 41160.0
    half = (samples - 1) / 2 * attrs["x_spacing"]
    number, metre, second = "{:>14d}", "{:>16.6f}   m", "{:>16.6f}   s"
    rows = {
        "title": f"   {attrs['scene']}",
        "sensor": "   S1A IW IW2 VV",
        "date": "   " + date.replace("-", " "),
        "start_time": second.format(centre_time - (lines - 1) / 2 * line_time),
        "center_time": second.format(centre_time),
        "end_time": second.format(centre_time + (lines - 1) / 2 * line_time),
        "azimuth_line_time": f"{line_time:>16.7e}   s",
        "line_header_size": number.format(0),
        "range_samples": number.format(samples),
        "azimuth_lines": number.format(lines),
        "range_looks": number.format(10),
        "azimuth_looks": number.format(3),
        "image_format": "   FLOAT",
        "image_geometry": "   SLANT_RANGE",
        "center_latitude": f"{place.lat:>16.7f}   degrees",
        "center_longitude": f"{place.lon:>16.7f}   degrees",
        "heading": f"{attrs['heading']:>16.7f}   degrees",
        "range_pixel_spacing": metre.format(attrs["x_spacing"]),
        "azimuth_pixel_spacing": metre.format(attrs["y_spacing"]),
        "near_range_slc": metre.format(_CENTRE_RANGE_M - half),
        "center_range_slc": metre.format(_CENTRE_RANGE_M),
        "far_range_slc": metre.format(_CENTRE_RANGE_M + half),
        "incidence_angle": f"{attrs['incidence_angle']:>14.4f}   degrees",
        "azimuth_angle": f"{90.0:>14.4f}   degrees",
        "radar_frequency": f"{_LIGHT_M_S / attrs['wavelength']:>16.7e}   Hz",
    }
    head = "Gamma Interferometric SAR Processor (ISP) - Image Parameter File\n\n"
    return head + "".join(f"{key + ':':<24}{value}\n" for key, value in rows.items())


def _dem_parameters(dem: xr.DataArray) -> str:
    lon, lat = dem["x"].values, dem["y"].values
    rows = {
        "title": "simulated relief",
        "DEM_projection": "    EQA",
        "data_format": "       REAL*4",
        "DEM_hgt_offset": f"{0.0:>16.5f}",
        "DEM_scale": f"{1.0:>16.5f}",
        "width": f"{len(lon):>12d}",
        "nlines": f"{len(lat):>12d}",
        "corner_lat": f"{lat[0]:>16.9f}  decimal degrees",
        "corner_lon": f"{lon[0]:>16.9f}  decimal degrees",
        "post_lat": f"{(lat[-1] - lat[0]) / (len(lat) - 1):>18.9e}  decimal degrees",
        "post_lon": f"{(lon[-1] - lon[0]) / (len(lon) - 1):>18.9e}  decimal degrees",
        "ellipsoid_name": "WGS 84",
        "ellipsoid_ra": f"{6378137.0:>16.3f}   m",
        "ellipsoid_reciprocal_flattening": "  298.2572236",
        "datum_name": "WGS 84",
    }
    head = "Gamma DIFF&GEO DEM/MAP parameter file\n"
    return head + "".join(f"{key + ':':<16}{value}\n" for key, value in rows.items())


def _bperp(lines: int, samples: int, baseline: float, incidence_angle: float) -> str:
    """Lay the baseline out as GAMMA does: one row for each of a few lines and samples, its eighth column in metres."""
    head = (
        "*** Baseline components perpendicular and parallel to the look vector, simulated ***\n\n"
        f"interferogram lines: {lines}   range samples/line: {samples}\n\n"
        "  line   range      B_t       B_c        B_n     look angle      bpara       bperp       blen\n"
        + "*" * 96
        + "\n"
    )
    look = np.radians(incidence_angle)
    across, normal = baseline * np.cos(look), baseline * np.sin(look)
    rows = [
        f"{line:6d} {sample:6d} {0.0:10.4f} {across:10.4f} {normal:10.4f} {incidence_angle:12.6f} "
        f"{0.0:11.4f} {baseline:11.4f} {abs(baseline):11.4f}\n"
        for line in (0, lines // 2, lines - 1)
        for sample in (0, samples // 2, samples - 1)
    ]
    return head + "".join(rows)
