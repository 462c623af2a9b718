"""How much of a steady velocity a stack shows, measured by adding a known ramp to some pairs and looking for it."""

from __future__ import annotations

from dataclasses import replace

import dask
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.stack.estimators import KERNEL_OF, estimate
from labkit.stack.kernels import N_SUMS
from labkit.stack.streaming import accumulate

Image = npt.NDArray[np.float32]

#: Pairs that are read a second time, at most; spread evenly over the temporal baselines and the dates.
_PAIRS = 16

#: Pixels that are looked at, at most, in strips spread over the rows.
_PIXELS = 200_000
_STRIPS = 6

#: The ramp across a window, rad in a pair of mean temporal baseline: a steeper one would itself lose coherence in it.
_RAMP_RAD = 0.5

_CLASSES = 24
_LEAST_PIXELS = 200

#: A response is never taken for less: ground that shows a tenth of its motion tells nothing.
_FLOOR = 0.1


def measure_response(
    ifgs: xr.Dataset, coherence: Image, estimator: str, window: int, *, threads: int | None = None
) -> Image:
    """Measure the share of a steady velocity gradient that a stack shows, at each pixel.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The interferograms that were stacked; some rows of at most 16 pairs are read.
    coherence : (y, x) float32
        Mean over the pairs, NaN = no data.
    estimator, window
        As they were stacked; lag 1.

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
    known = np.isfinite(coherence)
    rows = _strips(ifgs.sizes["y"], ifgs.sizes["x"], window)
    pairs = _read_pairs(ifgs, rows)
    # The border of a strip sees half a window only, as the border of the scene does.
    inside = np.zeros(coherence.shape, bool)
    margin = window // 2 + 1
    for strip in rows:
        inside[strip.start + margin : strip.stop - margin, margin:-margin] = True
    inside &= known
    n_classes = min(_CLASSES, int(inside.sum()) // _LEAST_PIXELS)
    if n_classes == 0:
        return np.where(known, np.float32(1), np.float32(np.nan))
    edges = np.unique(np.quantile(coherence[inside], np.linspace(0, 1, n_classes + 1)))
    classes = np.where(inside, np.clip(np.searchsorted(edges, coherence, "right") - 1, 0, max(len(edges) - 2, 0)), -1)
    ramp = _RAMP_RAD / window
    both = [_stacked(pairs, rows, classes, slope, estimator, window, threads) for slope in (ramp, -ramp)]
    shown = (both[0] - both[1]) / (2 * ramp * pairs[0].sizes["pair"])
    typical = [float(np.median(coherence[classes == c])) for c in range(len(shown))]
    response = np.interp(coherence, typical, np.maximum(shown, _FLOOR)).astype(np.float32)
    response[~known] = np.nan
    return response


def _read_pairs(ifgs: xr.Dataset, rows: list[slice]) -> list[xr.Dataset]:
    """The strips of at most 16 pairs, evenly over the temporal baselines and over the dates within each, in memory."""
    order = np.lexsort((ifgs["reference"].values, ifgs["temporal_baseline"].values))
    chosen = np.unique(np.linspace(0, len(order) - 1, min(_PAIRS, len(order))).round().astype(int))
    needed = ifgs[["phase", "coherence"]].isel(
        pair=np.sort(order[chosen]), y=np.concatenate([np.arange(strip.start, strip.stop) for strip in rows])
    )
    # one pair at a time, each read once
    with dask.config.set(scheduler="synchronous"):
        loaded = needed.load()
    ends = np.cumsum([0, *(strip.stop - strip.start for strip in rows)])
    return [loaded.isel(y=slice(ends[i], ends[i + 1])) for i in range(len(rows))]


def _strips(height: int, width: int, window: int) -> list[slice]:
    """Rows of a few strips spread over the scene; the whole scene where it is small."""
    each = max(_PIXELS // (_STRIPS * width), 4 * window)
    if each * _STRIPS >= height:
        return [slice(0, height)]
    starts = np.linspace(0, height - each, _STRIPS).round().astype(int)
    return [slice(int(start), int(start) + each) for start in starts]


def _stacked(
    strips: list[xr.Dataset],
    rows: list[slice],
    classes: npt.NDArray[np.intp],
    ramp: float,
    estimator: str,
    window: int,
    threads: int | None,
) -> npt.NDArray[np.float64]:
    """The stacked gradient of each class with a ramp along y and x added, mean of both directions."""
    kind = KERNEL_OF[estimator]
    n_classes = int(classes.max()) + 1
    totals = np.zeros((2, N_SUMS[kind], n_classes))
    used = np.zeros(n_classes, int)
    for pairs, strip in zip(strips, rows, strict=True):
        part = accumulate(_with_ramp(pairs, ramp), kind, window, 1, threads=threads, progress=False)
        where = classes[strip] >= 0
        which = classes[strip][where]
        used += np.bincount(which, minlength=n_classes)
        for direction in range(2):
            for i in range(N_SUMS[kind]):
                totals[direction, i] += np.bincount(which, part.sums[direction, i][where], n_classes)
    mean = np.asarray(totals / np.maximum(used, 1), np.float32)
    counts = np.full((2, n_classes), strips[0].sizes["pair"], np.int32)
    return estimate(replace(part, sums=mean, counts=counts), estimator).gradient.astype(np.float64).mean(0)


def _with_ramp(part: xr.Dataset, ramp: float) -> xr.Dataset:
    """Add ``ramp`` rad per pixel along y and x, in proportion to the temporal baseline, and wrap."""
    days = part["temporal_baseline"].values
    y, x = np.indices((part.sizes["y"], part.sizes["x"]), np.float32)
    slope = (ramp * days / days.mean()).astype(np.float32)[:, None, None]
    phase = part["phase"].values + slope * (y + x)
    turned = np.float32(2 * np.pi) * np.floor(phase / np.float32(2 * np.pi) + np.float32(0.5))
    return part.assign(phase=part["phase"].copy(data=phase - turned))
