"""Random fields with a power-law spectrum (relief, atmosphere, vegetation), drawn from named streams of one seed."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
from scipy import fft

Array = npt.NDArray[np.floating]


def stream(seed: int, *names: object) -> np.random.Generator:
    """Give the random numbers that belong to a named part of a scene.

    Every part has a stream of its own, so that drawing more of one part leaves all others as they were.

    Examples
    --------
    >>> bool(stream(0, "terrain").random() == stream(0, "terrain").random())
    True
    >>> bool(stream(0, "terrain").random() == stream(0, "atmosphere").random())
    False
    """
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def power_law_field(
    shape: tuple[int, int],
    spacing_m: float,
    random: np.random.Generator,
    *,
    exponent: float,
    break_m: float = np.inf,
    outer_exponent: float | None = None,
    lag_m: float,
    rms_difference: float,
) -> Array:
    """Draw an isotropic Gaussian field whose two-dimensional power spectrum falls as k to minus ``exponent``.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    spacing_m : float
        Pixel spacing on the ground, m.
    random : numpy.random.Generator
        Source of the draw.
    exponent : float
        Spectral exponent; 11/3 is three-dimensional turbulence.
    break_m : float
        Wavelength (m) beyond which ``outer_exponent`` holds.
    outer_exponent : float, optional
        Exponent at long wavelengths; 8/3 is two-dimensional turbulence. None: the same as ``exponent``.
    lag_m, rms_difference : float
        The scale of the field: the expected root mean square difference between two points ``lag_m`` metres apart is
        ``rms_difference``, in the unit of the result, whatever the size of the field.

    Returns
    -------
    numpy.ndarray
        Float64 field of mean about 0.

    Notes
    -----
    The structure function of a spectrum P(k) at lag r along x is D(r) = 2 Σ P(k) (1 − cos k_x r); P is scaled so that
    D(lag) = rms_difference². The field is cut out of one half as large again, so that opposite edges do not match.
    """
    rows, cols = (fft.next_fast_len(int(1.5 * n) + 1, real=True) for n in shape)
    along_y = fft.fftfreq(rows, spacing_m)[:, None]
    along_x = fft.rfftfreq(cols, spacing_m)[None, :]
    wavenumber = np.hypot(along_y, along_x)
    wavenumber[0, 0] = np.inf
    power = wavenumber**-exponent
    if outer_exponent is not None:
        power = np.minimum(power, power_at(1 / break_m, exponent, outer_exponent, wavenumber))
    # rfft keeps half of the plane: every column but the first (and the last, when cols is even) stands for two
    twice = np.full(power.shape[1], 2.0)
    twice[0] = 1.0
    if cols % 2 == 0:
        twice[-1] = 1.0
    structure = 2.0 * np.sum(power * twice * (1.0 - np.cos(2 * np.pi * along_x * lag_m)))
    scale = rms_difference / np.sqrt(structure)
    white = fft.rfft2(random.standard_normal((rows, cols)))
    field = fft.irfft2(white * np.sqrt(power) * scale * np.sqrt(rows * cols), s=(rows, cols))
    return np.asarray(field[: shape[0], : shape[1]], float)


def power_at(break_wavenumber: float, exponent: float, outer_exponent: float, wavenumber: Array) -> Array:
    """Continue a spectrum below the break with another exponent; both agree at the break."""
    return break_wavenumber ** (outer_exponent - exponent) * wavenumber**-outer_exponent
