"""The phase of every pair over a small window, integrated from differences of neighbours instead of unwrapped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from labkit.stack.pieces import find_pieces
from labkit.stack.poisson import Links, integrate
from labkit.stack.products import WEIGHT_LIMIT

Images = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

#: Pairs up to this many times the shortest give the first velocity, by which longer ones are unfolded.
_SHORT = 1.5


def integrate_pairs(phase: Images, coherence: Images, years: Array, *, progress: bool = True) -> Images:
    """Integrate wrapped phase over a window, each pair by itself.

    Parameters
    ----------
    phase, coherence : (pair, y, x) float32
        rad and 0..1, NaN = no data.
    years : (pair,) float
        Temporal baselines, above 0.
    progress : bool
        Show a bar over the pairs.

    Returns
    -------
    (pair, y, x) float32
        rad, known up to a constant of each pair; NaN = no data, and ground that no-data cuts off from the largest
        piece.

    Notes
    -----
    Differences of neighbours are taken to be the ones nearest to a steady velocity, Δ = gT + wrap(Δ − gT), with g the
    weighted mean over all pairs, first of the short ones. A steady slide may therefore go beyond half a cycle between
    two pixels in a long pair, as long as it does not in the shortest. u minimises Σ w (u[q] − u[p] − Δ)² with
    w = c/(1.02 − c) and c the product of the coherences at both pixels; then each pixel takes the multiple of 2π by
    which its own phase comes nearest to u. Where no difference is folded the result is the phase itself, without the
    cycles.
    """
    known = np.isfinite(phase) & np.isfinite(coherence)
    magnitude = np.where(known, np.clip(coherence, 0.02, 1.0), np.float32(0)).astype(np.float32)
    filled = np.where(known, phase, np.float32(0)).astype(np.float32)
    weights = [_link_weight(magnitude, axis) for axis in (1, 2)]
    steps = [_unfolded(_wrap(np.diff(filled, axis=axis)), w, years) for axis, w in zip((1, 2), weights, strict=True)]
    whole = np.full(phase.shape, np.nan, np.float32)
    for k in tqdm(range(len(phase)), desc="integrating pairs", unit="pair", disable=not progress):
        links = Links(weights[0][k], weights[1][k])
        labels, count = find_pieces(links)
        if not count:
            continue
        here = labels == 1 + np.argmax(np.bincount(labels.ravel(), minlength=count + 1)[1:])
        u = integrate(steps[0][k], steps[1][k], links, threads=1).image
        whole[k][here] = _congruent(u[here], filled[k][here], magnitude[k][here])
    return whole


def _link_weight(magnitude: Images, axis: int) -> Images:
    """Weight of each link along an axis; 0 beside no-data."""
    product = np.delete(magnitude, 0, axis) * np.delete(magnitude, -1, axis)
    return np.asarray(product / (WEIGHT_LIMIT - product), np.float32)


def _unfolded(step: Images, weight: Images, years: Array) -> Images:
    """Bring the differences of all pairs along one axis to the cycle nearest to their common velocity."""
    t = years.astype(np.float32)[:, None, None]
    for chosen in (years <= _SHORT * years.min(), np.ones(len(years), bool)):
        w = weight[chosen] * t[chosen]
        total = (w * t[chosen]).sum(0)
        velocity = (w * step[chosen]).sum(0) / np.where(total > 0, total, 1)
        steady = velocity * t
        step = steady + _wrap(step - steady)
    return step


def _congruent(u: Images, phase: Images, magnitude: Images) -> Images:
    """Give the phase the cycles of u, which is known up to a constant."""
    shift = np.angle((magnitude * np.exp(1j * (phase - u))).sum())
    cycles = np.round((u + np.float32(shift) - phase) / np.float32(2 * np.pi))
    return np.asarray(phase + np.float32(2 * np.pi) * cycles, np.float32)


def _wrap(phase: Images) -> Images:
    turn = np.float32(2 * np.pi)
    return np.asarray(phase - turn * np.round(phase / turn), np.float32)
