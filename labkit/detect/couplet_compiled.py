"""The loops of the couplet filter over frequencies and pixels, each in one pass over its images."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Images = npt.NDArray[np.float32]
Spectra = npt.NDArray[np.complex64]

# sums may be put together in another order, which does no harm here and lets loops become vector code
_compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"})


#: A covariance below this, px², is that of a bump along the axes, but for rounding.
_ALONG = np.float32(1e-6)


@_compiled
def times_bump(
    derivatives: Spectra,
    counts: Image,
    frequencies: tuple[Image, Image],
    variances: tuple[np.float32, np.float32, np.float32],
    laguerre: Image,
    answer: npt.NDArray[np.complex64],
) -> None:  # pragma: no cover
    """Multiply the spectra of the directions, each with its count, with that of a bump.

    Parameters
    ----------
    derivatives : numpy.ndarray (direction, ky, kx)
        Spectra of the directions' derivatives.
    counts : numpy.ndarray (direction,)
        How much each counts, times the bump's area.
    frequencies : (numpy.ndarray, numpy.ndarray)
        ky and kx, rad/px.
    variances : (float, float, float)
        Along y, along x, and covariance, px².
    laguerre : numpy.ndarray
        Coefficients of the bump's Laguerre polynomial, highest power first.
    answer : numpy.ndarray (ky, kx)
        Filled in: e^(−u) L(u) Σ counts · derivatives, u = kᵀ C k / 2.
    """
    ky, kx = frequencies
    yy, xx, yx = variances
    half, zero = np.float32(0.5), np.float32(0)
    down, across = half * yy * ky * ky, half * xx * kx * kx
    # a bump along the axes is a product of two: no exponential is left for each frequency
    falls, fall = np.exp(-down), np.exp(-across)
    row = np.empty(len(kx), np.float32)
    for i in range(len(ky)):
        for j in range(len(kx)):
            u = down[i] + across[j] + yx * ky[i] * kx[j]
            shape = zero
            for coefficient in laguerre:
                shape = shape * u + coefficient
            row[j] = shape
        if abs(yx) < _ALONG:
            for j in range(len(kx)):
                row[j] *= falls[i] * fall[j]
        else:
            for j in range(len(kx)):
                row[j] *= np.exp(-(down[i] + across[j] + yx * ky[i] * kx[j]))
        for j in range(len(kx)):
            total = np.complex64(0)
            for d in range(len(counts)):
                total += counts[d] * derivatives[d, i, j]
            answer[i, j] = row[j] * total


@_compiled
def over_root_energy(
    total: Image, share: Image, means: Images, energies: Image, scale: np.float32, least: np.float32, answer: Image
) -> None:  # pragma: no cover
    """Fill in scale · total / √(Σ energies · means), 0 where the share of data is at most ``least`` or nothing weighs.

    ``total`` may be larger than the other images; what is beyond them is left out.
    """
    for y in range(share.shape[0]):
        for x in range(share.shape[1]):
            energy = np.float32(0)
            for d in range(len(energies)):
                energy += energies[d] * means[d, y, x]
            usable = share[y, x] > least and energy > 0
            answer[y, x] = scale * total[y, x] / np.sqrt(energy) if usable else np.float32(0)


@_compiled
def keep_stronger(
    answer: Image, gains: Image, step: int, number: np.uint8, best: Image, winner: npt.NDArray[np.uint8]
) -> None:  # pragma: no cover
    """Put |answer| / gain in ``best``, and its ``number`` in ``winner``, where it is more than what stands there.

    ``gains`` stand ``step`` pixels apart, the first at the corner; between them the gain is bilinear.
    """
    row = np.empty(gains.shape[1], np.float32)
    gain = np.empty(answer.shape[1], np.float32)
    for y in range(answer.shape[0]):
        place = np.float32((y + 0.5) / step)
        top = min(int(place), gains.shape[0] - 2)
        below = place - np.float32(top)
        for j in range(len(row)):
            row[j] = gains[top, j] + below * (gains[top + 1, j] - gains[top, j])
        for left in range(len(row) - 1):
            rise = row[left + 1] - row[left]
            last = (left + 1) * step if left < len(row) - 2 else len(gain)
            for x in range(left * step, min(last, len(gain))):
                gain[x] = row[left] + np.float32((x - left * step + 0.5) / step) * rise
        for x in range(len(gain)):
            strength = abs(answer[y, x]) / gain[x]
            stronger = strength > best[y, x]
            best[y, x] = strength if stronger else best[y, x]
            winner[y, x] = number if stronger else winner[y, x]


@_compiled
def moving_mean(image: Image, width: int, before: int, mean: Image) -> None:  # pragma: no cover
    """Fill in the mean of the ``width`` × ``width`` pixels that begin ``before`` pixels above and left of each.

    Beyond the image there is nothing: 0.
    """
    rows, cols = image.shape
    after = width - 1 - before
    below = np.zeros(cols + width, np.float64)  # sums over the rows of the window, with nothing beyond both edges
    share = 1 / np.float64(width * width)
    for y in range(min(after, rows)):
        for x in range(cols):
            below[before + 1 + x] += image[y, x]
    for y in range(rows):
        if y + after < rows:
            for x in range(cols):
                below[before + 1 + x] += image[y + after, x]
        if y - before > 0:
            for x in range(cols):
                below[before + 1 + x] -= image[y - before - 1, x]
        total = np.float64(0)
        for x in range(width):
            total += below[x]
        for x in range(cols):
            total += below[x + width] - below[x]
            mean[y, x] = total * share
