"""How coherent the ground is for a pair of dates: time, vegetation's seasons, snow, layover and shadow, water."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from labkit.schema import DAYS_PER_YEAR
from labkit.simulate.effects import Effects
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import Ground, make_ground
from labkit.simulate.terrain import Terrain

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

#: Coherence that fresh or melting snow leaves of what the ground has.
SNOW_SHARE_LEFT = np.float32(0.15)

#: Grass and fields lose this share of what forest loses to the growing season.
_GRASS = 0.5

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
        coherence = self.ground.coherence(days)
        season = float(growing(np.array([reference, secondary])).mean())
        if season and self.growth.any():
            coherence *= 1 - np.float32(season) * self.growth
        line = min(self.snow_line(reference), self.snow_line(secondary))
        if np.isfinite(line):
            coherence[self.height > line] *= SNOW_SHARE_LEFT
        return coherence

    def snow_line(self, date: np.datetime64) -> float:
        """Give the height above which snow lies at a date, m: lowest on 20 January, highest half a year later."""
        winter = (1 + np.cos(2 * np.pi * (_day_of_year(np.array([date])) - _MIDWINTER_DAY) / DAYS_PER_YEAR)) / 2
        return self.snow_line_m - self.snow_winter_m * float(winter[0])


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
