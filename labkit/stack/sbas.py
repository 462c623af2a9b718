"""Small-baseline inversion: from the phase of pairs to that of dates, by weighted least squares at each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]

#: The normal matrices of so many numbers are in memory at once (64 MB).
_NUMBERS_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class Network:
    """Dates in order and which of them each pair joins.

    Attributes
    ----------
    dates : (date,) datetime64
    first, second : (pair,) int
        Places of the reference and the secondary date in ``dates``.
    parts : (date,) int
        0, 1, … : dates that pairs join, however indirectly, are of one part; numbered by their first date.
    """

    dates: npt.NDArray[np.datetime64]
    first: Numbers
    second: Numbers
    parts: Numbers

    @property
    def years(self) -> Array:
        """Time since the first date, yr."""
        return np.asarray((self.dates - self.dates[0]) / np.timedelta64(1, "D") / 365.25, float)


@dataclass(frozen=True)
class Series:
    """What an inversion gives.

    Attributes
    ----------
    phase : (date, pixel)
        rad, 0 at the first date; NaN where the pairs known at a pixel do not join all dates that they join elsewhere.
    variance : (date, pixel)
        Of ``phase`` against the first date of its part, if the pairs were independent with a variance of 1 / weight.
    chi_square : (pixel,)
        Σ w r² over the pairs' residuals r, per degree of freedom; 1 where there is none.
    residual : (pair, pixel)
        rad, NaN = no data.
    weight : (pair, pixel)
        As given; 0 = no data.
    redundant : bool
        Whether there are more pairs than dates to find, so that residuals tell of noise.
    """

    phase: Array
    variance: Array
    chi_square: Array
    residual: Array
    weight: Array
    redundant: bool


def make_network(reference: npt.NDArray[np.datetime64], secondary: npt.NDArray[np.datetime64]) -> Network:
    """Order the dates of pairs and find the parts that no pair joins."""
    dates, places = np.unique(np.concatenate([reference, secondary]), return_inverse=True)
    first, second = places.reshape(2, -1)
    return Network(dates, first, second, _parts(len(dates), first, second))


def _parts(dates: int, first: Numbers, second: Numbers) -> Numbers:
    graph = csr_array((np.ones(len(first)), (first, second)), shape=(dates, dates))
    found = connected_components(graph, directed=False)[1]
    _, starts = np.unique(found, return_index=True)
    return np.asarray(np.argsort(np.argsort(starts))[found])


def invert(phase: Array, weight: Array, network: Network, *, errors: bool = True) -> Series:
    """Find the phase of each date that fits the pairs best.

    Parameters
    ----------
    phase : (pair, pixel)
        Unwrapped phase, rad, NaN = no data.
    weight : (pair, pixel)
        Inverse variances, above 0.
    network : Network
        The pairs' dates.
    errors : bool
        Give ``variance`` as well, which takes three times as long; NaN without.

    Notes
    -----
    At each pixel φ minimises Σ w (φ[second] − φ[first] − pair)² with φ = 0 at the first date. Where pairs leave the
    dates in several parts, no pair says how far the ground went between these. They are then laid on one line: the
    steady velocity that fits all parts best, each with a constant of its own, carries from the first to the others.
    (This is the limit of the weakly constrained inversion of López-Quiroz et al. 2009. The least norm of velocities of
    Berardino et al. 2002 would let the ground rest in a gap.)

    References
    ----------
    Berardino et al. (2002), A new algorithm for surface deformation monitoring based on small baseline differential
    SAR interferograms; López-Quiroz et al. (2009), Time series analysis of Mexico City subsidence.
    """
    known = np.isfinite(phase)
    values, weights = np.where(known, phase, 0.0), np.where(known, weight, 0.0)
    free = np.flatnonzero(~_starts(network))
    shape = (len(network.dates), phase.shape[1])
    solved, variance = np.full(shape, np.nan), np.full(shape, np.nan)
    whole = np.flatnonzero(_joined(known, network))
    step = max(1, _NUMBERS_AT_ONCE // max(1, len(free) ** 2))
    for at in range(0, len(whole), step):
        pixels = whole[at : at + step]
        normal = _normal(weights[:, pixels], network)[:, free[:, None], free]
        right = (_design(network).T @ (weights[:, pixels] * values[:, pixels]))[free]
        solved[:, pixels] = 0.0
        solved[np.ix_(free, pixels)] = np.linalg.solve(normal, right.T[..., None])[..., 0].T
        if errors:
            variance[:, pixels] = 0.0
            variance[np.ix_(free, pixels)] = np.diagonal(np.linalg.inv(normal), axis1=1, axis2=2).T
    residual = np.where(known, phase - (solved[network.second] - solved[network.first]), np.nan)
    spare = np.maximum(known.sum(0) - len(free), 0)
    misfit = np.nansum(weights * residual**2, axis=0)
    chi_square = np.where(spare > 0, misfit / np.maximum(spare, 1), 1.0)
    redundant = len(phase) > len(free)
    return Series(_on_one_line(solved, network), variance, chi_square, residual, weights, redundant)


def _starts(network: Network) -> npt.NDArray[np.bool_]:
    """The first date of each part, which stands at 0."""
    starts = np.zeros(len(network.dates), bool)
    starts[np.unique(network.parts, return_index=True)[1]] = True
    return starts


def _design(network: Network) -> csr_array:
    pairs = np.arange(len(network.first))
    ones = np.ones(len(pairs))
    places = (np.concatenate([pairs, pairs]), np.concatenate([network.second, network.first]))
    return csr_array((np.concatenate([ones, -ones]), places), shape=(len(pairs), len(network.dates)))


def _normal(weights: Array, network: Network) -> Array:
    """AᵀWA of each pixel, (pixel, date, date)."""
    n, pairs = len(network.dates), np.arange(len(network.first))
    a, b = network.first, network.second
    cells = np.concatenate([a * n + a, b * n + b, a * n + b, b * n + a])
    signs = np.repeat([1.0, 1.0, -1.0, -1.0], len(pairs))
    spread = coo_array((signs, (cells, np.tile(pairs, 4))), shape=(n * n, len(pairs))).tocsr()
    return np.asarray((spread @ weights).T.reshape(-1, n, n))


def _joined(known: npt.NDArray[np.bool_], network: Network) -> npt.NDArray[np.bool_]:
    """Pixels whose known pairs join the dates as all pairs together do, (pixel,)."""
    patterns, pattern_of = np.unique(known, axis=1, return_inverse=True)
    wanted = network.parts.max()
    fits = [
        pattern.any() and _parts(len(network.dates), network.first[pattern], network.second[pattern]).max() == wanted
        for pattern in patterns.T
    ]
    return np.asarray(fits, bool)[pattern_of.ravel()]


def _on_one_line(phase: Array, network: Network) -> Array:
    """Shift the parts so that one straight line fits all of them best; the first date stays at 0."""
    count = int(network.parts.max()) + 1
    if count == 1:
        return phase
    t, of_part = network.years, np.eye(count)[network.parts]
    sizes = of_part.sum(0)
    mean_t, mean_phase = of_part.T @ t / sizes, of_part.T @ phase / sizes[:, None]
    within_t, within = t - mean_t[network.parts], phase - mean_phase[network.parts]
    velocity = within_t @ within / max(float(within_t @ within_t), np.finfo(float).tiny)
    line = velocity * (mean_t - mean_t[0])[:, None] + mean_phase[0]
    return np.asarray(phase + (line - mean_phase)[network.parts])
