"""From places where a couplet stands out to slides: fit each, take it away, join the blocks of one slide."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from tqdm.auto import tqdm

from labkit.detect.couplet_field import Field, half_lag
from labkit.detect.couplet_filter import Balance, Candidate, rim

Array = npt.NDArray[np.float64]
Window = tuple[slice, slice]

#: What lies within so many standard deviations beyond a slide's rim belongs to it: a block of its own rate, or what its
#: bump could not describe.
_REACH = 2.0

#: A block of the same sign whose couplet has at least this share of the slide's peak makes its box larger.
_BLOCK_SHARE = 0.5

#: Each lobe holds at least this share of what a direction's couplet explains: one lobe alone is an edge or a seam.
_LEAST_LOBE = 0.08

#: The axes of a bump change at most by e^±0.8 in a fit, and its centre by one standard deviation.
_MOST_CHANGE = 0.8

#: A bump is summed and taken away within so many standard deviations beyond its rim.
_WINDOW = 2.2

#: In place of 0 where a sum without data is divided by.
_NOTHING = 1e-30

_MOST_ROUNDS = 12
_FIT_SAMPLES = 900


@dataclass(frozen=True)
class Bump:
    """A fitted bump of rate: Gaussian, or of a flat top (:class:`labkit.detect.couplet_filter.Shape`).

    Attributes
    ----------
    y, x : float
        Centre, px (pixel edges).
    covariance : numpy.ndarray (2, 2)
        Of the bump as a distribution over (y, x), px²; of a flat one that of the Gaussian in its formula.
    amplitude : float
        Greatest stacked phase, rad, in the unit of the field; its sign is the stack's.
    order : int
        Flatness of the top; 0 is a Gaussian.
    """

    y: float
    x: float
    covariance: Array
    amplitude: float
    order: int = 0

    def window(self, shape: tuple[int, int], beyond: float) -> Window:
        """The pixels within ``beyond`` standard deviations of the rim along both axes of the array."""
        half = (rim(self.order) + beyond) * np.sqrt(np.diag(self.covariance))
        rows = slice(max(int(self.y - half[0]), 0), min(int(self.y + half[0]) + 2, shape[0]))
        return rows, slice(max(int(self.x - half[1]), 0), min(int(self.x + half[1]) + 2, shape[1]))

    def couplet(self, window: Window, vector: Array, lag: int, step: int = 1) -> Array:
        """The bump's derivative along ``vector`` for amplitude 1, at each ``step``-th pixel of the window.

        Notes
        -----
        −(C⁻¹ v) · x · e^(−s) sⁿ / n!, s = xᵀ C⁻¹ x / 2: the derivative of (1 + s + … + sⁿ/n!) e^(−s).
        """
        late = half_lag(vector, lag)
        y = np.arange(window[0].start, window[0].stop, step)[:, None] + 0.5 + late[0] - self.y
        x = np.arange(window[1].start, window[1].stop, step)[None, :] + 0.5 + late[1] - self.x
        p = np.linalg.inv(self.covariance)
        slope = p @ vector
        s = 0.5 * (p[0, 0] * y**2 + p[1, 1] * x**2) + p[0, 1] * y * x
        flat = s**self.order / math.factorial(self.order) if self.order else 1.0
        return -(slope[0] * y + slope[1] * x) * np.exp(-s) * flat

    def distance(self, window: Window) -> Array:
        """How many standard deviations each pixel of the window lies from the centre."""
        y = np.arange(window[0].start, window[0].stop)[:, None] + 0.5 - self.y
        x = np.arange(window[1].start, window[1].stop)[None, :] + 0.5 - self.x
        p = np.linalg.inv(self.covariance)
        return np.sqrt(p[0, 0] * y**2 + p[1, 1] * x**2 + 2 * p[0, 1] * y * x)

    def peak(self, vector: Array) -> float:
        """Greatest absolute gradient along ``vector``: |amplitude| √(vᵀ C⁻¹ v (2n + 1)) e^(−s) sⁿ / n!, s = n + ½."""
        s = self.order + 0.5
        steepest = rim(self.order) * math.exp(-s) * s**self.order / math.factorial(self.order)
        return abs(self.amplitude) * float(np.sqrt(vector @ np.linalg.inv(self.covariance) @ vector)) * steepest

    def reaches(self, y: float, x: float, widened_by: Array | float = 0.0) -> bool:
        """Whether a place lies within two standard deviations of the rim; those of another bump may be added."""
        away = np.array([y - self.y, x - self.x])
        return bool(away @ np.linalg.inv(self.covariance + widened_by) @ away < (rim(self.order) + _REACH) ** 2)


@dataclass
class Slide:
    """A slide found.

    Attributes
    ----------
    bumps : list of Bump
        The strongest first, then the further blocks of the same sign.
    snr : float
        Signal-to-noise ratio of the strongest, both directions together.
    shares : numpy.ndarray (direction,)
        That of each direction alone; negative where it contradicts the other.
    whole : bool
        Whether the stronger direction has both lobes.
    """

    bumps: list[Bump]
    snr: float
    shares: Array
    whole: bool


def fit_slides(stack: Field, candidates: list[Candidate], least_snr: float, progress: bool = True) -> list[Slide]:
    """Turn candidates into slides, best first.

    Parameters
    ----------
    stack : Field
        The stack; it is not changed.
    candidates : list of Candidate
        Best first (:func:`labkit.detect.couplet_filter.find_candidates`).
    least_snr : float
        Least signal-to-noise ratio, both directions together.
    progress : bool
        Show a bar over the candidates.

    Notes
    -----
    The best candidate is fitted by weighted least squares (centre, both axes, angle, amplitude; one bump for all
    directions), its couplets are taken away, and the next one is asked again what is left for it: the rings that a
    filter leaves around a strong slide are no slides. What remains within three standard deviations of a slide is part
    of it.
    """
    values = stack.values.copy()
    slides: list[Slide] = []
    for candidate in tqdm(candidates, desc="fitting", unit="couplet", disable=not progress):
        shape = candidate.shape
        sought = Bump(candidate.y, candidate.x, shape.covariance(), 1.0, shape.order)
        answer, energy = _answer(stack, values, sought, candidate.balance)
        snr = answer.sum() / np.sqrt(max(energy.sum(), _NOTHING)) / candidate.gain
        if abs(snr) < least_snr:
            continue
        bump = _refined(stack, values, sought, candidate.balance)
        host = next((s for s in slides if _belongs(bump, s, stack.vectors)), None)
        if host is None:
            shares = _shares(stack, values, bump, candidate)
            whole = _has_both_lobes(stack, values, bump, int(np.argmax(shares)))
            slides.append(Slide([bump], float(abs(snr)), shares, whole))
        elif _is_block(bump, host, stack.vectors):
            host.bumps.append(bump)
        _take_away(stack, values, bump)
    return [slide for slide in slides if slide.whole]


def _answer(stack: Field, values: npt.NDArray[np.float32], bump: Bump, balance: Balance) -> tuple[Array, Array]:
    """For each direction Σ w g t and Σ w t² over the bump's window, the weights balanced."""
    window = bump.window(stack.shape, _WINDOW)
    answer, energy = [], []
    for value, weight, vector in zip(values, stack.weights, stack.vectors, strict=True):
        couplet = bump.couplet(window, vector, stack.lag)
        answer.append(float((weight[window] * value[window] * couplet).sum()))
        energy.append(float((weight[window] * couplet**2).sum()))
    return np.array(answer) * balance, np.array(energy) * balance


