"""Stack the phase gradients of many interferograms: where slopes move slowly, red-blue couplets appear."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import overload

import numpy as np
import xarray as xr

from labkit.errors import LabkitError
from labkit.schema import DAYS_PER_YEAR, DIRECTIONS, check_interferograms
from labkit.stack.direction import to_azimuth_and_range
from labkit.stack.estimators import KERNEL_OF, estimate, mean_coherence
from labkit.stack.kept import Patches
from labkit.stack.kernels import Filter, Sums
from labkit.stack.response import choose_patches, measure_response
from labkit.stack.seasons import Period, Periods, split_pairs
from labkit.stack.streaming import accumulate
from labkit.stack.uncertainty import network_ratio, scores


@overload
def stack_gradients(
    ifgs: xr.Dataset,
    estimator: str = ...,
    window: int = ...,
    lag: int = ...,
    by: None = ...,
    *,
    coherence_floor: float = ...,
    coherence_power: float = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> xr.Dataset: ...


@overload
def stack_gradients(
    ifgs: xr.Dataset,
    estimator: str = ...,
    window: int = ...,
    lag: int = ...,
    *,
    by: str | Mapping[str, Period],
    coherence_floor: float = ...,
    coherence_power: float = ...,
    threads: int | None = ...,
    progress: bool = ...,
) -> dict[str, xr.Dataset]: ...


def stack_gradients(
    ifgs: xr.Dataset,
    estimator: str = "lsq",
    window: int = 5,
    lag: int = 1,
    by: Periods | None = None,
    *,
    coherence_floor: float = 0.0,
    coherence_power: float = 1.0,
    threads: int | None = None,
    progress: bool = True,
) -> xr.Dataset | dict[str, xr.Dataset]:
    """Stack the phase gradients of interferograms along azimuth and range.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms, as selected by :func:`labkit.select_pairs`; read pair by pair, whatever their number.
    estimator : str
        "lsq", "circular", "sum" or "rewrapped" (Notes).
    window : int
        Edge of the coherence-weighted moving window that filters each pair, px, odd; 1 = no filter.
    lag : int
        Distance of the two pixels that are subtracted, px.
    by : str or mapping, optional
        Stack seasons or windows of time apart: "year", "season", "month", {"wet": [4, 5, 6, 7, 8], "dry": [10, 11, 12,
        1, 2]} or {"before": ("2017-09-01", "2018-10-31")}. A pair that crosses a border belongs to neither
        (:func:`labkit.stack.seasons.split_pairs`).
    coherence_floor : float
        In [0, 1): a pixel whose coherence in a pair is below it has no data in that pair. A floor of 0.2–0.4 keeps
        water, snow and dense forest out of the windows of their neighbours; it costs pixels, and noise is averaged out
        better by weights than by leaving out, so that the default leaves out nothing.
    coherence_power : float
        In [0, 4]: each phase enters the window with the weight coherence ** power. 0 is the plain mean of unit phasors,
        where the coherence is not to be trusted (estimated from few looks, or from the phase itself); 1 the first
        paper's; 2 and more sharpen the contrast where good and bad ground lie side by side. A coherence of 0 has no
        weight at any power.
    threads : int, optional
        Threads of the kernel, all cores by default. The result does not depend on it, bit for bit.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xarray.Dataset
        gradients (:mod:`labkit.schema`). ``gradient[direction, y, x]`` is the phase at the neighbour ``lag`` px further
        along the direction minus the phase at (y, x), stacked over the pairs, rad; the last ``lag`` rows or columns and
        pixels without data in any pair are NaN. ``standard_error`` rad (Notes), ``coherence`` mean over the pairs,
        ``n_pairs`` used at each pixel, ``response`` the share of a steady velocity that the stack shows
        (:mod:`labkit.stack.response`; with lag 1, not for "rewrapped"). On a map grid the gradients are turned into
        azimuth and range with the heading.
        With ``by``, a dict of such objects by period, each with its own Σ temporal baseline, dates and number of pairs,
        the attribute ``period``, and the names of the periods without any pair, by commas, in ``empty_periods``.

    Raises
    ------
    LabkitError
        An argument is out of range, or the window does not fit into the scene.
    FileError
        A pair turns out damaged when its pixels are read; no partial stack is returned.

    Notes
    -----
    Each pair becomes z = moving mean of coherence ** power · exp(i phase) over valid pixels (no-data never counts as
    phase 0);
    P = z[p + lag] · conj(z[p]); Δ = arg P in [−π, π); T = temporal baseline in years.

    ============== ============================= ===================================================
    estimator      stacked gradient              good for
    ============== ============================= ===================================================
    ``lsq``        ΣT · Σ wTΔ / Σ wT²            steady motion: velocity by weighted least squares,
                                                 w = abs(P) / (1.02 − abs(P))
    ``circular``   N · arg ΣP                    noise-dominated data: nothing wraps inside the sum
    ``sum``        ΣΔ                            strong air on coherent ground; as published, but not
                                                 re-wrapped
    ``rewrapped``  ΣΔ wrapped into [−π, π)       as published, before SNAPHU
                                                 (:func:`labkit.stack.unwrap`)
    ============== ============================= ===================================================

    ΣT and N are over all pairs given, so that ``lsq`` and ``circular`` keep their scale where some pairs have no data;
    ``sum`` does not.

    Every estimator assumes that the true phase difference between neighbours in one pair stays within ±π: at C-band
    (λ = 55.5 mm) less than λ/4 = 13.9 mm of LOS displacement per pixel during one pair. Faster slides alias. A window
    of n pixels loses them sooner: at 2π/n, 5.5 mm per pixel with 5 px, which in 36 days is 56 mm/yr
    (:func:`labkit.studies.aliasing_limits`; :func:`labkit.stack.flag_aliasing` marks both).
    At the edge of the data the window is one-sided, and within half a window of it the gradient is pulled toward zero.
    ``rewrapped`` destroys the signal where the phase is noisy: its wrapped noise is uniform.

    ``lsq`` is the default because nothing was clearly better over realistic ground: on simulated slides its contrast
    lies 3 to 6 % above ``circular`` from a 12-day coherence of 0.3 up and at its level below, 1.6 to 2.0 times ``sum``
    up to 0.3, and it shows more of a couplet than ``circular`` does. Where air makes half of the noise or more, ``sum``
    stands 5 to 30 % above it: the weights favour pairs in which air hides the motion. Seasonal, episodic and
    accelerating motion do not change the order (docs/studies.md).

    The standard error is the sandwich estimate from the spread of the pairs at each pixel (for ``lsq``, what they
    spread beyond their weights is averaged over two windows around), times κ measured over the scene, in each
    direction, for the noise that pairs share through common acquisitions (:mod:`labkit.stack.uncertainty`; attribute
    ``network_ratio``). On simulated noise of air, decorrelation and both, and on quiet ground of real pairs, the spread
    of gradient / standard error is within 20 % of one. Motion that is not steady counts as error for ``lsq``.

    References
    ----------
    Fu, L., et al. (2022), section 4.1 (filter, differences, sum).

    Examples
    --------
    >>> import labkit as lk
    >>> track = lk.simulate.scene("tiny", seed=0).interferograms["ascending"]
    >>> gradients = lk.stack_gradients(lk.select_pairs(track), window=5, progress=False)
    >>> gradients["gradient"].dims
    ('direction', 'y', 'x')
    >>> list(lk.stack_gradients(track, by={"spring": [3, 4, 5], "summer": [6, 7, 8]}, progress=False))
    ['spring', 'summer']
    """
    check_interferograms(ifgs)
    _check_arguments(ifgs, estimator, window, lag)
    _check_weights(coherence_floor, coherence_power)
    how = Filter(KERNEL_OF[estimator], window, lag, coherence_floor, coherence_power)
    if by is None:
        return _stack(ifgs, estimator, how, threads, progress)
    parts, empty = split_pairs(ifgs, by)
    without = ", ".join(empty)
    stacks = {name: _stack(part, estimator, how, threads, progress) for name, part in parts.items()}
    return {name: stacked.assign_attrs(period=name, empty_periods=without) for name, stacked in stacks.items()}


def _stack(ifgs: xr.Dataset, estimator: str, how: Filter, threads: int | None, progress: bool) -> xr.Dataset:
    years = (ifgs["temporal_baseline"].values / DAYS_PER_YEAR).astype(np.float32)
    steady = how.lag == 1 and estimator != "rewrapped"
    shape = (ifgs.sizes["y"], ifgs.sizes["x"])
    patches = choose_patches(years, ifgs["reference"].values, shape, how.window) if steady else None
    sums = accumulate(ifgs, how, patches=patches, threads=threads, progress=progress)
    return finish_stack(sums, patches, ifgs, estimator, how, threads, forget=True)


def finish_stack(
    sums: Sums,
    patches: Patches | None,
    ifgs: xr.Dataset,
    estimator: str,
    how: Filter,
    threads: int | None = None,
    *,
    forget: bool = False,
) -> xr.Dataset:
    """Make the gradients object from what a pass over all pairs left; no pair is read.

    Parameters
    ----------
    sums, patches
        What :func:`labkit.stack.streaming.accumulate` summed and kept; without patches there is no ``response``.
    ifgs : xarray.Dataset
        The interferograms, for their dates and attributes.
    estimator, how, threads
        As they were stacked.
    forget : bool
        Take the sums out of ``sums`` as soon as they are used, for the sake of memory.
    """
    workers = threads or os.cpu_count() or 1
    kappa = _network_ratios(sums, ifgs, estimator, workers)
    result = estimate(sums, estimator, window=how.window, error_factors=kappa, threads=workers, forget=forget)
    coherence = mean_coherence(sums, threads=workers)
    dims, plane = ("direction", "y", "x"), ("y", "x")
    images = {
        "gradient": (dims, result.gradient, {"units": "rad", "long_name": "stacked phase gradient"}),
        "standard_error": (dims, result.standard_error, {"units": "rad"}),
        "coherence": (plane, coherence, {"units": "1", "long_name": "mean coherence"}),
        "n_pairs": (dims, sums.counts, {"long_name": "pairs with data"}),
    }
    if patches is not None:
        response = measure_response(patches, sums.years, coherence, estimator, how, threads=workers)
        images["response"] = (plane, response, {"units": "1", "long_name": "share of a steady velocity shown"})
    coords = {name: c for name, c in ifgs.coords.items() if set(c.dims) <= {"y", "x"}}
    attrs = {
        **ifgs.attrs,
        "estimator": estimator,
        "window": how.window,
        "lag": how.lag,
        "coherence_floor": float(how.floor),
        "coherence_power": float(how.power),
        "n_pairs": int(ifgs.sizes["pair"]),
        "sum_temporal_baseline": float(sums.years.sum(dtype=np.float64)),
        "max_temporal_baseline": float(ifgs["temporal_baseline"].values.max()),
        "first_date": str(ifgs["reference"].values.min())[:10],
        "last_date": str(ifgs["secondary"].values.max())[:10],
        "network_ratio": [round(k, 4) for k in kappa],
    }
    stacked = xr.Dataset(images, {"direction": list(DIRECTIONS), **coords}, attrs)
    return to_azimuth_and_range(stacked) if ifgs.attrs["geometry"] == "map" else stacked


def _network_ratios(sums: Sums, ifgs: xr.Dataset, estimator: str, threads: int) -> list[float]:
    """κ of each direction."""
    dates = ifgs["reference"].values, ifgs["secondary"].values
    ratios = []
    for delta, size in sums.samples:
        psi, shares = scores(delta, size, sums.years, estimator, threads=threads)
        ratios.append(network_ratio(psi, shares, *dates, threads=threads))
    return ratios


def _check_arguments(ifgs: xr.Dataset, estimator: str, window: int, lag: int) -> None:
    if estimator not in KERNEL_OF:
        raise LabkitError(f"estimator must be one of {sorted(KERNEL_OF)}, instead got estimator={estimator!r}")
    if window < 1 or window % 2 == 0 or window != math.floor(window):
        raise LabkitError(f"window must be an odd number of pixels, at least 1, instead got window={window}")
    if lag < 1 or lag != math.floor(lag):
        raise LabkitError(f"lag must be at least 1 px, instead got lag={lag}")
    shortest = min(ifgs.sizes["y"], ifgs.sizes["x"])
    if max(window, lag + 1) > shortest:
        raise LabkitError(
            f"window and lag must fit into the scene of {ifgs.sizes['y']} × {ifgs.sizes['x']} px, "
            f"instead got window={window}, lag={lag}"
        )
    years = ifgs["temporal_baseline"].values
    if not (np.isfinite(years).all() and (years > 0).all()):
        raise LabkitError("temporal_baseline must be above 0 days for every pair, instead some are not")


def _check_weights(floor: float, power: float) -> None:
    if not 0 <= floor < 1:
        raise LabkitError(f"coherence_floor must be in [0, 1), instead got coherence_floor={floor}")
    if not 0 <= power <= 4:
        raise LabkitError(f"coherence_power must be in [0, 4], instead got coherence_power={power}")
