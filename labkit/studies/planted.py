"""Planted landslides under known noise: the small scenes that the studies of estimators and of rates look at."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import WAVELENGTH_M, Frame
from labkit.simulate.interferometry import LOOKS, PHASE_SIGN, phase_per_mm, wrap
from labkit.simulate.landslides import Landslide
from labkit.simulate.motion import Motion
from labkit.simulate.resolution import sharing
from labkit.simulate.speckle import add_speckle, pair_key

Image = npt.NDArray[np.float32]

SPACING_M, REVISIT_DAYS = 40.0, 12
INCIDENCE_DEG, HEADING_DEG = 37.3, 192.0

#: Coherence at day 0, and what is left of it after a long time.
INITIAL, LASTING = 0.75, 0.03

_START = np.datetime64("2018-03-05")
#: Distance of two slides, and of the first from the edge, px.
_CELL, _MARGIN = 44, 26
_SIZES_M = (250.0, 1200.0)


@dataclass(frozen=True)
class Conditions:
    """Under which a scene is observed.

    Attributes
    ----------
    coherence_12 : float
        Of pairs of 12 days, above 0.03 and below 0.75. The coherence falls exponentially from 0.75 at day 0 through
        this toward 0.03.
    air_mm : float
        Turbulent delay of a date: rms difference between points 1 km apart, mm, at least 0; each date from half to
        twice as strong.
    behaviour : str
        How slides move (:class:`labkit.simulate.motion.Motion`).
    dates : int
        Acquisitions, 12 days apart, at least 2.
    max_days : int
        Longest temporal baseline, days, at least 12.
    patchiness : float
        Spread of the 12-day coherence from place to place, over patches of 1 to 2 km; 0: the same everywhere.

    Raises
    ------
    LabkitError
        A value breaks its rule.

    Examples
    --------
    >>> from labkit.studies import Conditions
    >>> usual = Conditions(dates=5)
    >>> usual.days[:2].tolist(), len(usual.pairs)
    ([datetime.date(2018, 3, 5), datetime.date(2018, 3, 17)], 9)
    >>> Conditions(coherence_12=0.9)
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: coherence_12 must be above 0.03 and below 0.75, instead got coherence_12=0.9
    """

    coherence_12: float = 0.4
    air_mm: float = 1.0
    behaviour: str = "linear"
    dates: int = 41
    max_days: int = 36
    patchiness: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        for name, rule, holds in (
            ("coherence_12", f"above {LASTING} and below {INITIAL}", LASTING < self.coherence_12 < INITIAL),
            ("air_mm", "at least 0", self.air_mm >= 0),
            ("dates", "at least 2", self.dates >= 2),
            ("max_days", f"at least {REVISIT_DAYS}", self.max_days >= REVISIT_DAYS),
            ("patchiness", "at least 0", self.patchiness >= 0),
        ):
            if not holds:
                raise LabkitError(f"{name} must be {rule}, instead got {name}={getattr(self, name)}")

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All pairs of dates at most ``max_days`` apart."""
        reach = self.max_days // REVISIT_DAYS
        return [(i, j) for i, j in itertools.combinations(range(self.dates), 2) if j - i <= reach]

    @property
    def days(self) -> npt.NDArray[np.datetime64]:
        """The dates."""
        return np.asarray(_START + REVISIT_DAYS * np.arange(self.dates))


