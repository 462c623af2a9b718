"""Mountains that rivers have carved: trunk rivers, tributaries of every order, valley floors, ridges between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from labkit.simulate.drainage import Drainage, carve, drain, steady_relief
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import Place
from labkit.simulate.rivers import Grid, trace_rivers
from labkit.simulate.terrain import Terrain, terrain_of

Array = npt.NDArray[np.float64]

#: The relief is made with a margin that is cut away, so that rivers enter and leave as they like.
_MARGIN_M = 9000.0

#: Spacings of the grids, coarse to fine, as multiples of the finest, and how often the relief is balanced on each.
_LEVELS = ((4, 16), (2, 8), (1, 3))

#: Concavity of river profiles, and the steepness k_s of rivers in ranges that rise by some mm a year (m^0.9).
_CONCAVITY, _STEEPNESS = 0.45, 125.0

#: Hillslopes stand at about the angle at which they fail, and no steeper.
_HILLSLOPE = float(np.tan(np.radians(32.0)))

_OUTLET_M = 1250.0

#: How far points 1 km apart are shifted against each other where the ground is bent, rms, m.
_BEND_M = 150.0


@dataclass(frozen=True)
class Region:
    """What the mountains of a scene are made from.

    Attributes
    ----------
    width_m, height_m : float
        Extent from west to east and from north to south.
    spacing_m : float
        Of the terrain that comes out, m.
    grid_m : float
        Of the finest grid on which water runs, m.
    trunks_km2 : tuple of float
        Areas that the great rivers already drain where they enter from the north, from west to east.
    river_km2 : float
        Least area that a river on the map drains.
    """

    width_m: float
    height_m: float
    spacing_m: float
    grid_m: float
    trunks_km2: tuple[float, ...]
    river_km2: float


def make_mountains(place: Place, region: Region, seed: int) -> Terrain:
    """Make a mountain region with its rivers.

    Parameters
    ----------
    place : Place
        Centre.
    region : Region
        Extent, spacings, great rivers.
    seed : int
        Of the scene.

    Notes
    -----
    The slope along the water's way is min(k_s · A^(−0.45), tan 32°), A the area drained: rivers in balance with uplift
    [1]_ below hillslopes that stand at their angle of failure [2]_. Relief and ways depend on each other: the water's
    way over a rough tilted plane gives a relief, which gives new ways, and so on, on three grids from coarse to fine,
    until ways and relief agree. k_s varies over tens of kilometres. Valley floors are widened in proportion to the
    square root of the river, and the ground is roughened below 1 km; channels are cut where that would dam them.

    References
    ----------
    .. [1] Braun and Willett (2013), A very efficient O(n), implicit and parallel method to solve the stream power
       equation, Geomorphology 180–181.
    .. [2] Burbank and others (1996), Bedrock incision, rock uplift and threshold hillslopes in the northwestern
       Himalayas.
    """
    finest = _padded(region)
    height = _tilted_plane(_coarser(finest, _LEVELS[0][0]), region, seed)
    water = None
    for step, times in _LEVELS:
        grid = _coarser(finest, step)
        height = _bent(_resampled(height, (len(grid.north), len(grid.east))), grid, stream(seed, "bends", step))
        steepness, roughness = _rock(grid, seed)
        outlets, supply = _great_rivers(grid, region, seed)
        for _ in range(times):
            water = drain(height, outlets, supply)
            fall = np.minimum(steepness * (water.area * 1e6) ** -_CONCAVITY, _HILLSLOPE * roughness)
            height = steady_relief(water, np.full_like(height, _OUTLET_M), fall, grid.spacing_m)
    assert water is not None
    height = _bent(_weathered(height, water, finest, seed), finest, stream(seed, "bends", 0))
    outlets, supply = _great_rivers(finest, region, seed)
    water = drain(height, outlets, supply)
    height = carve(water, height, water.area >= region.river_km2 / 4)
    rivers = trace_rivers(water, finest, region.river_km2)
    east, north = _axis(region.width_m, region.spacing_m), -_axis(region.height_m, region.spacing_m)
    return terrain_of(place, east, north, _read(height, finest, east, north), rivers)


def _axis(length_m: float, spacing_m: float) -> Array:
    count = int(np.ceil(length_m / spacing_m)) + 1
    return np.asarray((np.arange(count) - (count - 1) / 2) * spacing_m)


def _padded(region: Region) -> Grid:
    width, height = (length + 2 * _MARGIN_M for length in (region.width_m, region.height_m))
    return Grid(_axis(width, region.grid_m), -_axis(height, region.grid_m))


def _coarser(grid: Grid, step: int) -> Grid:
    if step == 1:
        return grid
    spacing = grid.spacing_m * step
    return Grid(_axis(2 * float(grid.east[-1]), spacing), -_axis(2 * float(grid.north[0]), spacing))


def _tilted_plane(grid: Grid, region: Region, seed: int) -> Array:
    """Rough ground that falls to the south, with a broad trough for each great river."""
    shape = len(grid.north), len(grid.east)
    rough = power_law_field(
        shape, grid.spacing_m, stream(seed, "mountains"), exponent=3.0, lag_m=5000.0, rms_difference=120.0
    )
    height = 1500.0 + 0.012 * (grid.north - grid.north[-1])[:, None] + rough
    for _, _, along in _trunk_ways(grid, region, seed):
        distance = np.abs(grid.east[None, :] - along[:, None])
        height -= 500.0 * np.exp(-distance / 6000.0)
    return np.asarray(height)


def _trunk_ways(grid: Grid, region: Region, seed: int) -> list[tuple[int, int, Array]]:
    """For each great river: the columns where it enters and leaves, and about where it runs (east, m) at each row."""
    random = stream(seed, "trunks")
    down = (grid.north[0] - grid.north) / (grid.north[0] - grid.north[-1])
    half = region.width_m / 2
    ways = []
    for index in range(len(region.trunks_km2)):
        middle = half * (2 * (index + random.uniform(0.35, 0.65)) / len(region.trunks_km2) - 1)
        lean = random.uniform(-0.12, 0.12) * half
        bends = [(random.normal() / k, random.random(), k) for k in range(1, 6)]
        swing = sum(size * np.sin(2 * np.pi * (k * down + phase)) for size, phase, k in bends)
        along = middle + lean * (2 * down - 1) + 0.035 * region.height_m * np.asarray(swing)
        enters, leaves = (int(np.argmin(np.abs(grid.east - along[row]))) for row in (0, -1))
        ways.append((enters, leaves, along))
    return ways


def _great_rivers(grid: Grid, region: Region, seed: int) -> tuple[npt.NDArray[np.bool_], Array]:
    """The outlets on the southern edge, and what every cell adds to the area drained, km²."""
    shape = len(grid.north), len(grid.east)
    outlets, supply = np.zeros(shape, bool), np.full(shape, (grid.spacing_m / 1000) ** 2)
    ways = _trunk_ways(grid, region, seed)
    for area, (enters, leaves, _) in zip(region.trunks_km2, ways, strict=True):
        supply[0, enters] += area
        outlets[-1, leaves] = True
    return outlets, supply


def _rock(grid: Grid, seed: int) -> tuple[Array, Array]:
    """Steepness of the rivers (m^0.9), which varies over tens of km, and a factor of the hillslopes."""
    shape = len(grid.north), len(grid.east)
    broad = power_law_field(
        shape, grid.spacing_m, stream(seed, "rock", "broad"),
        exponent=3.0, break_m=40_000.0, outer_exponent=0.5, lag_m=10_000.0, rms_difference=0.28,
    )  # fmt: skip
    local = stream(seed, "rock", "local", len(grid.east)).standard_normal(shape)
    local = gaussian_filter(local, 1.0) / 0.28
    broad = np.clip(broad - broad.mean(), -0.7, 0.5)
    return _STEEPNESS * np.exp(broad + 0.25 * local), np.exp(0.55 * np.minimum(broad, 0.2) + 0.12 * local)


def _weathered(height: Array, water: Drainage, grid: Grid, seed: int) -> Array:
    """Round crests, widen valley floors, roughen slopes."""
    spacing = grid.spacing_m
    height = gaussian_filter(height, 55.0 / spacing)
    channel = water.area >= 8.0
    distance, nearest = distance_transform_edt(~channel, return_indices=True)
    half_width = 9.0 * np.sqrt(np.minimum(water.area[nearest[0], nearest[1]], 4000.0))
    floor = height[nearest[0], nearest[1]]
    share = np.clip(distance * spacing / half_width - 0.15, 0.0, 1.0)
    height = floor + (height - floor) * (share * share * (3 - 2 * share))
    rough = power_law_field(
        (len(grid.north), len(grid.east)), spacing, stream(seed, "roughness"),
        exponent=3.4, break_m=1200.0, outer_exponent=0.5, lag_m=300.0, rms_difference=16.0,
    )  # fmt: skip
    return np.asarray(height + rough * np.clip((distance * spacing - 150.0) / 600.0, 0.0, 1.0))


def _bent(height: Array, grid: Grid, random: np.random.Generator) -> Array:
    """Shift the ground sideways, smoothly and on all scales: water on a grid runs straight, real valleys bend."""
    rows, cols = np.indices(height.shape, np.float64)
    for axis in (rows, cols):
        shift = power_law_field(
            (len(grid.north), len(grid.east)), grid.spacing_m, random,
            exponent=4.0, break_m=15_000.0, outer_exponent=0.5, lag_m=1000.0, rms_difference=_BEND_M,
        )  # fmt: skip
        axis += (shift - shift.mean()) / grid.spacing_m
    return np.asarray(map_coordinates(height, [rows, cols], order=1, mode="nearest"))


def _resampled(height: Array, shape: tuple[int, int]) -> Array:
    if height.shape == shape:
        return height
    rows, cols = (np.linspace(0, old - 1, new) for old, new in zip(height.shape, shape, strict=True))
    return np.asarray(map_coordinates(height, np.meshgrid(rows, cols, indexing="ij"), order=1))


def _read(height: Array, grid: Grid, east: Array, north: Array) -> Array:
    """Read the finest grid at other positions, by cubic splines."""
    rows = (grid.north[0] - north) / grid.spacing_m
    cols = (east - grid.east[0]) / grid.spacing_m
    return np.asarray(map_coordinates(height, np.meshgrid(rows, cols, indexing="ij"), order=3, mode="nearest"))
