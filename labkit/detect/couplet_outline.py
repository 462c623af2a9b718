"""How far a slide that was found reaches: boxes around the ground that stands out of the noise with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from labkit.detect.couplet_field import Field, half_lag
from labkit.detect.couplet_filter import rim
from labkit.detect.couplet_fit import Bump, Slide

Corners = tuple[float, float, float, float]

#: A box goes around what exceeds this, rad at the reference (Fu et al. 2022) …
BOX_GRADIENT_RAD = 1.2

#: … and this many standard deviations of the noise.
BOX_SIGMAS = 3.0

#: Where a direction's greatest gradient is below this many thresholds, its pixels tell nothing that the fit does not.
_LEAST_PEAK = 2.0

#: The box of a fitted bump goes around what exceeds 1.2 rad, kept within these shares of its peak.
BOX_SHARES = (0.2, 0.5)

#: A row or column of the array with fewer pixels of a region is no edge of it: noise at the rim makes every box larger.
_FEWEST_IN_LINE = 2

#: Ground that moves belongs to a slide when it comes within so many standard deviations of a bump's rim.
_TOUCH = 1.0

#: Beyond this many standard deviations of its rim a bump's gradient is below a four-hundredth of its peak.
_BOX_REACH = 3.0

#: No slide is taken to be sharper than this along an axis, px².
_LEAST_VARIANCE = 0.6

#: Standard deviations per median absolute deviation of a normal variable.
_SIGMAS_PER_MAD = 1.4826


@dataclass(frozen=True)
class Outlines:
    """The ground of a stack that stands out of the noise, in connected regions.

    Attributes
    ----------
    stack : Field
        The stack.
    strength : numpy.ndarray (direction, y, x) float32
        Absolute gradient over the threshold: 1.2 rad at the reference, but at least 3 standard deviations.
    regions : numpy.ndarray (y, x) int32
        Number of the region in which some direction exceeds its threshold; 0 elsewhere.
    places : list of (slice, slice)
        Rows and columns of each region, from number 1 on.
    factor : float
        From the unit of the stack to rad at the reference.
    reach_px : float
        Nothing further than this from a slide's centre, along either axis, belongs to it.
    """

    stack: Field
    strength: npt.NDArray[np.float32]
    regions: npt.NDArray[np.int32]
    places: list[tuple[slice, slice]]
    factor: float
    reach_px: float

    def landslides(self, slides: list[Slide]) -> list[tuple[Slide, list[int]]]:
        """Give the slides, best first, each with the regions that it lies on.

        A slide on a region that a better one has is a part of that: blocks that move at different rates, and the edges
        of a large one that moves as a whole, are found one by one but share the ground between them.
        """
        taken: set[int] = set()
        found = []
        for slide in slides:
            numbers = self._under(slide.bumps[0])
            if not taken.intersection(numbers):
                found.append((slide, numbers))
            taken.update(numbers)
        return found

    def box(self, slide: Slide, numbers: list[int], i: int) -> Corners:
        """Go around what a slide shows in direction ``i``.

        Notes
        -----
        Around the fitted bumps, at 1.2 rad at the reference but within 0.2 and 0.5 of the peak; and around the pixels
        of its regions that exceed the threshold, where their greatest reaches twice the threshold. A stack's window w
        (px) spreads a step of rate over w px: where the threshold is a share s of the peak, an edge as wide as the
        window is seen (w − 1) (1/2 − s) px too far out. That is taken off every side; from a fitted bump the window's
        variance, (w² − 1) / 12 along each axis.
        """
        fitted = self._fitted(slide, i)
        peak, corners = self._around(slide.bumps[0], numbers, i)
        if peak < _LEAST_PEAK:
            return fitted
        left, top, right, bottom = corners
        late = half_lag(self.stack.vectors[i], self.stack.lag)
        spread = (self.stack.window - 1) * (0.5 - 1 / peak)
        # at least one pixel stays
        across, along = (max((high - low) / 2 - spread, 0.5) for low, high in ((left, right), (top, bottom)))
        x, y = (left + right) / 2 + late[1], (top + bottom) / 2 + late[0]
        lows = max(min(x - across, fitted[0]), 0.0), max(min(y - along, fitted[1]), 0.0)
        rows, cols = self.stack.shape
        return *lows, min(max(x + across, fitted[2]), float(cols)), min(max(y + along, fitted[3]), float(rows))

    def _under(self, bump: Bump) -> list[int]:
        """Numbers of the regions that come near the middle of a bump."""
        window = bump.window(self.stack.shape, _TOUCH)
        near = bump.distance(window) < rim(bump.order) + _TOUCH
        return [int(number) for number in np.unique(self.regions[window][near]) if number]

    def _around(self, bump: Bump, numbers: list[int], i: int) -> tuple[float, Corners]:
        """Greatest strength in direction ``i`` over some regions, and the corners around all that exceeds 1."""
        peak, corners = 0.0, [math.inf, math.inf, -math.inf, -math.inf]
        rows, cols = (slice(max(int(at - self.reach_px), 0), int(at + self.reach_px) + 1) for at in (bump.y, bump.x))
        for number in numbers:
            place = tuple(_shared(a, b) for a, b in zip(self.places[number - 1], (rows, cols), strict=True))
            strength = np.where(self.regions[place] == number, self.strength[i][place], 0)
            rows_up, cols_up = (np.flatnonzero((strength > 1).sum(axis=axis) >= _FEWEST_IN_LINE) for axis in (1, 0))
            if len(rows_up) and len(cols_up):
                peak = max(peak, float(strength.max()))
                top, left = place[0].start, place[1].start
                lows = min(corners[0], left + int(cols_up[0])), min(corners[1], top + int(rows_up[0]))
                highs = max(corners[2], left + int(cols_up[-1]) + 1), max(corners[3], top + int(rows_up[-1]) + 1)
                corners = [*lows, *highs]
        return peak, (corners[0], corners[1], corners[2], corners[3])

    def _fitted(self, slide: Slide, i: int) -> Corners:
        """Go around the pixels of a slide's fitted couplets that exceed the threshold."""
        edges: list[Corners] = []
        threshold = 0.0
        for bump in (sharpened(bump, self.stack.window) for bump in slide.bumps):
            window = bump.window(self.stack.shape, _BOX_REACH)
            couplet = bump.couplet(window, self.stack.vectors[i], self.stack.lag)
            gradient = np.abs(bump.amplitude * self.factor * couplet)
            if not edges:
                low, high = (share * float(gradient.max()) for share in BOX_SHARES)
                threshold = min(max(BOX_GRADIENT_RAD, low), high)
            rows, cols = np.nonzero(gradient > threshold)
            if len(rows):
                top, left = window[0].start, window[1].start
                edges.append((left + cols.min(), top + rows.min(), left + cols.max() + 1, top + rows.max() + 1))
        corners = np.array(edges, float)
        left, top = corners[:, :2].min(axis=0)
        right, bottom = corners[:, 2:].max(axis=0)
        return float(left), float(top), float(right), float(bottom)


