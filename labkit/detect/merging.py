"""From boxes in every direction and track to landslides: what lies on the same ground is one."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from labkit import geo, schema
from labkit.detect.groups import linked_groups
from labkit.detect.links import Places
from labkit.detect.links_compiled import Array, Codes
from labkit.errors import LabkitError
from labkit.schema import CORNERS

_IDENTITY = ["scene", "direction", *CORNERS, "score", "model"]
_SEEN_BY = ["orbit_direction", "track"]

#: Beyond this latitude a degree of longitude is too short to measure by.
_POLEWARD_DEG = 89.0

#: What a merged landslide is supported by, and the column and value of a detection that supports it.
SUPPORT = {
    "azimuth": ("direction", "azimuth"),
    "range": ("direction", "range"),
    "ascending": ("orbit_direction", "ascending"),
    "descending": ("orbit_direction", "descending"),
}


def merge_detections(
    detections: gpd.GeoDataFrame | Iterable[gpd.GeoDataFrame],
    min_giou: float = 0.0,
    max_distance_m: float = 500.0,
    max_extent_m: float = 5000.0,
) -> gpd.GeoDataFrame:
    """Merge the detections of both directions and all tracks into landslides.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame, or iterable of them
        From any number of scenes, in any coordinate systems; empty ones are welcome. An unknown ``score`` (NaN) stands
        behind every known one.
    min_giou : float
        Two boxes are one landslide when their GIoU is above this, in [0, 1).
    max_distance_m : float
        Boxes of different scenes are also one when their centres are at most this far apart, m on the ground; at
        least 0. Scenes that the column ``track`` says to be of one track, as neighbouring bursts are, see the ground
        in the same way: their boxes are one only by GIoU, so that two landslides side by side stay two.
    max_extent_m : float
        Longest side of a landslide, m, > 0; ``inf`` for no limit. Neighbours along a river bank are linked one to the
        next; a chain longer than this is cut where its links are weakest. A landslide may be longer only where one of
        its boxes is at least half as long as the whole.

    Returns
    -------
    geopandas.GeoDataFrame
        A row for each landslide, best score first. ``geometry`` is the envelope of its members in local metres, as a
        lon/lat polygon (a landslide with one member keeps that member's); ``score`` is the best one's. ``azimuth``,
        ``range``, ``ascending``, ``descending`` say what supports it, ``members`` how many boxes, ``member_boxes``
        which ("scene/direction/xmin,ymin,xmax,ymax", separated by "; "), ``member_scores`` their scores in the same
        order, ``scenes`` the bursts or tracks that saw it, separated by "; ". ``scene``, ``direction``, ``label`` and
        ``model`` are those of the best member, and the pixel corners the envelope of the members on that scene.

    Raises
    ------
    LabkitError
        Boxes of several scenes are to be merged and one has no geometry, a table with geometry says no coordinate
        system, a box lies within one degree of a pole, a scene belongs to two tracks, or a threshold is out of its
        range.

    Notes
    -----
    A graph: its nodes are the boxes (the same box twice is one), its links

    - within one scene: boxes of *different* directions whose GIoU in pixels is above ``min_giou``;
    - between scenes: boxes whose north-up envelopes on the ground have a GIoU above ``min_giou``, or, between scenes
      of different tracks, whose centres lie within ``max_distance_m``.

    A landslide is a connected component of it: what is linked over a third box is one, and the order of rows and
    tables does not matter. A component that is longer than ``max_extent_m``, and than twice its longest box, is put
    together anew: from its strongest link (by GIoU; links by distance come after all overlaps, the nearest first) to
    its weakest, leaving out each link that would make a group longer than that. Equally strong links are taken in the
    order of what their boxes hold. Of each box in such a chain the 32 strongest links count. Without geometry there
    are no metres, and nothing is cut.

    Distances are those on the ellipsoid. GIoU does not change when an axis is stretched, so that degrees do for it.

    References
    ----------
    Fu et al. (2022), section 5.1: GIoU larger than zero, or centres within 500 m. The limit of the extent is labkit's.

    Examples
    --------
    >>> corners = {"xmin": [10, 14], "ymin": [10, 12], "xmax": [30, 34], "ymax": [30, 31]}
    >>> two = schema.boxes_table({"scene": "a", "direction": ["azimuth", "range"], "score": [0.7, 0.8]} | corners)
    >>> merge_detections(two)[["members", "member_scores", "xmin", "xmax"]].values.tolist()
    [[2, '0.70; 0.80', 10.0, 34.0]]
    """
    if not 0 <= min_giou < 1:
        raise LabkitError(f"min_giou must be in [0, 1), instead got min_giou={min_giou}")
    if not 0 <= max_distance_m < np.inf:
        raise LabkitError(f"max_distance_m must be at least 0 m, instead got max_distance_m={max_distance_m}")
    if not max_extent_m > 0:
        raise LabkitError(f"max_extent_m must be more than 0 m, instead got max_extent_m={max_extent_m}")
    members = _in_one_order(detections)
    if not len(members):
        return _empty()
    degrees = _on_the_ground(members)
    group = linked_groups(_planes(members, degrees, min_giou, max_distance_m), degrees, max_extent_m)
    merged = schema.boxes_table(_landslides(members, group) | {"geometry": _outlines(members, group, degrees)})
    return merged.sort_values(["score", *_IDENTITY[:-2]], ascending=[False] + [True] * 6, ignore_index=True)


def _in_one_order(detections: gpd.GeoDataFrame | Iterable[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Put the tables together, rows in an order that depends only on what they hold, none twice."""
    tables = [detections] if isinstance(detections, pd.DataFrame) else list(detections)
    filled = [table for table in tables if len(schema.check_boxes(table))]
    if not filled:
        return schema.boxes_table()
    plain = [_plain(table) for table in filled]
    together = pd.concat(plain, ignore_index=True)
    for word in _SEEN_BY:
        together[word] = (together[word] if word in together else pd.Series("", together.index)).fillna("").astype(str)
    for word in ("scene", "direction", "label", "model"):
        together[word] = together[word].fillna("").astype(str)
    # boxes that say the same may still be drawn differently: which of them stays must not depend on who came first
    twice = together.duplicated(_IDENTITY, keep=False).to_numpy()
    together["drawn"] = np.where(twice, shapely.to_wkb(together["geometry"].to_numpy(), hex=True), "")
    together["drawn"] = together["drawn"].fillna("")
    order = [*_IDENTITY, *(f"-{word}" for word in _SEEN_BY), "label", "drawn"]
    known_first = {f"-{word}": together[word] == "" for word in _SEEN_BY}
    keys = [known_first[word] if word in known_first else together[word] for word in order]
    codes = [
        pd.factorize(key, sort=True, use_na_sentinel=False)[0] for key in [*keys, *(together[w] for w in _SEEN_BY)]
    ]
    together = together.iloc[np.lexsort(codes[::-1])].drop_duplicates(_IDENTITY, ignore_index=True)
    return gpd.GeoDataFrame(together.drop(columns="drawn"), geometry="geometry", crs=geo.WGS84)


def _plain(table: gpd.GeoDataFrame) -> pd.DataFrame:
    """The columns that merging reads, in lon/lat and without attributes: what was dropped is none of the whole's."""
    shapes = gpd.GeoSeries(table["geometry"])
    if shapes.crs is None and not (shapes.isna() | shapes.is_empty).all():
        raise LabkitError("detections must say their coordinate system, instead got crs=None. Set detections.crs")
    kept = pd.DataFrame({name: table[name] for name in [*schema.BOX_COLUMNS[:-1], *_SEEN_BY] if name in table})
    kept["geometry"] = (shapes if shapes.crs is None else shapes.to_crs(geo.WGS84)).to_numpy()
    return kept


def _on_the_ground(members: gpd.GeoDataFrame) -> Array | None:
    """West, south, east, north of the members (n, 4), east beyond 180 across the date line; None without geometry."""
    shapes = members.geometry.to_numpy()
    placed = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    if not placed.all():
        if members["scene"].nunique() == 1:
            return None
        lost = members["scene"][~placed]
        scenes = sorted(set(members["scene"]))
        raise LabkitError(
            f"detections must have a geometry to be merged over the scenes {scenes}, instead {len(lost)} of "
            f"{sorted(set(lost))} have none. Detect on data with lon and lat, or merge each scene by itself"
        )
    at, owner = shapely.get_coordinates(shapes, return_index=True)
    strange = owner[~np.isfinite(at).all(axis=1)]
    if len(strange):
        row = members.iloc[int(strange[0])]
        raise LabkitError(
            f"detections must have finite coordinates, instead {len(set(strange))} of {len(members)} have others "
            f"(first: scene {row['scene']!r}, pixel corners {[float(row[c]) for c in CORNERS]}). Drop these rows"
        )
    bounds = geo.around_the_date_line(shapely.bounds(shapes))
    poleward = ~(np.abs(bounds[:, [1, 3]]).max(axis=1) <= _POLEWARD_DEG)
    if poleward.any():
        row = members.iloc[int(np.argmax(poleward))]
        raise LabkitError(
            f"detections must lie between {_POLEWARD_DEG:g}° south and north, instead got "
            f"latitudes={bounds[int(np.argmax(poleward)), [1, 3]].tolist()} on scene {row['scene']!r}"
        )
    return bounds


def _planes(members: gpd.GeoDataFrame, degrees: Array | None, min_giou: float, max_distance_m: float) -> list[Places]:
    """The boxes of each scene in its pixels, and those of all scenes on the ground."""
    scene, names = pd.factorize(members["scene"])
    scene = scene.astype(np.int64)
    direction = pd.factorize(members["direction"])[0].astype(np.int64)
    alone, nowhere = np.zeros(len(members), np.int64), np.ones((len(members), 2))
    pixels = members[CORNERS].to_numpy(float)
    within = Places(pixels, scene, direction, alone, nowhere, 0.0, min_giou, -1.0)
    if len(names) == 1 or degrees is None:
        return [within]
    scale = np.column_stack(geo.metres_per_degree((degrees[:, 1] + degrees[:, 3]) / 2))
    return [within, Places(degrees, alone, scene, _views(members, scene), scale, 360.0, min_giou, max_distance_m)]


def _views(members: gpd.GeoDataFrame, scene: Codes) -> Codes:
    """Number the views of the ground: one for each track, and for each scene whose track is unknown."""
    track = (members["track"] + "/" + members["orbit_direction"]).where(members["track"] != "", "").to_numpy(object)
    known = track != ""
    table = pd.DataFrame({"scene": scene[known], "track": track[known]}).drop_duplicates()
    if table["scene"].duplicated().any():
        which = table.loc[table["scene"].duplicated(), "scene"].iloc[0]
        name, tracks = (
            members["scene"].to_numpy()[int(np.argmax(scene == which))],
            table["track"][table["scene"] == which],
        )
        raise LabkitError(
            f"detections of a scene must be of one track, instead {name!r} is of {sorted(tracks)}. Give "
            "scenes of different tracks different names"
        )
    of_scene = np.full(int(scene.max()) + 1, "", object)
    of_scene[table["scene"]] = table["track"]
    named = of_scene[scene]
    code, words = pd.factorize(named)
    return np.where(named == "", len(words) + scene, code).astype(np.int64)


def _landslides(members: gpd.GeoDataFrame, group: Codes) -> dict[str, object]:
    """The columns of the merged table but its geometry, in the order of the groups."""
    count = int(group.max()) + 1
    score = members["score"].to_numpy(float)
    # the best of each group: the highest known score, of equals the first
    by_score = np.lexsort((np.arange(len(score)), -np.nan_to_num(score, nan=-np.inf), group))
    starts = np.searchsorted(group[by_score], np.arange(count))
    best = by_score[starts]
    columns: dict[str, object] = {
        n: members[n].to_numpy()[best] for n in ("scene", "direction", "label", "score", "model")
    }
    scene = pd.factorize(members["scene"])[0]
    own = scene == scene[best][group]
    corners = members.loc[own, CORNERS].groupby(group[own])
    columns |= dict(corners[["xmin", "ymin"]].min()) | dict(corners[["xmax", "ymax"]].max())
    for word, (column, value) in SUPPORT.items():
        columns[word] = np.bincount(group, members[column] == value, count) > 0
    together = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group))[:-1]
    words = _member_words(members, score)
    columns["scenes"] = ["; ".join(sorted(set(part))) for part in np.split(members["scene"].to_numpy()[together], ends)]
    columns["members"] = np.bincount(group)
    for name, each in words.items():
        columns[name] = ["; ".join(part) for part in np.split(each[together], ends)]
    return columns


