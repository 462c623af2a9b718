"""Give a rate map back the detail that the stack's window took, and take away the noise where nothing stands out."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from labkit.stack.filters import box_mean, typical
from labkit.stack.rows import RowThreads

Image = npt.NDArray[np.float32]

#: Scales of 2, 4 and 8 pixels; what is coarser is left alone.
_SCALES = 3

#: Detail is let through where its power exceeds this many times that of the noise; a tenth of noise alone does.
_STANDS_OUT = np.float32(1.6)

#: Median of the square of a normal deviate.
_MEDIAN_SQUARE = np.float32(0.4549)

# The cubic spline's filter is symmetric: outer, next, centre, next, outer.
_OUTER, _NEXT, _CENTRE = np.float32(1 / 16), np.float32(4 / 16), np.float32(6 / 16)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def sharpen(values: Image, window: int, *, threads: int | None = None) -> Image:
    """Undo most of a moving mean: u = 2 v − mean of v over ``window`` × ``window`` known pixels.

    Parameters
    ----------
    values : (y, x) float32
        NaN = no data.
    window : int
        Edge of the moving mean that the values went through, px.
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.

    Notes
    -----
    One step of Van Cittert's deconvolution: where the mean keeps a share m of a wave, u keeps m (2 − m), 0.99 where m
    is 0.9. Noise of the scale of the window grows by about 1.4.
    """
    with RowThreads(threads) as shared:
        mean = box_mean(values, window, shared)
    sharpened = values + values
    sharpened -= mean
    return np.asarray(sharpened, np.float32)


def denoise(values: Image, error: Image, *, threads: int | None = None) -> Image:
    """Drop the detail of a map that does not rise above its noise, and keep the rest as it is.

    Parameters
    ----------
    values : (y, x) float32
        About zero where nothing moves; NaN = no data.
    error : (y, x) float32
        Standard errors above 0, or anything in proportion to them; read where there is data.
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.

    Notes
    -----
    The map is split into its detail d at scales of 2, 4 and 8 pixels and the rest: with S the cubic spline's smoothing
    over pixels 1, 2 or 4 apart, d = (1 − S)² of what the finer scales leave. Where a slope bends evenly over a few
    pixels, as most of a landslide does, d is nearly nothing, so that its peak rests on coarse scales, where there is
    little noise. With z = d / error, σ² the power of z in noise (from its median square over the scene) and p = S z²
    the power at a place, d is multiplied by max(0, 1 − (1.6 σ² / p)³): nearly 1 as soon as detail stands out, which
    leaves the peaks nearly unbiased, and 0 in most of the noise. Noise over quiet ground falls by about three.

    References
    ----------
    Starck and Murtagh (1994), Image restoration with noise suppression using the wavelet transform.
    """
    known = np.isfinite(values)
    coarse = np.where(known, values, np.float32(0)).astype(np.float32, copy=False)
    weight = np.where(known, 1 / error, np.float32(0)).astype(np.float32, copy=False)
    once, detail, power, kept = (np.empty_like(coarse) for _ in range(4))
    kept[:] = 0
    with RowThreads(threads) as shared:
        for scale in range(_SCALES):
            step = 2**scale
            shared.over_rows(len(coarse), _rough_rows, coarse, step, once)
            shared.over_rows(len(coarse), _rough_rows, once, step, detail)
            shared.over_rows(len(coarse), _power_rows, detail, weight, power, coarse)
            noise = np.float32(typical(power, known) / _MEDIAN_SQUARE)
            shared.over_rows(len(coarse), _keep_rows, power, step, _STANDS_OUT * noise, detail, kept)
    kept += coarse
    kept[~known] = np.nan
    return kept


@_compiled
def _smooth_row(image: Image, y: int, step: int, padded: Image, out: Image) -> None:  # pragma: no cover
    """Cubic spline over pixels ``step`` apart, along y then x; the outermost pixels stand for those outside."""
    rows, cols = image.shape
    near, far = np.uint64(step), np.uint64(2 * step)
    a, b = image[max(y - 2 * step, 0)], image[max(y - step, 0)]
    c, d, e = image[y], image[min(y + step, rows - 1)], image[min(y + 2 * step, rows - 1)]
    for x in range(np.uint64(cols)):
        padded[x + far] = _OUTER * (a[x] + e[x]) + _NEXT * (b[x] + d[x]) + _CENTRE * c[x]
    padded[: 2 * step] = padded[2 * step]
    padded[cols + 2 * step :] = padded[cols + 2 * step - 1]
    for x in range(np.uint64(cols)):
        outer = padded[x] + padded[x + far + far]
        inner = padded[x + near] + padded[x + near + far]
        out[x] = _OUTER * outer + _NEXT * inner + _CENTRE * padded[x + far]


@_compiled
def _rough_rows(first: int, last: int, image: Image, step: int, rough: Image) -> None:  # pragma: no cover
    """What smoothing takes away: (1 − S) image."""
    cols = image.shape[1]
    padded, smooth = np.empty(cols + 4 * step, np.float32), np.empty(cols, np.float32)
    for y in range(first, last):
        _smooth_row(image, y, step, padded, smooth)
        here, out = image[y], rough[y]
        for x in range(np.uint64(cols)):
            out[x] = here[x] - smooth[x]


@_compiled
def _power_rows(
    first: int, last: int, detail: Image, weight: Image, power: Image, coarse: Image
) -> None:  # pragma: no cover
    """Squares of detail in units of its error; the detail is taken out of ``coarse``."""
    for y in range(first, last):
        d, w, p, c = detail[y], weight[y], power[y], coarse[y]
        for x in range(np.uint64(d.size)):
            z = d[x] * w[x]
            p[x] = z * z
            c[x] -= d[x]


@_compiled
def _keep_rows(
    first: int, last: int, power: Image, step: int, least: np.float32, detail: Image, kept: Image
) -> None:  # pragma: no cover
    """Add to ``kept`` the share of the detail that stands out."""
    cols = power.shape[1]
    padded, smooth = np.empty(cols + 4 * step, np.float32), np.empty(cols, np.float32)
    for y in range(first, last):
        _smooth_row(power, y, step, padded, smooth)
        d, out = detail[y], kept[y]
        for x in range(np.uint64(cols)):
            p = smooth[x]
            share = least / p if p > least else np.float32(1)
            out[x] += d[x] * (np.float32(1) - share * share * share)
