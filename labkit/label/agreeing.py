"""How far people agree: on whether there is something on a chip, and on where its box lies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from labkit.errors import LabkitError
from labkit.label.voices import Array, check_voices, match_boxes
from labkit.schema import CORNERS

_COUNTS = ("both", "only_first", "only_second", "neither")


def cohen_kappa(
    both: npt.ArrayLike, only_first: npt.ArrayLike, only_second: npt.ArrayLike, neither: npt.ArrayLike
) -> Array:
    """Give Cohen's kappa of two people who each said yes or no, from how often they said what.

    Parameters
    ----------
    both, only_first, only_second, neither : array_like
        Cases in which both, one or none said yes; any one shape.

    Returns
    -------
    numpy.ndarray
        1: they always agree; 0: as often as by chance; negative: less. NaN where both say the same of every case, so
        that chance alone would make them agree.

    Notes
    -----
    κ = (p_o − p_e) / (1 − p_e) with p_o the share of cases in which they agree and p_e the share that would agree if
    each kept to how often he says yes, and chose the cases at random.

    References
    ----------
    Cohen (1960), A coefficient of agreement for nominal scales. Educational and Psychological Measurement 20, 37–46.

    Examples
    --------
    >>> float(cohen_kappa(20, 5, 10, 15).round(3))
    0.4
    """
    a, b, c, d = (np.asarray(count, float) for count in (both, only_first, only_second, neither))
    with np.errstate(invalid="ignore", divide="ignore"):
        total = a + b + c + d
        agree = (a + d) / total
        chance = ((a + b) * (a + c) + (c + d) * (b + d)) / total**2
        return np.asarray(np.where(chance < 1, (agree - chance) / (1 - chance), np.nan))


def fleiss_kappa(counts: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Array:
    """Give Fleiss' kappa: how far any number of people agree on the category of each case.

    Parameters
    ----------
    counts : array_like, shape (cases, categories)
        How many people put each case into each category. Cases that fewer than two people judged say nothing.
    weights : array_like, shape (…, cases), optional
        How often each case counts.

    Returns
    -------
    numpy.ndarray, shape (…)
        As :func:`cohen_kappa`.

    Notes
    -----
    κ = (P − P_e) / (1 − P_e); P is the mean over cases of the share of pairs of people that agree,
    Σ_j n_ij (n_ij − 1) / n_i (n_i − 1), and P_e = Σ_j p_j² with p_j the share of all judgements in category j. With as
    many people on each case this is Fleiss' formula; they need not be the same people.

    References
    ----------
    Fleiss (1971), Measuring nominal scale agreement among many raters. Psychological Bulletin 76, 378–382.

    Examples
    --------
    Three people said no or yes of each of four chips:

    >>> import labkit as lk
    >>> float(lk.label.fleiss_kappa([[3, 0], [2, 1], [0, 3], [0, 3]]).round(3))
    0.657
    """
    table = np.asarray(counts, float)
    if table.ndim != 2:
        raise LabkitError(f"counts must be (cases, categories), instead got counts.shape={table.shape}")
    people = table.sum(axis=1)
    use = people >= 2
    table, people = table[use], people[use]
    times = np.ones(len(use)) if weights is None else np.asarray(weights, float)
    times = times[..., use]
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = (table * (table - 1)).sum(axis=1) / (people * (people - 1))
        agree = times @ alike / times.sum(axis=-1)
        share = (times @ table) / (times @ people)[..., None]
        chance = (share**2).sum(axis=-1)
        return np.asarray(np.where(chance < 1, (agree - chance) / (1 - chance), np.nan))


def agreement(
    labels: gpd.GeoDataFrame,
    looks: pd.DataFrame,
    *,
    classes: Sequence[str] | None = None,
    min_iou: float = 0.5,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how far each two people agree, class by class, on the chips that both looked at.

    Parameters
    ----------
    labels : geopandas.GeoDataFrame
        Labels with ``chip_id`` and ``annotator`` (:meth:`labkit.label.LabelStore.labels`).
    looks : pandas.DataFrame
        ``chip_id`` and ``annotator`` of every finished annotation, also those without a box
        (:meth:`labkit.label.LabelStore.looks`).
    classes : sequence of str, optional
        Which labels to ask about; default all that occur.
    min_iou : float
        Boxes of two people with less are not the same thing, in (0, 1].
    resamples : int
        Bootstrap samples of the chips, at least 1.
    level : float
        Of the intervals, in (0, 1).
    seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        A row for each class and pair of people with a chip in common. Presence: ``chips``, those where ``both``,
        ``only_first``, ``only_second`` or ``neither`` drew a box of the class in any direction, and ``kappa``
        (:func:`cohen_kappa`). Outlines: ``boxes_first``, ``boxes_second``, how many of them ``matched``
        (:func:`labkit.label.match_boxes`, on one chip and direction), ``found`` = 2 · matched / all boxes, and
        ``iou``, the mean of the matched. ``kappa``, ``found`` and ``iou`` have a ``_low`` and a ``_high``.

    Raises
    ------
    LabkitError
        A table or an argument breaks its rule, or no two people looked at one chip.

    Notes
    -----
    The intervals are percentiles over chips drawn with replacement. Chips that overlap show the same ground: thin them,
    or know that the intervals are then too narrow. Samples in which a measure is undefined are left out; where most
    are, the limits are NaN.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> chips = lk.make_chips(scene.rates["ascending"], size=64, overlap=0)
    >>> people = {"ann": lk.simulate.Annotator(misses=0), "bob": lk.simulate.Annotator(misses=0.4, invents=0.1)}
    >>> labels, looks = lk.simulate.annotate(scene.rate_truth, chips, people)
    >>> table = lk.label.agreement(labels, looks)
    >>> table[["first", "second", "chips", "both", "only_first", "only_second", "kappa", "iou"]].round(2)
      first second  chips  both  only_first  only_second  kappa   iou
    0   ann    bob      9     4           2            1   0.31  0.68
    """
    drawn, seen = check_voices(labels, looks, min_iou)
    draw = _Bootstrap(resamples, level, seed)
    words = _classes(drawn, classes)
    chips_of = {who: set(part["chip_id"]) for who, part in seen.groupby("annotator")}
    pairs = [pair for pair in combinations(sorted(chips_of), 2) if chips_of[pair[0]] & chips_of[pair[1]]]
    if not pairs:
        raise LabkitError(
            f"looks must hold chips that two people looked at, instead the {len(chips_of)} annotators have none in "
            "common. Give each chip to at least two"
        )
    rows = []
    for word in words:
        boxes = _by_chip(drawn[drawn["label"] == word])
        for first, second in pairs:
            chips = sorted(chips_of[first] & chips_of[second])
            sums = np.array([_on_chip(boxes, chip, first, second, min_iou) for chip in chips], float)
            rows.append({"label": word, "first": first, "second": second, "chips": len(chips)} | _measures(sums, draw))
    return pd.DataFrame(rows)


