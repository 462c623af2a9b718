"""The plainest detector: ground that moves faster than a threshold."""

from __future__ import annotations

import geopandas as gpd
import xarray as xr

from labkit.detect.regions import MIN_PIXELS, absolute_rates, check_regions, regions_table
from labkit.errors import LabkitError

MODEL = "threshold"


def threshold_regions(rates: xr.Dataset, min_rate: float = 10.0, *, min_pixels: int = MIN_PIXELS) -> gpd.GeoDataFrame:
    """Find whatever moves at least so fast, toward or away from the satellite.

    Parameters
    ----------
    rates : xarray.Dataset
        LOS rates (y, x), mm/yr, NaN = no data.
    min_rate : float
        The threshold, mm/yr, > 0.
    min_pixels : int
        Regions of fewer pixels are left out, at least 1.

    Returns
    -------
    geopandas.GeoDataFrame
        detections with the columns of :func:`labkit.detect.regions.regions_table`; its score is made of the greatest
        \\|rate\\| of a region, 0.5 at the threshold.

    Raises
    ------
    LabkitError
        The rates are none, or an argument breaks its rule.

    Notes
    -----
    It is what detectors are measured against, not one to use: where the air leaves as many mm/yr as a slide moves, no
    threshold parts the two.

    References
    ----------
    Fu et al. (2022), section 5.4 and Figure 11: thresholds find the large slides, and not the many small ones that
    tropospheric residuals hide.

    Examples
    --------
    >>> import numpy as np
    >>> speed = np.zeros((40, 40))
    >>> speed[10:15, 20:26] = -12
    >>> found = threshold_regions(xr.Dataset({"rate": (("y", "x"), speed)}))
    >>> found[["xmin", "ymin", "xmax", "ymax", "pixels"]].values.tolist()
    [[20.0, 10.0, 26.0, 15.0, 30.0]]
    """
    check_regions(min_rate, min_pixels)
    if min_rate == 0:
        raise LabkitError("min_rate must be above 0 mm/yr to be a threshold, instead got min_rate=0")
    speed, known = absolute_rates(rates)
    return regions_table(known & (speed >= min_rate), rates, speed, min_rate, min_pixels, MODEL)
