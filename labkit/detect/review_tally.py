"""What reviewers say taken together: shares with intervals, the false-alarm rate, and how far people agree."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from labkit.errors import LabkitError
from labkit.intervals import share_interval

#: What a reviewer can say of a detection (Fu et al. 2022, section 5.1: landslides, human activity such as mining, and
#: what could not be judged as a landslide).
ANSWERS = ("landslide", "human activity", "not a landslide", "unsure")

#: The answers that make a detection a false alarm.
FALSE_ALARMS = ("human activity", "not a landslide")

#: The row of the false-alarm rate, and that of all of them together.
FALSE_ALARM = "false alarm"
TOGETHER = "together"

_NEEDED = ("detection_id", "reviewer", "answer")


def review_shares(answers: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Count the answers, with intervals, for each reviewer and for all of them together.

    Parameters
    ----------
    answers : pandas.DataFrame
        ``detection_id``, ``reviewer`` and ``answer`` (:meth:`Review.answers`), one row for each detection and reviewer.
    confidence : float
        Of the intervals, in (0, 1).

    Returns
    -------
    pandas.DataFrame
        ``reviewer``, ``answer``, ``count``, ``of`` (detections that this reviewer answered), ``share``, ``low`` and
        ``high`` (Wilson's interval). After the four answers comes "false alarm": human activity and not a landslide
        taken together, as the first paper counts. Where there are several reviewers, "together" is what most of them
        say of each detection (:func:`consensus_answers`).

    Raises
    ------
    LabkitError
        A column is missing, an answer is none of :data:`ANSWERS`, or a reviewer answers a detection twice.

    Notes
    -----
    "unsure" counts in ``of`` but is no false alarm: the share of false alarms would be larger if those were too. The
    intervals take the sample as drawn by lot from many more detections; where it is most of them, they are too wide.

    References
    ----------
    Fu et al. (2022), section 5.1: of 100 detections 72 landslides, 8 human activity, 20 neither, so "∼30 %".

    Examples
    --------
    >>> said = ["landslide"] * 72 + ["human activity"] * 8 + ["not a landslide"] * 20
    >>> published = pd.DataFrame({"detection_id": range(100), "reviewer": "Fu et al.", "answer": said})
    >>> review_shares(published)[["answer", "share", "low", "high"]].tail(1).round(3)
            answer  share    low   high
    4  false alarm   0.28  0.201  0.375
    """
    table = _checked(answers)
    if table["reviewer"].nunique() > 1:
        table = pd.concat([table, consensus_answers(table).assign(reviewer=TOGETHER)], ignore_index=True)
    rows = []
    for reviewer, own in table.groupby("reviewer", sort=False):
        said = own["answer"].value_counts()
        counts = {answer: int(said.get(answer, 0)) for answer in ANSWERS}
        counts[FALSE_ALARM] = sum(counts[answer] for answer in FALSE_ALARMS)
        rows += [(reviewer, answer, count, len(own), count / len(own)) for answer, count in counts.items()]
    shares = pd.DataFrame(rows, columns=["reviewer", "answer", "count", "of", "share"])
    low, high = share_interval(shares["count"].to_numpy(), shares["of"].to_numpy(), confidence)
    return shares.assign(low=low, high=high)


