"""Patterns of land cover that follow the relief: strips down gullies and spurs, belts along contours, edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates

Array = npt.NDArray[np.floating]

#: Slopes of this width face one way; the way of water and of contours is that of ground so smoothed, m.
FACING_M = 100.0

#: How far forest, scree and meadow reach down a slope, and fields, terraces and belts of trees along it, and the
#: least width of either, m.
_DOWN_M, _ALONG_M, _WIDTH_M = 800.0, 500.0, 50.0

#: How the cover goes with height: valleys are built on and tilled, the slopes above are wooded. The mean coherence over
#: Danba goes so with the DEM.
_WITH_HEIGHT = -0.4


def landform_pattern(height: Array, spacing_m: float, rough: Array, random: np.random.Generator) -> Array:
    """Draw a pattern of land cover over a relief.

    Parameters
    ----------
    height : numpy.ndarray (y, x)
        m, not level.
    spacing_m : float
        Of the pixels on the ground, m.
    rough : numpy.ndarray (y, x)
        A pattern of mean 0 and standard deviation 1 that follows nothing; it frays the edges of the others.
    random : numpy.random.Generator
        Of all that is drawn.

    Returns
    -------
    numpy.ndarray (y, x)
        Mean 0, standard deviation 1: large where the ground keeps its coherence.

    Notes
    -----
    A sum of standardised patterns: −0.4 of height; the slopes along lines and samples, the height over its surroundings
    (spurs against gullies), strips down the slope and belts along it (noise averaged along the lines of steepest
    descent of the relief smoothed over 100 m, and across them), and ``rough``, all with weights drawn anew for each
    ground. Where the sum passes a level that is drawn too, the cover changes within a small part of its spread.
    """
    pixels = FACING_M / spacing_m
    smooth = gaussian_filter(np.asarray(height, float), pixels / 2)
    down, across = (standard(gaussian_filter(slope, pixels)) for slope in np.gradient(height))
    spurs = standard(gaussian_filter(height, pixels / 2) - gaussian_filter(height, 2 * pixels))
    strips = standard(
        along_slope(random.standard_normal(height.shape), smooth, _DOWN_M / spacing_m, _WIDTH_M / spacing_m)
    )
    belts = standard(
        along_slope(
            random.standard_normal(height.shape), smooth, _ALONG_M / spacing_m, _WIDTH_M / spacing_m, contours=True
        )
    )
    weights = random.normal(0.0, 0.6, 3)
    field = standard(
        _WITH_HEIGHT * standard(height)
        + weights[0] * down
        + weights[1] * across
        + weights[2] * spurs
        + random.uniform(0.2, 0.6) * strips
        + random.uniform(0.0, 0.3) * belts
        + 0.35 * rough
    )
    level, sharpness, share = random.uniform(-0.5, 1.2), random.uniform(2.0, 8.0), random.uniform(0.0, 0.7)
    return standard(field + share * np.tanh(sharpness * (field - level)))


def along_slope(noise: Array, height: Array, length_px: float, width_px: float, *, contours: bool = False) -> Array:
    """Average a field along the lines of steepest descent, or along the contours across them.

    Parameters
    ----------
    noise : numpy.ndarray (y, x)
        What is averaged.
    height : numpy.ndarray (y, x)
        Of a smooth relief.
    length_px : float
        Length of the lines, px; each goes half of it to either side.
    width_px : float
        σ of the Gaussian by which the result is smoothed at the end, px, so that lines have a width.
    contours : bool
        Along the contours.

    Notes
    -----
    The mean of the field at points one pixel apart on the line through each pixel, which follows the unit vector of the
    slope; beyond the edge the field goes on as it is there.
    """
    fall = np.stack(np.gradient(height))
    fall = fall / np.maximum(np.hypot(*fall), 1e-9)
    way = np.stack([-fall[1], fall[0]]) if contours else fall
    total, count = np.array(noise, float), 1
    for sign in (-1.0, 1.0):
        place = np.indices(noise.shape).astype(float)
        for _ in range(round(length_px / 2)):
            step = [map_coordinates(part, place, order=1, mode="nearest") for part in way]
            place = place + sign * np.stack(step)
            total += map_coordinates(noise, place, order=1, mode="nearest")
            count += 1
    return np.asarray(gaussian_filter(total / count, width_px))


def standard(values: Array) -> Array:
    """Give values less their mean over their standard deviation."""
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread > 0 else 1.0))
