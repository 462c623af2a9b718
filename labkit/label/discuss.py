"""What people should talk about: the boxes on which they differ, the most contested first."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import pandas as pd

from labkit.errors import LabkitError
from labkit.label.fusing import Cluster, clusters
from labkit.label.voices import check_voices
from labkit.schema import CORNERS

#: Why a box is in the queue.
REASONS = ("presence", "label", "outline")


def disagreements(
    labels: gpd.GeoDataFrame,
    looks: pd.DataFrame,
    *,
    min_iou: float = 0.5,
    good_iou: float = 0.7,
    links: Mapping[str, str] | str | None = None,
) -> pd.DataFrame:
    """List the boxes on which people differ, to be discussed from the top.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels with ``chip_id`` and ``annotator``.
    looks : pandas.DataFrame
        ``chip_id`` and ``annotator`` of every finished annotation; with ``project`` and ``task_id`` for links
        (:meth:`labkit.label.LabelStore.looks`).
    min_iou : float
        Boxes of two people with less are two things, in (0, 1].
    good_iou : float
        Outlines whose mean IoU is below this are in the queue, in [0, 1].
    links : mapping of str to str, or str, optional
        Address of each project's page (:meth:`labkit.label.Studio.link`), or of the only one.

    Returns
    -------
    pandas.DataFrame
        ``chip_id``, ``scene``, ``direction``, the fused box, ``reason`` ("presence": some drew nothing here; "label":
        they call it by different names; "outline": it lies differently; the strongest one), ``contest`` in (0, 1] by
        which it is sorted, ``drew`` and ``looked``, ``votes``, ``iou`` (mean of each two people's boxes, NaN for one
        alone), ``annotators``, ``without`` (who looked and drew none) and ``links`` to each person's task.

    Raises
    ------
    LabkitError
        A table or an argument breaks its rule, or ``links`` are asked of looks without tasks.

    Notes
    -----
    The contest is the largest of: 4 p (1 − p), with p the share of those who looked that drew; 2 (1 − q), at most 1,
    with q the share of the commonest label among the boxes; 1 − IoU, where the IoU is below ``good_iou``. Chips that
    one person alone has seen hold no disagreement.

    Examples
    --------
    >>> import labkit as lk
    >>> edges = {"xmin": [10, 16, 60], "ymin": [10, 10, 60], "xmax": [30, 36, 80], "ymax": [30, 30, 80]}
    >>> drawn = {"scene": "s", "direction": "rate", "chip_id": "c", "annotator": ["ann", "bob", "bob"], **edges}
    >>> looks = pd.DataFrame({"chip_id": "c", "annotator": ["ann", "bob"]})
    >>> queue = lk.label.disagreements(lk.schema.boxes_table(drawn), looks)
    >>> queue[["xmin", "xmax", "reason", "contest", "annotators", "without", "iou"]].round(2)
       xmin  xmax    reason  contest annotators without   iou
    0  60.0  80.0  presence     1.00        bob     ann   NaN
    1  13.0  33.0   outline     0.46   ann; bob          0.54
    """
    drawn, seen = check_voices(labels, looks, min_iou)
    if not 0 <= good_iou <= 1:
        raise LabkitError(f"good_iou must be in [0, 1], instead got good_iou={good_iou}")
    people = {str(chip): set(part["annotator"]) for chip, part in seen.groupby("chip_id")}
    pages = _pages(looks, links)
    rows = []
    for cluster in clusters(drawn, min_iou):
        chip = str(cluster.members["chip_id"].iloc[0])
        looked = people[chip]
        contests = _contests(cluster, len(looked), good_iou)
        contest, reason = max((value, -rank) for rank, value in enumerate(contests))
        if len(looked) > 1 and contest > 0:
            rows.append(_row(cluster, looked, REASONS[-reason], contest) | {"links": pages.get(chip, ())})
    names = [*_NAMES, "links"]
    queue = pd.DataFrame([[row[name] for name in names] for row in rows], columns=names)
    return queue.sort_values(
        ["contest", "chip_id", "direction", *CORNERS], ascending=[False, *[True] * 6], ignore_index=True
    )


_NAMES = (
    "chip_id", "scene", "direction", *CORNERS, "reason", "contest", "drew", "looked", "votes", "iou", "annotators",
    "without",
)  # fmt: skip


def _contests(cluster: Cluster, looked: int, good_iou: float) -> tuple[float, float, float]:
    """How contested presence, label and outline are, each in [0, 1]."""
    share = len(cluster.members) / looked
    commonest = float(cluster.members["label"].value_counts(normalize=True).iloc[0])
    shared = cluster.mean_iou
    outline = 1 - shared if np.isfinite(shared) and shared < good_iou else 0.0
    return 4 * share * (1 - share), min(1.0, 2 * (1 - commonest)), outline


def _row(cluster: Cluster, looked: set[str], reason: str, contest: float) -> dict[str, object]:
    first = cluster.members.iloc[0]
    drew = set(map(str, cluster.members["annotator"]))
    counts = cluster.members["label"].value_counts()
    votes = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    values = (
        str(first["chip_id"]), str(first["scene"]), str(first["direction"]), *map(float, cluster.corners), reason,
        contest, len(drew), len(looked), "; ".join(f"{label} {count}" for label, count in votes), cluster.mean_iou,
        "; ".join(sorted(drew)), "; ".join(sorted(looked - drew)),
    )  # fmt: skip
    return dict(zip(_NAMES, values, strict=True))


def _pages(looks: pd.DataFrame, links: Mapping[str, str] | str | None) -> dict[str, tuple[str, ...]]:
    """Chip → the addresses of its tasks."""
    if links is None:
        return {}
    missing = [name for name in ("project", "task_id") if name not in looks.columns]
    if missing:
        raise LabkitError(f"looks must have the columns {missing} for links. Give store.looks()")
    pages: dict[str, list[str]] = {}
    for look in looks.sort_values(["chip_id", "annotator"]).itertuples():
        page = links if isinstance(links, str) else links.get(str(look.project))
        if page is not None:
            pages.setdefault(str(look.chip_id), []).append(f"{page}?task={look.task_id}")
    return {chip: tuple(dict.fromkeys(found)) for chip, found in pages.items()}