def _member_words(members: gpd.GeoDataFrame, score: Array) -> dict[str, npt.NDArray[np.object_]]:
    rows = zip(members["scene"], members["direction"], *members[CORNERS].to_numpy(float).T, strict=True)
    boxes = [f"{scene}/{way}/{x0:.1f},{y0:.1f},{x1:.1f},{y1:.1f}" for scene, way, x0, y0, x1, y1 in rows]
    return {"member_boxes": np.array(boxes, object), "member_scores": np.array([f"{s:.2f}" for s in score], object)}


def _outlines(members: gpd.GeoDataFrame, group: Codes, degrees: Array | None) -> npt.NDArray[np.object_]:
    """The lon/lat polygon of each group: of one member its own, of several their envelope in metres."""
    shapes = members.geometry.to_numpy()
    size = np.bincount(group)
    outlines = np.full(len(size), None, object)
    first = np.unique(group, return_index=True)[1]
    outlines[size == 1] = shapes[first[size == 1]]
    several = size[group] > 1
    if degrees is not None and several.any():
        number = np.cumsum(size > 1) - 1
        outlines[size > 1] = geo.envelopes(shapes[several], number[group[several]])
    return outlines


def _empty() -> gpd.GeoDataFrame:
    columns: dict[str, object] = {word: np.zeros(0, bool) for word in SUPPORT}
    words: dict[str, object] = {"scenes": np.zeros(0, object), "members": np.zeros(0, int)}
    words |= {"member_boxes": np.zeros(0, object), "member_scores": np.zeros(0, object)}
    return schema.boxes_table(columns | words)
