"""Counties whose borders follow the ridges: each town owns what can be reached from it most easily."""

from __future__ import annotations

import geopandas as gpd
import numba
import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio.features import shapes as outlines_of
from scipy.ndimage import distance_transform_edt, gaussian_filter, label

from labkit.errors import LabkitError
from labkit.simulate.drainage import pop, push
from labkit.simulate.fields import stream
from labkit.simulate.terrain import Terrain

Array = npt.NDArray[np.floating]

_NAMES = (
    "Two Rivers", "Stone Bridge", "Cedar Gorge", "Three Passes", "Old Ferry", "Salt Road", "Long Terrace",
    "High Pastures", "White Pass", "Walnut Bend", "Black Cliff", "Barley Flats", "Iron Bridge", "Nine Springs",
)  # fmt: skip

#: Borders are found on cells of about this size, smoothed over some of them, and drawn a little straighter, m.
_CELL_M, _STRAIGHT_M = 240.0, 320.0
_SMOOTH_CELLS = 2.5

#: A metre up or down is as far as so many metres along.
_CLIMB = 20.0

#: Towns lie in valleys and apart: no nearer than this share of the distance that evenly spread towns would have.
_APART = 0.55

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def ridge_counties(terrain: Terrain, count: int, seed: int) -> gpd.GeoDataFrame:
    """Share a mountain region among counties of uneven size.

    Parameters
    ----------
    terrain : Terrain
        The relief.
    count : int
        How many, 1 to 14.
    seed : int
        Of the scene.

    Returns
    -------
    geopandas.GeoDataFrame
        Polygons in lon/lat with ``name``; together they cover the terrain without gap or overlap.

    Raises
    ------
    LabkitError
        ``count`` is out of its range.

    Notes
    -----
    Towns are put beside rivers. A cell belongs to the town from which the way is shortest, a way being as long as it is
    plus twenty times what it climbs and falls: two towns' lands meet on the ridge between them. Every town has a head
    start of its own, so that some counties are far larger than others.
    """
    if not 1 <= count <= len(_NAMES):
        raise LabkitError(f"count must be between 1 and {len(_NAMES)}, instead got count={count}")
    step = max(1, round(_CELL_M / terrain.spacing_m))
    height = np.ascontiguousarray(terrain.height[::step, ::step])
    spacing = terrain.spacing_m * step
    random = stream(seed, "towns")
    towns = _towns(terrain.river_distance[::step, ::step], count, random)
    starts = random.uniform(0.0, 0.5, count) * spacing * np.sqrt(height.size / count)
    owner = _smoothed(_nearest_town(height, spacing, np.array(towns, np.int64), starts), count)
    # an edge cell reaches half a cell beyond the terrain, or the terrain a little beyond it
    corner = terrain.east[0] - spacing / 2, terrain.north[0] + spacing / 2
    transform = Affine(spacing, 0.0, corner[0], 0.0, -spacing, corner[1])
    pieces = [
        (int(value), shapely.geometry.shape(outline)) for outline, value in outlines_of(owner, None, 4, transform)
    ]
    whole = [shapely.union_all([shape for value, shape in pieces if value == k]) for k in range(count)]
    table = gpd.GeoDataFrame({"name": _NAMES[:count]}, geometry=list(shapely.coverage_simplify(whole, _STRAIGHT_M)))
    placed = table.geometry.transform(
        lambda points: np.column_stack(terrain.place.to_lonlat(points[:, 0], points[:, 1]))
    )
    return table.set_geometry(placed).set_crs("EPSG:4326")


def _towns(river_distance: Array, count: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Cells beside rivers, apart from each other and from the edge."""
    rows, cols = river_distance.shape
    apart = _APART * np.sqrt(rows * cols / count)
    near = np.argwhere(river_distance <= np.quantile(river_distance, 0.3))
    random.shuffle(near)
    margin = 0.3 * apart
    inside = (near > margin).all(axis=1) & (near < np.array([rows, cols]) - 1 - margin).all(axis=1)
    towns: list[tuple[int, int]] = []
    for row, col in near[inside]:
        if len(towns) < count and all(np.hypot(row - y, col - x) >= apart for y, x in towns):
            towns.append((int(row), int(col)))
    if len(towns) < count:
        raise LabkitError(
            f"count must fit the terrain, instead got count={count} where {len(towns)} towns found room. "
            "Take fewer counties or a larger scene"
        )
    return towns


def _smoothed(owner: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int32]:
    """Round borders off: a cell goes to whoever has most of its surroundings; what that cuts off, to its neighbour."""
    shares = np.stack([gaussian_filter((owner == k).astype(np.float32), _SMOOTH_CELLS) for k in range(count)])
    smooth = shares.argmax(axis=0).astype(np.int32)
    whole = np.zeros(owner.shape, bool)
    for k in range(count):
        parts, _ = label(smooth == k)
        whole |= parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    nearest = distance_transform_edt(~whole, return_distances=False, return_indices=True)
    return np.asarray(smooth[nearest[0], nearest[1]])


@_compiled
def _nearest_town(
    height: Array, spacing_m: float, towns: npt.NDArray[np.int64], starts: Array
) -> npt.NDArray[np.int32]:
    """The number of the town from which each cell is reached soonest (Dijkstra 1959), from edge to edge."""
    rows, cols = height.shape
    owner = np.full((rows, cols), -1, np.int32)
    way = np.full((rows, cols), np.inf)
    keys, cells = np.empty(5 * rows * cols), np.empty(5 * rows * cols, np.int32)
    size = 0
    for k in range(len(towns)):
        row, col = towns[k]
        way[row, col] = starts[k]
        owner[row, col] = k
        size = push(keys, cells, size, starts[k], row * cols + col)
    while size > 0:
        key, cell = keys[0], cells[0]
        size = pop(keys, cells, size)
        row, col = cell // cols, cell % cols
        if key > way[row, col]:
            continue
        for y, x in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if 0 <= y < rows and 0 <= x < cols:
                longer = key + spacing_m + _CLIMB * abs(height[y, x] - height[row, col])
                if longer < way[y, x]:
                    way[y, x] = longer
                    owner[y, x] = owner[row, col]
                    size = push(keys, cells, size, longer, y * cols + x)
    return owner