def _shares(stack: Field, values: npt.NDArray[np.float32], bump: Bump, candidate: Candidate) -> Array:
    """Signal-to-noise ratio of each direction; the noise of a bump that has grown is taken to have grown with it."""
    answer, energy = _answer(stack, values, bump, candidate.balance)
    grown = max(1.0, float(np.linalg.det(bump.covariance)) ** 0.25 / candidate.shape.sigma)
    return np.sign(bump.amplitude) * answer / np.sqrt(np.maximum(energy, _NOTHING)) / (candidate.gain * grown)


def _take_away(stack: Field, values: npt.NDArray[np.float32], bump: Bump) -> None:
    window = bump.window(stack.shape, _WINDOW)
    for value, vector in zip(values, stack.vectors, strict=True):
        value[window] -= (bump.amplitude * bump.couplet(window, vector, stack.lag)).astype(np.float32)


def _has_both_lobes(stack: Field, values: npt.NDArray[np.float32], bump: Bump, i: int) -> bool:
    """Whether each lobe of direction ``i`` holds its part of what the bump explains there."""
    window = bump.window(stack.shape, _WINDOW)
    couplet = bump.couplet(window, stack.vectors[i], stack.lag)
    explained = stack.weights[i][window] * values[i][window] * couplet * np.sign(bump.amplitude)
    lobes = float(explained[couplet > 0].sum()), float(explained[couplet < 0].sum())
    return min(lobes) >= _LEAST_LOBE * sum(lobes) and sum(lobes) > 0


