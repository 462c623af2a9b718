"""Triplet closure: whether the phases of three pairs between three dates add up, by pixel and by pair."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import LabkitError
from labkit.schema import check_interferograms

Image = npt.NDArray[np.float32]

#: What the sums over triplets leave for one pixel or one pair: Σ closure² and how many.
_Sums = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


def triplet_closure(ifgs: xr.Dataset, *, max_rms_rad: float = 1.5, progress: bool = True) -> xr.Dataset:
    """Measure how well the phases of all triplets of pairs close, and mask the pixels where they do not.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms. Where the dataset has a variable ``unwrapped`` (pair, y, x; rad, NaN = no data), the closure is
        that of the unwrapped phase and shows unwrapping errors; else it is that of the wrapped ``phase``, which shows
        noise and the bias of multilooked phase, but no unwrapping error.
    max_rms_rad : float
        Pixels with a larger RMS are masked, rad, above 0. (Of wrapped phase that is pure noise the RMS is π/√3 = 1.81.)
    progress : bool
        Show a bar over the triplets.

    Returns
    -------
    xarray.Dataset
        ``closure_rms`` (y, x) float32 rad, NaN where no triplet is known; ``n_triplets`` (y, x) int32; ``masked``
        (y, x) bool, True where the RMS is above the limit; ``pair_closure_rms`` (pair) float64 rad over all pixels and
        triplets that a pair is part of, NaN = none; ``pair_triplets`` (pair) int32. Attributes: those of the scene and
        ``closure_of`` "unwrapped phase" or "wrapped phase", ``max_rms_rad``, ``triplets``, and ``masked_fraction``,
        the share of masked pixels among those with a triplet.

    Raises
    ------
    LabkitError
        ``max_rms_rad`` is not above 0, or no three pairs join three dates.

    Notes
    -----
    For dates a < b < c and their pairs ab, bc and ac::

        closure = φ(ab) + φ(bc) − φ(ac)        RMS = √(mean over triplets of closure²)

    Displacement and atmosphere cancel in it. Wrapped phase gives it in [−π, π]. The phase of a pair is known up to a
    constant, the phase of its reference point: of each triplet the median over the scene is taken off.
    Pairs are read once, in the order of their dates, and held only while a triplet needs them.

    References
    ----------
    Zhang et al. (2025), section 2.2 (pixels above 1.5 rad are excluded).

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["descending"]
    >>> closure = triplet_closure(ifgs, progress=False)
    >>> closure.attrs["closure_of"], closure["closure_rms"].dims
    ('wrapped phase', ('y', 'x'))
    """
    check_interferograms(ifgs)
    if not max_rms_rad > 0:
        raise LabkitError(f"max_rms_rad must be above 0, instead got max_rms_rad={max_rms_rad}")
    unwrapped = "unwrapped" in ifgs
    if unwrapped and ifgs["unwrapped"].dims != ("pair", "y", "x"):
        raise LabkitError(f"unwrapped must have the dims (pair, y, x), instead got dims={ifgs['unwrapped'].dims}")
    triplets = find_triplets(ifgs)
    if not len(triplets):
        raise LabkitError(
            f"ifgs must hold three pairs that join three dates, instead none of {ifgs.sizes['pair']} pairs closes a "
            "triplet. Keep longer pairs: lk.select_pairs(ifgs, max_days=…)"
        )
    pixels, pairs = _sums(ifgs["unwrapped" if unwrapped else "phase"], triplets, unwrapped, progress)
    rms = _rms(*pixels).astype(np.float32)
    known = pixels[1] > 0
    masked = known & (rms > max_rms_rad)
    return xr.Dataset(
        {
            "closure_rms": (("y", "x"), rms, {"units": "rad", "long_name": "RMS of triplet closure"}),
            "n_triplets": (("y", "x"), pixels[1].astype(np.int32)),
            "masked": (("y", "x"), masked),
            "pair_closure_rms": ("pair", _rms(*pairs), {"units": "rad"}),
            "pair_triplets": ("pair", np.bincount(triplets.ravel(), minlength=ifgs.sizes["pair"]).astype(np.int32)),
        },
        coords=ifgs.coords,
        attrs={
            **ifgs.attrs,
            "closure_of": "unwrapped phase" if unwrapped else "wrapped phase",
            "max_rms_rad": max_rms_rad,
            "triplets": len(triplets),
            "masked_fraction": float(masked.sum() / max(1, known.sum())),
        },
    )


def find_triplets(ifgs: xr.Dataset) -> npt.NDArray[np.intp]:
    """List the triplets of pairs: (triplet, 3) positions on ``pair`` of ab, bc and ac, in the order of a, b, c."""
    dates = zip(ifgs["reference"].values, ifgs["secondary"].values, strict=True)
    position = {dates_of_pair: k for k, dates_of_pair in enumerate(dates)}
    after: dict[np.datetime64, list[np.datetime64]] = {}
    for first, second in sorted(position):
        after.setdefault(first, []).append(second)
    found = [
        (position[a, b], position[b, c], position[a, c])
        for a, b in sorted(position)
        for c in after.get(b, [])
        if (a, c) in position
    ]
    return np.array(found, np.intp).reshape(-1, 3)


def _sums(phase: xr.DataArray, triplets: npt.NDArray[np.intp], unwrapped: bool, progress: bool) -> tuple[_Sums, _Sums]:
    shape, n_pairs = (phase.sizes["y"], phase.sizes["x"]), phase.sizes["pair"]
    squares, counts = np.zeros(shape), np.zeros(shape, np.int64)
    pair_squares, pair_counts = np.zeros(n_pairs), np.zeros(n_pairs, np.int64)
    last_use = {int(k): i for i, triplet in enumerate(triplets) for k in triplet}
    held: dict[int, Image] = {}
    for i, triplet in enumerate(tqdm(triplets, desc="closure", unit="triplet", disable=not progress)):
        members = [int(k) for k in triplet]
        for k in members:
            if k not in held:
                held[k] = phase.isel(pair=k).values
        first, second, across = (held[k] for k in members)
        closure = _closure(first, second, across, unwrapped)
        known = np.isfinite(closure)
        square = np.where(known, closure, 0) ** 2
        squares += square
        counts += known
        pair_squares[members] += float(square.sum(dtype=np.float64))
        pair_counts[members] += int(known.sum())
        for k in members:
            if last_use[k] == i:
                del held[k]
    return (squares, counts), (pair_squares, pair_counts)


def _closure(first: Image, second: Image, across: Image, unwrapped: bool) -> Image:
    closure = first + second - across
    known = np.isfinite(closure)
    if not known.any():
        return closure
    if unwrapped:
        return closure - np.float32(np.median(closure[known]))
    # The median of an angle needs a place to be counted from; the mean phasor is near enough.
    closure = _folded(closure - np.float32(np.angle(np.exp(1j * closure[known]).mean())))
    return _folded(closure - np.float32(np.median(closure[known])))


def _folded(closure: Image) -> Image:
    turn = np.float32(2 * np.pi)
    return np.asarray(closure - turn * np.round(closure / turn), np.float32)


def _rms(squares: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    mean = np.divide(squares, counts, out=np.full(squares.shape, np.nan), where=counts > 0)
    return np.sqrt(mean)
