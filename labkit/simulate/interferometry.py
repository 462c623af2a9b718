"""What a radar measures over a scene: acquisitions, pairs, atmosphere, coherence and the noise of multilooking."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import WAVELENGTH_M, Frame
from labkit.simulate.terrain import Terrain

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

REVISIT_DAYS = 12

#: Independent looks in a pixel of 40 m of Sentinel-1 (about 10 in range by 3 in azimuth, a little oversampled).
LOOKS = 24.0

#: GAMMA's convention: the phase falls as the ground comes toward the satellite.
PHASE_SIGN = -1


@dataclass(frozen=True)
class Pair:
    """One interferogram's acquisitions, by their place in the calendar, and its temporal baseline in days."""

    reference: int
    secondary: int
    days: float


def calendar(start: str, count: int, gap_share: float, random: np.random.Generator) -> npt.NDArray[np.datetime64]:
    """Give acquisition dates every 12 days with some missing, as archives are.

    Parameters
    ----------
    start : str
        First date, "YYYY-MM-DD".
    count : int
        Dates wanted.
    gap_share : float
        Chance that a pass is missing; never two in a row.
    random : numpy.random.Generator
        Source of the draw.
    """
    steps = 1 + (random.random(count - 1) < gap_share)
    days = np.concatenate([[0], np.cumsum(steps)]) * REVISIT_DAYS
    return np.datetime64(start, "D") + days.astype("timedelta64[D]")


def pairs_within(dates: npt.NDArray[np.datetime64], max_days: int) -> list[Pair]:
    """List all pairs of acquisitions at most ``max_days`` apart, in order of dates.

    Examples
    --------
    >>> dates = np.array(["2020-01-01", "2020-01-13", "2020-02-18"], "datetime64[D]")
    >>> [(p.reference, p.secondary, p.days) for p in pairs_within(dates, 36)]
    [(0, 1, 12.0), (1, 2, 36.0)]
    """
    days = (dates - dates[0]).astype(float)
    return [
        Pair(i, j, float(days[j] - days[i]))
        for i, j in combinations(range(len(dates)), 2)
        if days[j] - days[i] <= max_days
    ]


def phase_per_mm() -> float:
    """Give the phase of one millimetre of LOS displacement, 4π/λ, in rad/mm (unsigned)."""
    return 4 * np.pi / (WAVELENGTH_M * 1000.0)


def wrap(phase: Array) -> Image:
    """Bring a phase into [−π, π) as float32.

    Examples
    --------
    >>> wrap(np.array([0.0, 2 * np.pi, 3 * np.pi])).round(3)
    array([ 0.   ,  0.   , -3.142], dtype=float32)
    """
    wrapped = (np.mod(phase + np.pi, 2 * np.pi) - np.pi).astype(np.float32)
    wrapped[wrapped >= np.float32(np.pi)] = -np.float32(np.pi)
    return wrapped


def atmosphere(frame: Frame, count: int, rms_mm: float, seed: int) -> Image:
    """Draw the turbulent delay of every acquisition, (acquisition, y, x), mm of LOS, mean free.

    Parameters
    ----------
    frame : Frame
        The track's image.
    count : int
        Acquisitions.
    rms_mm : float
        Typical root mean square difference between points 1 km apart; each acquisition has its own weather, from half
        to twice as strong.
    seed : int
        Of the scene.

    Notes
    -----
    Power spectrum k^(−11/3) below 3 km and k^(−8/3) above, the turbulence of a layer of that thickness. A pair sees the
    difference of its two acquisitions, so that pairs which share one share its weather.

    References
    ----------
    Hanssen (2001), Radar Interferometry, chapter 4.7.
    """
    fields = np.empty((count, *frame.shape), np.float32)
    for index in range(count):
        random = stream(seed, frame.track, "atmosphere", index)
        strength = rms_mm * 2.0 ** random.uniform(-1.0, 1.0)
        field = power_law_field(
            frame.shape,
            frame.spacing_m,
            random,
            exponent=11 / 3,
            break_m=3000.0,
            outer_exponent=8 / 3,
            lag_m=1000.0,
            rms_difference=strength,
        )
        fields[index] = field - field.mean()
    return fields


@dataclass(frozen=True)
class Ground:
    """How the ground of one frame keeps its coherence, each (y, x).

    Attributes
    ----------
    initial : numpy.ndarray
        Coherence of a pair without any time between, 0..1.
    lasting : numpy.ndarray
        Coherence that never goes, 0..1.
    memory_days : numpy.ndarray
        Time in which the rest falls to 1/e.
    water : numpy.ndarray
        True where there is no data.
    """

    initial: Image
    lasting: Image
    memory_days: Image
    water: npt.NDArray[np.bool_]

    def coherence(self, days: float) -> Image:
        """Give the true coherence after ``days``: lasting + (initial − lasting) · exp(−days / memory)."""
        rest = np.exp(-np.float32(days) / self.memory_days)
        return np.asarray(self.lasting + (self.initial - self.lasting) * rest, np.float32)


