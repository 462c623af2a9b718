"""A track in bursts that overlap, each made for itself in bounded memory over one ground, weather and truth."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import dask.array as da
import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.schema import DAYS_PER_YEAR
from labkit.simulate.delays import layered_path
from labkit.simulate.geometry import Frame
from labkit.simulate.layout import Layout, Window
from labkit.simulate.observing import Observer, Series, draw_weather, lazy_images, weather_step
from labkit.simulate.rate_maps import measured_rates
from labkit.simulate.scenes import joined
from labkit.simulate.tracks import Track, interferograms_of, lonlat_of, rate_field
from labkit.simulate.visible import gradient_error, truth_of_frame
from labkit.simulate.world import World, observe, series_of

Image = npt.NDArray[np.float32]

#: So many bursts of a track are ready to make pairs at a time, and so many dates' weather is kept.
_KEPT_BURSTS, _KEPT_DATES = 8, 64


class Air:
    """The turbulent delay over a whole track, of which each burst sees its part.

    Parameters
    ----------
    frame : Frame
        The track's image.
    rms_mm, seed
        As :func:`labkit.simulate.observing.draw_weather` takes them.
    """

    def __init__(self, frame: Frame, rms_mm: float, seed: int) -> None:
        self._frame, self._rms_mm, self._seed = frame, rms_mm, seed
        self._drawn: OrderedDict[int, Image] = OrderedDict()
        self._lock = threading.Lock()

    def part(self, date: int, sees: tuple[slice, slice]) -> Image:
        """Give the coarse grid of a date over some lines and samples."""
        step = weather_step(self._frame)
        rows, cols = (slice(s.start // step, s.start // step + -(-(s.stop - s.start) // step) + 2) for s in sees)
        with self._lock:
            if date not in self._drawn:
                self._drawn[date] = draw_weather(self._frame, self._rms_mm, date, self._seed)
                while len(self._drawn) > _KEPT_DATES:
                    self._drawn.popitem(last=False)
            return np.ascontiguousarray(self._drawn[date][rows, cols])


class Observers:
    """The observers of a track's bursts: made when a burst is first wanted, and forgotten when others have been.

    Parameters
    ----------
    world : World
        The ground.
    frame : Frame
        The track's image.
    windows : list
        Of :meth:`Layout.windows`.
    """

    def __init__(self, world: World, frame: Frame, windows: list[Window]) -> None:
        self._world = world
        self._air = Air(frame, world.effects.turbulence_mm, world.seed)
        self._windows = windows
        self.frames = [
            replace(
                frame,
                shape=(sees[0].stop - sees[0].start, sees[1].stop - sees[1].start),
                origin=(frame.middle[0] - sees[0].start, frame.middle[1] - sees[1].start),
                burst=name,
            )
            for name, sees, _ in windows
        ]
        self._made: OrderedDict[int, Observer] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, burst: int) -> Observer:
        """Give the observer of a burst by its number."""
        with self._lock:
            if burst in self._made:
                self._made.move_to_end(burst)
                return self._made[burst]
            sees = self._windows[burst][1]
            made = observe(self._world, self.frames[burst])
            made.air = lambda date: self._air.part(date, sees)
            self._made[burst] = made
            while len(self._made) > _KEPT_BURSTS:
                self._made.popitem(last=False)
            return made


@dataclass
class Burst:
    """Makes the pairs of one burst (:class:`labkit.simulate.observing.PairMaker`)."""

    frame: Frame
    series: Series
    number: int
    observers: Observers

    def pair(self, index: int) -> tuple[Image, Image]:
        """Make a pair: phase and coherence (y, x)."""
        return self.observers.of(self.number).pair(index)


def in_bursts(name: str, world: World, frame: Frame, layout: Layout) -> Track:
    """Give a track in bursts, and all of it as one.

    Notes
    -----
    The mosaic takes each pixel from the burst whose middle is nearer. In an overlap two bursts see the same ground,
    motion, weather and coherence, but each has speckle of its own and another end of the Doppler sweep.
    """
    windows = layout.windows(frame.shape)
    series, lonlat = series_of(world, frame.track), lonlat_of(frame, world.terrain.place)
    observers = Observers(world, frame, windows)
    images: list[tuple[da.Array, da.Array]] = []
    bursts, truths = [], []
    whole = _Whole.empty(frame)
    level = _level(world, frame, series)
    for number, (burst, (_, sees, owns)) in enumerate(zip(observers.frames, windows, strict=True)):
        images.append(lazy_images(Burst(burst, series, number, observers)))
        ifgs = interferograms_of(name, burst, series, images[-1], (lonlat[0][sees], lonlat[1][sees]))
        observer = observers.of(number)
        rate, error, water = rate_field(observer.movers, burst), gradient_error(observer), observer.cover.ground.water
        measured = measured_rates(ifgs, rate, observer, level=level)
        truths.append(truth_of_frame(world.slides, burst, series, error, water, ifgs)[0])
        whole.take(sees, owns, rate=rate, error=error, water=water, measured=measured)
        bursts.append(ifgs)
    mosaic = tuple(_mosaic([pair[k] for pair in images], windows, layout) for k in (0, 1))
    ifgs = interferograms_of(name, frame, series, (mosaic[0], mosaic[1]), lonlat)
    tables = truth_of_frame(world.slides, frame, series, whole.error, whole.water, ifgs)
    seen, unseen, on_rates = (_with_burst(table, windows) for table in tables)
    return Track(
        interferograms=ifgs,
        rates=whole.rates(ifgs),
        true_rates=xr.DataArray(whole.rate, dims=("y", "x"), name="rate", attrs={"units": "mm/yr"}),
        truth=seen,
        unseen=unseen,
        rate_truth=on_rates,
        bursts=bursts,
        burst_frames=observers.frames,
        burst_truth=joined(truths),
    )


@dataclass(frozen=True)
class _Whole:
    """Images (y, x) of a whole track, put together burst by burst."""

    rate: Image
    error: Image
    measured: Image
    deviation: Image
    water: npt.NDArray[np.bool_]

    @classmethod
    def empty(cls, frame: Frame) -> _Whole:
        rate, error, measured, deviation = (np.zeros(frame.shape, np.float32) for _ in range(4))
        return cls(rate, error, measured, deviation, np.zeros(frame.shape, bool))

    def take(
        self,
        sees: tuple[slice, slice],
        owns: tuple[slice, slice],
        *,
        rate: Image,
        error: Image,
        water: npt.NDArray[np.bool_],
        measured: xr.Dataset,
    ) -> None:
        own = _within(sees, owns)
        self.rate[owns], self.error[owns], self.water[owns] = rate[own], error[own], water[own]
        self.measured[owns] = measured["rate"].values[own]
        self.deviation[owns] = measured["standard_error"].values[own]

    def rates(self, ifgs: xr.Dataset) -> xr.Dataset:
        images = {
            "rate": (("y", "x"), self.measured, {"units": "mm/yr"}),
            "standard_error": (("y", "x"), self.deviation, {"units": "mm/yr"}),
        }
        return xr.Dataset(images, {name: ifgs.coords[name] for name in ("lon", "lat")}, dict(ifgs.attrs))


def _within(sees: tuple[slice, slice], owns: tuple[slice, slice]) -> tuple[slice, slice]:
    """The owned part of a burst in the burst's own pixels."""
    rows, cols = (slice(o.start - s.start, o.stop - s.start) for o, s in zip(owns, sees, strict=True))
    return rows, cols


