"""How the radar looks at the ground: Sentinel-1's wavelength and orbits, headings from look vectors."""

from __future__ import annotations

import math

SPEED_OF_LIGHT = 299_792_458.0

#: Wavelength of Sentinel-1, m (centre frequency 5.405 GHz), for products that do not state it.
SENTINEL1_WAVELENGTH = SPEED_OF_LIGHT / 5.405000454334350e9

#: Absolute minus relative orbit number of each Sentinel-1 satellite, before the wrap at 175 orbits.
_FIRST_ORBIT = {"S1A": 73, "S1B": 27, "S1C": 172}
_ORBITS_PER_CYCLE = 175


def relative_orbit(platform: str, absolute_orbit: int) -> str:
    """Give the track (relative orbit, three digits) of a Sentinel-1 acquisition; "" for a platform not known here.

    Notes
    -----
    (absolute orbit − offset) mod 175 + 1, the offset of Sentinel-1A being 73, of 1B 27, of 1C 172.

    Examples
    --------
    >>> relative_orbit("S1A", 30741)
    '044'
    """
    offset = _FIRST_ORBIT.get(platform)
    return "" if offset is None else f"{(absolute_orbit - offset) % _ORBITS_PER_CYCLE + 1:03d}"


def orbit_direction(heading: float) -> str:
    """Give "ascending" where the satellite flies toward the north, "descending" otherwise, "" for a heading of NaN."""
    if not math.isfinite(heading):
        return ""
    return "ascending" if math.cos(math.radians(heading)) > 0 else "descending"


def heading_of_look(east: float, north: float) -> float:
    """Give the heading (degrees clockwise from north, 0..360) of a right-looking radar from its look vector.

    Parameters
    ----------
    east, north : float
        Components of the unit vector from the ground to the satellite.

    Notes
    -----
    With the incidence angle θ and the heading h: east = −sin θ cos h, north = sin θ sin h, so h = atan2(north, −east).

    Examples
    --------
    >>> round(heading_of_look(-0.61, -0.11), 1)
    349.8
    """
    return math.degrees(math.atan2(north, -east)) % 360.0
