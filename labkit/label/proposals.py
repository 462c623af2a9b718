"""What people made of a model's boxes: accepted, moved, called something else, deleted, and what they added."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from labkit.errors import LabkitError
from labkit.label.convert import Box
from labkit.label.guidance import UNSURE
from labkit.label.regions import Region, UnusableRegionError, from_region

#: What became of a box. "accepted": left as it was; "moved": its edges changed, its label not, or it was deleted and
#: drawn again there; "relabelled": given another label; "deleted"; "added": drawn where nothing was proposed.
FATES = ("accepted", "moved", "relabelled", "deleted", "added")

#: A deleted proposal counts as moved where a person's box of the same label overlaps it by this share of their union.
SAME_PLACE = 0.5

PROPOSAL_COLUMNS = (
    "chip_id",
    "scene",
    "direction",
    "xmin",
    "ymin",
    "xmax",
    "ymax",
    "model",
    "score",
    "proposed",
    "said",
    "fate",
    "annotator",
    "task_id",
    "annotation_id",
    "region_id",
)


def fates_of(
    tasks: Iterable[Mapping[str, Any]], classes: Mapping[str, set[str]], annotators: Mapping[int, str] | None = None
) -> pd.DataFrame:
    """Tell what became of each proposed box in each finished annotation that began with a model's proposals.

    Parameters
    ----------
    tasks : iterable of mapping
        Tasks as Label Studio lists them, with ``data``, ``annotations`` and ``predictions``.
    classes : mapping
        Direction to the labels on offer (:func:`labkit.label.config.classes_of`).
    annotators : mapping, optional
        Label Studio's number of a person → e-mail.

    Returns
    -------
    DataFrame
        :data:`PROPOSAL_COLUMNS`, one row for each proposed box and each added one: its box as it was proposed, or drawn
        (px of the scene), ``proposed`` and ``said`` (the label before and after, "" for none), ``fate``
        (:data:`FATES`), ``score`` NaN for added boxes. Annotations that were begun without proposals are left out:
        nobody saw any there.
    """
    rows: list[dict[str, Any]] = []
    for task in tasks:
        shown = {p.get("id"): p for p in task.get("predictions") or []}
        for annotation in task.get("annotations") or []:
            prediction = shown.get(annotation.get("parent_prediction"))
            if prediction is None or annotation.get("was_cancelled"):
                continue
            data, who = task["data"], annotation.get("completed_by")
            number = who.get("id") if isinstance(who, Mapping) else who
            about = {
                "chip_id": str(data["chip_id"]),
                "scene": str(data["scene"]),
                "model": str(prediction.get("model_version") or ""),
                "annotator": (annotators or {}).get(int(str(number)), str(number)) if number is not None else "",
                "task_id": int(task["id"]),
                "annotation_id": int(annotation["id"]),
            }
            scores = {str(r.get("id")): float(r.get("score") or math.nan) for r in prediction.get("result") or []}
            before = _regions(prediction.get("result"), int(data["size"]), classes)
            after = _regions(annotation.get("result"), int(data["size"]), classes)
            for region, said, fate in _compare(before, after):
                xmin, ymin, xmax, ymax = region.box
                rows.append(
                    about
                    | {
                        "direction": region.direction,
                        "xmin": xmin + int(data["col"]),
                        "ymin": ymin + int(data["row"]),
                        "xmax": xmax + int(data["col"]),
                        "ymax": ymax + int(data["row"]),
                        "score": math.nan if fate == "added" else scores[region.region_id],
                        "proposed": "" if fate == "added" else region.label,
                        "said": said,
                        "fate": fate,
                        "region_id": region.region_id,
                    }
                )
    return pd.DataFrame(rows, columns=list(PROPOSAL_COLUMNS))


def _regions(result: Any, size: int, classes: Mapping[str, set[str]]) -> dict[str, Region]:
    found = {}
    for item in result or []:
        try:
            region = from_region(item, size, classes)
        except UnusableRegionError:
            # a pull sets it aside with its reason; to the model it is as if deleted
            continue
        found[region.region_id] = region
    return found


def _compare(before: dict[str, Region], after: dict[str, Region]) -> list[tuple[Region, str, str]]:
    """Give each proposed or added region with the label that it was given and its fate."""
    fates = []
    added = {name: region for name, region in after.items() if name not in before}
    for name, proposed in before.items():
        now = after.get(name)
        if now is None:
            again = [other for other, region in added.items() if _same_place(proposed, region)]
            fates.append((proposed, proposed.label, "moved") if again else (proposed, "", "deleted"))
            for other in again[:1]:
                del added[other]
        elif now.label != proposed.label:
            fates.append((proposed, now.label, "relabelled"))
        else:
            fates.append((proposed, now.label, "moved" if now.origin == "moved" else "accepted"))
    return fates + [(region, region.label, "added") for region in added.values()]


def _same_place(one: Region, other: Region) -> bool:
    if (one.direction, one.label) != (other.direction, other.label):
        return False
    return _overlap(one.box, other.box) >= SAME_PLACE


def _overlap(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def count_proposals(
    fates: pd.DataFrame, by: Sequence[str] = ("model",), *, min_score: float = 0.0, z: float = 1.959964
) -> pd.DataFrame:
    """Count what became of proposals, and give each model's precision as the annotators saw it.

    Parameters
    ----------
    fates : DataFrame
        Of :func:`fates_of` (``studio.proposals``).
    by : sequence of str
        Columns to count by: model, direction, annotator, scene.
    min_score : float
        Proposals with a lower score do not count, 0 to 1; what was added always does.
    z : float
        Half width of the interval in standard deviations; 1.96 for 95 %.

    Returns
    -------
    DataFrame
        One row for each group: the columns of ``by``, one count for each of :data:`FATES`, ``unsure`` (of the
        relabelled ones, those called unsure), ``precision``, ``low`` and ``high``. NaN precision where nothing was
        judged, with 0 to 1 as its interval.

    Raises
    ------
    LabkitError
        A column is unknown, or a number is out of its bounds.

    Notes
    -----
    precision = (accepted + moved) / (accepted + moved + relabelled − unsure + deleted): whoever is unsure neither
    confirms nor refutes. The interval is Wilson's for as many cases as there are different proposed boxes that were
    judged: two people's words on one box are no two cases. A landslide that lies on two overlapping chips is two; the
    interval is too narrow by that.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22, 209–212.

    Examples
    --------
    >>> import labkit as lk
    >>> fates = {"fate": ["accepted", "moved", "deleted", "added"], "said": ["landslide", "landslide", "", "landslide"]}
    >>> boxes = {"model": "small", "task_id": 1, "region_id": list("abcd"), "score": [0.9, 0.8, 0.6, math.nan]}
    >>> counted = lk.label.count_proposals(pd.DataFrame(boxes | fates))
    >>> counted[["model", "accepted", "moved", "deleted", "added", "precision", "low", "high"]].round(2)
       model  accepted  moved  deleted  added  precision   low  high
    0  small         1      1        1      1       0.67  0.21  0.94
    """
    unknown = [name for name in by if name not in PROPOSAL_COLUMNS]
    if unknown or not by:
        raise LabkitError(f"by must name columns among {PROPOSAL_COLUMNS}, instead got by={tuple(by)}")
    if not 0 <= min_score <= 1 or not z > 0:
        raise LabkitError(f"min_score must be in 0..1 and z above 0, instead got min_score={min_score}, z={z}")
    kept = fates[(fates["fate"] == "added") | ~(fates["score"] < min_score)]
    rows = []
    for key, group in kept.groupby(list(by), sort=True):
        counts = {fate: int((group["fate"] == fate).sum()) for fate in FATES}
        unsure = (group["fate"] == "relabelled") & (group["said"] == UNSURE)
        judged = group[(group["fate"] != "added") & ~unsure]
        right = counts["accepted"] + counts["moved"]
        share = right / len(judged) if len(judged) else math.nan
        cases = len(judged[["task_id", "model", "region_id"]].drop_duplicates())
        low, high = wilson(share, cases, z)
        named = dict(zip(by, key, strict=True))
        rows.append(named | counts | {"unsure": int(unsure.sum()), "precision": share, "low": low, "high": high})
    return pd.DataFrame(rows, columns=[*by, *FATES, "unsure", "precision", "low", "high"])


def wilson(share: float, cases: int, z: float) -> tuple[float, float]:
    """Give Wilson's interval of a share of so many cases, z standard deviations to each side; 0 to 1 of none."""
    if not cases:
        return 0.0, 1.0
    centre = (share + z**2 / (2 * cases)) / (1 + z**2 / cases)
    half = z / (1 + z**2 / cases) * math.sqrt(share * (1 - share) / cases + z**2 / (4 * cases**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)
