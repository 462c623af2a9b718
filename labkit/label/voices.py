"""Who looked at what, and which of their boxes mean one thing: the ground that agreement and consensus stand on."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from labkit import schema
from labkit.errors import LabkitError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def iou(a: Array, b: Array) -> Array:
    """Intersection over union of boxes of (…, 4), by the rules of broadcasting; in [0, 1].

    Examples
    --------
    >>> float(iou(np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2])).round(3))
    0.333
    """
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (a, b)]
    return np.asarray(shared / (areas[0] + areas[1] - shared))


def match_boxes(one: Array, other: Array, min_iou: float = 0.5) -> tuple[Indices, Indices, Array]:
    """Match the boxes of two people one to one.

    Parameters
    ----------
    one, other : numpy.ndarray, shapes (n, 4) and (m, 4)
        xmin, ymin, xmax, ymax.
    min_iou : float
        Boxes with less are not the same thing.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray, numpy.ndarray)
        Rows of ``one``, rows of ``other`` and the IoU of each match.

    Notes
    -----
    Of all ways to pair them the one with the largest sum of IoU; neither person is the measure of the other, so that
    exchanging them changes nothing.

    Examples
    --------
    >>> first, second, _ = match_boxes(np.array([[0.0, 0, 4, 4], [9, 9, 12, 12]]), np.array([[0.0, 0, 4, 5]]))
    >>> first.tolist(), second.tolist()
    ([0], [0])
    """
    values = iou(one[:, None], other[None])
    values[values < min_iou] = 0.0
    first, second = linear_sum_assignment(values, maximize=True)
    matched = values[first, second] > 0
    return first[matched], second[matched], values[first, second][matched]


def check_voices(labels: gpd.GeoDataFrame, looks: pd.DataFrame, min_iou: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the labels with a plain index and who looked at which chip, each once, or raise with the broken rule.

    Raises
    ------
    LabkitError
        A column is missing, nobody looked, somebody labelled a chip without having looked at it, or ``min_iou`` is
        outside of (0, 1].
    """
    schema.check_boxes(labels, "labels")
    for name, table in (("labels", labels), ("looks", looks)):
        missing = [column for column in ("chip_id", "annotator") if column not in table.columns]
        if missing:
            raise LabkitError(f"{name} must have the columns chip_id and annotator, instead {missing} are missing")
    if not 0 < min_iou <= 1:
        raise LabkitError(f"min_iou must be in (0, 1], instead got min_iou={min_iou}")
    if not len(looks):
        raise LabkitError(
            "looks must say who looked at which chip, instead it is empty. Pull into a store and give store.looks(): "
            "without looks a chip that nobody drew on says nothing"
        )
    seen = looks[["chip_id", "annotator"]].astype(str).drop_duplicates().sort_values(["chip_id", "annotator"])
    drawn = labels.reset_index(drop=True)
    unseen = set(zip(drawn["chip_id"], drawn["annotator"], strict=True)) - set(seen.itertuples(index=False, name=None))
    if unseen:
        chip, who = sorted(unseen)[0]
        if not chip:
            raise LabkitError(
                f"labels must be drawn on chips to be compared, instead {who!r} has one on none: drawn on a scene "
                "or brought in. Leave those out: labels[labels['chip_id'] != '']"
            )
        raise LabkitError(
            f"looks must hold everybody who drew, instead {who!r} has a label on chip {chip!r} and no look there. "
            "Take labels and looks from one pull"
        )
    return pd.DataFrame(drawn), seen.reset_index(drop=True)
