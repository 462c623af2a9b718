"""Annotators with known habits: what simulated people draw on chips whose landslides are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from labkit import schema
from labkit.errors import LabkitError
from labkit.schema import CORNERS
from labkit.simulate.fields import stream

Array = npt.NDArray[np.float64]


#: A landslide belongs to a chip that holds this share of its box; no box of a person is smaller than this, px.
_SHARE, _LEAST_PX = 0.5, 2.0


@dataclass(frozen=True)
class Annotator:
    """The habits of a simulated person.

    Examples
    --------
    >>> Annotator(misses=0.3, jitter_px=2.0)
    Annotator(misses=0.3, invents=0.05, jitter_px=2.0, grows=1.0, unsure=0.0)
    """

    #: Chance that a landslide is passed over, in [0, 1].
    misses: float = 0.1
    #: Boxes drawn where nothing is, in the mean for each chip, ≥ 0.
    invents: float = 0.05
    #: Spread of each edge around where it belongs, px, ≥ 0.
    jitter_px: float = 1.0
    #: How much longer the sides of the boxes are than they should be; a factor > 0.
    grows: float = 1.0
    #: Chance that a box is called "unsure" rather than "landslide", in [0, 1].
    unsure: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            high = 1.0 if field.name in ("misses", "unsure") else np.inf
            if not (np.isfinite(value) and 0 <= value <= high and (value > 0 or field.name != "grows")):
                rule = "> 0" if field.name == "grows" else ("in [0, 1]" if high == 1 else "≥ 0")
                raise LabkitError(f"{field.name} must be {rule}, instead got {field.name}={value}")


def annotate(
    truth: gpd.GeoDataFrame, chips: gpd.GeoDataFrame, people: Mapping[str, Annotator], seed: int = 0
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Let simulated people label chips, each by himself. This is no person's judgement.

    Parameters
    ----------
    truth : geopandas.GeoDataFrame
        Boxes of what is there (``scene.truth``).
    chips : geopandas.GeoDataFrame
        Chips (:func:`labkit.make_chips`). Everybody looks at all of them.
    people : mapping of str to Annotator
        Name → habits.
    seed : int
        Another seed, another day. What a person draws does not depend on who else is there.

    Returns
    -------
    (geopandas.GeoDataFrame, pandas.DataFrame)
        Labels with ``chip_id`` and ``annotator``, clipped to their chips, and looks: ``chip_id`` and ``annotator``. A
        landslide is seen on each chip that holds at least half of its box, and may be missed on one and not on the
        next; its azimuth and range boxes are seen or missed each by itself.

    Raises
    ------
    LabkitError
        A table breaks its rule or there is nobody.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> chips = lk.make_chips(lk.stack_gradients(scene.interferograms["ascending"], progress=False), size=96, overlap=0)
    >>> labels, looks = annotate(scene.truth, chips, {"ann": Annotator(misses=0), "bob": Annotator(misses=0.5)})
    >>> labels["annotator"].value_counts().to_dict(), looks["annotator"].value_counts().to_dict()
    ({'ann': 7, 'bob': 3}, {'ann': 4, 'bob': 4})
    """
    schema.check_chips(chips)
    schema.check_boxes(truth, "truth")
    if not people:
        raise LabkitError("people must hold at least one annotator, instead it is empty")
    directions = sorted(set(truth["direction"])) or list(schema.DIRECTIONS)
    rows: list[tuple[object, ...]] = []
    for who, habits in people.items():
        random = stream(seed, "annotator", who)
        for chip in chips.itertuples():
            frame = np.array([chip.col, chip.row, chip.col + chip.size, chip.row + chip.size], float)
            here = truth[truth["scene"] == chip.scene]
            for box, direction in _seen(here, frame, directions, habits, random):
                word = "unsure" if random.random() < habits.unsure else schema.LANDSLIDE
                rows.append((chip.scene, direction, *box, word, chip.chip_id, who))
    names = ("scene", "direction", *CORNERS, "label", "chip_id", "annotator")
    labels = schema.boxes_table(
        dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    )
    looks = pd.DataFrame([(chip, who) for who in people for chip in chips["chip_id"]], columns=["chip_id", "annotator"])
    return labels, looks


def _seen(
    here: gpd.GeoDataFrame, frame: Array, directions: list[str], habits: Annotator, random: np.random.Generator
) -> list[tuple[list[float], str]]:
    """What a person draws on one chip: boxes in pixels of the scene, with their directions."""
    boxes = here[CORNERS].to_numpy(float)
    inside = _clipped(boxes, frame)
    share = (inside[:, 2:] - inside[:, :2]).clip(0).prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    drawn = []
    for box, direction, part in zip(boxes, here["direction"], share, strict=True):
        if part >= _SHARE and random.random() >= habits.misses:
            drawn.append((_as_drawn(box, frame, habits, random), str(direction)))
    for _ in range(random.poisson(habits.invents)):
        sides = random.uniform(0.1, 0.3, 2) * (frame[2:] - frame[:2])
        low = random.uniform(frame[:2], frame[2:] - sides)
        box = np.concatenate([low, low + sides])
        drawn.append((_as_drawn(box, frame, habits, random), directions[random.integers(len(directions))]))
    return drawn


def _as_drawn(box: Array, frame: Array, habits: Annotator, random: np.random.Generator) -> list[float]:
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * habits.grows
    drawn = np.concatenate([middle - half, middle + half]) + random.normal(0, habits.jitter_px, 4)
    drawn[2:] = np.maximum(drawn[2:], drawn[:2] + _LEAST_PX)
    clipped = _clipped(drawn[None], frame)[0]
    # an edge beyond the chip leaves at least a sliver of it
    clipped[:2] = np.minimum(clipped[:2], frame[2:] - _LEAST_PX)
    clipped[2:] = np.maximum(clipped[2:], clipped[:2] + _LEAST_PX)
    return list(map(float, clipped))


def _clipped(boxes: Array, frame: Array) -> Array:
    low, high = np.tile(frame[:2], 2), np.tile(frame[2:], 2)
    return np.asarray(boxes.clip(low, high))
