"""Mountain sides under the pixels of given pairs: relief, and the landslides that lie on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import LabkitError
from labkit.simulate.blocks import BlockSlide, place_block_slides
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.movers import Mover
from labkit.simulate.relief import Region, make_mountains
from labkit.simulate.terrain import Terrain

Array = npt.NDArray[np.floating]

#: The mountains from which hillsides are cut, and what grid their rivers are found on, m.
_EXTENT_M, _SPACING_M, _GRID_M = 18000.0, 15.0, 40.0
_TRUNKS_KM2, _RIVER_KM2 = (400.0,), 1.0

#: Relief shifts what a pixel sees by less than this.
_BEYOND_M = 1000.0

#: Draws until a place is found where nothing lies outside the mountains and the landslides fit.
_TRIES = 40

#: How far the edge of a landslide leaves its smooth outline: rms difference of the shift of two points that lie a
#: quarter of its length apart, as a share of the length.
_LOBES = 0.1


@dataclass(frozen=True)
class Hillside:
    """What lies under the pixels of an image.

    Attributes
    ----------
    height : numpy.ndarray (y, x)
        m.
    movers : list of Mover
        Landslides, if any.
    """

    height: Array
    movers: list[Mover]


def hillsides_like(ifgs: xr.Dataset, count: int, *, slides: int = 1, seed: int = 0) -> list[Hillside]:
    """Cut hillsides of the size of given pairs out of simulated mountains, each from another place.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms in radar geometry, of at most 8 km from corner to corner; no pixel is read.
    count : int
        How many, at least 1.
    slides : int
        Landslides on each (:func:`labkit.simulate.blocks.place_block_slides`), at least 0; they move steadily.
    seed : int
        Of the mountains and of all that lies on them.

    Returns
    -------
    list of Hillside
        For :func:`labkit.simulate.pairs_like`.

    Raises
    ------
    LabkitError
        An argument breaks its rule, the pairs cover more ground than the mountains, or no place has room for so many
        landslides.
    """
    if count < 1 or slides < 0:
        raise LabkitError(f"count must be at least 1 and slides at least 0, instead got {count=}, {slides=}")
    attributes = ifgs.attrs
    shape, spacing = (ifgs.sizes["y"], ifgs.sizes["x"]), float(attributes["ground_spacing"])
    reach = float(np.hypot(*shape)) * spacing / 2
    room = _EXTENT_M / 2 - reach - _BEYOND_M
    if room < reach:
        raise LabkitError(
            f"ifgs must cover at most {_EXTENT_M / 2 - _BEYOND_M:.0f} m from corner to corner, instead got "
            f"{2 * reach:.0f}. Cut them with isel"
        )
    mountains = _mountains(seed)
    direction = str(attributes["orbit_direction"]), float(attributes["heading"]), float(attributes["incidence_angle"])
    span = (
        ifgs["reference"].values.astype("datetime64[D]").min(),
        ifgs["secondary"].values.astype("datetime64[D]").max(),
    )
    frame = Frame(*direction, shape, spacing)
    taken: list[tuple[float, float]] = []
    made: list[Hillside] = []
    for number in range(count):
        random = stream(seed, "hillside", number)
        for _ in range(_TRIES):
            east, north = (float(value) for value in random.uniform(-room, room, 2))
            if any(_overlap(frame, east - other[0], north - other[1]) for other in taken):
                continue
            terrain = _moved(mountains, east, north, reach + _BEYOND_M)
            try:
                placed = place_block_slides(
                    terrain, [frame], slides, span, int(random.integers(2**31)), behaviours=("linear",)
                )
            except LabkitError:
                continue
            seen = _ground_seen(terrain, frame)
            made.append(Hillside(terrain.at(terrain.height, *seen), _movers(placed, frame, seen, random)))
            taken.append((east, north))
            break
    if len(made) < count:
        raise LabkitError(
            f"count must fit into the mountains, instead got {count=} with {slides=}, of which {len(made)} found room. "
            "Take fewer, or another seed"
        )
    return made


@lru_cache(maxsize=1)
def _mountains(seed: int) -> Terrain:
    region = Region(_EXTENT_M, _EXTENT_M, _SPACING_M, _GRID_M, _TRUNKS_KM2, _RIVER_KM2)
    return make_mountains(Place(0.0, 0.0), region, seed)


def _moved(terrain: Terrain, east: float, north: float, reach_m: float) -> Terrain:
    """The part of a terrain within a reach of a place, which becomes its centre."""
    rows, cols = (
        slice(*np.flatnonzero(np.abs(axis - middle) <= reach_m)[[0, -1]] + [0, 1])
        for axis, middle in ((terrain.north, north), (terrain.east, east))
    )
    images = ("height", "slope", "aspect", "river_distance", "water")
    return replace(
        terrain,
        east=terrain.east[cols] - east,
        north=terrain.north[rows] - north,
        **{name: getattr(terrain, name)[rows, cols] for name in images},
    )


def _overlap(frame: Frame, east: float, north: float) -> bool:
    """Whether an image's level ground overlaps that of the same image moved so far."""
    moved = np.subtract(frame.pixel(east, north), frame.middle)
    return bool((np.abs(moved) < frame.shape).all())


def _ground_seen(terrain: Terrain, frame: Frame) -> tuple[Array, Array]:
    """Ground positions (east, north; m) of the relief that each pixel sees, each (y, x).

    Notes
    -----
    Ground at height h lies (h − h₀) / tan θ nearer in range than level ground at h₀, the mean of the relief. Where
    slopes lie over one another a pixel takes what comes first on the ground.
    """
    rows, cols = frame.shape
    across = np.arange(-_BEYOND_M / frame.spacing_m, cols + _BEYOND_M / frame.spacing_m, 0.25)
    lines = np.broadcast_to(np.arange(rows)[:, None] + 0.5, (rows, len(across)))
    height = terrain.at(terrain.height, *frame.ground(lines, np.broadcast_to(across, lines.shape)))
    nearer = (height - height.mean()) / np.tan(np.radians(frame.incidence_angle)) / frame.spacing_m
    # the ramp keeps apart what lies over one another
    place = np.maximum.accumulate(across - nearer, axis=1) + 1e-9 * np.arange(len(across))
    centres = np.arange(cols) + 0.5
    columns = np.stack([np.interp(centres, line, across) for line in place])
    return frame.ground(np.broadcast_to(lines[:, :1], columns.shape), columns)


def _movers(
    slides: list[BlockSlide], frame: Frame, seen: tuple[Array, Array], random: np.random.Generator
) -> list[Mover]:
    whole = slice(0, frame.shape[0]), slice(0, frame.shape[1])
    return [Mover(*whole, _rate(slide, frame, seen, random).astype(np.float32), slide.course) for slide in slides]


def _rate(slide: BlockSlide, frame: Frame, seen: tuple[Array, Array], random: np.random.Generator) -> Array:
    """LOS rate of a landslide, mm/yr, whose edge has lobes of all sizes and which does not move all alike."""
    length = max(slide.length_m, 4 * frame.spacing_m)

    def pattern(rms: float) -> Array:
        drawn = power_law_field(
            frame.shape, frame.spacing_m, random, exponent=3.2, break_m=2 * length, outer_exponent=0.5,
            lag_m=length / 4, rms_difference=rms,
        )  # fmt: skip
        return np.asarray(drawn - drawn.mean())

    moved = slide.share(seen[0] + pattern(_LOBES * length), seen[1] + pattern(_LOBES * length))
    uneven = np.clip(1.0 + pattern(0.2), 0.3, 1.7)
    return np.asarray(slide.los_rate(frame) * moved * uneven)
