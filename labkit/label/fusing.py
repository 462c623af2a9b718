"""One set of boxes from those of several people, each with the number of voices behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry import Polygon

from labkit import schema
from labkit.errors import LabkitError
from labkit.label.voices import Array, check_voices, iou
from labkit.schema import CORNERS

#: What a box is called on whose label people split evenly.
UNSURE = "unsure"


@dataclass(frozen=True)
class Cluster:
    """Boxes of different people for one thing on one chip and direction, and their fused corners."""

    members: pd.DataFrame
    corners: Array
    weights: Array

    @property
    def votes(self) -> dict[str, float]:
        """Label → summed weight of those who gave it, the strongest first."""
        votes: dict[str, float] = {}
        for label, weight in zip(self.members["label"].astype(str), self.weights.tolist(), strict=True):
            votes[label] = votes.get(label, 0.0) + weight
        return dict(sorted(votes.items(), key=lambda item: (-item[1], item[0])))

    @property
    def is_split(self) -> bool:
        """Whether two labels have most votes."""
        most, *others = self.votes.values()
        return bool(others) and bool(np.isclose(others[0], most))

    @property
    def label(self) -> str:
        """The label with most votes; "unsure" where two have as many."""
        return UNSURE if self.is_split else next(iter(self.votes))

    @property
    def voices(self) -> int:
        """How many people stand behind the label; behind an even split all of them."""
        if self.is_split:  # also where "unsure" is one of the two
            return len(self.members)
        return int((self.members["label"] == self.label).sum())

    @property
    def mean_iou(self) -> float:
        """Mean IoU of each two people's boxes; NaN for one box alone."""
        boxes = self.members[CORNERS].to_numpy(float)
        first, second = np.triu_indices(len(boxes), 1)
        return float(iou(boxes[first], boxes[second]).mean()) if len(first) else float("nan")


def consensus(
    labels: gpd.GeoDataFrame,
    looks: pd.DataFrame,
    *,
    min_iou: float = 0.5,
    min_share: float = 0.5,
    weights: Mapping[str, float] | None = None,
    adjudicator: str | None = None,
) -> gpd.GeoDataFrame:
    """Fuse what several people drew on the same chips, and count who stands behind each box.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels with ``chip_id`` and ``annotator``.
    looks : pandas.DataFrame
        ``chip_id`` and ``annotator`` of every finished annotation (:meth:`labkit.label.LabelStore.looks`).
    min_iou : float
        A box joins those whose fused box it overlaps by at least this, in (0, 1].
    min_share : float
        Keep boxes behind which more than this share of those who looked stand, in [0, 1). 0.5: a majority, so of two
        people both; 0: every box that anybody drew.
    weights : mapping of str to float, optional
        Annotator → how much his corners and his vote for a label count, > 0; default 1 each. Voices are counted by
        head.
    adjudicator : str, optional
        Who has the last word: on chips that this person looked at, his boxes alone stand, each as it is.

    Returns
    -------
    geopandas.GeoDataFrame
        Labels: ``score`` is voices / looked; ``voices`` how many gave the label, ``looked`` how many finished the
        chip, ``annotators`` those who drew a box here, ``votes`` their labels, ``spread`` the root mean square
        distance of their corners from the fused ones (px), ``adjudicated``. A box on whose label people split evenly
        is "unsure". ``geometry`` is the mean of the members' polygons where all have four corners. Boxes of several
        chips for one thing stay apart (:func:`labkit.label.drop_duplicates`).

    Raises
    ------
    LabkitError
        A table or an argument breaks its rule.

    Notes
    -----
    Weighted box fusion: boxes are taken one by one; each joins the group whose fused box overlaps it most, else it
    begins a group; corners are fused as Σ w x / Σ w. Boxes of people have no scores to be taken by, so those that
    overlap the others' boxes most come first; and a group holds one box of each person. The order of the rows does not
    matter.

    References
    ----------
    Solovyev, Wang and Gabruseva (2021), Weighted boxes fusion. Image and Vision Computing 107, 104117.

    Examples
    --------
    Two of three people saw the landslide, a little apart; one saw another:

    >>> import labkit as lk
    >>> edges = {"xmin": [10, 14, 60], "ymin": [10, 10, 60], "xmax": [30, 34, 80], "ymax": [30, 30, 80]}
    >>> drawn = {"scene": "s", "direction": "rate", "chip_id": "c", "annotator": ["ann", "bob", "bob"], **edges}
    >>> looks = pd.DataFrame({"chip_id": "c", "annotator": ["ann", "bob", "eve"]})
    >>> fused = lk.label.consensus(lk.schema.boxes_table(drawn), looks)
    >>> fused[["xmin", "xmax", "score", "voices", "looked", "annotators", "spread"]].round(2)
       xmin  xmax  score  voices  looked annotators  spread
    0  12.0  32.0   0.67       2       3   ann; bob    1.41
    """
    drawn, seen = check_voices(labels, looks, min_iou)
    if not 0 <= min_share < 1:
        raise LabkitError(f"min_share must be in [0, 1), instead got min_share={min_share}")
    if adjudicator is not None and adjudicator not in set(seen["annotator"]):
        raise LabkitError(
            f"adjudicator must be one of those who looked, {sorted(set(seen['annotator']))}, instead got "
            f"adjudicator={adjudicator!r}"
        )
    judged = set(seen["chip_id"][seen["annotator"] == adjudicator])
    looked = seen.groupby("chip_id")["annotator"].nunique().to_dict() | dict.fromkeys(judged, 1)
    drawn = drawn[~drawn["chip_id"].isin(judged) | (drawn["annotator"] == adjudicator)]
    rows = []
    for cluster in clusters(drawn, min_iou, weights):
        row = _row(cluster, looked)
        if row["score"] > min_share:
            rows.append(row | {"adjudicated": row["chip_id"] in judged})
    names = list(rows[0]) if rows else [*_row_names(), "adjudicated"]
    table = schema.boxes_table({name: [row[name] for row in rows] for name in names})
    return schema.check_boxes(table, "consensus")


