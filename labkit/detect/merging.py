"""From boxes in every direction and track to landslides: what lies on the same ground is one."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from labkit import geo, schema
from labkit.detect.overlaps import Array, Indices, giou, touching_pairs
from labkit.errors import LabkitError

_CORNERS = ["xmin", "ymin", "xmax", "ymax"]
_IDENTITY = ["scene", "direction", *_CORNERS, "score", "model"]

#: What a merged landslide is supported by, and the column and value of a detection that supports it.
SUPPORT = {
    "azimuth": ("direction", "azimuth"),
    "range": ("direction", "range"),
    "ascending": ("orbit_direction", "ascending"),
    "descending": ("orbit_direction", "descending"),
}


def merge_detections(
    detections: gpd.GeoDataFrame | Iterable[gpd.GeoDataFrame], min_giou: float = 0.0, max_distance_m: float = 500.0
) -> gpd.GeoDataFrame:
    """Merge the detections of both directions and all tracks into landslides.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame, or iterable of them
        From any number of scenes; empty ones are welcome.
    min_giou : float
        Two boxes are one landslide when their GIoU is above this, in [0, 1).
    max_distance_m : float
        Boxes of different scenes are also one when their centres are at most this far apart, m on the ground; at
        least 0. Scenes that the column ``track`` says to be of one track, as neighbouring bursts are, see the ground
        in the same way: their boxes are one only by GIoU, so that two landslides side by side stay two.

    Returns
    -------
    geopandas.GeoDataFrame
        A row for each landslide, best score first. ``geometry`` is the envelope of its members in local metres, as a
        lon/lat polygon (a landslide with one member keeps that member's); ``score`` is the best one's. ``azimuth``,
        ``range``, ``ascending``, ``descending`` say what supports it, ``members`` how many boxes, ``member_boxes``
        which ("scene/direction/xmin,ymin,xmax,ymax", separated by "; "), ``scenes`` the bursts or tracks that saw it,
        separated by "; ". ``scene``, ``direction`` and ``model`` are those of the best member, and the pixel corners
        the envelope of the members on that scene.

    Raises
    ------
    LabkitError
        Boxes of several scenes are to be merged and one has no geometry, or a threshold is out of its range.

    Notes
    -----
    Within one scene boxes of *different* directions are compared in pixels. Boxes of different scenes are compared in
    metres (UTM), each by its north-up envelope. Whatever is linked, also over a third box, is one: the connected
    components of a graph, so that the order of rows and tables does not matter.

    References
    ----------
    Fu et al. (2022), section 5.1: GIoU larger than zero, or centres within 500 m.
    """
    if not 0 <= min_giou < 1:
        raise LabkitError(f"min_giou must be in [0, 1), instead got min_giou={min_giou}")
    if not max_distance_m >= 0:
        raise LabkitError(f"max_distance_m must be at least 0 m, instead got max_distance_m={max_distance_m}")
    members = _in_one_order(detections)
    if not len(members):
        return _empty()
    metres, crs = _on_the_ground(members)
    group = _groups(members, metres, min_giou, max_distance_m)
    rows = [_landslide(landslide) for _, landslide in members.groupby(group)]
    columns: dict[str, object] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["geometry"] = _envelopes(members, metres, crs, group)
    merged = schema.boxes_table(columns)
    return merged.sort_values(["score", *_IDENTITY[:-2]], ascending=[False] + [True] * 6, ignore_index=True)


def _in_one_order(detections: gpd.GeoDataFrame | Iterable[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Put the tables together, rows in an order that depends only on what they hold, none twice."""
    tables = [detections] if isinstance(detections, pd.DataFrame) else list(detections)
    filled = [schema.check_boxes(table) for table in tables if len(schema.check_boxes(table))]
    if not filled:
        return schema.boxes_table()
    # what was dropped earlier is no attribute of the whole
    plain = [pd.DataFrame(table.to_crs(geo.WGS84) if table.crs else table) for table in filled]
    for table in plain:
        table.attrs = {}
    together = pd.concat(plain, ignore_index=True)
    for word in ("orbit_direction", "track"):
        if word not in together:
            together[word] = ""
    together = together.drop_duplicates(_IDENTITY).sort_values(_IDENTITY, ignore_index=True)
    return gpd.GeoDataFrame(together, geometry="geometry", crs=geo.WGS84)


def _on_the_ground(members: gpd.GeoDataFrame) -> tuple[Array, object]:
    """Envelopes of the members (n, 4) in metres and their CRS; NaN without geometry."""
    placed = ~(members.geometry.isna() | members.geometry.is_empty)
    scenes = sorted(set(members["scene"]))
    if len(scenes) > 1 and not placed.all():
        lost = sorted(set(members["scene"][~placed]))
        raise LabkitError(
            f"detections must have a geometry to be merged over the scenes {scenes}, instead {int((~placed).sum())} of "
            f"{lost} have none. Detect on data with lon and lat, or merge each scene by itself"
        )
    if not placed.all():
        return np.full((len(members), 4), np.nan), None
    crs = geo.metric_crs(members)
    return members.geometry.to_crs(crs).bounds.to_numpy(float), crs


def _groups(members: gpd.GeoDataFrame, metres: Array, min_giou: float, max_distance_m: float) -> npt.NDArray[np.int32]:
    scene = pd.factorize(members["scene"])[0]
    direction = pd.factorize(members["direction"])[0]
    pixels = members[_CORNERS].to_numpy(float)
    links: list[tuple[Indices, Indices]] = []
    for k in range(scene.max() + 1):
        here = np.flatnonzero(scene == k)
        i, j = (here[side] for side in touching_pairs(pixels[here]))
        linked = (direction[i] != direction[j]) & (giou(pixels[i], pixels[j]) > min_giou)
        links.append((i[linked], j[linked]))
    if scene.max() > 0:
        i, j = touching_pairs(metres)
        overlap = giou(metres[i], metres[j]) > min_giou
        centres = (metres[:, :2] + metres[:, 2:]) / 2
        near = KDTree(centres).query_pairs(max_distance_m, output_type="ndarray").reshape(-1, 2)
        track = _tracks(members)
        near = near[(track[near[:, 0]] != track[near[:, 1]]) | (track[near[:, 0]] < 0)]
        i, j = np.concatenate([i[overlap], near[:, 0]]), np.concatenate([j[overlap], near[:, 1]])
        apart = scene[i] != scene[j]
        links.append((i[apart], j[apart]))
    first, second = (np.concatenate(side) for side in zip(*links, strict=True))
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(members), len(members)))
    return np.asarray(connected_components(graph, directed=False)[1])


