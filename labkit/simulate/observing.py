"""Pairs that are made when they are wanted: a lazy stack of any length in bounded memory, the same in every order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import dask.array as da
import numba
import numpy as np
import numpy.typing as npt
from dask import delayed

from labkit.simulate.calendars import Dates
from labkit.simulate.cover import Cover
from labkit.simulate.delays import dem_phase_per_m
from labkit.simulate.effects import Effects
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import PHASE_SIGN, Pair, phase_per_mm
from labkit.simulate.movers import Mover, displacement
from labkit.simulate.resolution import Sharing, sharing
from labkit.simulate.speckle import add_speckle, pair_key

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

#: Turbulence is drawn on a grid of about this spacing and interpolated: below it, it is next to nothing.
_WEATHER_SPACING_M = 160.0

#: So many dates' weather is kept; pairs of at most 36 days need four at a time.
_KEPT_DATES = 8

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Series:
    """What differs from date to date of one track.

    Attributes
    ----------
    dates : numpy.ndarray
        datetime64[D], in order.
    pairs : list of Pair
        Which dates make interferograms.
    across_track_m : numpy.ndarray
        Place of each orbit across the line of sight, m.
    slopes : numpy.ndarray
        Of the stratified delay, mm/km.
    shifts_mm : numpy.ndarray
        Azimuth misregistration, mm.
    """

    dates: Dates
    pairs: list[Pair]
    across_track_m: Array
    slopes: Array
    shifts_mm: Array

    def baseline_m(self, pair: Pair) -> float:
        """Perpendicular baseline of a pair: secondary − reference, m."""
        return round(float(self.across_track_m[pair.secondary] - self.across_track_m[pair.reference]), 4)


@dataclass(frozen=True)
class Layers:
    """What stays the same over one frame, each (y, x) float32 but for ``seams`` (y,).

    ``path`` km of layered air along the line of sight; ``dem_error`` m; ``seams`` cycles per mm of misregistration.
    """

    path: Image
    dem_error: Image
    seams: Array


@dataclass
class Observer:
    """Makes any pair of a track at any time, always the same: every row has its own random stream.

    Attributes
    ----------
    frame, cover, movers, layers, series, effects, seed
        All that is seen, and how.
    air : callable, optional
        Gives the turbulent delay of a date where a frame is part of a larger one; None: it is drawn for this frame.
    shared : Sharing, optional
        What neighbouring pixels share; without it that of the frame.
    """

    frame: Frame
    cover: Cover
    movers: list[Mover]
    layers: Layers
    series: Series
    effects: Effects
    seed: int
    air: Callable[[int], Image] | None = None
    shared: Sharing | None = None
    _weather: OrderedDict[int, Image] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def pair(self, index: int) -> tuple[Image, Image]:
        """Make a pair.

        Parameters
        ----------
        index : int
            Its place in ``series.pairs``.

        Returns
        -------
        phase, coherence : numpy.ndarray (y, x)
            Float32; phase in [−π, π); NaN on water.

        Notes
        -----
        phase = phase_sign · 4π/λ · (displacement − turbulent − stratified delay) + 4π/λ · B⊥ · δh / (R sin θ)
        + 2π f δ / v + speckle, each term a difference secondary − reference.
        """
        pair = self.series.pairs[index]
        reference, secondary = (self.series.dates[i] for i in (pair.reference, pair.secondary))
        phase = displacement(self.movers, self.frame.shape, reference, secondary)
        self._add_phase(phase, pair)
        coherence = self.cover.coherence(reference, secondary)
        _clear(self.cover.ground.water, coherence)
        add_speckle(
            pair_key(self.seed, self.frame.name, reference, secondary),
            self.effects.looks,
            phase,
            coherence,
            (self.shared or sharing(self.frame)) if self.effects.shared_looks else None,
            self.effects.coherence_window,
            not self.effects.coherence_by_intensity,
        )
        return phase, coherence

    def weather(self, date: int) -> Image:
        """Give the turbulent delay of a date on the coarse grid (:func:`weather_step`), mm of LOS, mean free."""
        if self.air is not None:
            return self.air(date)
        with self._lock:
            if date in self._weather:
                self._weather.move_to_end(date)
                return self._weather[date]
        drawn = draw_weather(self.frame, self.effects.turbulence_mm, date, self.seed)
        with self._lock:
            self._weather[date] = drawn
            while len(self._weather) > _KEPT_DATES:
                self._weather.popitem(last=False)
        return drawn

    def _add_phase(self, phase: Image, pair: Pair) -> None:
        """Turn a displacement (mm) into phase (rad), in place, with everything else that a pair's phase holds."""
        per_mm = PHASE_SIGN * phase_per_mm()
        slope = self.series.slopes[pair.secondary] - self.series.slopes[pair.reference]
        shift = self.series.shifts_mm[pair.secondary] - self.series.shifts_mm[pair.reference]
        per_m = dem_phase_per_m(self.series.baseline_m(pair), self.frame.incidence_angle)
        if self.effects.turbulence_mm:
            weather = self.weather(pair.secondary) - self.weather(pair.reference)
        else:
            weather = np.zeros((2, 2), np.float32)
        _to_phase(
            phase,
            np.float32(per_mm),
            weather,
            weather_step(self.frame) if self.effects.turbulence_mm else max(self.frame.shape),
            self.layers.path,
            np.float32(slope),
            self.layers.dem_error,
            np.float32(per_m),
            (2 * np.pi * shift * self.layers.seams).astype(np.float32),
        )


