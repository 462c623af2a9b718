"""What a scene that was opened holds, in words for a person."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from labkit.geo import has_lonlat, pixel_to_lonlat
from labkit.read.missing import SHORT_DAYS
from labkit.wording import counted

#: Radar band → longest wavelength, m.
_BANDS = {"X": 0.0375, "C": 0.075, "S": 0.15, "L": 0.3, "P": 1.0}

Facts = list[tuple[str, str]]


def facts_of_pairs(ifgs: xr.Dataset) -> Facts:
    """Say in words which interferograms these are; only coordinates and attributes are read."""
    first, last = str(ifgs["reference"].values.min())[:10], str(ifgs["secondary"].values.max())[:10]
    dates = np.union1d(ifgs["reference"].values, ifgs["secondary"].values)
    days = ifgs["temporal_baseline"].values
    short = int((days <= SHORT_DAYS).sum())
    facts = [
        ("scene", str(ifgs.attrs["scene"])),
        ("pairs", f"{ifgs.sizes['pair']} between {len(dates)} dates, {first} to {last}"),
        ("time spans", f"{days.min():.0f} to {days.max():.0f} days, {counted(short, 'pair')} of at most {SHORT_DAYS}"),
    ]
    perpendicular = ifgs["perpendicular_baseline"].values
    if np.isfinite(perpendicular).any():
        low, high = np.nanmin(perpendicular), np.nanmax(perpendicular)
        known = int(np.isfinite(perpendicular).sum())
        of_them = "" if known == len(perpendicular) else f", of {counted(known, 'pair')}"
        facts.append(("perpendicular baselines", f"{low:.0f} to {high:.0f} m{of_them}"))
    source = str(ifgs.attrs.get("coherence_source", ""))
    facts += _facts_of_scene(ifgs)
    if source:
        facts.append(("coherence", {"files": "from files", "magnitude": "from the magnitude"}.get(source, source)))
    if "unwrapped" in ifgs:
        facts.append(("unwrapped phase", "of every pair"))
    return facts


def facts_of_rates(rates: xr.Dataset) -> Facts:
    """Say in words which map of rates this is; no pixel is read."""
    error = "with standard errors" if "standard_error" in rates else "without standard errors"
    return [
        ("scene", str(rates.attrs.get("scene", ""))),
        ("rates", f"line of sight, mm/yr, {error}"),
        *_facts_of_scene(rates),
    ]


def _facts_of_scene(data: xr.Dataset) -> Facts:
    radar = data.attrs.get("geometry") == "radar"
    facts = [("grid", f"{data.sizes['y']} × {data.sizes['x']} px, {'radar' if radar else 'map'} geometry")]
    along, across, ground = (float(data.attrs.get(f"{n}_spacing", math.nan)) for n in ("y", "x", "ground"))
    if math.isfinite(along) and math.isfinite(across):
        names = ("along azimuth", "in slant range") if radar else ("along y", "along x")
        on_ground = f", {ground:.1f} m on the ground" if math.isfinite(ground) else ""
        facts.append(("spacing", f"{abs(along):.1f} m {names[0]}, {abs(across):.1f} m {names[1]}{on_ground}"))
    if has_lonlat(data):
        facts.append(("place", _place(data)))
    wavelength = float(data.attrs.get("wavelength", math.nan))
    if math.isfinite(wavelength):
        band = next((name for name, longest in _BANDS.items() if wavelength < longest), "")
        facts.append(("wavelength", f"{100 * wavelength:.2f} cm" + (f" ({band}-band)" if band else "")))
    orbit = _orbit(data)
    if orbit:
        facts.append(("orbit", orbit))
    return facts


def _orbit(data: xr.Dataset) -> str:
    words = [str(data.attrs.get("orbit_direction", ""))]
    track = str(data.attrs.get("track", ""))
    words.append(f"track {track}" if track else "")
    for name, told in (("heading", "heading"), ("incidence_angle", "incidence")):
        angle = float(data.attrs.get(name, math.nan))
        words.append(f"{told} {angle:.1f}°" if math.isfinite(angle) else "")
    return ", ".join(word for word in words if word)


def _place(data: xr.Dataset) -> str:
    """The middle of the scene; a pixel without lon/lat there is passed over."""
    rows, cols = data.sizes["y"], data.sizes["x"]
    y, x = np.meshgrid(np.linspace(0, rows, 9), np.linspace(0, cols, 9), indexing="ij")
    lon, lat = pixel_to_lonlat(data, y, x)
    known = np.isfinite(lon) & np.isfinite(lat)
    if not known.any():
        return "unknown: longitude and latitude hold no number"
    # From the middle to either side, so that the date line does not part the mean.
    first = float(lon[known][0])
    east = first + float(np.mean((lon[known] - first + 180.0) % 360.0 - 180.0))
    east = (east + 180.0) % 360.0 - 180.0
    north = float(np.mean(lat[known]))
    return f"around {abs(north):.2f}° {'N' if north >= 0 else 'S'}, {abs(east):.2f}° {'E' if east >= 0 else 'W'}"
