"""Where a slant range meets the ground on a spherical Earth."""

from __future__ import annotations

import math
from pathlib import Path

from labkit.errors import FileError


def incidence_angle(path: Path, radius: float, height: float, slant_range: float) -> float:
    """Give the incidence angle (degrees) at a slant range.

    Parameters
    ----------
    path : Path
        The header that states the numbers, for the error.
    radius, height, slant_range : float
        Earth's radius below the satellite, the satellite's height above it, and its distance to the pixel, m. Where
        one is NaN the angle is NaN.

    Raises
    ------
    FileError
        The three lengths form no triangle.

    Notes
    -----
    cos θ = ((R + h)² − r² − R²) / (2 r R) with radius R, height h and slant range r.
    """
    if not math.isfinite(radius + height + slant_range):
        return math.nan
    if radius > 0 and height > 0 and slant_range > 0:
        # Products, not powers: of absurd numbers they give infinity, where a power raises an error of its own.
        far = radius + height
        cosine = (far * far - slant_range * slant_range - radius * radius) / (2 * slant_range * radius)
        if 0 < cosine < 1:
            return math.degrees(math.acos(cosine))
    raise FileError(
        f"{path} must hold an Earth radius, a height and a slant range that form a triangle, instead got "
        f"{radius} m, {height} m and {slant_range} m. Mend the header"
    )