def weather_step(frame: Frame) -> int:
    """How many pixels lie between the points at which turbulence is drawn."""
    return max(1, round(_WEATHER_SPACING_M / frame.spacing_m))


def draw_weather(frame: Frame, rms_mm: float, date: int, seed: int) -> Image:
    """Draw one date's turbulent delay (mm of LOS) on the coarse grid that :func:`spread_weather` interpolates.

    Parameters
    ----------
    frame : Frame
        The image.
    rms_mm : float
        Typical rms difference between points 1 km apart; each date is from half to twice as strong.
    date : int
        Number of the date in the calendar.
    seed : int
        Of the scene.

    Notes
    -----
    The spectrum of :func:`labkit.simulate.interferometry.atmosphere`. Point (i, j) of the grid lies at the pixel edge
    (i − ½, j − ½) times the step.
    """
    step = weather_step(frame)
    random = stream(seed, frame.track, "weather", date)
    strength = rms_mm * 2.0 ** random.uniform(-1.0, 1.0)
    drawn = power_law_field(
        (-(-frame.shape[0] // step) + 2, -(-frame.shape[1] // step) + 2),
        frame.spacing_m * step,
        random,
        exponent=11 / 3,
        break_m=3000.0,
        outer_exponent=8 / 3,
        lag_m=1000.0,
        rms_difference=strength,
    )
    return (drawn - drawn.mean()).astype(np.float32)


def spread_weather(coarse: Image, frame: Frame) -> Image:
    """Interpolate a coarse field to the pixels of a frame, bilinearly."""
    spread = np.zeros(frame.shape, np.float32)
    _add_bilinear(spread, np.float32(1.0), coarse, weather_step(frame))
    return spread


@_compiled
def _clear(water: npt.NDArray[np.bool_], coherence: Image) -> None:
    """Leave no data on water; the phase follows where the coherence is no number."""
    for y in range(coherence.shape[0]):
        for x in range(coherence.shape[1]):
            coherence[y, x] = np.float32(np.nan) if water[y, x] else coherence[y, x]


@_compiled
def _columns(count: int, coarse: int, step: int) -> tuple[npt.NDArray[np.int32], Image]:
    """Which coarse column lies to the left of each pixel, and how far beyond it the pixel lies."""
    left, beyond = np.empty(count, np.int32), np.empty(count, np.float32)
    for x in range(count):
        across = (x + 0.5) / step + 0.5
        left[x] = min(int(across), coarse - 2)
        beyond[x] = np.float32(across - left[x])
    return left, beyond


@_compiled
def _blend(y: int, coarse: Image, step: int, row: Image) -> None:
    """Fill a coarse row between two others, for the pixels of line y."""
    place = (y + 0.5) / step + 0.5
    top = min(int(place), coarse.shape[0] - 2)
    below = np.float32(place - top)
    for j in range(coarse.shape[1]):
        row[j] = coarse[top, j] + below * (coarse[top + 1, j] - coarse[top, j])


@_compiled
def _add_bilinear(image: Image, factor: np.float32, coarse: Image, step: int) -> None:
    """Add factor · coarse to an image, row by row: the rows between two coarse ones are blended first."""
    row = np.empty(coarse.shape[1], np.float32)
    left, beyond = _columns(image.shape[1], coarse.shape[1], step)
    for y in range(image.shape[0]):
        _blend(y, coarse, step, row)
        for x in range(image.shape[1]):
            start = row[left[x]]
            image[y, x] += factor * (start + beyond[x] * (row[left[x] + 1] - start))


@_compiled
def _to_phase(
    phase: Image,
    per_mm: np.float32,
    weather: Image,
    step: int,
    path: Image,
    slope: np.float32,
    dem_error: Image,
    per_m: np.float32,
    seams: Image,
) -> None:
    row = np.empty(weather.shape[1], np.float32)
    left, beyond = _columns(phase.shape[1], weather.shape[1], step)
    for y in range(phase.shape[0]):
        _blend(y, weather, step, row)
        for x in range(phase.shape[1]):
            start = row[left[x]]
            delay = start + beyond[x] * (row[left[x] + 1] - start)
            millimetres = phase[y, x] - delay - slope * path[y, x]
            phase[y, x] = per_mm * millimetres + per_m * dem_error[y, x] + seams[y]


class PairMaker(Protocol):
    """Whatever makes the pairs of a frame."""

    frame: Frame
    series: Series

    def pair(self, index: int) -> tuple[Image, Image]:
        """Make a pair: phase and coherence (y, x)."""


def lazy_images(observer: PairMaker) -> tuple[da.Array, da.Array]:
    """Give phase and coherence (pair, y, x), one block for each pair; a pair is made once where both are computed."""
    shape = observer.frame.shape
    phase: list[da.Array] = []
    coherence: list[da.Array] = []
    for index in range(len(observer.series.pairs)):
        images = delayed(observer.pair, pure=False, nout=2, traverse=False)(index)
        for image, made in zip((phase, coherence), images, strict=True):
            image.append(da.from_delayed(made, shape, np.float32))
    return da.stack(phase), da.stack(coherence)
