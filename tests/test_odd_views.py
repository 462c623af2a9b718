"""Maps that people look at, of odd places: in the browser, printed, and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_inputs import (
    ACROSS,
    FIJI,
    SLIDE,
    UNICODE,
    WORLD,
    Case,
    boxes,
    cases,
    check,
    named,
    outcome,
    rates,
    square,
    table,
)
from shapely.geometry import Point, Polygon

import labkit as lk
from labkit import view

# pyproj turns an array of one coordinate into a number as NumPy will no longer have it
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0 to a scalar:DeprecationWarning")


def shown(*args: Any, **more: Any) -> tuple[float, float]:
    """Latitude and longitude in the middle of a web map."""
    lat, lon = view.map(*args, **more).center
    return float(lat), float(lon) % 360


@cases({
    "one": (lambda: shown(boxes(square(102, 31))), (31.0, 102.0)),
    "a point": (lambda: shown(table(Point(102, 31))), (31.0, 102.0)),
    "nothing": (lambda: shown(boxes()), "a map must have something with a place"),
    "only rows without a place": (lambda: shown(boxes(None, Polygon())), "a map must have something with a place"),
    "one of them without": (lambda: shown(boxes(square(102, 31), None)), (31.0, 102.0)),
    "UTM": (lambda: shown(boxes(square(102, 31)).to_crs(32648)), (31.0, 102.0)),
    **{f"across the date line, {how}": (lambda shape=shape: shown(boxes(shape)), (-17.005, 180.0))
       for how, shape in ACROSS.items()},
    "two sides of the date line": (lambda: shown(boxes(square(179.98, -17), square(-179.98, -17))), (-17.0, 180.0)),
    "labels there and detections here": (
        lambda: shown(boxes(square(179.98, -17)), labels=boxes(square(-179.98, -17))), (-17.0, 180.0)),
    "density across the date line": (
        lambda: shown(None, lk.density(boxes(ACROSS["corners jump"]), 1000, 2000)), (-17.0, 180.0)),
    "density and landslides on other sides": (
        lambda: shown(boxes(square(-179.998, -17)), lk.density(boxes(square(179.998, -17)), 100, 200)), (-17.0, 180.0)),
    "near a pole": (lambda: shown(boxes(square(0, 89))), "a map must lie between 85.06° south and north"),
    "the world": (lambda: shown(boxes(WORLD)), "a map must lie between 85.06° south and north"),
    "scores of no number": (lambda: shown(boxes(square(102, 31), score=[np.nan]), colour_by="score"), (31.0, 102.0)),
    "another colour": (lambda: shown(boxes(square(102, 31)), colour_by="colour"), "colour_by"),
    "colours of nothing": (lambda: shown(colour_by="score", counties=named(square(1, 1))), "detections must be given"),
    "any script": (lambda: shown(boxes(square(102, 31), label=[UNICODE])), (31.0, 102.0)),
})  # fmt: skip
def test_a_web_map_shows_odd_places(case: Case) -> None:
    check(case)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps")


HERE = boxes(square(102, 31))


@pytest.mark.parametrize(
    ("draw", "right"),
    {
        "one": (lambda to: view.save_map_png(HERE, None, to, dpi=30), ""),
        "a point": (lambda to: view.save_map_png(boxes(Point(102, 31)), None, to, dpi=30), ""),
        "any script that is here": (
            lambda to: view.save_map_png(HERE, None, to, dpi=30, counties=named(square(102, 31, 9), name=["Оползень"])),
            "",
        ),
        "dollars": (lambda to: view.save_map_png(HERE, None, to, dpi=30, title="$1 and $2 \\frac"), ""),
        "across the date line": (lambda to: view.save_map_png(boxes(ACROSS["corners jump"]), None, to, dpi=30), ""),
        "near a pole": (lambda to: view.save_map_png(boxes(square(0, 89)), None, to, dpi=30), ""),
        "nothing": (lambda to: view.save_map_png(boxes(), None, to), "detections must hold at least one place"),
        "neither": (lambda to: view.save_map_png(None, None, to), "must have detections or density"),
        "print across the date line": (
            lambda to: view.print_map(to, lk.density(boxes(FIJI), 1000, 2000), boxes(FIJI), dpi=30), ""),
        "print near a pole": (
            lambda to: view.print_map(to, lk.density(boxes(square(0, 89.9)), 1000, 2000), dpi=30), ""),
        "print what nobody observed": (
            lambda to: view.print_map(to, lk.density(HERE, observed=table()), dpi=30), ""),
        "print nothing found": (
            lambda to: view.print_map(to, lk.density(boxes(), extent=(102, 31, 102.1, 31.1)), boxes(), dpi=30), ""),
        "print what lies nowhere": (lambda to: view.print_map(to, rates(SLIDE)), "data must have lon/lat"),
        "print with a limit of no number": (
            lambda to: view.print_map(to, lk.density(HERE), limit=np.nan), "limit must be a number > 0"),
        "print at no resolution": (lambda to: view.print_map(to, lk.density(HERE), dpi=0), "dpi must be above 0"),
        "print without a system": (
            lambda to: view.print_map(to, lk.density(HERE), table(Point(1, 1), crs=None)), "detections must be a"),
        "print no place": (
            lambda to: view.print_map(to, lk.density(HERE), boxes(Point(np.nan, 1))), "must all have a place"),
        "a picture of no data": (
            lambda to: view.ground_picture(lk.density(HERE, observed=table())), "must hold some known pixels"),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_printed_map_shows_odd_places(draw: str, right: Any, folder: Path) -> None:
    use, word = right
    to = folder / f"{draw}.png"
    got = outcome(lambda: use(to))
    if word:
        assert isinstance(got, str)
        assert word in got
        assert not to.exists()
    else:
        assert to.read_bytes().startswith(b"\x89PNG")


def test_letters_that_no_font_has_are_told_of(folder: Path) -> None:
    from labkit.view.map_sheet import font_families

    nowhere = chr(0x0378)  # no letter
    assert font_families(f"Danba {nowhere}") == ["DejaVu Sans"]
    with pytest.warns(UserWarning, match="Glyph 888"):
        view.save_map_png(HERE, None, folder / "private.png", title=nowhere, dpi=30)
