"""How coherent the ground is for a pair of dates: time, vegetation's seasons, snow, layover and shadow, water."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    """

    ground: Ground
    height: Image
    growth: Image
    snow_line_m: float
    snow_winter_m: float
    decays: bool

    def coherence(self, reference: np.datetime64, secondary: np.datetime64) -> Image:
        """Give the true coherence of a pair, (y, x) float32, 0..1.

        Notes
        -----
        (lasting + (initial − lasting) · exp(−days / memory)) · (1 − growth · (g₁ + g₂)/2) · (0.15 where snow lies on
        either date), g the growing season at a date (:func:`growing`).
        """
        days = float((secondary - reference) / np.timedelta64(1, "D")) if self.decays else 0.0
        season = float(growing(np.array([reference, secondary])).mean())
        line = min(self.snow_line(reference), self.snow_line(secondary))
        coherence = np.empty_like(self.height)
        ground = self.ground
        _cover(
            (ground.initial, ground.lasting, ground.memory_days, self.growth, self.height),
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


def _day_of_year(dates: npt.NDArray[np.datetime64]) -> Array:
    days = dates.astype("datetime64[D]")
    return np.asarray((days - days.astype("datetime64[Y]")).astype(float) + 1)