def _tracks(members: gpd.GeoDataFrame) -> Indices:
    """Number the tracks of the members; −1 where it is unknown."""
    track, orbit = (members[name].fillna("").astype(str) for name in ("track", "orbit_direction"))
    return np.where(track == "", -1, pd.factorize(track + "/" + orbit)[0]).astype(np.int64)


def _landslide(members: gpd.GeoDataFrame) -> dict[str, object]:
    best = members.iloc[int(members["score"].to_numpy().argmax())]
    own = members[members["scene"] == best["scene"]]
    row: dict[str, object] = {name: best[name] for name in ("scene", "direction", "label", "score", "model")}
    row |= {"xmin": own["xmin"].min(), "ymin": own["ymin"].min(), "xmax": own["xmax"].max(), "ymax": own["ymax"].max()}
    row |= {word: bool((members[column] == value).any()) for word, (column, value) in SUPPORT.items()}
    row["scenes"] = "; ".join(sorted(set(members["scene"])))
    row["members"] = len(members)
    row["member_boxes"] = "; ".join(
        f"{m.scene}/{m.direction}/{m.xmin:.1f},{m.ymin:.1f},{m.xmax:.1f},{m.ymax:.1f}" for m in members.itertuples()
    )
    return row


def _envelopes(
    members: gpd.GeoDataFrame, metres: Array, crs: object, group: npt.NDArray[np.int32]
) -> list[shapely.Geometry | None]:
    """Give the lon/lat polygon of each group: of one member its own, of several their envelope in metres."""
    own = members.geometry.to_numpy()
    alone = np.bincount(group) == 1
    if crs is None:
        around = np.full(len(alone), None)
    else:
        bounds = pd.DataFrame(metres).groupby(group).agg({0: "min", 1: "min", 2: "max", 3: "max"}).to_numpy()
        around = gpd.GeoSeries(shapely.box(*bounds.T), crs=crs).to_crs(geo.WGS84).to_numpy()
    first = np.unique(group, return_index=True)[1]
    return list(np.where(alone, own[first], around))


def _empty() -> gpd.GeoDataFrame:
    columns: dict[str, object] = {word: np.zeros(0, bool) for word in SUPPORT}
    words = {"scenes": np.zeros(0, object), "members": np.zeros(0, int), "member_boxes": np.zeros(0, object)}
    return schema.boxes_table(columns | words)
