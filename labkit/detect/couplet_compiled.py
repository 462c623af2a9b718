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
    for i in range(len(ky)):
        for j in range(len(kx)):
            u = half * (yy * ky[i] * ky[i] + xx * kx[j] * kx[j]) + yx * ky[i] * kx[j]
            shape = zero
            for coefficient in laguerre:
                shape = shape * u + coefficient
            shape *= np.exp(-u)
            total = np.complex64(0)
            for d in range(len(counts)):
                total += counts[d] * derivatives[d, i, j]
            answer[i, j] = shape * total


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
    for y in range(answer.shape[0]):
        place = np.float32((y + 0.5) / step)
        top = min(int(place), gains.shape[0] - 2)
        below = place - np.float32(top)
        for j in range(len(row)):
            row[j] = gains[top, j] + below * (gains[top + 1, j] - gains[top, j])
        for x in range(answer.shape[1]):
            across = np.float32((x + 0.5) / step)
            left = min(int(across), len(row) - 2)
            gain = row[left] + (across - np.float32(left)) * (row[left + 1] - row[left])
            strength = abs(answer[y, x]) / gain
            if strength > best[y, x]:
                best[y, x] = strength
                winner[y, x] = number
