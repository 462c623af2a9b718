"""Unwrap a re-wrapped stack with SNAPHU: the last step of the published method."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labkit.errors import LabkitError
from labkit.schema import check_gradients


def unwrap(gradients: xr.Dataset, *, looks: float = 50.0) -> xr.Dataset:
    """Unwrap the stacked gradients of the estimator "rewrapped" with SNAPHU, weighted by the mean coherence.

    Parameters
    ----------
    gradients : xarray.Dataset
        gradients with ``gradient`` in [−π, π) rad and ``coherence`` 0..1; NaN = no data.
    looks : float
        Equivalent number of independent looks that went into the coherence, at least 1.

    Returns
    -------
    xarray.Dataset
        The same with ``gradient`` unwrapped, rad. Unwrapping knows differences only: each direction is shifted by the
        multiple of 2π that brings its median closest to 0.

    Raises
    ------
    LabkitError
        The gradients are not wrapped, or ``looks`` is below 1.

    References
    ----------
    Fu et al. (2022), section 4.1; Chen (2001), SNAPHU.
    """
    import snaphu

    check_gradients(gradients)
    if looks < 1:
        raise LabkitError(f"looks must be at least 1, instead got looks={looks}")
    if float(np.abs(gradients["gradient"]).max()) > np.pi + 1e-3:
        raise LabkitError(
            "gradient must be wrapped into [−π, π) to be unwrapped, instead it goes beyond. "
            "Stack with estimator='rewrapped'; the other estimators need no unwrapping"
        )
    coherence = np.nan_to_num(gradients["coherence"].values).astype(np.float32)
    unwrapped = np.full(gradients["gradient"].shape, np.nan, np.float32)
    for i, image in enumerate(gradients["gradient"].values):
        known = np.isfinite(image)
        phasor = np.where(known, np.exp(1j * np.nan_to_num(image)), 0).astype(np.complex64)
        whole, _ = snaphu.unwrap(phasor, np.where(known, coherence, 0), nlooks=looks, cost="smooth", mask=known)
        turns = np.round(np.median(whole[known]) / (2 * np.pi)) if known.any() else 0.0
        unwrapped[i] = np.where(known, whole - 2 * np.pi * turns, np.nan)
    return gradients.assign(gradient=gradients["gradient"].copy(data=unwrapped))
