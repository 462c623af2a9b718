"""Unwrap with SNAPHU: a re-wrapped stack, the last step of the published method, or every pair by itself."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import distance_transform_edt

from labkit.errors import LabkitError
from labkit.schema import check_gradients, check_interferograms, is_gradients

Image = npt.NDArray[np.float32]

#: What SNAPHU is told of the coherence of pixels without data: they join what lies around them, and decide nothing.
_FILLED_COHERENCE = 0.05


class _StandardOutput:
    """What programs write to standard output, which can be thrown away while any of several threads wants so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._kept = -1

    @contextlib.contextmanager
    def silenced(self) -> Iterator[None]:
        with self._lock:
            if self._wanted == 0:
                sys.stdout.flush()
                self._kept = os.dup(1)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.close(nowhere)
            self._wanted += 1
        try:
            yield
        finally:
            with self._lock:
                self._wanted -= 1
                if self._wanted == 0:
                    os.dup2(self._kept, 1)
                    os.close(self._kept)


#: SNAPHU is a program of its own that writes some thirty lines for every image; a notebook would show them all.
_QUIET = _StandardOutput()


def unwrap(data: xr.Dataset, *, looks: float = 50.0) -> xr.Dataset:
    """Unwrap the stacked gradients of the estimator "rewrapped", or every pair of interferograms, with SNAPHU.

    Parameters
    ----------
    data : xarray.Dataset
        gradients with ``gradient`` in [−π, π) rad and ``coherence`` 0..1, or interferograms; NaN = no data.
    looks : float
        Equivalent number of independent looks that went into the coherence, at least 1.

    Returns
    -------
    xarray.Dataset
        Of gradients the same with ``gradient`` unwrapped, rad. Of interferograms the same with the variable
        ``unwrapped`` (pair, y, x) float32 rad, lazy: SNAPHU runs when a pair is read. Unwrapping knows differences
        only: each image is shifted by the multiple of 2π that brings its median closest to 0.

    Raises
    ------
    LabkitError
        The gradients are not wrapped, the interferograms carry unwrapped phase already, or ``looks`` is below 1.

    Notes
    -----
    Pixels without data take the phase of the nearest one that has some, at next to no weight, while SNAPHU runs: a
    river would otherwise cut the scene into pieces that know nothing of each other. They are NaN again in the result.

    References
    ----------
    Fu et al. (2022), section 4.1; Chen (2001), SNAPHU.

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"].isel(pair=slice(1))
    >>> unwrapped = unwrap(ifgs)["unwrapped"].load()
    >>> cycles = (unwrapped - ifgs["phase"]) / (2 * np.pi)
    >>> sorted(set(cycles.values[np.isfinite(cycles)].round(3).tolist()))
    [-1.0, 0.0, 1.0]
    """
    if not looks >= 1:
        raise LabkitError(f"looks must be at least 1, instead got looks={looks}")
    return _unwrap_gradients(data, looks) if is_gradients(data) else _unwrap_pairs(data, looks)


def unwrap_image(phase: Image, coherence: Image, looks: float) -> Image:
    """Unwrap one image, (y, x) rad in [−π, π), weighted by its coherence; NaN = no data, in and out."""
    import snaphu

    known = np.isfinite(phase)
    if not known.any():
        return np.full(phase.shape, np.nan, np.float32)
    # A river without data would cut the scene in two, each bank with a multiple of 2π of its own.
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    phasor = np.exp(1j * phase[tuple(nearest)]).astype(np.complex64)
    weight = np.where(known, np.nan_to_num(coherence), _FILLED_COHERENCE).astype(np.float32)
    with _QUIET.silenced():
        whole, _ = snaphu.unwrap(phasor, weight, nlooks=looks, cost="smooth", init="mst")
    turns = np.round(np.median(whole[known]) / (2 * np.pi))
    return np.where(known, whole - 2 * np.pi * turns, np.nan).astype(np.float32)


def _unwrap_gradients(gradients: xr.Dataset, looks: float) -> xr.Dataset:
    check_gradients(gradients)
    if float(np.abs(gradients["gradient"]).max()) > np.pi + 1e-3:
        raise LabkitError(
            "gradient must be wrapped into [−π, π) to be unwrapped, instead it goes beyond. "
            "Stack with estimator='rewrapped'; the other estimators need no unwrapping"
        )
    coherence = gradients["coherence"].values
    images = [unwrap_image(image, coherence, looks) for image in gradients["gradient"].values]
    return gradients.assign(gradient=gradients["gradient"].copy(data=np.stack(images)))


def _unwrap_pairs(ifgs: xr.Dataset, looks: float) -> xr.Dataset:
    check_interferograms(ifgs)
    if "unwrapped" in ifgs:
        raise LabkitError(
            "ifgs must hold wrapped phase alone to be unwrapped, instead it has the variable 'unwrapped'. "
            "Drop it first: ifgs.drop_vars('unwrapped')"
        )
    # Whole pairs as blocks: a graph of one task for each pair on top of what reads it.
    phase, coherence = (da.asarray(ifgs[name].data).rechunk({0: 1, 1: -1, 2: -1}) for name in ("phase", "coherence"))
    nothing = np.empty((0, 0, 0), np.float32)
    unwrapped = da.map_blocks(_unwrap_block, phase, coherence, looks=looks, dtype=np.float32, meta=nothing)
    words = {"units": "rad", "long_name": "unwrapped phase", "unwrapped_by": "SNAPHU"}
    return ifgs.assign(unwrapped=(("pair", "y", "x"), unwrapped, words))


def _unwrap_block(phase: Image, coherence: Image, looks: float) -> Image:
    """Unwrap the one pair of a block, (1, y, x)."""
    return unwrap_image(phase[0], coherence[0], looks)[None]
