"""Which chips a detector may learn from: none that shares pixels with another side, none that nobody has looked at."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
from shapely import STRtree, box

from labkit.errors import LabkitError


def check_sides(chips: gpd.GeoDataFrame) -> None:
    """Raise when chips of different splits share pixels of a scene.

    Chips without a split ("") belong to no side. What several scenes (two tracks) see of one piece of ground is kept
    apart by :func:`labkit.split_chips`, which knows where they lie.

    Raises
    ------
    LabkitError
        Naming two such chips.
    """
    used = chips[chips["split"].astype(str) != ""]
    for _, here in used.groupby("scene", sort=False):
        if here["split"].nunique() < 2:
            continue
        top, left, size = (here[name].to_numpy(float) for name in ("row", "col", "size"))
        # half a pixel less on every side: windows that only touch share nothing
        windows = box(left + 0.5, top + 0.5, left + size - 0.5, top + size - 0.5)
        first, second = STRtree(windows).query(windows, predicate="intersects")
        split = here["split"].astype(str).to_numpy()
        leaks = np.flatnonzero(split[first] != split[second])
        if len(leaks):
            a, b = first[leaks[0]], second[leaks[0]]
            names = here["chip_id"].astype(str).to_numpy()
            raise LabkitError(
                f"chips must share no pixels between splits, instead {names[a]!r} ({split[a]}) and {names[b]!r} "
                f"({split[b]}) overlap. Split them with lk.split_chips(chips)"
            )


def annotated_only(chips: gpd.GeoDataFrame, labels: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Leave out the chips that nobody has finished, where the labels come with the names of those that somebody has.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        :data:`labkit.schema.CHIP_COLUMNS`.
    labels : geopandas.GeoDataFrame
        ``attrs["annotated_chips"]`` of a label store, a release or a pull; all chips are kept without it.

    Raises
    ------
    LabkitError
        None of the chips is among them.
    """
    names = labels.attrs.get("annotated_chips")
    if not names:
        return chips
    kept = chips[chips["chip_id"].astype(str).isin(set(map(str, names)))]
    if not len(kept):
        raise LabkitError(
            f"chips must be those that were labelled, instead none of the {len(names)} annotated ones is among them. "
            "Take the chips that were pushed, or FitSettings(only_annotated=False) if people saw all the ground"
        )
    return kept