def _mosaic(images: list[da.Array], windows: list[Window], layout: Layout) -> da.Array:
    """Put bursts (pair, y, x) together, each pixel from the burst that owns it; blocks stay one burst and one pair."""
    parts = [image[(slice(None), *_within(sees, owns))] for image, (_, sees, owns) in zip(images, windows, strict=True)]
    across = layout.count[1]
    rows = [da.concatenate(parts[first : first + across], axis=2) for first in range(0, len(parts), across)]
    return da.concatenate(rows, axis=1)


def _level(world: World, frame: Frame, series: Series) -> float:
    """The trend of the layered air at the mean height, mm/yr: the same reference for the rate maps of all bursts."""
    years = (series.dates - series.dates[0]).astype(float) / DAYS_PER_YEAR
    weights = (years - years.mean()) / ((years - years.mean()) ** 2).sum()
    return float(weights @ series.slopes) * float(layered_path(np.zeros(1), frame.incidence_angle)[0])


def _with_burst(table: gpd.GeoDataFrame, windows: list[Window]) -> gpd.GeoDataFrame:
    """Name the burst that owns the middle of each box."""
    y, x = (table["ymin"] + table["ymax"]) / 2, (table["xmin"] + table["xmax"]) / 2
    names = np.full(len(table), "", object)
    for name, _, (rows, cols) in windows:
        names[(y >= rows.start) & (y < rows.stop) & (x >= cols.start) & (x < cols.stop)] = name
    return table.assign(burst=names)
