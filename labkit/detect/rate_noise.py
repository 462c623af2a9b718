"""How noisy a rate map is that came without its standard error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import gaussian_filter

from labkit import schema
from labkit.errors import LabkitError

#: Standard deviation over median absolute value, for normal noise.
_MAD_TO_SIGMA = 1.4826

#: Of the weights of a mean, in its width: a Gaussian as wide as this share of it.
_SIGMA_SHARE = 0.5

#: What stands out by so many standard errors is no noise.
_OUTSTANDING = 5.0

#: Where less than this share of a mean's weights has data, there is none.
_LEAST_SHARE = 0.05


def estimate_standard_error(rates: xr.Dataset, local_m: float = 1000.0) -> xr.Dataset:
    """Give a rate map the standard error that it lacks: the spread of its rates within so many metres.

    Parameters
    ----------
    rates : xarray.Dataset
        rates in mm/yr, NaN = no data, with the attribute ``ground_spacing`` (m).
    local_m : float
        What varies more slowly (air, orbits, tectonics) is no noise; above 0, m.

    Returns
    -------
    xarray.Dataset
        The same with ``standard_error`` (mm/yr), one value wherever there is a rate. A map that has standard errors
        comes back as it is.

    Raises
    ------
    LabkitError
        ``rates`` is no rate map, has no data or no ground spacing, or ``local_m`` is not above 0.

    Notes
    -----
    σ = 1.4826 · median |r − m| over the map, m the Gaussian-weighted mean of what has data within about ``local_m``
    (its standard deviation is half of that); then again without what stands out by 5 σ or more, which landslides do.
    Noise is taken to be the same everywhere: on incoherent ground it is larger than this, where a time-series analysis
    would have said so.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0.0, 3.0, (200, 200)).astype("float32")
    >>> rates = xr.Dataset({"rate": (("y", "x"), noise)}, attrs={"ground_spacing": 40.0})
    >>> float(estimate_standard_error(rates)["standard_error"][0, 0].round(1))
    3.0
    """
    schema.check_rates(rates)
    if not 0 < local_m < np.inf:
        raise LabkitError(f"local_m must be positive, m, instead got local_m={local_m}")
    spacing = float(rates.attrs.get("ground_spacing", np.nan))
    if not 0 < spacing < np.inf:
        raise LabkitError(
            f"ground_spacing must be a positive number of metres, instead got ground_spacing={spacing}. "
            "Set rates.attrs['ground_spacing']"
        )
    if "standard_error" in rates:
        return rates
    values = np.asarray(rates["rate"].values, np.float32)
    valid = np.isfinite(values)
    if not valid.any():
        raise LabkitError("rates must hold data, instead got valid pixels=0")
    sigma = _SIGMA_SHARE * local_m / spacing
    error, outstanding = _spread(values, valid, sigma)
    error, _ = _spread(values, valid & ~outstanding, sigma)
    image = np.where(valid, np.float32(error), np.float32(np.nan))
    return rates.assign(
        standard_error=(("y", "x"), image, {"units": "mm/yr", "source": f"spread within {local_m:g} m"})
    )


def _spread(
    values: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], sigma: float
) -> tuple[float, npt.NDArray[np.bool_]]:
    """Give the robust spread of what is valid around its Gaussian-weighted mean, and what stands out."""
    weight = gaussian_filter(valid.astype(np.float32), sigma)
    mean = gaussian_filter(np.where(valid, values, np.float32(0)), sigma) / np.maximum(weight, _LEAST_SHARE)
    away = np.abs(values - mean)
    spread = _MAD_TO_SIGMA * float(np.median(away[valid]))
    return spread, away > _OUTSTANDING * spread
