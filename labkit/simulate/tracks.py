"""What one track of a scene with effects holds, and its interferograms as an object of the schema."""

from __future__ import annotations

from dataclasses import dataclass

import dask.array as da
import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import schema
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.movers import Mover
from labkit.simulate.observing import Series
from labkit.simulate.scenes import compact, scene_attributes

LonLat = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Track:
    """One track's share of a scene (:class:`labkit.simulate.Scene` says what each is)."""

    interferograms: xr.Dataset
    rates: xr.Dataset
    true_rates: xr.DataArray
    truth: gpd.GeoDataFrame
    unseen: gpd.GeoDataFrame
    rate_truth: gpd.GeoDataFrame
    bursts: list[xr.Dataset]
    burst_frames: list[Frame]
    burst_truth: gpd.GeoDataFrame


def lonlat_of(frame: Frame, place: Place) -> LonLat:
    """Give the lookup table of an image: longitude and latitude (y, x) of every pixel's centre, degrees."""
    lon, lat = place.to_lonlat(*frame.pixel_centres())
    return np.asarray(lon, float), np.asarray(lat, float)


def interferograms_of(
    name: str, frame: Frame, series: Series, images: tuple[da.Array, da.Array], lonlat: LonLat
) -> xr.Dataset:
    """Put phase and coherence (pair, y, x) of an image into the lazy object that the schema describes."""
    first = np.array([series.dates[pair.reference] for pair in series.pairs], "datetime64[D]")
    second = np.array([series.dates[pair.secondary] for pair in series.pairs], "datetime64[D]")
    lon, lat = lonlat
    coords = {
        "pair": [f"{compact(a)}_{compact(b)}" for a, b in zip(first, second, strict=True)],
        "reference": ("pair", first.astype("datetime64[ns]")),
        "secondary": ("pair", second.astype("datetime64[ns]")),
        "temporal_baseline": ("pair", [pair.days for pair in series.pairs], {"units": "days"}),
        "perpendicular_baseline": ("pair", [series.baseline_m(pair) for pair in series.pairs], {"units": "m"}),
        "lon": (("y", "x"), lon, {"units": "degrees_east"}),
        "lat": (("y", "x"), lat, {"units": "degrees_north"}),
    }
    variables = {
        "phase": (("pair", "y", "x"), images[0], {"units": "rad"}),
        "coherence": (("pair", "y", "x"), images[1], {"units": "1"}),
    }
    return schema.check_interferograms(xr.Dataset(variables, coords, scene_attributes(name, frame)))


def rate_field(movers: list[Mover], frame: Frame) -> npt.NDArray[np.float32]:
    """Give the mean LOS rate of everything that moves, (y, x) mm/yr."""
    rate = np.zeros(frame.shape, np.float32)
    for mover in movers:
        rate[mover.rows, mover.cols] += mover.rate
    return rate
