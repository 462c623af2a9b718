"""Radar frames: where a satellite looks from, and where the pixels of its image lie on the ground.

Ground positions are (east, north) in metres from the scene's centre, on a plane; lon/lat follow by the equirectangular
approximation, which is exact to a few metres over the size of a scene and is used both ways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

#: Sentinel-1, C-band: 299792458 m/s / 5.405 GHz.
WAVELENGTH_M = 0.05546576

METRES_PER_DEGREE = 111_319.49


@dataclass(frozen=True)
class Place:
    """The centre of a scene, to which ground positions refer."""

    lon: float
    lat: float

    def to_lonlat(self, east: Array, north: Array) -> tuple[Array, Array]:
        """Turn ground metres into degrees (WGS 84)."""
        return self.lon + east / self._metres_per_lon(), self.lat + north / METRES_PER_DEGREE

    def to_ground(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Turn degrees into ground metres; the inverse of :meth:`to_lonlat`."""
        return (lon - self.lon) * self._metres_per_lon(), (lat - self.lat) * METRES_PER_DEGREE

    def _metres_per_lon(self) -> float:
        return METRES_PER_DEGREE * float(np.cos(np.radians(self.lat)))


@dataclass(frozen=True)
class Frame:
    """One track's image: a right-looking radar, y = azimuth line (time grows with y), x = slant range sample.

    Attributes
    ----------
    track : str
        "ascending" or "descending".
    heading : float
        Flight direction, degrees clockwise from north.
    incidence_angle : float
        Degrees from the vertical.
    shape : (int, int)
        Lines and samples.
    spacing_m : float
        Spacing of the pixels on the ground, the same along azimuth and across it.
    origin : (float, float), optional
        Pixel-edge coordinates (y, x) of the scene's centre; None: the middle of the image.
    burst : str
        Which part of a track's image this is; empty: all of it.
    """

    track: str
    heading: float
    incidence_angle: float
    shape: tuple[int, int]
    spacing_m: float
    origin: tuple[float, float] | None = None
    burst: str = ""

    @property
    def name(self) -> str:
        """The track, and the burst where there is one: what random draws of this image are named after."""
        return f"{self.track} {self.burst}" if self.burst else self.track

    @property
    def middle(self) -> tuple[float, float]:
        """Pixel-edge coordinates (y, x) of the scene's centre."""
        return self.origin or (self.shape[0] / 2, self.shape[1] / 2)

    @property
    def slant_spacing_m(self) -> float:
        """Spacing along slant range: ground spacing · sin(incidence)."""
        return self.spacing_m * float(np.sin(np.radians(self.incidence_angle)))

    @property
    def los(self) -> Array:
        """Unit vector from the ground to the satellite (east, north, up)."""
        return los_vector(self.heading, self.incidence_angle)

    def ground(self, y: npt.ArrayLike, x: npt.ArrayLike) -> tuple[Array, Array]:
        """Place pixel-edge coordinates on the ground (east, north; m) from the scene's centre.

        Notes
        -----
        One line further is one spacing along the heading; one sample further is one spacing to its right.
        """
        along = (np.asarray(y, float) - self.middle[0]) * self.spacing_m
        across = (np.asarray(x, float) - self.middle[1]) * self.spacing_m
        heading = np.radians(self.heading)
        east = along * np.sin(heading) + across * np.cos(heading)
        north = along * np.cos(heading) - across * np.sin(heading)
        return east, north

    def pixel(self, east: npt.ArrayLike, north: npt.ArrayLike) -> tuple[Array, Array]:
        """Find the pixel-edge coordinates (y, x) of ground positions; the inverse of :meth:`ground`."""
        heading = np.radians(self.heading)
        east, north = np.asarray(east, float), np.asarray(north, float)
        along = east * np.sin(heading) + north * np.cos(heading)
        across = east * np.cos(heading) - north * np.sin(heading)
        return along / self.spacing_m + self.middle[0], across / self.spacing_m + self.middle[1]

    def pixel_centres(self) -> tuple[Array, Array]:
        """Ground positions (east, north) of every pixel's centre, each of the frame's shape."""
        rows, cols = np.indices(self.shape)
        return self.ground(rows + 0.5, cols + 0.5)


def los_vector(heading: float, incidence_angle: float) -> Array:
    """Give the unit vector from the ground to a right-looking satellite, (east, north, up).

    Parameters
    ----------
    heading : float
        Flight direction, degrees clockwise from north.
    incidence_angle : float
        Degrees from the vertical.

    Notes
    -----
    The satellite looks to the right of its heading; seen from the ground it stands to the left:
    (−sin θ cos α, sin θ sin α, cos θ), α heading, θ incidence.

    Examples
    --------
    A satellite that flies due north looks east, so that it stands in the west:

    >>> los_vector(0.0, 90.0).round(6) + 0.0
    array([-1.,  0.,  0.])
    """
    heading_rad, incidence = np.radians(heading), np.radians(incidence_angle)
    return np.array(
        [-np.sin(incidence) * np.cos(heading_rad), np.sin(incidence) * np.sin(heading_rad), np.cos(incidence)]
    )


def downslope_vector(aspect: npt.ArrayLike, slope: npt.ArrayLike) -> Array:
    """Give the unit vector of steepest descent (east, north, up) in the last axis.

    Parameters
    ----------
    aspect : array_like
        Direction that the slope faces, degrees clockwise from north.
    slope : array_like
        Degrees from the horizontal.

    Examples
    --------
    >>> downslope_vector(90.0, 0.0).round(6) + 0.0
    array([1., 0., 0.])
    """
    aspect_rad, slope_rad = np.radians(aspect), np.radians(slope)
    return np.stack(
        [np.sin(aspect_rad) * np.cos(slope_rad), np.cos(aspect_rad) * np.cos(slope_rad), -np.sin(slope_rad)], axis=-1
    )
