"""How coherent the ground is for a pair of dates: time, vegetation's seasons, snow, layover and shadow, water."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numba
import numpy as np
import numpy.typing as npt

from labkit.schema import DAYS_PER_YEAR
from labkit.simulate.effects import Effects
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import Ground, make_ground
from labkit.simulate.polynomials import polynomial, series
from labkit.simulate.terrain import Terrain

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

#: Coherence that fresh or melting snow leaves of what the ground has.
SNOW_SHARE_LEFT = np.float32(0.15)

#: Grass and fields lose this share of what forest loses to the growing season.
_GRASS = 0.5

#: Coefficients of 2^x on 0..1; float32 has no power of two below 2^−126, and its exponent is kept plus 127 in bit 23.
_EXP2 = series(np.exp2, 0.0, 1.0, 6)
_LOG2_E, _SMALLEST = np.float32(1 / np.log(2)), np.float32(-126.0)
_BIAS, _MANTISSA_BITS = np.int32(127), np.int32(23)

_MIDSUMMER_DAY, _MIDWINTER_DAY = 205.0, 20.0


@dataclass(frozen=True)
class Cover:
    """What lies on the ground of one frame, each image (y, x).

    Attributes
    ----------
    ground : Ground
        Coherence without seasons and snow; water.
    height : numpy.ndarray
        m.
    growth : numpy.ndarray
        Share of the coherence that midsummer takes, 0..1.
    snow_line_m : float
        Height of the snow line in midsummer; infinite where there is no snow.
    snow_winter_m : float
        How far it comes down in mid-winter.
    decays : bool
        Whether time takes coherence.
    summer_decay : float
        How many times faster than in winter it does so in midsummer, less 1; at least 0.
    ages : dict of datetime64 to numpy.ndarray (1 + patterns,)
        Where time takes coherence unevenly, by rain and wind: the days that the ground has aged until each date
        (:func:`uneven_ages`), in place of the calendar's, and how much of them goes with each of the ``storms``.
    storms : numpy.ndarray (patterns, y, x)
        Patterns of mean 0 by which weather differs over the ground.
    """

    ground: Ground
    height: Image
    growth: Image
    snow_line_m: float
    snow_winter_m: float
    decays: bool
    summer_decay: float = 0.0
    ages: dict[np.datetime64, Array] = field(default_factory=dict)
    storms: Image | None = None

    def coherence(self, reference: np.datetime64, secondary: np.datetime64) -> Image:
        """Give the true coherence of a pair, (y, x) float32, 0..1.

        Notes
        -----
        (lasting + (initial − lasting) · exp(−Σ (1 + summer_decay · g) / memory)) · (1 − growth · (g₁ + g₂)/2) · (0.15
        where snow lies on either date), g the growing season at a date (:func:`growing`), Σ over the days between, or
        the difference of their ``ages``.
        """
        days = 0.0
        memory = self.ground.memory_days
        if self.decays and self.ages:
            aged = self.ages[secondary] - self.ages[reference]
            days = float(aged[0])
            if self.storms is not None:
                # as if the ground there forgot faster or slower; at the calmest place a tenth of the mean goes by
                there = np.maximum(days + np.tensordot(aged[1:], self.storms, 1), 0.1 * days)
                memory = (memory * (days / there)).astype(np.float32)
        elif self.decays:
            days = aged_days(reference, secondary, self.summer_decay)
        season = float(growing(np.array([reference, secondary])).mean())
        line = min(self.snow_line(reference), self.snow_line(secondary))
        coherence = np.empty_like(self.height)
        ground = self.ground
        _cover(
            (ground.initial, ground.lasting, memory, self.growth, self.height),
            np.float32(days),
            np.float32(season),
            np.float32(line),
            coherence,
        )
        return coherence

    def snow_line(self, date: np.datetime64) -> float:
        """Give the height above which snow lies at a date, m (:func:`snow_line_at`)."""
        return snow_line_at(date, self.snow_line_m, self.snow_winter_m)


@_compiled
def _cover(
    images: tuple[Image, Image, Image, Image, Image],
    days: np.float32,
    season: np.float32,
    line: np.float32,
    coherence: Image,
) -> None:
    """Fill in :meth:`Cover.coherence`, in one pass over the images."""
    initial, lasting, memory, growth, height = images
    words = np.empty(coherence.shape[1], np.int32)
    powers = words.view(np.float32)
    for y in range(coherence.shape[0]):
        for x in range(coherence.shape[1]):
            # exp(t) = 2^whole · 2^part; the power of the whole number is written into the exponent's bits
            exponent = max(-days / memory[y, x] * _LOG2_E, _SMALLEST)
            whole = np.floor(exponent)
            coherence[y, x] = polynomial(_EXP2, exponent - whole)
            words[x] = np.int32(np.int32(whole) + _BIAS) << _MANTISSA_BITS
        for x in range(coherence.shape[1]):
            value = lasting[y, x] + (initial[y, x] - lasting[y, x]) * (coherence[y, x] * powers[x])
            value *= np.float32(1.0) - season * growth[y, x]
            coherence[y, x] = value * SNOW_SHARE_LEFT if height[y, x] > line else value


def make_cover(frame: Frame, terrain: Terrain, forest: Array, effects: Effects) -> Cover:
    """Lay land cover on a frame.

    Parameters
    ----------
    frame : Frame
        The image.
    terrain : Terrain
        The relief.
    forest : numpy.ndarray
        Share of forest, 0..1, on the terrain's grid.
    effects : Effects
        What is switched on: ``decorrelation``, ``season``, ``layover``, ``water``, ``snow_share``, ``snow_winter_m``.
        Without ``decorrelation`` time takes no coherence, and forest and meadow have as much as bare rock.
    """
    # neither layover nor shadow is possible on flat ground
    relief = terrain if effects.layover else replace(terrain, slope=np.zeros_like(terrain.slope))
    woods = forest if effects.decorrelation else np.zeros_like(forest)
    ground = make_ground(frame, relief, woods)
    if not effects.water:
        ground = replace(ground, water=np.zeros_like(ground.water))
    east, north = frame.pixel_centres()
    height = terrain.at(terrain.height, east, north).astype(np.float32)
    growth = effects.season * (_GRASS + (1 - _GRASS) * terrain.at(forest, east, north))
    ground = replace(
        ground,
        initial=ground.initial.astype(np.float32),
        lasting=ground.lasting.astype(np.float32),
        memory_days=ground.memory_days.astype(np.float32),
    )
    return Cover(
        ground=ground,
        height=height,
        growth=growth.astype(np.float32),
        snow_line_m=summer_snow_line(terrain, effects),
        snow_winter_m=effects.snow_winter_m,
        decays=effects.decorrelation,
        summer_decay=effects.summer_decay,
    )


def summer_snow_line(terrain: Terrain, effects: Effects) -> float:
    """Give the height (m) above which ``snow_share`` of the terrain lies; infinite without snow."""
    if not effects.snow_share:
        return float("inf")
    return float(np.quantile(terrain.height, 1 - effects.snow_share))


def snow_line_at(date: np.datetime64, summer_m: float, winter_m: float) -> float:
    """Give the height of the snow line at a date, m: lowest, by ``winter_m``, on 20 January, highest in July.

    Examples
    --------
    >>> snow_line_at(np.datetime64("2019-01-20"), 4200.0, 700.0)
    3500.0
    """
    winter = (1 + np.cos(2 * np.pi * (_day_of_year(np.array([date])) - _MIDWINTER_DAY) / DAYS_PER_YEAR)) / 2
    return summer_m - winter_m * float(winter[0])


def growing(dates: npt.NDArray[np.datetime64]) -> Array:
    """Give how far the growing season is at dates, 0 in January to 1 in late July: ((1 + cos(2π (d − 205)/365.25))/2)².

    Examples
    --------
    >>> growing(np.array(["2019-07-24", "2019-01-22"], "datetime64[D]")).round(3)
    array([1., 0.])
    """
    cosine = np.cos(2 * np.pi * (_day_of_year(dates) - _MIDSUMMER_DAY) / DAYS_PER_YEAR)
    return np.asarray(((1 + cosine) / 2) ** 2)


def aged_days(reference: np.datetime64, secondary: np.datetime64, summer_decay: float) -> float:
    """Give the days between two dates, each of midsummer's worth 1 + ``summer_decay``."""
    days = float((secondary - reference) / np.timedelta64(1, "D"))
    return days + summer_decay * growing_days(reference, secondary)


