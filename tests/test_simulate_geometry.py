"""Where the satellite stands, and where its pixels lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from labkit.simulate.geometry import Frame, Place, downslope_vector, los_vector

ASCENDING = Frame("ascending", 348.0, 38.6, (160, 192), 40.0)
DESCENDING = Frame("descending", 192.0, 37.3, (160, 192), 40.0)


@given(st.floats(0, 360), st.floats(10, 60))
def test_the_line_of_sight_has_length_one_and_leans_from_the_vertical_by_the_incidence(h: float, inc: float) -> None:
    los = los_vector(h, inc)
    assert np.linalg.norm(los) == pytest.approx(1.0)
    assert np.degrees(np.arccos(los[2])) == pytest.approx(inc)


@pytest.mark.parametrize(("heading", "azimuth_of_satellite"), [(348.0, 258.0), (192.0, 102.0)])
def test_the_satellite_stands_to_the_left_of_its_heading(heading: float, azimuth_of_satellite: float) -> None:
    """It looks to the right; so ascending stands in the west-south-west, descending in the east-south-east."""
    east, north, _ = los_vector(heading, 38.0)
    assert np.degrees(np.arctan2(east, north)) % 360 == pytest.approx(azimuth_of_satellite)


def test_azimuth_time_grows_with_y_and_range_away_from_the_satellite() -> None:
    for frame, northward, eastward in ((ASCENDING, 1, 1), (DESCENDING, -1, -1)):
        east, north = frame.pixel_centres()
        assert np.sign(north[-1, 0] - north[0, 0]) == northward
        assert np.sign(east[0, -1] - east[0, 0]) == eastward
        away = np.array([east[0, 1] - east[0, 0], north[0, 1] - north[0, 0]])
        assert away @ frame.los[:2] == pytest.approx(-40.0 * np.sin(np.radians(frame.incidence_angle)))


def test_pixels_are_forty_metres_apart_on_the_ellipsoid() -> None:
    place = Place(101.95, 30.85)
    lon, lat = place.to_lonlat(*ASCENDING.pixel_centres())
    geod = Geod(ellps="WGS84")
    for i, j in ((1, 0), (0, 1)):
        _, _, metres = geod.inv(lon[0, 0], lat[0, 0], lon[i, j], lat[i, j])
        assert metres == pytest.approx(40.0, rel=0.006)


def test_slant_spacing_is_ground_spacing_times_the_sine_of_the_incidence() -> None:
    assert Frame("x", 0.0, 30.0, (2, 2), 40.0).slant_spacing_m == pytest.approx(20.0)


@given(st.floats(-10, 170), st.floats(-10, 200))
def test_from_pixel_to_lonlat_and_back(y: float, x: float) -> None:
    place = Place(101.95, 30.85)
    lon, lat = place.to_lonlat(*DESCENDING.ground(y, x))
    back_y, back_x = DESCENDING.pixel(*place.to_ground(lon, lat))
    assert float(back_y) == pytest.approx(y, abs=1e-6)
    assert float(back_x) == pytest.approx(x, abs=1e-6)


def test_steepest_descent_points_down_the_slope() -> None:
    assert downslope_vector(180.0, 30.0) == pytest.approx([0.0, -np.sqrt(3) / 2, -0.5], abs=1e-12)
