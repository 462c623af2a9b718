"""Which detections and which known landslides belong together: all that are near, or each once."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Indices = npt.NDArray[np.int64]
Links = tuple[Indices, Indices]


def near_pairs(found: gpd.GeoSeries, known: gpd.GeoSeries, buffer_m: float) -> Links:
    """Rows of detections and of items that are near enough, in the order of both."""
    rows = shapely.STRtree(known.to_numpy()).query(found.to_numpy(), predicate="dwithin", distance=buffer_m)
    first, second = rows[:, np.lexsort(rows[::-1])]
    return first.astype(np.int64), second.astype(np.int64)


def pair_off(found: gpd.GeoSeries, known: gpd.GeoSeries, links: Links) -> Links:
    """Of links those that pair the most, none twice; of equally many the least distance between centroids."""
    detection, item = links
    if not len(detection):
        return links
    apart = found.centroid.to_numpy()[detection], known.centroid.to_numpy()[item]
    distance = shapely.distance(*apart)
    # all distances together weigh less than one pair more
    gain = 1 - distance / (1 + distance.sum())
    count = len(found) + len(known)
    graph = coo_array((np.ones(len(item)), (detection, len(found) + item)), shape=(count, count))
    part = connected_components(graph, directed=False)[1][detection]
    chosen = []
    for _, rows in pd.Series(np.arange(len(item))).groupby(part):
        here = rows.to_numpy()
        lines, i = np.unique(detection[here], return_inverse=True)
        columns, j = np.unique(item[here], return_inverse=True)
        table = np.zeros((len(lines), len(columns)))
        table[i, j] = gain[here]
        pairs = linear_sum_assignment(table, maximize=True)
        linked = table[pairs] > 0
        chosen.append(np.stack([lines[pairs[0][linked]], columns[pairs[1][linked]]]))
    first, second = np.concatenate(chosen, axis=1)
    return first, second
