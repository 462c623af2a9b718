"""Lesson 9: limits, what a box does not tell."""

from __future__ import annotations

import geopandas as gpd

from labkit.course.answers import Names, Number
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material
from labkit.intervals import share_interval
from labkit.schema import DAYS_PER_YEAR
from labkit.simulate.geometry import downslope_vector

#: What a track measures, mm/yr, on a slope that faces this way and dips by so much, °.
LOS_RATE, ASPECT, SLOPE = -30.0, 100.0, 30.0

#: Detections that were checked in the first paper, and those that were landslides (Fu et al. 2022, section 5).
CONFIRMED, CHECKED = 72, 100

#: Days of a pair, and the window of the stack, px.
DAYS, WINDOW = 12.0, 5


def off_landslides(found: gpd.GeoDataFrame, landslides: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give the boxes whose middle lies on no landslide.

    Parameters
    ----------
    found : geopandas.GeoDataFrame
        Detections with their outlines in lon/lat.
    landslides : geopandas.GeoDataFrame
        Outlines of all that there are, seen or not.
    """
    middles = found.to_crs(found.estimate_utm_crs()).centroid.to_crs(landslides.crs)
    return found[~middles.within(landslides.union_all())]


def _downslope(material: Material) -> float:
    """Speed down the slope, mm/yr = LOS rate / (unit vector downhill · line of sight)."""
    return LOS_RATE / _seen_share(material)


def _seen_share(material: Material) -> float:
    return float(downslope_vector(ASPECT, SLOPE) @ material.line_of_sight("ascending"))


def _never_seen(material: Material) -> set[str]:
    return set(material.table("landslides")["landslide_id"]) - set(material.table("truth")["landslide_id"])


def _larger(material: Material) -> float:
    """Median over the ascending azimuth boxes: area of the box over that of the landslide's outline."""
    truth = material.table("truth")
    boxes = truth[(truth["track"] == "ascending") & (truth["direction"] == "azimuth")].set_index("landslide_id")
    outlines = material.table("landslides").set_index("landslide_id").loc[boxes.index]
    plane = boxes.estimate_utm_crs()
    return float((boxes.to_crs(plane).area / outlines.to_crs(plane).area).median())


def _too_fast(material: Material, window: int) -> float:
    """λ / 4π · 2π / window in ``DAYS``, mm/yr per pixel."""
    wavelength_mm = 1000 * float(material.pairs().attrs["wavelength"])
    return wavelength_mm / (2 * window) * DAYS_PER_YEAR / DAYS


def _lower(material: Material) -> float:
    return float(share_interval(CONFIRMED, CHECKED)[0])


PLAN = Plan(
    "c9_limits",
    "9 · Limits: what a box does not tell",
    {
        "elsewhere": Exercise(
            Number("share", relative=0.0, absolute=0.005),
            lambda material: (
                len(off_landslides(material.table("found"), material.table("landslides")))
                / len(material.table("found"))
            ),
            "How many rows has `off`, and how many has `found`?",
            "off_share = len(off) / len(found)",
            "off_share",
        ),
        "confirmed": Exercise(
            Number("share", relative=0.0, absolute=0.003),
            _lower,
            "Wilson's formula of lesson 7 with p = 0.72 and n = 100; labkit.intervals.share_interval knows it.",
            "from labkit.intervals import share_interval\nconfirmed = float(share_interval(72, 100)[0])",
            "confirmed",
            {"that is the share itself; what is the lower end of its interval?": lambda material: CONFIRMED / CHECKED},
        ),
        "downslope": Exercise(
            Number("mm/yr", relative=0.01),
            _downslope,
            "Which share of a motion straight downhill points along the line of sight? Divide by it.",
            "downslope = -30.0 / (downhill @ sight)",
            "downslope",
            {
                "the share belongs below the line: the satellite sees a part of the motion.": (
                    lambda material: LOS_RATE * _seen_share(material)
                ),
                "that is what the satellite sees.": lambda material: abs(LOS_RATE),
            },
        ),
        "larger": Exercise(
            Number("", relative=0.03),
            _larger,
            "Areas want metres: .to_crs(plane).area of both tables, one over the other, then the median.",
            "ratios = boxes.to_crs(plane).area / outlines.to_crs(plane).area\nlarger = ratios.median()",
            "larger",
            {"it is the other way round.": lambda material: 1 / _larger(material)},
        ),
        "never_seen": Exercise(
            Names("landslides"),
            _never_seen,
            "Take the names in `truth` away from those in `landslides`.",
            'never_seen = set(landslides["landslide_id"]) - set(truth["landslide_id"])',
            "never_seen",
        ),
        "too_fast": Exercise(
            Number("mm/yr", relative=0.01),
            lambda material: _too_fast(material, WINDOW),
            "2π / 5 rad are how many mm? And how often do 12 days fit into a year?",
            "mm = 55.46576 / (4 * np.pi) * (2 * np.pi / 5)\ntoo_fast = mm * 365.25 / 12",
            "too_fast",
            {
                "that is the limit of two single pixels, π; the window of 5 px loses it sooner, at 2π / 5.": (
                    lambda material: _too_fast(material, 2)
                ),
                "that is what moves in one pair of 12 days; per year it is more.": (
                    lambda material: _too_fast(material, WINDOW) * DAYS / DAYS_PER_YEAR
                ),
                "one turn is half a wavelength, because the wave goes there and back.": (
                    lambda material: 2 * _too_fast(material, WINDOW)
                ),
            },
        ),
    },
)