def make_outlines(stack: Field, factor: float, reach_px: float) -> Outlines:
    """Find the ground that stands out of the noise (:class:`Outlines`).

    Parameters
    ----------
    stack : Field
        The stack.
    factor : float
        From the unit of the stack to rad at the reference.
    reach_px : float
        Greatest length of the slides sought, px.

    Notes
    -----
    The standard deviation of a pixel is its standard error; where the scene's median |gradient| / standard error says
    that the errors are too small for the noise of this scene, they are all raised in proportion.
    """
    strength = np.zeros_like(stack.values)
    for level, value, weight in zip(strength, stack.values, stack.weights, strict=True):
        valid = weight > 0
        if not valid.any():
            continue
        root = np.sqrt(weight[valid])
        size = np.abs(value[valid])
        spread = max(1.0, _SIGMAS_PER_MAD * float(np.median(size * root)))
        level[valid] = size / np.maximum(BOX_GRADIENT_RAD / factor, BOX_SIGMAS * spread / root)
    regions, _ = ndimage.label((strength > 1).any(axis=0), np.ones((3, 3)))
    return Outlines(stack, strength, regions, ndimage.find_objects(regions), factor, reach_px)


def sharpened(bump: Bump, window: int) -> Bump:
    """Give a bump as it was before a moving mean of ``window`` × ``window`` pixels: sharper, higher, of equal volume.

    Examples
    --------
    >>> sharp = sharpened(Bump(0.0, 0.0, np.diag([3.0, 6.0]), 1.0), window=5)
    >>> np.diag(sharp.covariance).round(6), round(sharp.amplitude, 4)
    (array([1., 4.]), 2.1213)
    """
    variances, axes = np.linalg.eigh(bump.covariance)
    # the variance of a flat bump is (n + 2) / 2 times that of its Gaussian
    spread = (window**2 - 1) / 12 * 2 / (bump.order + 2)
    left = np.maximum(variances - spread, np.minimum(variances, _LEAST_VARIANCE))
    amplitude = bump.amplitude * math.sqrt(float(np.prod(variances / left)))
    return replace(bump, covariance=(axes * left) @ axes.T, amplitude=amplitude)


def _shared(a: slice, b: slice) -> slice:
    start = max(a.start, b.start)
    return slice(start, max(start, min(a.stop, b.stop)))
