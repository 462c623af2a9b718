"""How much of a steady velocity a stack shows, measured by adding a known ramp to some pairs and looking for it."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from labkit.stack.compiled import F4, HALF, INVERSE_TWO_PI, NAN, TWO_PI, ZERO, compiled, fma, stay_apart
from labkit.stack.estimators import estimate
from labkit.stack.kept import Patches
from labkit.stack.kernels import Filter, Sums, add_pairs
from labkit.stack.rows import RowThreads

Image = npt.NDArray[np.float32]

#: Pairs that are stacked again, at most; spread evenly over the temporal baselines and the dates.
_PAIRS = 16

#: Pixels that are looked at, about, in patches spread over the scene.
_PIXELS = 100_000

#: The ramp across a window, rad in a pair of mean temporal baseline: a steeper one would itself lose coherence in it.
_RAMP_RAD = 0.5

_CLASSES = 24
_LEAST_PIXELS = 200

#: A response is never taken for less: ground that shows a tenth of its motion tells nothing.
_FLOOR = 0.1


def choose_patches(
    years: npt.NDArray[np.float32], reference: npt.NDArray[np.datetime64], shape: tuple[int, int], window: int
) -> Patches:
    """Choose patches of at most 16 pairs, evenly over the temporal baselines and over the dates within each.

    Parameters
    ----------
    years, reference : (pair,)
        Temporal baselines and first dates of all pairs.
    shape : (int, int)
        Of the scene.
    window : int
        Edge of the filter, px.
    """
    order = np.lexsort((reference, years))
    chosen = np.unique(np.linspace(0, len(order) - 1, min(_PAIRS, len(order))).round().astype(int))
    return Patches.spread(order[chosen], shape, window, _PIXELS)


def measure_response(
    patches: Patches,
    years: npt.NDArray[np.float32],
    coherence: Image,
    estimator: str,
    how: Filter,
    *,
    threads: int | None = None,
) -> Image:
    """Measure the share of a steady velocity gradient that a stack shows, at each pixel.

    Parameters
    ----------
    patches : Patches
        What was kept of some pairs (:func:`choose_patches`).
    years : (pair,) float32
        Temporal baselines of all pairs.
    coherence : (y, x) float32
        Mean over the pairs, NaN = no data.
    estimator, how
        As the pairs were stacked; lag 1.
    threads : int, optional
        All cores by default. The result does not depend on it.

    Returns
    -------
    (y, x) float32
        r, so that gradient / (r ΣT) is the velocity gradient (rad/yr) without bias; within 0.1…; NaN = no data.

    Notes
    -----
    Where pairs lose coherence, and the long ones lose it first, wrapped noise pulls each Δ toward 0, and so does the
    noise that the overlapping windows of two neighbours share. Both depend on coherence. A ramp of ±0.5 rad per window
    and mean temporal baseline is added to the phase of the pairs, and each is stacked again, pooled over classes of
    equal mean coherence: r is half the difference of the two stacks over the ramp. It then follows the mean coherence
    from class to class. It assumes that ground of one mean coherence loses it alike in time.
    """
    # The border of a patch sees half a window only, as the border of the scene does.
    margin = how.window // 2 + 1
    inner = (slice(margin, -margin), slice(margin, -margin))
    levels = [coherence[window][inner] for window in patches.windows()]
    # Sorted once: the classes are slices of it.
    known = np.sort(np.concatenate([level[np.isfinite(level)] for level in levels]))
    n_classes = min(_CLASSES, known.size // _LEAST_PIXELS)
    workers = threads or os.cpu_count() or 1
    response = np.empty_like(coherence)
    typical: Image = np.zeros(1, np.float32)
    shown: Image = np.ones(1, np.float32)
    if n_classes:
        inner_edges = np.unique(known[np.arange(1, n_classes) * known.size // n_classes])
        bounds = [0, *np.searchsorted(known, inner_edges[inner_edges > known[0]]), known.size]
        edges = known[bounds[1:-1]]
        classes = [_classify(level, edges) for level in levels]
        shown = _shown(patches, years[patches.pairs], classes, estimator, how, workers)
        typical = np.array([np.median(known[first:end]) for first, end in itertools.pairwise(bounds)], np.float32)
    with RowThreads(workers) as shared:
        shared.over_rows(len(coherence), _follow_rows, coherence, typical, shown, response)
    return response


def _classify(coherence: Image, edges: Image) -> npt.NDArray[np.intp]:
    """Class of each pixel, that is how many ``edges`` its coherence reaches; −1 without data."""
    return np.where(np.isfinite(coherence), np.searchsorted(edges, coherence, "right"), -1)


def _shown(
    patches: Patches,
    years: npt.NDArray[np.float32],
    classes: list[npt.NDArray[np.intp]],
    estimator: str,
    how: Filter,
    workers: int,
) -> Image:
    """The share of the ramp that the stack of each class shows."""
    ramp = _RAMP_RAD / how.window
    n_classes = 1 + max(int(of_patch.max(initial=-1)) for of_patch in classes)

    def stacked(job: tuple[int, float]) -> npt.NDArray[np.float64]:
        patch, slope = job
        return _class_sums(patches.phase[patch], patches.coherence[patch], years, slope, classes[patch], n_classes, how)

    jobs = [(patch, slope) for slope in (ramp, -ramp) for patch in range(len(classes))]
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(stacked, jobs))
    used = sum(np.bincount(c[c >= 0], minlength=n_classes) for c in classes)
    both = []
    for half in (parts[: len(classes)], parts[len(classes) :]):
        pooled = Sums.empty(how.kind, years, (1, n_classes), sampled=1)
        mean = (np.sum(half, axis=0) / np.maximum(used, 1)).astype(np.float32)
        counts = np.full((2, 1, n_classes), len(years), np.int32)
        both.append(
            estimate(replace(pooled, sums=list(mean[:, :, None]), counts=counts), estimator).gradient.mean((0, 1))
        )
    return np.maximum((both[0] - both[1]) / np.float32(2 * ramp * len(years)), np.float32(_FLOOR))


def _class_sums(
    phase: Image,
    coherence: Image,
    years: npt.NDArray[np.float32],
    slope: float,
    classes: npt.NDArray[np.intp],
    n_classes: int,
    how: Filter,
) -> npt.NDArray[np.float64]:
    """Sums (2, N, class) of one patch with a ramp added along y and x."""
    tilted = np.empty_like(phase)
    for image, source, time in zip(tilted, phase, years, strict=True):
        _tilt(source, np.float32(slope * time / years.mean()), image)
    sums = Sums.empty(how.kind, years, (phase.shape[1], phase.shape[2]), sampled=1)
    add_pairs(sums, tilted, coherence, how, (0, phase.shape[1]))
    pooled = np.zeros((2, len(sums.sums[0]), n_classes))
    for of_direction, into in zip(sums.sums, pooled, strict=True):
        _pool(of_direction, classes, how.window // 2 + 1, into)
    return pooled


@compiled
def _pool(
    sums: F4, classes: npt.NDArray[np.intp], margin: int, pooled: npt.NDArray[np.float64]
) -> None:  # pragma: no cover
    """Add up the sums of each class; ``classes`` begins ``margin`` rows and columns into the patch."""
    rows, cols = classes.shape
    for i in range(sums.shape[0]):
        for y in range(rows):
            for x in range(cols):
                if classes[y, x] >= 0:
                    pooled[i, classes[y, x]] += sums[i, margin + y, margin + x]


@compiled
def _tilt(phase: F4, slope: np.float32, out: F4) -> None:  # pragma: no cover
    """Add ``slope`` rad per pixel along y and x, and wrap."""
    for y in range(phase.shape[0]):
        _tilt_row(phase[y], slope, np.float32(y), out[y])


@compiled
def _tilt_row(phase: F4, slope: np.float32, start: np.float32, out: F4) -> None:  # pragma: no cover
    stay_apart()
    for x in range(np.uint32(phase.size)):
        tilted = fma(slope, start + np.float32(np.int32(x)), phase[x])
        out[x] = fma(-np.floor(fma(tilted, INVERSE_TWO_PI, HALF)), TWO_PI, tilted)


@compiled
def _follow_rows(
    first: int, last: int, coherence: F4, typical: F4, shown: F4, response: F4
) -> None:  # pragma: no cover
    """Linear interpolation of ``shown`` between the ``typical`` coherences, constant beyond them; NaN stays NaN."""
    rises = np.empty(max(typical.size - 1, 0), np.float32)
    for i in range(rises.size):
        step = typical[i + 1] - typical[i]
        rises[i] = (shown[i + 1] - shown[i]) / step if step > ZERO else ZERO
    for row in range(first, last):
        _follow_row(coherence[row], typical, rises, shown[0], response[row])


@compiled
def _follow_row(coherence: F4, typical: F4, rises: F4, start: np.float32, response: F4) -> None:  # pragma: no cover
    stay_apart()
    n = np.uint64(coherence.size)
    for x in range(n):
        response[x] = start if coherence[x] == coherence[x] else NAN
    for i in range(rises.size):
        low, width, rise = typical[i], typical[i + 1] - typical[i], rises[i]
        for x in range(n):
            above = coherence[x] - low
            above = above if above > ZERO else ZERO
            response[x] = fma(rise, above if above < width else width, response[x])