def make_ground(frame: Frame, terrain: Terrain, forest: npt.NDArray) -> Ground:
    """Lay vegetation, water, layover and shadow on a frame.

    Parameters
    ----------
    frame : Frame
        The track's image.
    terrain : Terrain
        The relief.
    forest : numpy.ndarray
        Share of forest, 0..1, on the terrain's grid.

    Notes
    -----
    A slope that faces the radar more steeply than the incidence angle lies over its neighbours; one that falls away
    from it more steeply than 90° − incidence is in shadow. Both have no coherence to speak of.
    """
    east, north = frame.pixel_centres()
    woods = terrain.at(forest, east, north).astype(np.float32)
    slope = np.radians(terrain.at(terrain.slope, east, north))
    toward = frame.los[:2] / np.hypot(frame.los[0], frame.los[1])
    aspect_east = terrain.at(np.sin(np.radians(terrain.aspect)), east, north)
    aspect_north = terrain.at(np.cos(np.radians(terrain.aspect)), east, north)
    facing = np.degrees(np.arctan(np.tan(slope) * (aspect_east * toward[0] + aspect_north * toward[1])))
    hidden = (facing > frame.incidence_angle) | (facing < frame.incidence_angle - 90.0)
    damping = np.where(hidden, 0.1, 1.0).astype(np.float32)
    return Ground(
        initial=damping * (0.93 - 0.28 * woods),
        lasting=damping * (0.45 - 0.37 * woods),
        memory_days=np.exp(np.log(110.0) + np.log(14.0 / 110.0) * woods).astype(np.float32),
        water=terrain.at(terrain.water, east, north) > 0.5,
    )


def vegetation(terrain: Terrain, seed: int) -> Array:
    """Draw the share of forest (0..1) on the terrain's grid: patches of a kilometre or two below the tree line."""
    pattern = power_law_field(
        (len(terrain.north), len(terrain.east)),
        terrain.spacing_m,
        stream(seed, "vegetation"),
        exponent=3.2,
        break_m=3000.0,
        outer_exponent=0.5,
        lag_m=1500.0,
        rms_difference=1.0,
    )
    share = 1 / (1 + np.exp(-4.0 * (pattern - 0.55)))
    tree_line = np.quantile(terrain.height, 0.85)
    return np.asarray(share / (1 + np.exp((terrain.height - tree_line) / 60.0)))


def multilook_noise(coherence: npt.NDArray, looks: float, random: np.random.Generator) -> tuple[Image, Image]:
    """Draw the phase noise and the estimated coherence of multilooked pixels, exactly as complex speckle makes them.

    Parameters
    ----------
    coherence : numpy.ndarray
        True coherence, 0..1.
    looks : float
        Independent looks averaged, at least 2.
    random : numpy.random.Generator
        Source of the draw.

    Returns
    -------
    phase, coherence : numpy.ndarray
        Float32: deviation from the true phase (rad, within ±π) and the sample coherence (0..1), which is biased upward
        where the true one is small, as it is in real products.

    Notes
    -----
    The sample covariance of L looks of two circular Gaussian signals is complex Wishart. By Bartlett's decomposition
    its elements follow from two gamma draws, a ~ Γ(L) and b ~ Γ(L − 1), and one complex normal c, |c|² of mean 1:
    W₁₁ = a, W₂₁ = γ a + √(1 − γ²) √a c, W₂₂ = γ² a + 2 γ √(1 − γ²) √a Re c + (1 − γ²)(|c|² + b).
    The phase is arg W₂₁, the coherence |W₂₁| / √(W₁₁ W₂₂). No approximation is made; each pair is drawn for itself,
    which leaves out that pairs with a common acquisition share some of its speckle.

    References
    ----------
    Goodman (1963), Statistical analysis based on a certain multivariate complex Gaussian distribution.
    """
    shape = coherence.shape
    gamma = np.asarray(coherence, np.float32)
    a = random.standard_gamma(looks, shape, np.float32)
    b = random.standard_gamma(looks - 1.0, shape, np.float32)
    real = random.standard_normal(shape, np.float32) * np.float32(np.sqrt(0.5))
    imag = random.standard_normal(shape, np.float32) * np.float32(np.sqrt(0.5))
    rest = np.sqrt(1 - gamma * gamma)
    root = np.sqrt(a)
    cross_real = gamma * a + rest * root * real
    cross_imag = rest * root * imag
    second = gamma * gamma * a + 2 * gamma * rest * root * real + rest * rest * (real * real + imag * imag + b)
    magnitude = np.hypot(cross_real, cross_imag) / np.sqrt(a * second)
    return np.arctan2(cross_imag, cross_real), np.minimum(magnitude, np.float32(1.0))


def interferogram(
    rate: Image, days: float, delay_mm: Image, ground: Ground, random: np.random.Generator
) -> tuple[Image, Image]:
    """Make one wrapped interferogram.

    Parameters
    ----------
    rate : numpy.ndarray (y, x)
        LOS rate, mm/yr, positive toward the satellite.
    days : float
        Temporal baseline.
    delay_mm : numpy.ndarray (y, x)
        Atmospheric delay of the secondary minus that of the reference, mm; a delay looks like motion away.
    ground : Ground
        Coherence.
    random : numpy.random.Generator
        Source of the speckle.

    Returns
    -------
    phase, coherence : numpy.ndarray
        Float32; phase in [−π, π); NaN on water.

    Notes
    -----
    phase = phase_sign · 4π/λ · (rate · T − delay) + noise, so that displacement toward the satellite is
    phase_sign · λ/4π · phase.
    """
    noise, coherence = multilook_noise(ground.coherence(days), LOOKS, random)
    displacement = rate * np.float32(days / 365.25) - delay_mm
    phase = wrap(PHASE_SIGN * phase_per_mm() * displacement.astype(float) + noise)
    phase[ground.water] = np.nan
    coherence[ground.water] = np.nan
    return phase, coherence
