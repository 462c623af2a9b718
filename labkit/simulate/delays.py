"""Phase that is no motion: layered air over relief, an erroneous DEM across a baseline, bursts that do not meet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from labkit.schema import DAYS_PER_YEAR
from labkit.simulate.effects import Effects
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import WAVELENGTH_M, Frame
from labkit.simulate.terrain import Terrain

Array = npt.NDArray[np.floating]
Dates = npt.NDArray[np.datetime64]

#: From the satellite to the ground at mid-swath of Sentinel-1's interferometric wide mode, m.
SLANT_RANGE_M = 880_000.0

#: Height over which the delay of water vapour falls to 1/e, m.
SCALE_HEIGHT_M = 2000.0

#: Of Sentinel-1's wide mode: ground length of a burst (m), sweep of the Doppler centroid along it (Hz), speed of the
#: beam on the ground (m/s).
BURST_M = 19_500.0
DOPPLER_SWEEP_HZ = 4500.0
GROUND_SPEED_M_S = 6800.0

#: Below this wavelength (m) a DEM's random error is smooth: points 100 m apart still share most of it.
_DEM_ERROR_SCALE_M = 600.0


def stratified_slopes(dates: Dates, rms_mm_per_km: float, random: np.random.Generator) -> Array:
    """Draw how fast the zenith delay falls with height at each date, mm/km.

    Parameters
    ----------
    dates : numpy.ndarray
        datetime64[D].
    rms_mm_per_km : float
        Rms over pairs of dates far apart of the difference of two dates.
    random : numpy.random.Generator
        Source of the weather.

    Notes
    -----
    slope = k/√2 · cos(2π (day of year − 200) / 365.25) + k/2 · normal: half of the variance is the season, most water
    vapour in July, half is weather; the difference of two independent dates has the variance k².
    """
    day = (dates - dates.astype("datetime64[Y]")).astype("timedelta64[D]").astype(float)
    season = np.cos(2 * np.pi * (day - 200.0) / DAYS_PER_YEAR)
    return np.asarray(rms_mm_per_km * (season / np.sqrt(2) + random.standard_normal(len(dates)) / 2))


def layered_path(height_m: Array, incidence_angle: float) -> Array:
    """Give the path through layered air, in km: times the slope (mm/km), the LOS delay in mm.

    Notes
    -----
    H · exp(−(h − h̄)/H) / cos θ with H = 2 km and h̄ the mean height, so that around h̄ a slope of 1 mm/km is 1 mm more
    delay in the zenith for each km less of height.

    References
    ----------
    Doin and others (2009), Corrections of stratified tropospheric delays in SAR interferometry.

    Examples
    --------
    >>> path = layered_path(np.array([1990.0, 2010.0]), 0.0)
    >>> float((path[0] - path[1]) / 0.020)
    1.0000
    """
    scale = SCALE_HEIGHT_M
    level = np.exp(-(height_m - height_m.mean()) / scale)
    return np.asarray(scale / 1000.0 * level / np.cos(np.radians(incidence_angle)))


def dem_error(terrain: Terrain, effects: Effects, seed: int) -> Array:
    """Give the height that the DEM in use misses, true − DEM, on the terrain's grid, m.

    Notes
    -----
    A random part of rms ``dem_error_m``, correlated over some 100 m; and what a DEM of resolution σ (``dem_blur_m``)
    rounds off, h − G_σ * h, which is −σ²/2 · ∇²h for gentle relief: positive along crests, negative in the valleys'
    notches, hence artefacts that run along ridges.
    """
    missed = np.zeros_like(terrain.height)
    if effects.dem_error_m:
        pattern = power_law_field(
            (len(terrain.north), len(terrain.east)),
            terrain.spacing_m,
            stream(seed, "dem error"),
            exponent=4.0,
            break_m=_DEM_ERROR_SCALE_M,
            outer_exponent=0.5,
            lag_m=_DEM_ERROR_SCALE_M,
            rms_difference=1.0,
        )
        missed += effects.dem_error_m * (pattern - pattern.mean()) / pattern.std()
    if effects.dem_blur_m:
        missed += terrain.height - gaussian_filter(terrain.height, effects.dem_blur_m / terrain.spacing_m)
    return np.asarray(missed)


def dem_phase_per_m(baseline_m: npt.ArrayLike, incidence_angle: float) -> Array:
    """Give the phase of one metre of missed height, rad/m: 4π/λ · B⊥ / (R sin θ).

    Parameters
    ----------
    baseline_m : array_like
        Perpendicular baseline B⊥ of a pair, m, with its sign.
    incidence_angle : float
        θ, degrees.

    References
    ----------
    Hanssen (2001), Radar Interferometry, equation 2.4.9.

    Examples
    --------
    A cycle of topographic phase at 100 m baseline is some 150 m of height:

    >>> round(float(2 * np.pi / dem_phase_per_m(100.0, 38.6)))
    152
    """
    factor = 4 * np.pi / WAVELENGTH_M / (SLANT_RANGE_M * np.sin(np.radians(incidence_angle)))
    return np.asarray(factor * np.asarray(baseline_m, float))


def seam_cycles(frame: Frame, first_seam: float) -> Array:
    """Give the Doppler centroid along a frame's lines over the beam's speed, in cycles per mm of misregistration.

    Parameters
    ----------
    frame : Frame
        The image.
    first_seam : float
        Line of the first seam between bursts (pixel edge).

    Returns
    -------
    numpy.ndarray
        (lines,). 2π times this times the azimuth misregistration of a pair (mm) is the phase it adds: a ramp along each
        burst, and a jump at each seam.

    Notes
    -----
    In a burst the Doppler centroid f runs through 4.5 kHz from one end to the other; a shift δ along azimuth at speed v
    adds the phase 2π f δ / v, so that it jumps by 2π · 4.5 kHz · δ / v between bursts: 0.083 rad for 20 mm.

    References
    ----------
    Yagüe-Martínez and others (2016), Interferometric processing of Sentinel-1 TOPS data.
    """
    line = np.arange(frame.shape[0]) + 0.5
    share = np.mod((line - first_seam) * frame.spacing_m / BURST_M, 1.0) - 0.5
    return np.asarray(DOPPLER_SWEEP_HZ * share / GROUND_SPEED_M_S / 1000.0)


def place_first_seam(frame: Frame, random: np.random.Generator) -> float:
    """Choose where the first seam lies: somewhere in the middle half of an image shorter than a burst."""
    burst = BURST_M / frame.spacing_m
    return float(random.uniform(0.25, 0.75) * min(burst, frame.shape[0]))