def coherence_after(days: float, coherence_12: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Give the true coherence after so many days: 0.03 + 0.72 · ((γ₁₂ − 0.03) / 0.72)^(days / 12).

    Examples
    --------
    >>> [float(coherence_after(days, 0.39)) for days in (0, 12, 24)]
    [0.75, 0.39, 0.21]
    """
    kept = (np.asarray(coherence_12, float) - LASTING) / (INITIAL - LASTING)
    return np.asarray(LASTING + (INITIAL - LASTING) * kept ** (days / REVISIT_DAYS))


@dataclass(frozen=True)
class PlantedSlide:
    """One landslide: its place in the table of truth, its length (m) and its mean LOS rate (y, x), mm/yr."""

    landslide_id: str
    size_m: float
    rate: Image

    @property
    def peak(self) -> float:
        """The greatest rate with its sign, mm/yr."""
        return float(self.rate.flat[np.abs(self.rate).argmax()])

    def lobes(self, axis: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Give where the rate rises and where it falls along an axis by more than half of the most, (y, x) each.

        The last row or column, which has no next, is in neither.
        """
        grown = np.diff(self.rate, axis=axis, append=np.take(self.rate, [-1], axis=axis))
        return grown > 0.5 * grown.max(), grown < 0.5 * grown.min()


def plant_slides(shape: tuple[int, int], seed: int, *, rates: tuple[float, float] = (3.0, 40.0)) -> list[PlantedSlide]:
    """Plant irregular landslides, 44 pixels apart, of 250 to 1200 m, with rates drawn evenly in the logarithm.

    Parameters
    ----------
    shape : (int, int)
        Of the scene; at least 70 × 70 pixels have room for one.
    seed : int
        Another number, other slides.
    rates : (float, float)
        Least and greatest |LOS rate| of a slide's peak, mm/yr; half of the slides come toward the satellite.

    Raises
    ------
    LabkitError
        The scene has no room for a slide.
    """
    rows, cols = (range(_MARGIN, n - _MARGIN + 6, _CELL) for n in shape)
    if not rows or not cols:
        raise LabkitError(f"shape must be at least {2 * _MARGIN - 5} px each way, instead got shape={shape}")
    random = stream(seed, "planted slides")
    y, x = np.indices(shape)
    slides = []
    for number, (row, col) in enumerate(itertools.product(rows, cols)):
        size = float(np.exp(random.uniform(*np.log(_SIZES_M))))
        peak = float(np.exp(random.uniform(*np.log(rates))) * random.choice((-1.0, 1.0)))
        harmonics = random.normal(0.0, 0.16, (5, 2)) / np.arange(2, 7)[:, None]
        top, left = row + random.uniform(-3, 3), col + random.uniform(-3, 3)
        outline = Landslide(
            "planted", 0.0, 0.0, size * random.uniform(1.1, 1.5), size, random.uniform(0, 360), 25.0, 1.0,
            random.uniform(0.55, 0.95), harmonics,
        )  # fmt: skip
        share = outline.share((x - left) * SPACING_M, (top - y) * SPACING_M)
        slides.append(PlantedSlide(f"P{number + 1:02d}", size, (peak * share).astype(np.float32)))
    return slides


def total_rate(slides: list[PlantedSlide]) -> Image:
    """Add up the rates of all slides, (y, x) mm/yr."""
    return np.sum([slide.rate for slide in slides], axis=0, dtype=np.float32)


def truth_boxes(slides: list[PlantedSlide], scene: str = "planted") -> gpd.GeoDataFrame:
    """Give the boxes of planted slides in both directions: around what exceeds half of the greatest |gradient|."""
    rows = []
    for slide, (axis, direction) in itertools.product(slides, enumerate(schema.DIRECTIONS)):
        y, x = np.nonzero(np.logical_or(*slide.lobes(axis)))
        corners = {"xmin": x.min(), "ymin": y.min(), "xmax": x.max() + 1, "ymax": y.max() + 1}
        rows.append({"landslide_id": slide.landslide_id, "direction": direction, **corners})
    return schema.boxes_table({str(k): v.to_list() for k, v in pd.DataFrame(rows).items()} | {"scene": scene})


@dataclass(frozen=True)
class Noise:
    """What pairs hold besides motion: ``phase`` (pair, y, x), rad in [−π, π), and their sample ``coherence``."""

    conditions: Conditions
    phase: Image
    coherence: Image


def draw_noise(conditions: Conditions, shape: tuple[int, int], seed: int) -> Noise:
    """Draw air and speckle; the same seed gives the same air and the same luck at every coherence and strength.

    Notes
    -----
    Air has the spectrum k^(−11/3) below 3 km, k^(−8/3) above, one field for each date, so that pairs share it as real
    ones do. The speckle of 24 looks has the law of the coherence, is shared between neighbouring pixels as Sentinel-1's
    is (:func:`labkit.simulate.speckle.add_speckle`), and is drawn for each pair alone.
    """
    random = stream(seed, "planted noise")
    air = [_air(shape, random) for _ in range(conditions.dates)]
    c12: npt.NDArray[np.float64] = np.full(shape, conditions.coherence_12)
    patches = _patches(shape, random)
    if conditions.patchiness:
        c12 = np.clip(c12 + conditions.patchiness * patches, 2 * LASTING, INITIAL - 0.01)
    pairs = conditions.pairs
    phase = np.empty((len(pairs), *shape), np.float32)
    coherence = np.empty_like(phase)
    shared = sharing(Frame("descending", HEADING_DEG, INCIDENCE_DEG, shape, SPACING_M))
    for k, (i, j) in enumerate(pairs):
        coherence[k] = coherence_after((j - i) * REVISIT_DAYS, c12)
        phase[k] = np.float32(-PHASE_SIGN * phase_per_mm() * conditions.air_mm) * (air[j] - air[i])
        add_speckle(pair_key(seed, "planted", i, j), LOOKS, phase[k], coherence[k], shared)
    return Noise(conditions, phase, coherence)


def observe(noise: Noise, rate: Image | None = None, scene: str = "planted") -> xr.Dataset:
    """Make interferograms of a mean LOS rate (y, x), mm/yr, under drawn noise; without a rate nothing moves.

    Notes
    -----
    phase = wrap(phase_sign · 4π/λ · rate · Δs + noise), Δs the course's displacement between the two dates of a pair,
    in years of mean speed.
    """
    conditions, days = noise.conditions, noise.conditions.days
    first, second = (days[[pair[end] for pair in conditions.pairs]] for end in (0, 1))
    phase = noise.phase
    if rate is not None:
        moved = Motion(conditions.behaviour, days[0], days[-1]).between(first, second)
        per_mm = np.float32(PHASE_SIGN * phase_per_mm())
        phase = phase + moved.astype(np.float32)[:, None, None] * (per_mm * np.asarray(rate, np.float32))
    words = dict.fromkeys(("orbit_direction", "track", "burst"), "")
    numbers = {
        "wavelength": WAVELENGTH_M, "heading": HEADING_DEG, "incidence_angle": INCIDENCE_DEG,
        "y_spacing": SPACING_M, "x_spacing": SPACING_M * float(np.sin(np.radians(INCIDENCE_DEG))),
        "ground_spacing": SPACING_M, "phase_sign": PHASE_SIGN,
    }  # fmt: skip
    made = xr.Dataset(
        {
            "phase": (("pair", "y", "x"), wrap(phase), {"units": "rad"}),
            "coherence": (("pair", "y", "x"), noise.coherence, {"units": "1"}),
        },
        coords={
            "pair": [f"{a}_{b}".replace("-", "") for a, b in zip(first, second, strict=True)],
            "reference": ("pair", first.astype("datetime64[ns]")),
            "secondary": ("pair", second.astype("datetime64[ns]")),
            "temporal_baseline": ("pair", (second - first).astype(float), {"units": "days"}),
            "perpendicular_baseline": ("pair", np.zeros(len(first)), {"units": "m"}),
        },
        attrs={"scene": scene, "geometry": "radar", "processor": "simulated", **numbers, **words},
    )
    return schema.check_interferograms(made)


def _air(shape: tuple[int, int], random: np.random.Generator) -> Image:
    field = power_law_field(
        shape, SPACING_M, random, exponent=11 / 3, break_m=3000.0, outer_exponent=8 / 3, lag_m=1000.0,
        rms_difference=2.0 ** random.uniform(-1, 1),
    )  # fmt: skip
    return (field - field.mean()).astype(np.float32)


def _patches(shape: tuple[int, int], random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A field of spread 1 that changes over 1 to 2 km."""
    field = power_law_field(
        shape, SPACING_M, random, exponent=3.2, break_m=3000.0, outer_exponent=0.5, lag_m=1500.0, rms_difference=1.0
    )
    return np.asarray((field - field.mean()) / field.std())
