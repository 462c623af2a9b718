"""Rate maps as time-series analysis gives them: the truth, the atmosphere's remains, decorrelation's noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import schema
from labkit.simulate.fields import stream
from labkit.simulate.interferometry import phase_per_mm
from labkit.simulate.observing import Observer, spread_weather
from labkit.simulate.visible import phase_variance

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

#: Pixels of time-series analysis are multilooked again, to so many times the looks of a pair.
_MORE_LOOKS = 4.0


def measured_rates(ifgs: xr.Dataset, rate: Image, observer: Observer, *, level: float | None = None) -> xr.Dataset:
    """Give a rate map as small-baseline analysis would from this track's dates.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The track's interferograms, for lon/lat and attributes.
    rate : numpy.ndarray (y, x)
        True LOS rate, mm/yr.
    observer : Observer
        The track: its weather, layered air and coherence.
    level : float, optional
        Of the atmosphere's remains, mm/yr, which the map's reference takes away; None: their mean over this image.

    Returns
    -------
    xarray.Dataset
        rates (:mod:`labkit.schema`): ``rate`` mm/yr, NaN on water; ``standard_error`` that of decorrelation, mm/yr.

    Notes
    -----
    A line fitted through a connected network's time series is, but for the pairs' weights, the regression of the dates
    on time. The atmosphere that it leaves is therefore Σ (tᵢ − t̄) dᵢ / Σ (tᵢ − t̄)², dᵢ the delay that the same dates
    have in the interferograms, with its sign: a delay that grows looks like motion away. The noise of decorrelation has
    the variance σ² / Σ T² of rates from independent pairs of baseline T.

    References
    ----------
    Berardino and others (2002), A new algorithm for surface deformation monitoring based on small baseline differential
    SAR interferograms.
    """
    series, frame = observer.series, observer.frame
    residual = residual_atmosphere(observer)
    years = np.array([pair.days for pair in series.pairs]) / schema.DAYS_PER_YEAR
    middle = series.pairs[len(series.pairs) // 2]
    coherence = observer.cover.coherence(series.dates[middle.reference], series.dates[middle.secondary])
    looks = observer.effects.looks * _MORE_LOOKS
    variance = phase_variance(coherence, looks) if looks else np.zeros(frame.shape, np.float32)
    error = (np.sqrt(variance) / phase_per_mm() / np.sqrt((years**2).sum())).astype(np.float32)
    random = stream(observer.seed, frame.name, "rate noise")
    noise = error * random.standard_normal(frame.shape, np.float32)
    away = np.float32(residual.mean() if level is None else level)
    measured = (rate - (residual - away) + noise).astype(np.float32)
    for image in (measured, error):
        image[observer.cover.ground.water] = np.nan
    images = {
        "rate": (("y", "x"), measured, {"units": "mm/yr"}),
        "standard_error": (("y", "x"), error, {"units": "mm/yr"}),
    }
    coords = {name: ifgs.coords[name] for name in ("lon", "lat")}
    return schema.check_rates(xr.Dataset(images, coords, dict(ifgs.attrs)))


def residual_atmosphere(observer: Observer) -> Image:
    """Give the trend of a track's delays over its dates, (y, x) mm/yr: Σ (tᵢ − t̄) dᵢ / Σ (tᵢ − t̄)²."""
    series = observer.series
    years = (series.dates - series.dates[0]).astype(float) / schema.DAYS_PER_YEAR
    weights = (years - years.mean()) / ((years - years.mean()) ** 2).sum()
    trend = np.float32(weights @ series.slopes) * observer.layers.path
    if observer.effects.turbulence_mm:
        coarse = sum(np.float32(weight) * observer.weather(date) for date, weight in enumerate(weights))
        trend = trend + spread_weather(np.asarray(coarse, np.float32), observer.frame)
    return np.asarray(trend, np.float32)
