"""Everything that moves in an image, each with its own course in time: landslides, creeping ice, mining bowls."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from labkit.errors import LabkitError
from labkit.simulate.effects import Effects
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import Frame, downslope_vector
from labkit.simulate.landslides import Landslide
from labkit.simulate.motion import Motion
from labkit.simulate.terrain import Terrain

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

#: Slope at which ice creeps at its full speed, degrees; over so many metres above the snow line the creep sets in.
_FULL_CREEP_DEG = 25.0
_ONSET_M = 100.0

_FLAT_DEG = 20.0


@dataclass(frozen=True)
class Mover:
    """A part of an image that moves.

    Attributes
    ----------
    rows, cols : slice
        Where.
    rate : numpy.ndarray (rows, cols)
        Mean LOS rate, mm/yr, positive toward the satellite.
    motion : Motion
        Its course in time.
    """

    rows: slice
    cols: slice
    rate: Image
    motion: Motion


def displacement(
    movers: list[Mover], shape: tuple[int, int], reference: np.datetime64, secondary: np.datetime64
) -> Image:
    """Give the LOS displacement of a pair, (y, x) mm, positive toward the satellite: Σ rate · (s(t₂) − s(t₁))."""
    total = np.zeros(shape, np.float32)
    for mover in movers:
        _add_scaled(total[mover.rows, mover.cols], mover.rate, np.float32(mover.motion.between(reference, secondary)))
    return total


@_compiled
def _add_scaled(total: Image, rate: Image, years: np.float32) -> None:
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            total[y, x] += years * rate[y, x]


@dataclass(frozen=True)
class Bowl:
    """The ground over a mine: it sinks, straight down, most in the middle.

    Attributes
    ----------
    east, north : float
        Centre on the ground, m.
    radius_m : float
        σ of the Gaussian.
    speed : float
        Subsidence at the centre, mm/yr.
    """

    east: float
    north: float
    radius_m: float
    speed: float

    def rate(self, frame: Frame, east: Array, north: Array) -> Array:
        """Give the LOS rate, mm/yr: −speed · exp(−r² / 2σ²) · cos θ, away from the satellite.

        References
        ----------
        Knothe (1957), Observations of surface movements under influence of mining: the Gaussian influence function.
        """
        squared = (east - self.east) ** 2 + (north - self.north) ** 2
        sinking = self.speed * np.exp(-squared / (2 * self.radius_m**2))
        return np.asarray(-sinking * np.cos(np.radians(frame.incidence_angle)))

    def window(self, frame: Frame) -> tuple[slice, slice]:
        """Give the rows and columns of a frame within 5 σ, where all but 4 millionths of the speed lie."""
        y, x = frame.pixel(self.east, self.north)
        reach = 5 * self.radius_m / frame.spacing_m
        rows = slice(max(int(y - reach), 0), min(int(y + reach) + 1, frame.shape[0]))
        return rows, slice(max(int(x - reach), 0), min(int(x + reach) + 1, frame.shape[1]))


def place_bowl(
    terrain: Terrain, frames: list[Frame], slides: list[Landslide], effects: Effects, seed: int
) -> Bowl | None:
    """Put a mining bowl on the gentlest ground inside every frame, away from the landslides; None where switched off.

    Raises
    ------
    LabkitError
        There is no gentle ground free.
    """
    if not effects.subsidence_mm:
        return None
    reach = 2.5 * effects.subsidence_radius_m
    candidates = np.argwhere((terrain.slope < _FLAT_DEG) & (terrain.river_distance > 200.0))
    stream(seed, "mining").shuffle(candidates)
    for row, col in candidates[:5000]:
        east, north = float(terrain.east[col]), float(terrain.north[row])
        inside = all(_inside(frame, east, north, reach) for frame in frames)
        apart = all(np.hypot(s.east - east, s.north - north) > reach + s.length_m / 2 for s in slides)
        if inside and apart:
            return Bowl(east, north, effects.subsidence_radius_m, effects.subsidence_mm)
    raise LabkitError(
        f"subsidence_radius_m must fit on gentle ground, instead got {effects.subsidence_radius_m} where there is no "
        "room. Take a smaller radius, fewer landslides, or subsidence_mm=0"
    )


def _inside(frame: Frame, east: float, north: float, reach: float) -> bool:
    y, x = frame.pixel(east, north)
    margin = reach / frame.spacing_m
    return bool(margin < y < frame.shape[0] - margin and margin < x < frame.shape[1] - margin)


def creep_rate(terrain: Terrain, frame: Frame, effects: Effects, snow_line_m: float, seed: int) -> Array:
    """Give the LOS rate of creeping ice on the terrain's grid, mm/yr, positive toward the satellite.

    Parameters
    ----------
    terrain, frame, effects
        The relief, the line of sight, and ``creep_mm``.
    snow_line_m : float
        Of midsummer, m; infinite means no ice.
    seed : int
        Of the scene.

    Notes
    -----
    Speed = creep · min(1, (sin α / sin 25°)³) · patches, downslope: the shear stress goes with sin α, and ice flows by
    its third power. Patches of some 600 m (0..1) set in over the 100 m above the snow line.

    References
    ----------
    Glen (1955), The creep of polycrystalline ice.
    """
    if not effects.creep_mm or not np.isfinite(snow_line_m):
        return np.zeros_like(terrain.height)
    pattern = power_law_field(
        (len(terrain.north), len(terrain.east)),
        terrain.spacing_m,
        stream(seed, "ice"),
        exponent=4.0,
        break_m=1200.0,
        outer_exponent=0.5,
        lag_m=600.0,
        rms_difference=1.0,
    )
    patches = 1 / (1 + np.exp(-6.0 * pattern))
    onset = np.clip((terrain.height - snow_line_m) / _ONSET_M, 0.0, 1.0)
    stress = np.sin(np.radians(terrain.slope)) / np.sin(np.radians(_FULL_CREEP_DEG))
    speed = effects.creep_mm * np.minimum(stress**3, 1.0) * patches * onset
    return np.asarray(speed * (downslope_vector(terrain.aspect, terrain.slope) @ frame.los))