def agreement_of_all(
    labels: gpd.GeoDataFrame,
    looks: pd.DataFrame,
    *,
    classes: Sequence[str] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how far all people together agree on whether a chip shows something, class by class.

    Parameters
    ----------
    labels, looks, classes, resamples, level, seed
        As for :func:`agreement`.

    Returns
    -------
    pandas.DataFrame
        A row for each class: ``chips`` that at least two people looked at, ``people``, ``judgements``, ``present`` (the
        share of judgements that say yes) and ``kappa`` (:func:`fleiss_kappa`) with its interval.

    Raises
    ------
    LabkitError
        As for :func:`agreement`.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> chips = lk.make_chips(scene.rates["ascending"], size=64, overlap=0)
    >>> people = {name: lk.simulate.Annotator(misses=0.3) for name in ("ann", "bob", "eve")}
    >>> labels, looks = lk.simulate.annotate(scene.rate_truth, chips, people, seed=2)
    >>> table = lk.label.agreement_of_all(labels, looks)
    >>> table[["label", "chips", "people", "judgements", "present", "kappa", "kappa_low", "kappa_high"]].round(2)
           label  chips  people  judgements  present  kappa  kappa_low  kappa_high
    0  landslide      9       3          27     0.48   0.26       -0.2        0.69
    """
    drawn, seen = check_voices(labels, looks, 0.5)
    draw = _Bootstrap(resamples, level, seed)
    people = seen.groupby("chip_id")["annotator"].nunique()
    people = people[people >= 2]
    if not len(people):
        raise LabkitError("looks must hold chips that two people looked at, instead there are none")
    rows = []
    for word in _classes(drawn, classes):
        yes = drawn[drawn["label"] == word].groupby("chip_id")["annotator"].nunique()
        said = yes.reindex(people.index, fill_value=0).to_numpy(float)
        counts = np.column_stack([said, people.to_numpy(float) - said])
        low, high = draw.interval(fleiss_kappa(counts, draw.weights(len(counts))))
        of_these = seen[seen["chip_id"].isin(people.index)]
        rows.append(
            {
                "label": word, "chips": len(counts), "people": of_these["annotator"].nunique(),
                "judgements": len(of_these), "present": said.sum() / len(of_these),
                "kappa": float(fleiss_kappa(counts)), "kappa_low": low, "kappa_high": high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


class _Bootstrap:
    """How often each chip counts in each sample, and the interval of what the samples say."""

    def __init__(self, resamples: int, level: float, seed: int) -> None:
        if resamples < 1:
            raise LabkitError(f"resamples must be at least 1, instead got resamples={resamples}")
        if not 0 < level < 1:
            raise LabkitError(f"level must be in (0, 1), instead got level={level}")
        self._resamples, self._level, self._seed = resamples, level, seed

    def weights(self, chips: int) -> Array:
        """Give the samples as (resamples, chips)."""
        random = np.random.default_rng(self._seed)
        return random.multinomial(chips, np.full(chips, 1 / chips), size=self._resamples).astype(float)

    def interval(self, values: Array) -> tuple[float, float]:
        """Give the limits; NaN where most samples are undefined."""
        known = values[np.isfinite(values)]
        if 2 * len(known) <= len(values):
            return float("nan"), float("nan")
        low, high = np.quantile(known, [(1 - self._level) / 2, (1 + self._level) / 2])
        return float(low), float(high)


def _classes(drawn: pd.DataFrame, classes: Sequence[str] | None) -> list[str]:
    words = sorted(set(drawn["label"])) if classes is None else list(classes)
    if not words:
        raise LabkitError("labels must hold at least one box, or name the classes to ask about: classes=('landslide',)")
    return words


def _by_chip(drawn: pd.DataFrame) -> dict[tuple[str, str], dict[str, Array]]:
    """(chip, annotator) → direction → boxes."""
    found: dict[tuple[str, str], dict[str, Array]] = {}
    for (chip, who, direction), part in drawn.groupby(["chip_id", "annotator", "direction"]):
        found.setdefault((str(chip), str(who)), {})[str(direction)] = part[CORNERS].to_numpy(float)
    return found


def _on_chip(
    boxes: dict[tuple[str, str], dict[str, Array]], chip: str, first: str, second: str, min_iou: float
) -> list[float]:
    """What a chip adds: the four counts of presence, boxes of each, matches, and the sum of their IoU."""
    one, other = boxes.get((chip, first), {}), boxes.get((chip, second), {})
    matches = [match_boxes(one[way], other[way], min_iou)[2] for way in one if way in other]
    presence = [bool(one and other), bool(one and not other), bool(other and not one), not one and not other]
    numbers = [sum(map(len, one.values())), sum(map(len, other.values())), sum(map(len, matches))]
    return [*map(float, presence), *map(float, numbers), float(sum(values.sum() for values in matches))]


def _measures(sums: Array, draw: _Bootstrap) -> dict[str, float]:
    total = sums.sum(axis=0)
    row: dict[str, float] = dict(zip(_COUNTS, map(int, total[:4]), strict=True))
    row |= {"boxes_first": int(total[4]), "boxes_second": int(total[5]), "matched": int(total[6])}
    samples = _values(draw.weights(len(sums)) @ sums)
    for name, value in _values(total).items():
        row[name] = float(value)
        row[f"{name}_low"], row[f"{name}_high"] = draw.interval(samples[name])
    return row


def _values(sums: Array) -> dict[str, Array]:
    a, b, c, d, first, second, matched, shared = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"kappa": cohen_kappa(a, b, c, d), "found": 2 * matched / (first + second), "iou": shared / matched}
