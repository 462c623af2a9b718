"""Landslides as they are: irregular outlines, blocks of different speeds, sharp or soft edges, every course in time."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from shapely.geometry import MultiPolygon, Polygon
from shapely.ops import unary_union

from labkit.errors import LabkitError
from labkit.simulate.fields import stream
from labkit.simulate.geometry import Frame, Place, downslope_vector
from labkit.simulate.landslides import Landslide
from labkit.simulate.motion import BEHAVIOURS, Motion
from labkit.simulate.terrain import Terrain, slope_and_aspect

Array = npt.NDArray[np.floating]

SLOPE_RANGE_DEG = (10.0, 40.0)
RIVER_RANGE_M = (150.0, 4000.0)
LENGTH_RANGE_M = (150.0, 2000.0)
LOS_RATE_RANGE_MM = (5.0, 200.0)

_SHARP_EDGE, _SOFT_EDGE = (0.08, 0.3), (0.5, 0.95)
_ONE_BLOCK_BELOW_M = 300.0
_HARMONICS = 6
_LEAST_SENSITIVITY = 0.25


@dataclass(frozen=True)
class BlockSlide(Landslide):
    """A landslide of one or several blocks that move down the same slope at different speeds.

    Attributes
    ----------
    blocks : tuple of Landslide
        The main body first; where blocks overlap, the fastest holds. ``speed`` of the whole is that of the fastest.
    motion : Motion
        The course in time; rates are means over it.
    """

    blocks: tuple[Landslide, ...] = ()
    motion: Motion | None = None

    @property
    def course(self) -> Motion:
        """The course in time.

        Raises
        ------
        LabkitError
            The landslide was made without one.
        """
        if self.motion is None:
            raise LabkitError(f"motion must be given to {self.landslide_id}, instead got motion=None")
        return self.motion

    def share(self, east: Array, north: Array) -> Array:
        """Give the share (0..1) of the greatest velocity at ground positions: the fastest block at each of them."""
        shares = [block.speed / self.speed * block.share(east, north) for block in self.blocks]
        return np.asarray(np.maximum.reduce(shares))

    def outline(self, place: Place) -> Polygon:
        """Give the edge of motion as a lon/lat polygon: around all blocks."""
        united = unary_union([block.outline(place).buffer(0) for block in self.blocks])
        if isinstance(united, MultiPolygon):
            return Polygon(united.convex_hull.exterior)
        return Polygon(united.exterior)


def place_block_slides(
    terrain: Terrain,
    frames: list[Frame],
    count: int,
    span: tuple[np.datetime64, np.datetime64],
    seed: int,
    *,
    behaviours: tuple[str, ...] = BEHAVIOURS,
) -> list[BlockSlide]:
    """Put landslides where landslides are: on slopes of 10–40° near rivers, apart and inside every frame.

    Parameters
    ----------
    terrain : Terrain
        The relief.
    frames : list of Frame
        The tracks; each landslide lies inside all of them, and at least one sees a quarter of its speed.
    count : int
        How many.
    span : (datetime64, datetime64)
        The observed time, to whose mean the rates refer.
    seed : int
        Of the scene.
    behaviours : tuple of str
        Courses in time, taken in turns (:data:`labkit.simulate.motion.BEHAVIOURS`).

    Raises
    ------
    LabkitError
        The terrain has no room for that many, or a behaviour is unknown.

    Notes
    -----
    Lengths of 150 m to 2 km and |LOS rates| of 5 to 200 mm/yr, in the track that sees a landslide best, are drawn
    evenly in the logarithm. Half of the edges are sharp (the speed falls within 8–30 % of the radius), half are soft
    (50–95 %).
    """
    random = stream(seed, "block slides")
    smooth = gaussian_filter(terrain.height, 150.0 / terrain.spacing_m)
    slope, aspect = slope_and_aspect(smooth, terrain.spacing_m)
    suitable = (slope > SLOPE_RANGE_DEG[0]) & (slope < SLOPE_RANGE_DEG[1])
    suitable &= (terrain.river_distance > RIVER_RANGE_M[0]) & (terrain.river_distance < RIVER_RANGE_M[1])
    candidates = np.flatnonzero(suitable)
    random.shuffle(candidates)
    placed: list[BlockSlide] = []
    for row, col in (divmod(int(cell), suitable.shape[1]) for cell in candidates):
        if len(placed) == count:
            break
        motion = Motion(behaviours[len(placed) % len(behaviours)], *span, phase=float(random.uniform(0.3, 0.7)))
        name = f"L{len(placed) + 1:02d}"
        centre = float(terrain.east[col]), float(terrain.north[row])
        slide = _draw(name, centre, (float(aspect[row, col]), float(slope[row, col])), frames, motion, random)
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
    frames: list[Frame],
    motion: Motion,
    random: np.random.Generator,
) -> BlockSlide | None:
    length = float(np.exp(random.uniform(*np.log(LENGTH_RANGE_M))))
    rate = float(np.exp(random.uniform(*np.log(LOS_RATE_RANGE_MM))))
    edges = _SHARP_EDGE if random.random() < 0.5 else _SOFT_EDGE
    count = 1 if length < _ONE_BLOCK_BELOW_M else int(random.integers(1, 4))
    sensitivity = max(abs(float(downslope_vector(*face) @ frame.los)) for frame in frames)
    if sensitivity < _LEAST_SENSITIVITY:
        return None
    speed = rate / sensitivity
    blocks = [_block(name, centre, length, face, speed if count == 1 else speed * 0.4, edges, random)]
    for index in range(1, count):
        aside, along = random.uniform(-0.12, 0.12) * length, random.uniform(-0.22, 0.22) * length
        down = np.radians(face[0])
        place = (
            centre[0] + along * np.sin(down) + aside * np.cos(down),
            (centre[1] + along * np.cos(down) - aside * np.sin(down)),
        )
        own = speed if index == count - 1 else speed * float(random.uniform(0.5, 0.9))
        blocks.append(_block(name, place, length * float(random.uniform(0.3, 0.5)), face, own, edges, random))
    main = blocks[0]
    return BlockSlide(
        name, *centre, length, main.width_m, *face, speed, main.edge, main.harmonics, tuple(blocks), motion
    )


def _block(
    name: str,
    centre: tuple[float, float],
    length: float,
    face: tuple[float, float],
    speed: float,
    edges: tuple[float, float],
    random: np.random.Generator,
) -> Landslide:
    orders = np.arange(2, 2 + _HARMONICS)[:, None]
    harmonics = random.normal(0.0, 0.18, (_HARMONICS, 2)) / orders
    width = length * float(random.uniform(0.45, 0.9))
    return Landslide(name, *centre, length, width, *face, speed, float(random.uniform(*edges)), harmonics)


def _fits(slide: BlockSlide, placed: list[BlockSlide], frames: list[Frame]) -> bool:
    reach = 0.75 * slide.length_m
    for frame in frames:
        y, x = frame.pixel(slide.east, slide.north)
        margin = reach / frame.spacing_m + 2
        if not (margin < y < frame.shape[0] - margin and margin < x < frame.shape[1] - margin):
            return False
    return all(
        np.hypot(slide.east - other.east, slide.north - other.north) > reach + 0.75 * other.length_m + 100.0
        for other in placed
    )


def block_outlines(slides: list[BlockSlide], frames: list[Frame], place: Place) -> gpd.GeoDataFrame:
    """Give the landslides as a table: outline (lon/lat), size, slope, downslope speed, course, LOS rate by track."""
    fields = ("landslide_id", "length_m", "width_m", "aspect", "slope", "speed")
    table: dict[str, object] = {name: [getattr(slide, name) for slide in slides] for name in fields}
    table["blocks"] = [len(slide.blocks) for slide in slides]
    table["edge"] = [slide.edge for slide in slides]
    table["behaviour"] = [slide.course.behaviour for slide in slides]
    for frame in frames:
        table[f"los_{frame.track}"] = [slide.los_rate(frame) for slide in slides]
    return gpd.GeoDataFrame(table, geometry=[slide.outline(place) for slide in slides], crs="EPSG:4326")
