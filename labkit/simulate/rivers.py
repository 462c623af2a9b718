"""Rivers as lines: each from its head to its mouth, smoothed, with a name, Strahler's order and the area it drains."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from shapely import box, line_merge
from shapely.geometry import LineString, MultiLineString
from shapely.geometry.base import BaseGeometry

from labkit.simulate.drainage import Drainage, stream_order
from labkit.simulate.geometry import Place

Array = npt.NDArray[np.float64]

#: A bend shorter than about this many cells is the grid's, not the river's.
_SMOOTHING_CELLS = 1.6

#: What is left of a river at the edge of the scene is dropped when it is shorter than this, m.
_LEAST_LENGTH_M = 400.0

_WORDS = (
    "Alder", "Amber", "Antler", "Ash", "Barley", "Bear", "Birch", "Black", "Bramble", "Cedar", "Chough", "Clear",
    "Cold", "Copper", "Crane", "Dipper", "Eagle", "Falcon", "Fern", "Fir", "Flint", "Fox", "Granite", "Grey", "Hare",
    "Hawk", "Hazel", "Heron", "Ibex", "Iron", "Juniper", "Larch", "Lark", "Linnet", "Lynx", "Maple", "Marmot", "Milk",
    "Moss", "Mule", "Oak", "Otter", "Pine", "Plover", "Raven", "Red", "Reed", "Rowan", "Sable", "Salt", "Silver",
    "Slate", "Snow", "Stag", "Stone", "Swift", "Thistle", "Thorn", "Walnut", "White", "Willow", "Wolf", "Wren", "Yew",
)  # fmt: skip

#: By Strahler's order: what a stream of it is called.
_KINDS = (("Brook", "Gully", "Burn", "Rill"), ("Creek", "Run", "Fork"), ("Stream", "Water"), ("River",))


@dataclass(frozen=True)
class Grid:
    """A regular ground grid: positions (m) of its columns, west to east, and of its rows, north to south."""

    east: Array
    north: Array

    @property
    def spacing_m(self) -> float:
        """Spacing, m."""
        return float(self.east[1] - self.east[0])


@dataclass(frozen=True)
class River:
    """One river on the ground, from its head to its mouth.

    ``line`` in ground metres; ``order`` Strahler's at the mouth; ``area_km2`` drained there; ``widths_m`` of the water
    at each corner of the line.
    """

    line: LineString
    order: int
    area_km2: float
    widths_m: Array


def trace_rivers(drainage: Drainage, grid: Grid, least_km2: float) -> list[River]:
    """Follow every river from its mouth to its head; of two that meet, the one that drains less ends there.

    Parameters
    ----------
    drainage : Drainage
        The water's way; ``area`` in km².
    grid : Grid
        Where its cells lie.
    least_km2 : float
        A river begins where this area is drained.

    Returns
    -------
    list of River
        The one that drains most comes first.
    """
    channel = drainage.area >= least_km2
    order = stream_order(drainage, channel).ravel()
    area, receiver = drainage.area.ravel(), drainage.receiver
    cells = np.flatnonzero(channel)
    # the greatest of those that drain into a cell goes on as the same river: written last, it stays
    cells = cells[np.argsort(area[cells], kind="stable")]
    inward = cells[receiver[cells] != cells]
    upstream = np.full(channel.size, -1, np.int64)
    upstream[receiver[inward]] = inward
    ends = [int(c) for c in cells[::-1] if receiver[c] == c or upstream[receiver[c]] != c]
    east, north = np.full(channel.size, np.nan), np.full(channel.size, np.nan)
    rivers = []
    for mouth in ends:
        path = [mouth]
        while upstream[path[-1]] >= 0:
            path.append(int(upstream[path[-1]]))
        path.reverse()
        into = int(receiver[mouth])
        joined = path if into == mouth else [*path, into]
        if len(joined) < 2:
            continue
        x, y = grid.east[np.array(joined) % channel.shape[1]], grid.north[np.array(joined) // channel.shape[1]]
        if into != mouth and np.isfinite(east[into]):
            x[-1], y[-1] = east[into], north[into]
        x, y = _smoothed(x), _smoothed(y)
        east[path], north[path] = x[: len(path)], y[: len(path)]
        line = LineString(np.column_stack([x, y]))
        rivers.append(River(line, int(order[mouth]), float(area[mouth]), river_width_m(area[joined])))
    return rivers


def river_width_m(area_km2: npt.ArrayLike) -> Array:
    """Give the width of the water of a river that drains an area, m: 1.4 · A^0.5 (A in km²).

    Notes
    -----
    Width grows with the square root of the discharge [1]_, and the discharge about with the area; the factor gives
    140 m at 10 000 km², as the great rivers of the first paper's region have.

    References
    ----------
    .. [1] Leopold and Maddock (1953), The hydraulic geometry of stream channels and some physiographic implications.
    """
    return np.asarray(1.4 * np.sqrt(np.asarray(area_km2, float)))


def _smoothed(values: Array) -> Array:
    smooth = gaussian_filter1d(values, _SMOOTHING_CELLS, mode="nearest")
    smooth[0], smooth[-1] = values[0], values[-1]
    return np.asarray(smooth)


def river_table(rivers: list[River], extent: tuple[float, float], place: Place) -> gpd.GeoDataFrame:
    """Give the rivers within an extent as a table in lon/lat: ``name``, ``order``, ``area_km2``, ``length_km``.

    Parameters
    ----------
    rivers : list of River
        The one that drains most first.
    extent : (float, float)
        Half the width and half the height of the scene, m.
    place : Place
        Its centre.
    """
    frame = box(-extent[0], -extent[1], extent[0], extent[1])
    kept: list[tuple[River, BaseGeometry]] = []
    for river in rivers:
        inside = _long_parts(river.line.intersection(frame))
        if inside is not None:
            kept.append((river, inside))
    table = {
        "name": _names([river.order for river, _ in kept]),
        "order": [river.order for river, _ in kept],
        "area_km2": [river.area_km2 for river, _ in kept],
        "length_km": [line.length / 1000 for _, line in kept],
    }
    shapes = gpd.GeoSeries([line for _, line in kept])
    placed = shapes.transform(lambda points: np.column_stack(place.to_lonlat(points[:, 0], points[:, 1])))
    return gpd.GeoDataFrame(table, geometry=placed.to_numpy(), crs="EPSG:4326")


def _long_parts(shape: BaseGeometry) -> BaseGeometry | None:
    parts = [part for part in getattr(shape, "geoms", [shape]) if isinstance(part, LineString)]
    if not parts:
        return None
    merged = line_merge(MultiLineString(parts)) if len(parts) > 1 else parts[0]
    long = [part for part in getattr(merged, "geoms", [merged]) if part.length >= _LEAST_LENGTH_M]
    if not long:
        return None
    return long[0] if len(long) == 1 else MultiLineString(long)


def _names(orders: list[int]) -> list[str]:
    """Give each river a name of its own; the great ones are rivers, the least are brooks."""
    top = max(orders, default=1)
    taken = [0] * len(_KINDS)
    names = []
    for order in orders:
        kind = 0 if order <= 1 else max(1, len(_KINDS) - 1 - (top - order))
        count = taken[kind]
        taken[kind] += 1
        kinds = _KINDS[kind]
        # a stride prime to the number of words scatters them; each kind begins elsewhere in the list
        word = _WORDS[(37 * count + 11 * kind) % len(_WORDS)]
        turn, again = divmod(count // len(_WORDS), len(kinds))[::-1]
        names.append(f"{word} {kinds[turn]}" + (f" {again + 1}" if again else ""))
    return names