def uneven_ages(
    dates: npt.NDArray[np.datetime64],
    summer_decay: float,
    variation: float,
    random: np.random.Generator,
    *,
    local: float = 0.0,
    patterns: int = 0,
) -> dict[np.datetime64, Array]:
    """Draw the days that the ground has aged until each date, when some intervals are stormy and others calm.

    Parameters
    ----------
    dates : numpy.ndarray
        datetime64[D], in order.
    summer_decay : float
        See :class:`Cover`.
    variation : float
        Standard deviation of an interval's ageing over its mean, above 0.
    random : numpy.random.Generator
        Source of the weather.
    local : float
        Standard deviation of an interval's ageing over the ground, over its mean there.
    patterns : int
        Of how many patterns of standard deviation 1 that is the sum.

    Returns
    -------
    dict
        Date → (1 + patterns,): days in the mean, and days that go with each pattern.

    Notes
    -----
    Each interval between dates ages the ground by :func:`aged_days` times a gamma number of mean 1, and its patterns
    by that times normal numbers.
    """
    mean = np.array([aged_days(a, b, summer_decay) for a, b in pairwise(dates)])
    drawn = mean * random.gamma(1 / variation**2, variation**2, len(mean))
    shares = local / np.sqrt(max(patterns, 1)) * random.standard_normal((len(mean), patterns))
    steps = drawn[:, None] * np.concatenate([np.ones((len(mean), 1)), shares], axis=1)
    return dict(zip(dates, np.concatenate([np.zeros((1, 1 + patterns)), np.cumsum(steps, axis=0)]), strict=True))


def growing_days(reference: np.datetime64, secondary: np.datetime64) -> float:
    """Give the days of midsummer's growth between two dates: the integral of :func:`growing`.

    Notes
    -----
    ((1 + cos φ)/2)² = 3/8 + cos φ / 2 + cos 2φ / 8, φ = 2π (d − 205)/365.25.

    Examples
    --------
    A year has 3/8 of its days:

    >>> round(growing_days(np.datetime64("2001-01-01"), np.datetime64("2005-01-01")) / 4 / 365.25, 4)
    0.375
    """
    days = float((secondary - reference) / np.timedelta64(1, "D"))
    first = 2 * np.pi * (float(_day_of_year(np.array([reference]))[0]) - _MIDSUMMER_DAY) / DAYS_PER_YEAR
    last = first + 2 * np.pi * days / DAYS_PER_YEAR
    waves = (np.sin(last) - np.sin(first)) / 2 + (np.sin(2 * last) - np.sin(2 * first)) / 16
    return float(3 / 8 * days + waves * DAYS_PER_YEAR / (2 * np.pi))


def _day_of_year(dates: npt.NDArray[np.datetime64]) -> Array:
    days = dates.astype("datetime64[D]")
    return np.asarray((days - days.astype("datetime64[Y]")).astype(float) + 1)