def clusters(
    drawn: pd.DataFrame, min_iou: float = 0.5, weights: Mapping[str, float] | None = None
) -> Iterator[Cluster]:
    """Walk over the groups of boxes that mean one thing, chip by chip (:func:`consensus`)."""
    given = dict(weights or {})
    wrong = {who: weight for who, weight in given.items() if not (np.isfinite(weight) and weight > 0)}
    if wrong:
        raise LabkitError(f"weights must be numbers > 0, instead got weights={wrong}")
    for _, part in drawn.groupby(["scene", "chip_id", "direction"]):
        # one order whatever that of the rows, before anything is summed up
        part = part.sort_values([*CORNERS, "annotator", "label"]).reset_index(drop=True)
        boxes = part[CORNERS].to_numpy(float)
        trust = np.array([given.get(str(who), 1.0) for who in part["annotator"]], float)
        for members in _groups(boxes, part["annotator"].astype(str).tolist(), trust, min_iou):
            own = trust[members]
            yield Cluster(part.iloc[members], own @ boxes[members] / own.sum(), own)


def _groups(boxes: Array, people: list[str], trust: Array, min_iou: float) -> list[list[int]]:
    values = iou(boxes[:, None], boxes[None])
    values[np.equal.outer(np.array(people), np.array(people))] = 0.0
    groups: list[list[int]] = []
    fused: list[Array] = []
    for box in np.argsort(-(values @ trust), kind="stable").tolist():
        best, overlap = -1, 0.0
        for number, members in enumerate(groups):
            if people[box] in (people[member] for member in members):
                continue
            shared = float(iou(boxes[box], fused[number]))
            if shared >= min_iou and shared > overlap:
                best, overlap = number, shared
        if best < 0:
            groups.append([box])
            fused.append(boxes[box])
        else:
            groups[best].append(box)
            own = trust[groups[best]]
            fused[best] = own @ boxes[groups[best]] / own.sum()
    return [sorted(members) for members in groups]


def _row_names() -> tuple[str, ...]:
    return (
        "scene", "direction", *CORNERS, "label", "score", "geometry", "chip_id", "voices", "looked", "annotators",
        "votes", "spread",
    )  # fmt: skip


def _row(cluster: Cluster, looked: Mapping[str, int]) -> dict[str, Any]:
    first = cluster.members.iloc[0]
    boxes = cluster.members[CORNERS].to_numpy(float)
    counted = Counter(map(str, cluster.members["label"]))
    chip = str(first["chip_id"])
    values = (
        str(first["scene"]), str(first["direction"]), *map(float, cluster.corners), cluster.label,
        cluster.voices / looked[chip], _mean_polygon(cluster), chip, cluster.voices, looked[chip],
        "; ".join(sorted(map(str, cluster.members["annotator"]))),
        "; ".join(f"{label} {counted[label]}" for label in cluster.votes),
        float(np.sqrt(((boxes - cluster.corners) ** 2).mean())),
    )  # fmt: skip
    return dict(zip(_row_names(), values, strict=True))


def _mean_polygon(cluster: Cluster) -> Polygon | None:
    shapes = list(cluster.members["geometry"])
    if not all(isinstance(shape, Polygon) and len(shape.exterior.coords) == 5 for shape in shapes):
        return None
    corners = np.array([shapely.get_coordinates(shape)[:4] for shape in shapes])
    return Polygon(np.tensordot(cluster.weights, corners, 1) / cluster.weights.sum())