def _belongs(bump: Bump, host: Slide, vectors: Array) -> bool:
    """Whether a bump lies within the reach of a slide, or is a block of it that runs into another of its blocks."""
    if any(part.reaches(bump.y, bump.x) for part in host.bumps):
        return True
    return _is_block(bump, host, vectors) and any(part.reaches(bump.y, bump.x, bump.covariance) for part in host.bumps)


def _is_block(bump: Bump, host: Slide, vectors: Array) -> bool:
    strongest = host.bumps[0]
    if np.sign(bump.amplitude) != np.sign(strongest.amplitude):
        return False
    return max(bump.peak(v) for v in vectors) >= _BLOCK_SHARE * max(strongest.peak(v) for v in vectors)


def _refined(stack: Field, values: npt.NDArray[np.float32], first: Bump, balance: Balance) -> Bump:
    """Move, stretch and turn a bump until its couplets fit best."""
    window = first.window(stack.shape, _REACH)
    count = (window[0].stop - window[0].start) * (window[1].stop - window[1].start)
    # a wide bump is smooth: every few pixels tell enough of it
    step = max(1, int(np.sqrt(count / _FIT_SAMPLES)))
    thin = slice(window[0].start, window[0].stop, step), slice(window[1].start, window[1].stop, step)
    root = np.sqrt(stack.weights[(slice(None), *thin)] * np.array(balance, np.float32)[:, None, None])
    data = root * values[(slice(None), *thin)]
    lower = np.linalg.cholesky(first.covariance)
    sigma = float(np.sqrt(lower[0, 0] * lower[1, 1]))
    start = np.array([0.0, 0.0, np.log(lower[0, 0]), np.log(lower[1, 1]), lower[1, 0] / sigma])

    def bump_of(p: Array) -> Bump:
        axes = np.array([[np.exp(p[2]), 0.0], [p[4] * sigma, np.exp(p[3])]])
        return Bump(first.y + p[0] * sigma, first.x + p[1] * sigma, axes @ axes.T, 1.0, first.order)

    def misfit(p: Array) -> Array:
        bump = bump_of(p)
        model = root * np.stack([bump.couplet(window, v, stack.lag, step) for v in stack.vectors])
        energy = float((model**2).sum())
        amplitude = float((model * data).sum()) / energy if energy > 0 else 0.0
        return np.asarray((data - amplitude * model).ravel(), float)

    room = np.array([1.0, 1.0, _MOST_CHANGE, _MOST_CHANGE, 1.0])
    answer = least_squares(misfit, start, bounds=(start - room, start + room), max_nfev=_MOST_ROUNDS)
    best = bump_of(answer.x)
    part, energy = _answer(stack, values, best, balance)
    return replace(best, amplitude=float(part.sum() / max(energy.sum(), _NOTHING)))
