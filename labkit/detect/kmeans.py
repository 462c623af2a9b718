"""K-means on rates: the faster of two clusters, found exactly."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.detect.regions import MIN_PIXELS, absolute_rates, check_regions, regions_table
from labkit.errors import LabkitError

MODEL = "k-means"


@dataclass(frozen=True)
class TwoMeans:
    """Numbers split into two clusters.

    Attributes
    ----------
    low, high : float
        Centres: the means of both clusters.
    boundary : float
        Half-way between the centres; what is above it belongs to the higher cluster.
    inertia : float
        Sum of the squared distances from the centres.
    """

    low: float
    high: float
    boundary: float
    inertia: float


def two_means(values: npt.ArrayLike) -> TwoMeans | None:
    """Split numbers into the two clusters of least inertia; None where fewer than two numbers differ.

    Notes
    -----
    Along a line the best clusters are an interval each, so that every split of the sorted numbers is tried, by running
    sums: the answer is the least inertia there is, the same each time, where Lloyd's iterations from random centres may
    end in another. Of splits that are equally good the lowest is taken.

    Examples
    --------
    >>> two_means([10, 11, 12, 30, 32])
    TwoMeans(low=11.0, high=31.0, boundary=21.0, inertia=4.0)
    """
    x = np.sort(np.asarray(values, float).ravel())
    if not np.isfinite(x).all():
        raise LabkitError("values must be finite numbers, instead got some that are not. Leave out what has no data")
    if not len(x) or x[0] == x[-1]:
        return None
    middle = x.mean()
    running = np.cumsum(x - middle)[:-1]
    below = np.arange(1, len(x))
    # the mean of all is 0 here: what the clusters hold beyond it is this sum twice, once with the other sign
    between = running**2 * (1 / below + 1 / (len(x) - below))
    between[x[1:] == x[:-1]] = -1.0
    cut = int(between.argmax()) + 1
    low, high = float(x[:cut].mean()), float(x[cut:].mean())
    inertia = float(((x[:cut] - low) ** 2).sum() + ((x[cut:] - high) ** 2).sum())
    return TwoMeans(low, high, (low + high) / 2, inertia)


def kmeans_regions(rates: xr.Dataset, min_rate: float = 10.0, *, min_pixels: int = MIN_PIXELS) -> gpd.GeoDataFrame:
    """Find landslides in rates by K-means, as the second paper does to compare with: the faster of two clusters.

    Parameters
    ----------
    rates : xarray.Dataset
        LOS rates (y, x), mm/yr, NaN = no data.
    min_rate : float
        Pixels slower than this, toward or away from the satellite, are left out before, mm/yr, ≥ 0.
    min_pixels : int
        Regions of fewer pixels are left out, at least 1.

    Returns
    -------
    geopandas.GeoDataFrame
        detections with the columns of :func:`labkit.detect.regions.regions_table`; its score is made of the greatest
        \\|rate\\| of a region, 0.5 at the boundary. ``attrs`` hold ``centres`` and ``boundary`` in mm/yr; NaN, with an
        empty table, where fewer than two rates differ: then there is no faster cluster.

    Raises
    ------
    LabkitError
        The rates are none, or an argument breaks its rule.

    Notes
    -----
    k = 2 on \\|rate\\|, landslide and no landslide. The clusters are the best there are (:func:`two_means`), without a
    random start. As they split numbers and know nothing of places, the boundary lies between the scene's slow and fast
    slides wherever that is: one very fast slide hides the others.

    References
    ----------
    Zhang et al. (2025), section 3.4, Equations 6 and 7: k = 2, rates of at least 10 mm/yr.

    Examples
    --------
    >>> speed = np.full((40, 40), 12.0)
    >>> speed[:8, :8] = -40
    >>> found = kmeans_regions(xr.Dataset({"rate": (("y", "x"), speed)}))
    >>> found[["xmax", "ymax", "pixels", "peak_rate"]].values.tolist(), found.attrs["boundary"]
    ([[8.0, 8.0, 64.0, -40.0]], 26.0)
    """
    check_regions(min_rate, min_pixels)
    speed, known = absolute_rates(rates)
    moving = known & (speed >= min_rate)
    split = two_means(speed[moving])
    low, high, boundary = (np.nan,) * 3 if split is None else (split.low, split.high, split.boundary)
    found = regions_table(moving & (speed > boundary), rates, speed, boundary, min_pixels, MODEL)
    found.attrs |= {"centres": (low, high), "boundary": boundary}
    return found
