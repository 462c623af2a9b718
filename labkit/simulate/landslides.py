"""Slow landslides with known outlines and rates, and the boxes that a careful person would draw around them."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from shapely.geometry import Polygon

from labkit import schema
from labkit.errors import LabkitError
from labkit.simulate.fields import stream
from labkit.simulate.geometry import WAVELENGTH_M, Frame, Place, downslope_vector
from labkit.simulate.terrain import Terrain, slope_and_aspect

Array = npt.NDArray[np.floating]

_SLOPE_RANGE_DEG = (14.0, 40.0)
_RIVER_RANGE_M = (350.0, 4000.0)
_HARMONICS = 5


@dataclass(frozen=True)
class Landslide:
    """One slow landslide: it creeps down its slope without changing shape.

    Attributes
    ----------
    landslide_id : str
        Name within the scene.
    east, north : float
        Centre on the ground, m.
    length_m, width_m : float
        Size along and across the slope.
    aspect, slope : float
        Of the slope it lies on, degrees.
    speed : float
        Greatest downslope speed, mm/yr.
    edge : float
        Share of the radius over which the speed falls from full to none, 0..1.
    harmonics : numpy.ndarray
        (n, 2) cosine and sine amplitudes that make the outline irregular.
    """

    landslide_id: str
    east: float
    north: float
    length_m: float
    width_m: float
    aspect: float
    slope: float
    speed: float
    edge: float
    harmonics: Array

    @property
    def velocity(self) -> Array:
        """Greatest velocity (east, north, up), mm/yr."""
        return self.speed * downslope_vector(self.aspect, self.slope)

    def los_rate(self, frame: Frame) -> float:
        """Greatest LOS rate in this frame, mm/yr, positive toward the satellite: velocity · line of sight."""
        return float(self.velocity @ frame.los)

    def share(self, east: Array, north: Array) -> Array:
        """Give the share (0..1) of the greatest velocity at ground positions: 1 inside, falling smoothly to 0 outside.

        Notes
        -----
        With ρ the distance from the centre over the outline's radius in that direction, and t = (1 − ρ) / edge held
        within 0..1, the share is t² (3 − 2t), which has no kink at either end.
        """
        aspect = np.radians(self.aspect)
        down = (east - self.east) * np.sin(aspect) + (north - self.north) * np.cos(aspect)
        across = (east - self.east) * np.cos(aspect) - (north - self.north) * np.sin(aspect)
        v, u = down / (self.length_m / 2), across / (self.width_m / 2)
        rho = np.hypot(u, v) / self._radius(np.arctan2(u, v))
        t = np.clip((1.0 - rho) / self.edge, 0.0, 1.0)
        return t * t * (3.0 - 2.0 * t)

    def outline(self, place: Place) -> Polygon:
        """Give the edge of motion as a lon/lat polygon."""
        angle = np.linspace(0.0, 2 * np.pi, 90, endpoint=False)
        radius = self._radius(angle)
        down, across = radius * np.cos(angle) * self.length_m / 2, radius * np.sin(angle) * self.width_m / 2
        aspect = np.radians(self.aspect)
        east = self.east + down * np.sin(aspect) + across * np.cos(aspect)
        north = self.north + down * np.cos(aspect) - across * np.sin(aspect)
        return Polygon(np.column_stack(place.to_lonlat(east, north)))

    def _radius(self, angle: Array) -> Array:
        radius = np.ones_like(angle)
        for order, (cosine, sine) in enumerate(self.harmonics, start=2):
            radius = radius + cosine * np.cos(order * angle) + sine * np.sin(order * angle)
        return radius


def place_landslides(
    terrain: Terrain, frames: list[Frame], count: int, rate_range: tuple[float, float], seed: int
) -> list[Landslide]:
    """Put landslides on the slopes of a terrain, apart from each other and inside every frame.

    Parameters
    ----------
    terrain : Terrain
        The relief.
    frames : list of Frame
        The tracks; a landslide lies inside all of them and is seen well by one of them at least.
    count : int
        How many.
    rate_range : (float, float)
        Least and greatest |LOS rate|, mm/yr, of the track that sees a landslide best; drawn evenly in the logarithm.
    seed : int
        Of the scene.

    Raises
    ------
    LabkitError
        The terrain has no room for that many.
    """
    random = stream(seed, "landslides")
    smooth = gaussian_filter(terrain.height, 250.0 / terrain.spacing_m)
    slope, aspect = slope_and_aspect(smooth, terrain.spacing_m)
    suitable = (slope > _SLOPE_RANGE_DEG[0]) & (slope < _SLOPE_RANGE_DEG[1])
    suitable &= (terrain.river_distance > _RIVER_RANGE_M[0]) & (terrain.river_distance < _RIVER_RANGE_M[1])
    candidates = np.argwhere(suitable)
    random.shuffle(candidates)
    placed: list[Landslide] = []
    for row, col in candidates:
        if len(placed) == count:
            break
        slide = _draw(
            f"L{len(placed) + 1:02d}",
            (float(terrain.east[col]), float(terrain.north[row])),
            (float(aspect[row, col]), float(slope[row, col])),
            rate_range,
            frames,
            random,
        )
        if slide is not None and _fits(slide, placed, frames):
            placed.append(slide)
    if len(placed) < count:
        raise LabkitError(
            f"count must fit the terrain, instead got count={count} where {len(placed)} found room. "
            "Take fewer landslides or a larger scene"
        )
    return placed


def _draw(
    name: str,
    centre: tuple[float, float],
    face: tuple[float, float],
    rate_range: tuple[float, float],
    frames: list[Frame],
    random: np.random.Generator,
) -> Landslide | None:
    length = float(np.exp(random.uniform(np.log(450.0), np.log(2000.0))))
    width = length * float(random.uniform(0.5, 0.9))
    rate = float(np.exp(random.uniform(*np.log(rate_range))))
    edge = float(random.uniform(0.55, 0.95))
    orders = np.arange(2, 2 + _HARMONICS)[:, None]
    harmonics = random.normal(0.0, 0.16, (_HARMONICS, 2)) / orders
    downslope = downslope_vector(*face)
    sensitivity = max(abs(float(downslope @ frame.los)) for frame in frames)
    if sensitivity < 0.45:
        return None
    return Landslide(name, *centre, length, width, *face, rate / sensitivity, edge, harmonics)


def _fits(slide: Landslide, placed: list[Landslide], frames: list[Frame]) -> bool:
    reach = 0.6 * slide.length_m
    for frame in frames:
        y, x = frame.pixel(slide.east, slide.north)
        margin = reach / frame.spacing_m + 2
        if not (margin < y < frame.shape[0] - margin and margin < x < frame.shape[1] - margin):
            return False
    return all(
        np.hypot(slide.east - other.east, slide.north - other.north) > reach + 0.6 * other.length_m + 200.0
        for other in placed
    )


def los_rates(slides: list[Landslide], frame: Frame) -> npt.NDArray[np.float32]:
    """Give the true LOS rate (y, x) of a frame, mm/yr, positive toward the satellite."""
    east, north = frame.pixel_centres()
    total = np.zeros(frame.shape)
    for slide in slides:
        rows, cols = surroundings(slide, frame)
        total[rows, cols] += slide.los_rate(frame) * slide.share(east[rows, cols], north[rows, cols])
    return total.astype(np.float32)


def surroundings(slide: Landslide, frame: Frame) -> tuple[slice, slice]:
    """Give the rows and columns of a frame that hold all of a landslide."""
    y, x = frame.pixel(slide.east, slide.north)
    reach = slide.length_m / frame.spacing_m
    rows = slice(max(int(y - reach), 0), min(int(y + reach) + 2, frame.shape[0]))
    cols = slice(max(int(x - reach), 0), min(int(x + reach) + 2, frame.shape[1]))
    return rows, cols


def reference_gradient(rate: npt.NDArray, spacing_m: float, phase_sign: int) -> dict[str, Array]:
    """Give the stacked phase gradient that a LOS rate makes at the reference, noise-free.

    Parameters
    ----------
    rate : numpy.ndarray (y, x)
        LOS rate, mm/yr, positive toward the satellite.
    spacing_m : float
        Ground spacing of the pixels, m.
    phase_sign : int
        +1 or −1, as in :data:`labkit.schema.SCENE_ATTRIBUTES`.

    Returns
    -------
    dict
        "azimuth" (along y) and "range" (along x), rad at 40 m and 20 years.

    Notes
    -----
    phase_sign · 4π/λ · ∂rate per pixel · 20 yr · 40 m / spacing, by central differences.
    """
    per_mm = phase_sign * 4 * np.pi / (WAVELENGTH_M * 1000.0)
    factor = per_mm * schema.REFERENCE_YEARS * schema.REFERENCE_SPACING_M / spacing_m
    along_y, along_x = np.gradient(np.asarray(rate, float))
    return {"azimuth": factor * along_y, "range": factor * along_x}


def outlines(slides: list[Landslide], place: Place) -> gpd.GeoDataFrame:
    """Give the landslides themselves as a table: outline in lon/lat, size, slope and downslope speed."""
    fields = ("landslide_id", "length_m", "width_m", "aspect", "slope", "speed")
    table = {name: [getattr(slide, name) for slide in slides] for name in fields}
    return gpd.GeoDataFrame(table, geometry=[slide.outline(place) for slide in slides], crs="EPSG:4326")