def consensus_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """Give one answer for each detection: what most reviewers say, "unsure" where they are split evenly.

    Parameters
    ----------
    answers : pandas.DataFrame
        As for :func:`review_shares`.

    Returns
    -------
    pandas.DataFrame
        ``detection_id``, ``answer``, ``reviewers`` (how many answered) and ``votes`` (how many gave the most frequent
        answer).

    Examples
    --------
    >>> given = [("d1", "ann", "landslide"), ("d1", "bob", "landslide"),
    ...          ("d2", "ann", "landslide"), ("d2", "bob", "unsure")]
    >>> consensus_answers(pd.DataFrame(given, columns=["detection_id", "reviewer", "answer"]))
      detection_id     answer  reviewers  votes
    0           d1  landslide          2      2
    1           d2     unsure          2      1
    """
    table = _checked(answers)
    votes = pd.crosstab(table["detection_id"], table["answer"]).reindex(columns=list(ANSWERS), fill_value=0)
    counts = votes.to_numpy(int)
    most = counts.max(axis=1, initial=0)
    alone = (counts == most[:, None]).sum(axis=1) == 1
    winner = np.asarray(ANSWERS, dtype=object)[counts.argmax(axis=1)] if len(counts) else np.zeros(0, object)
    said = np.where(alone, winner, "unsure")
    return pd.DataFrame(
        {"detection_id": votes.index, "answer": said, "reviewers": counts.sum(axis=1), "votes": most}
    ).reset_index(drop=True)


def review_agreement(answers: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Measure how far each two reviewers agree on the detections that both answered.

    Parameters
    ----------
    answers, confidence
        As for :func:`review_shares`.

    Returns
    -------
    pandas.DataFrame
        A row for each pair with a detection in common: ``first``, ``second``, ``detections``, ``agree`` (how many get
        the same answer), ``share`` with ``low`` and ``high`` (Wilson), and ``kappa``: Cohen's over the four answers,
        NaN where both always give one and the same answer.

    Raises
    ------
    LabkitError
        As for :func:`review_shares`.

    Notes
    -----
    κ = (p_o − p_e) / (1 − p_e) with p_o the share that agrees and p_e = Σ_a p₁(a) p₂(a), what would agree by chance.

    References
    ----------
    Cohen (1960), A coefficient of agreement for nominal scales. Educational and Psychological Measurement 20, 37–46.

    Examples
    --------
    >>> given = [("d1", "ann", "landslide"), ("d1", "bob", "landslide"),
    ...          ("d2", "ann", "landslide"), ("d2", "bob", "unsure")]
    >>> answers = pd.DataFrame(given, columns=["detection_id", "reviewer", "answer"])
    >>> review_agreement(answers)[["first", "second", "agree", "share", "kappa"]]
      first second  agree  share  kappa
    0   ann    bob      1    0.5    0.0
    """
    table = _checked(answers)
    by_person = {who: own.set_index("detection_id")["answer"] for who, own in table.groupby("reviewer", sort=False)}
    rows = []
    for first, second in combinations(by_person, 2):
        both = pd.concat([by_person[first], by_person[second]], axis=1, join="inner", keys=["first", "second"])
        if both.empty:
            continue
        agree = int((both["first"] == both["second"]).sum())
        shares = [both[side].value_counts(normalize=True).reindex(ANSWERS, fill_value=0.0) for side in both]
        chance = float((shares[0] * shares[1]).sum())
        share = agree / len(both)
        kappa = (share - chance) / (1 - chance) if chance < 1 else float("nan")
        low, high = share_interval(agree, len(both), confidence)
        rows.append((first, second, len(both), agree, share, float(low), float(high), kappa))
    names = ["first", "second", "detections", "agree", "share", "low", "high", "kappa"]
    return pd.DataFrame(rows, columns=names)


def _checked(answers: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _NEEDED if name not in answers]
    if missing:
        raise LabkitError(f"answers must have the columns {_NEEDED}, instead these are missing: {missing}")
    table = pd.DataFrame(answers[list(_NEEDED)])
    unknown = sorted(set(table["answer"]) - set(ANSWERS))
    if unknown:
        raise LabkitError(f"answer must be one of {ANSWERS}, instead got answer={unknown[0]!r}")
    twice = table[table.duplicated(["detection_id", "reviewer"])]
    if len(twice):
        raise LabkitError(
            f"answers must hold one row for each detection and reviewer, instead {twice.iloc[0]['reviewer']!r} answers "
            f"{twice.iloc[0]['detection_id']!r} twice"
        )
    return table
