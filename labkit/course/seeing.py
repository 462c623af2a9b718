"""Lesson 1: what InSAR sees, phase and displacement, the line of sight, the two tracks, coherence."""

from __future__ import annotations

import numpy as np

from labkit.course.answers import Names, Number
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material
from labkit.simulate.geometry import downslope_vector
from labkit.stack import mean_coherence

#: The phase that a pixel changes by in the second exercise, rad.
PHASE_RAD = 1.2

#: A slope: direction that it faces and dip, °, and how fast it creeps downhill, mm/yr.
ASPECT, SLOPE, SPEED = 250.0, 25.0, 100.0


def _wavelength_mm(material: Material) -> float:
    return 1000 * float(material.pairs().attrs["wavelength"])


def _toward(material: Material, way: float = 4 * np.pi) -> float:
    """Displacement toward the satellite, mm = phase_sign · λ / 4π · phase."""
    return float(material.pairs().attrs["phase_sign"]) * _wavelength_mm(material) / way * PHASE_RAD


def _los_rate(material: Material, track: str, share: tuple[float, float, float] = (1, 1, 1)) -> float:
    """LOS rate, mm/yr = motion (east, north, up) · unit vector from the ground to the satellite."""
    motion = SPEED * downslope_vector(ASPECT, SLOPE)
    return float((motion * share) @ material.line_of_sight(track))


def _only_descending(material: Material) -> set[str]:
    truth = material.table("truth")
    seen = {track: set(table["landslide_id"]) for track, table in truth.groupby("track")}
    return seen.get("descending", set()) - seen.get("ascending", set())


def _lost(material: Material) -> float:
    pairs = material.pairs()
    days, quality = pairs["temporal_baseline"].values, np.asarray(mean_coherence(pairs))
    return float(quality[days == days.min()].mean() - quality[days == days.max()].mean())


PLAN = Plan(
    "c1_seeing",
    "1 · What InSAR sees",
    {
        "fringe": Exercise(
            Number("mm"),
            lambda material: _wavelength_mm(material) / 2,
            "The wave goes to the ground and back: how much longer does its way become when the ground moves by 1 mm?",
            'wavelength_mm = 1000 * pairs.attrs["wavelength"]\nfringe_mm = wavelength_mm / 2   # there and back',
            "fringe_mm",
            {
                "that is the whole wavelength, but the wave goes there and back.": _wavelength_mm,
                "that is half a turn of colours.": lambda material: _wavelength_mm(material) / 4,
            },
        ),
        "toward": Exercise(
            Number("mm"),
            _toward,
            "Displacement toward the satellite = phase_sign · λ / 4π · phase.",
            'toward_mm = pairs.attrs["phase_sign"] * 1000 * pairs.attrs["wavelength"] / (4 * np.pi) * 1.2',
            "toward_mm",
            {
                "the size is right, but look at the attribute phase_sign: which way does a growing phase mean?": (
                    lambda material: -_toward(material)
                ),
                "the wave goes there and back: one turn is half a wavelength.": (
                    lambda material: _toward(material, 2 * np.pi)
                ),
            },
        ),
        "slope": Exercise(
            Number("mm/yr", absolute=0.5),
            lambda material: _los_rate(material, "ascending"),
            "Multiply east with east, north with north, up with up, and add the three products: motion @ sight.",
            'slope_rate = motion @ sight["ascending"]',
            "slope_rate",
            {
                "that is what the descending track sees.": lambda material: _los_rate(material, "descending"),
                "that leaves out that the slope also goes down.": (
                    lambda material: _los_rate(material, "ascending", (1, 1, 0))
                ),
                "that is the vertical part alone.": lambda material: _los_rate(material, "ascending", (0, 0, 1)),
            },
        ),
        "one_side": Exercise(
            Names("landslides"),
            _only_descending,
            "Make the set of landslide_id for each track, and take the one away from the other.",
            'seen = {track: set(rows["landslide_id"]) for track, rows in truth.groupby("track")}\n'
            'only_descending = seen["descending"] - seen["ascending"]',
            "only_descending",
        ),
        "coherence": Exercise(
            Number("", relative=0.02, absolute=0.002),
            _lost,
            "Take the mean of `quality` where `days` is least, and the mean where it is greatest.",
            "lost = quality[days == days.min()].mean() - quality[days == days.max()].mean()",
            "lost",
        ),
    },
)
