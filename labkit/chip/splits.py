"""Share chips among training, validation and test, so that no ground is seen on two sides."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from shapely import STRtree, box

from labkit import schema
from labkit.errors import LabkitError

#: The words in the column ``split``, in the order of the weights.
SPLITS = ("train", "validation", "test")

_ANGLES = 16
_CENTRES = 200

Mask = npt.NDArray[np.bool_]


def split_chips(
    chips: gpd.GeoDataFrame, weights: tuple[float, float, float] = (8, 1, 1), seed: int = 0
) -> gpd.GeoDataFrame:
    """Split chips into training, validation and test by blocks of ground.

    Two chips that share ground never come into different splits: chips of one scene whose windows overlap, and chips of
    several scenes (the ascending and the descending track) whose squares in lon/lat do.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        Chips of one or several scenes (:func:`labkit.make_chips`; join tables with ``pandas.concat``).
    weights : (float, float, float)
        Shares of training, validation and test, in any unit; a 0 leaves that split out.
    seed : int
        Chooses among blocks that are equally good.

    Returns
    -------
    geopandas.GeoDataFrame
        The same chips with ``split`` = "train", "validation" or "test". Chips that lie across the border between two
        splits belong to none of them: their ``split`` is "". Drop them, or use less overlap to have fewer.

    Raises
    ------
    LabkitError
        The table is empty, a weight is negative, or so few chips overlap so much that a split would have none.

    Notes
    -----
    Test, then validation, is a block of its share of the chips: the first ones along some direction, or the nearest to
    some chip. Of many such blocks the one is taken whose border cuts the fewest chips; all the rest is training. Blocks
    rather than chips here and there, because neighbours resemble each other even where they do not overlap, and
    because few borders cut few chips.

    Examples
    --------
    >>> table = {"chip_id": list("abcdefghij"), "scene": "s", "row": 0, "col": range(0, 1000, 100), "size": 100}
    >>> chips = gpd.GeoDataFrame({**table, "valid_fraction": 1.0, "split": ""}, geometry=[None] * 10)
    >>> sorted(split_chips(chips, (8, 1, 1))["split"])
    ['test', 'train', 'train', 'train', 'train', 'train', 'train', 'train', 'train', 'validation']
    """
    schema.check_chips(chips)
    shares = _shares(weights)
    random = np.random.default_rng(seed)
    neighbours = _overlaps(chips)
    centres = _centres(chips)
    free = np.ones(len(chips), bool)
    split = np.full(len(chips), "", object)
    for name, share in (("test", shares[2]), ("validation", shares[1])):
        count = max(1, round(share * len(chips))) if share else 0
        block = _best_block(centres, neighbours, free, count, random)
        split[block] = name
        free &= ~block & ~_touched(neighbours, block)
    if shares[0]:
        split[free] = "train"
    for name, share in zip(SPLITS, shares, strict=True):
        if share and not (split == name).any():
            raise LabkitError(
                f"chips must leave room for the split '{name}', instead {len(chips)} are too few or overlap too much. "
                "Make smaller chips, with less overlap, or give that split the weight 0"
            )
    return chips.assign(split=split)


def _shares(weights: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    given = np.asarray(weights, float)
    if given.shape != (3,) or not np.isfinite(given).all() or (given < 0).any() or given.sum() == 0:
        raise LabkitError(
            f"weights must be three numbers ≥ 0 for {SPLITS} that are not all 0, instead got weights={weights}"
        )
    return given / given.sum()


def _overlaps(chips: gpd.GeoDataFrame) -> csr_matrix:
    """Say which chips share ground, as a symmetric sparse matrix of 0 and 1."""
    top, left, size = (chips[name].to_numpy(int) for name in ("row", "col", "size"))
    scene = chips["scene"].astype(str).to_numpy()
    first: list[npt.NDArray[np.int_]] = []
    second: list[npt.NDArray[np.int_]] = []
    for name in np.unique(scene):
        of_scene = np.flatnonzero(scene == name)
        t, s, e = top[of_scene], left[of_scene], size[of_scene]
        windows = box(s, t, s + e, t + e)
        i, j = (of_scene[k] for k in STRtree(windows).query(windows))
        common_y = np.minimum(top[i] + size[i], top[j] + size[j]) - np.maximum(top[i], top[j])
        common_x = np.minimum(left[i] + size[i], left[j] + size[j]) - np.maximum(left[i], left[j])
        shared = (common_y > 0) & (common_x > 0) & (i != j)
        first.append(i[shared])
        second.append(j[shared])
    squares = chips.geometry.to_numpy()
    i, j = STRtree(squares).query(squares, predicate="intersects")
    apart = scene[i] != scene[j]
    first.append(i[apart])
    second.append(j[apart])
    i, j = np.concatenate(first), np.concatenate(second)
    return csr_matrix((np.ones(len(i), np.int8), (i, j)), shape=(len(chips), len(chips)))


def _centres(chips: gpd.GeoDataFrame) -> npt.NDArray[np.float64]:
    """Give the chips' centres on a plane, (n, 2); without lon/lat in pixels, with scenes far from each other."""
    half = chips["size"].to_numpy(float) / 2
    if chips.geometry.isna().any():
        scene = np.unique(chips["scene"].astype(str), return_inverse=True)[1]
        x, y = chips["col"].to_numpy(float) + half, chips["row"].to_numpy(float) + half
        return np.column_stack([x + scene * 4 * (x.max() + half.max()), y])
    middle = np.array([(p.centroid.x, p.centroid.y) for p in chips.geometry])
    return middle * [np.cos(np.radians(middle[:, 1].mean())), 1.0]


def _best_block(
    centres: npt.NDArray[np.float64], neighbours: csr_matrix, free: Mask, count: int, random: np.random.Generator
) -> Mask:
    """Choose ``count`` free chips that lie together and touch the fewest other free ones."""
    best, least = np.zeros(len(free), bool), np.inf
    candidates = np.flatnonzero(free)
    if count == 0 or not len(candidates):
        return best
    angles = random.permutation(_ANGLES) * 2 * np.pi / _ANGLES
    orders = [centres[candidates] @ [np.cos(a), np.sin(a)] for a in angles]
    for middle in random.permutation(candidates)[:_CENTRES]:
        orders.append(((centres[candidates] - centres[middle]) ** 2).sum(axis=1))
    for order in orders:
        block = np.zeros(len(free), bool)
        block[candidates[np.argsort(order, kind="stable")[:count]]] = True
        lost = int((_touched(neighbours, block) & free & ~block).sum())
        if lost < least:
            best, least = block, lost
    return best


def _touched(neighbours: csr_matrix, block: Mask) -> Mask:
    return np.asarray(neighbours @ block.astype(np.int32)) > 0
