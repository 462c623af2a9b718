"""A landslide's downslope speed, seen along the line of sight."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.errors import LabkitError
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.landslides import Landslide, los_rates, outlines, place_landslides, reference_gradient
from labkit.simulate.terrain import make_terrain

ASCENDING = Frame("ascending", 348.0, 38.6, (160, 192), 40.0)
DESCENDING = Frame("descending", 192.0, 37.3, (160, 192), 40.0)
PLACE = Place(101.95, 30.85)


def a_landslide(aspect: float = 90.0, slope: float = 30.0, speed: float = 100.0, bumps: float = 0.0) -> Landslide:
    harmonics = np.array([[bumps, -bumps], [bumps / 2, bumps]])
    return Landslide("L01", 100.0, -200.0, 1200.0, 800.0, aspect, slope, speed, 0.6, harmonics)


def test_a_known_slope_and_speed_give_the_los_rate() -> None:
    """An east slope of 30° creeping 100 mm/yr: 86.6 mm/yr to the east, 50 mm/yr down.

    Ascending, the satellite stands at azimuth 258°, 38.6° from the vertical: the motion east is away, as is the motion
    down. 100 · (cos 30° · sin 38.6° · cos(90° − 258°) − sin 30° · cos 38.6°).
    """
    expected = 100 * (
        np.cos(np.radians(30)) * np.sin(np.radians(38.6)) * np.cos(np.radians(90 - 258))
        - 0.5 * np.cos(np.radians(38.6))
    )
    assert a_landslide().los_rate(ASCENDING) == pytest.approx(expected)
    assert expected < -90


def test_an_east_slope_comes_toward_a_descending_satellite_when_it_is_gentle() -> None:
    assert a_landslide(slope=10.0).los_rate(DESCENDING) > 0
    assert a_landslide(slope=10.0).los_rate(ASCENDING) < 0


def test_straight_subsidence_is_seen_by_the_cosine_of_the_incidence() -> None:
    assert a_landslide(slope=90.0).los_rate(DESCENDING) == pytest.approx(-100 * np.cos(np.radians(37.3)))


def test_the_rate_is_full_in_the_middle_and_none_outside() -> None:
    slide = a_landslide(bumps=0.1)
    assert slide.share(np.array([100.0]), np.array([-200.0])) == 1.0
    angle = np.linspace(0, 2 * np.pi, 60)
    assert (slide.share(100 + 1000 * np.cos(angle), -200 + 1000 * np.sin(angle)) == 0).all()


def test_the_outline_encloses_just_what_moves() -> None:
    slide = a_landslide(bumps=0.1)
    east, north = np.meshgrid(np.arange(-1000.0, 1200.0, 10.0), np.arange(-1300.0, 900.0, 10.0))
    moving = float((slide.share(east, north) > 0).sum()) * 100.0
    lon, lat = np.asarray(slide.outline(PLACE).exterior.coords).T
    x, y = PLACE.to_ground(lon, lat)
    area = 0.5 * abs(float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])))
    assert moving == pytest.approx(area, rel=0.02)


def test_the_long_axis_lies_down_the_slope() -> None:
    slide = a_landslide(aspect=90.0)
    west_east, south_north = np.array([-450.0, 650.0]), np.array([-750.0, 350.0])
    assert (slide.share(west_east, np.full(2, -200.0)) > 0).all()
    assert (slide.share(np.full(2, 100.0), south_north) == 0).all()


def test_rates_on_the_radar_grid_are_the_sum_of_all_landslides() -> None:
    slide = a_landslide()
    rate = los_rates([slide], DESCENDING)
    y, x = DESCENDING.pixel(slide.east, slide.north)
    assert rate[int(y), int(x)] == pytest.approx(slide.los_rate(DESCENDING), rel=1e-5)
    assert rate[0, 0] == 0.0
    assert np.abs(rate).max() == pytest.approx(abs(slide.los_rate(DESCENDING)), rel=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_ramp_gives_its_gradient_at_the_reference(sign: int) -> None:
    """0.5 mm/yr per pixel for 20 years are 10 mm, of which λ/2 = 27.73 mm make one cycle; pixels of 80 m halve it."""
    ramp = np.tile(0.5 * np.arange(30.0), (20, 1))
    gradient = reference_gradient(ramp, 80.0, sign)
    assert gradient["range"] == pytest.approx(np.full((20, 30), sign * 2 * np.pi * 10 / 27.73288 / 2))
    assert gradient["azimuth"] == pytest.approx(np.zeros((20, 30)))


def test_landslides_lie_apart_on_slopes_within_every_frame() -> None:
    terrain = make_terrain(PLACE, 10_500.0, 9_500.0, 40.0, 2, seed=5)
    slides = place_landslides(terrain, [ASCENDING, DESCENDING], 5, (40.0, 120.0), seed=5)
    shapes = outlines(slides, PLACE).geometry
    for i, shape in enumerate(shapes):
        assert not any(shape.intersects(other) for other in shapes[i + 1 :])
    for slide in slides:
        assert 14 <= slide.slope <= 40
        assert 450 <= slide.length_m <= 2000
        best = max(abs(slide.los_rate(frame)) for frame in (ASCENDING, DESCENDING))
        assert 40.0 <= best <= 120.0 + 1e-6


def test_too_many_landslides_for_the_terrain_are_an_error() -> None:
    terrain = make_terrain(PLACE, 10_500.0, 9_500.0, 120.0, 2, seed=5)
    with pytest.raises(LabkitError, match=r"^count must fit the terrain"):
        place_landslides(terrain, [ASCENDING, DESCENDING], 500, (40.0, 120.0), seed=5)
