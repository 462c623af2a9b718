"""Hot spots: ground whose whole neighbourhood moves faster than chance would have it (Getis-Ord)."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.detect.disc_sums import disc_sums
from labkit.detect.regions import MIN_PIXELS, absolute_rates, check_regions, regions_table
from labkit.errors import LabkitError

Image = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MODEL = "hot-spots"

#: What :func:`hot_spot_scores` can give.
STATISTICS = ("z", "G")

#: Where the variance of the others is below this share of the variance of all, it is rounding.
_NO_VARIANCE = 1e-12


def hot_spot_scores(
    rates: xr.Dataset, distance: float = 7, *, include_self: bool = True, statistic: str = "z"
) -> xr.DataArray:
    """Score how much faster than the scene the surroundings of each pixel move: Getis-Ord Gi* on |rate|.

    Parameters
    ----------
    rates : xarray.Dataset
        LOS rates (y, x), mm/yr. What is not a finite number is no data and counts nowhere: neither as a neighbour, nor
        in the number of pixels, the mean and the variance.
    distance : float
        Pixels whose centres are at most this far away are neighbours, px, at least 1.
    include_self : bool
        Whether a pixel is its own neighbour: True is Gi*, False Gi.
    statistic : {"z", "G"}
        The z-score, or the plain G: the share of all motion that lies around the pixel.

    Returns
    -------
    xarray.DataArray
        (y, x) float64 on the grid of the rates, no unit. NaN where there is no data, and where the score is not
        defined: z where all rates are equal or everything is a neighbour, G where nothing moves.

    Raises
    ------
    LabkitError
        The rates are none, or an argument breaks its rule.

    Notes
    -----
    With x = \\|rate\\|, weights w_ij of 1 within the distance and 0 beyond, and sums over all n pixels with data:

    G_i = Σ_j w_ij x_j / Σ_j x_j

    z_i = (Σ_j w_ij x_j − W_i x̄) / (s √((n W_i − W_i²) / (n − 1))), W_i = Σ_j w_ij, s² = Σ x²/n − x̄²

    It is (G − E[G]) / √Var[G] when the motion is shared out to the pixels by lot. Without the pixel itself, n, x̄ and s
    leave it out as well, for each pixel anew. No permutations are drawn. z is normal only for independent pixels; rates
    are smooth over the filters that made them and over the air, so that far more than 1 % of quiet ground exceeds 2.58.

    Equation 4 of the second paper, as printed, is the plain G without the pixel itself (j ≠ i); its section 3.3 speaks
    of Gi*, which has it. Here z is that of Gi* unless asked otherwise.

    References
    ----------
    Getis and Ord (1992), The analysis of spatial association by use of distance statistics: G. Ord and Getis (1995),
    Local spatial autocorrelation statistics, Equations 1, 4 and 5: Gi* and z. Zhang et al. (2025), section 3.3,
    Equations 4 and 5, distance 7.

    Examples
    --------
    >>> speed = np.zeros((60, 60), np.float32)
    >>> speed[20:30, 20:30] = -30
    >>> scores = hot_spot_scores(xr.Dataset({"rate": (("y", "x"), speed)}))
    >>> float(scores[25, 25].round(1)), float(scores[50, 50].round(1))
    (48.3, -2.1)
    """
    _check(distance, statistic)
    x, known = absolute_rates(rates)
    scores = np.full(x.shape, np.nan)
    if known.any():
        fill = _z_scores if statistic == "z" else _shares
        scores[known] = fill(x, known, distance, include_self)[known]
    name = ("Gi*" if include_self else "Gi") + (" z-score" if statistic == "z" else "")
    attrs = {"long_name": name, "units": "1", "distance": float(distance)}
    attrs |= {key: rates.attrs[key] for key in ("scene", "crs") if key in rates.attrs}
    return rates["rate"].copy(data=scores).rename("hot_spot_score").assign_attrs(attrs)


def hot_spots(
    rates: xr.Dataset,
    distance: float = 7,
    z: float = 2.58,
    min_rate: float = 10.0,
    *,
    min_pixels: int = MIN_PIXELS,
) -> gpd.GeoDataFrame:
    """Find landslides in rates by hot spot analysis, as the second paper does to compare with.

    Parameters
    ----------
    rates : xarray.Dataset
        LOS rates (y, x), mm/yr, NaN = no data.
    distance : float
        Of the neighbours, px, at least 1 (:func:`hot_spot_scores`).
    z : float
        Least z-score of Gi*, not reached but exceeded, > 0; 2.58 is 99 % of a normal variable on both sides.
    min_rate : float
        Pixels slower than this, toward or away from the satellite, are left out, mm/yr, ≥ 0.
    min_pixels : int
        Regions of fewer pixels are left out, at least 1.

    Returns
    -------
    geopandas.GeoDataFrame
        detections with the columns of :func:`labkit.detect.regions.regions_table`; its score is made of the greatest z
        of a region, 0.5 at the threshold. Empty where nothing is hot, or no score is defined.

    Raises
    ------
    LabkitError
        The rates are none, or an argument breaks its rule.

    Notes
    -----
    The z-score asks for more than the scene's mean. The same slide scores lower in a scene full of slides than in a
    quiet one, and a larger scene gives other regions than its parts.

    References
    ----------
    Zhang et al. (2025), section 3.3: distance 7, z > 2.58, rates of at least 10 mm/yr.

    Examples
    --------
    >>> import labkit as lk
    >>> rates = lk.simulate.scene("tiny", seed=0).rates["ascending"]
    >>> lk.hot_spots(rates)[["direction", "model"]].iloc[0].tolist()
    ['rate', 'hot-spots']
    """
    check_regions(min_rate, min_pixels)
    if not 0 < z < math.inf:
        raise LabkitError(f"z must be a positive number, instead got z={z}")
    scores = hot_spot_scores(rates, distance).to_numpy()
    speed, known = absolute_rates(rates)
    hot = known & (scores > z) & (speed >= min_rate)
    return regions_table(hot, rates, scores, z, min_pixels, MODEL)


def _check(distance: float, statistic: str) -> None:
    if not 1 <= distance < math.inf:
        raise LabkitError(f"distance must be a number of pixels of at least 1, instead got distance={distance}")
    if statistic not in STATISTICS:
        raise LabkitError(f"statistic must be one of {STATISTICS}, instead got statistic={statistic!r}")


def _z_scores(x: Image, known: Mask, distance: float, include_self: bool) -> Image:
    n = int(known.sum())
    values = x[known]
    if n < 2 or values.min() == values.max():
        return np.full(x.shape, np.nan)
    # from the mean, so that no sum is the small difference of two large ones
    mean = values.mean()
    apart = np.where(known, x - mean, 0.0)
    left = apart[known].sum() / n
    square = float((apart[known] ** 2).sum())
    sums, counts = disc_sums(apart, known, distance)
    total = square / n - left**2
    weights = counts.astype(float)
    if include_self:
        return _standard(sums - weights * left, weights, n, np.full(x.shape, total))
    others = n - 1
    mean_of_others = (n * left - apart) / others
    variance = (square - apart**2) / others - mean_of_others**2
    sums, weights = sums - apart, weights - 1
    return _standard(
        sums - weights * mean_of_others, weights, others, np.where(variance > _NO_VARIANCE * total, variance, 0)
    )


def _standard(excess: Image, weights: Image, n: int, variance: Image) -> Image:
    """Bring the excess of ``weights`` drawn of ``n`` without putting back to its standard deviation; NaN where 0."""
    # a pixel without data is no neighbour of itself that could be left out: there it would be less than nothing
    spread = np.maximum(variance * weights * (n - weights) / max(n - 1, 1), 0.0)
    return np.divide(excess, np.sqrt(spread), out=np.full(excess.shape, np.nan), where=spread > 0)


def _shares(x: Image, known: Mask, distance: float, include_self: bool) -> Image:
    total = float(x[known].sum())
    sums, _ = disc_sums(x, known, distance)
    motion = np.full(x.shape, total)
    if not include_self:
        sums, motion = sums - x, total - x
    return np.divide(sums, motion, out=np.full(x.shape, np.nan), where=motion > 0)
