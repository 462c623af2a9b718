"""What chips drawn by lot tell of all chips, although others were chosen because they are unusual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student

from labkit.errors import LabkitError
from labkit.wording import counted


@dataclass(frozen=True)
class Total:
    """An unbiased estimate of a sum over all chips.

    Examples
    --------
    >>> import labkit as lk
    >>> chosen = pd.DataFrame({"chip_id": list("abcde"), "why": ["random"] * 4 + ["spread"], "pool": 50})
    >>> total = lk.label.estimate_total(chosen, {"a": 2, "b": 0, "c": 1, "d": 1, "e": 4})
    >>> print(total)
    50.0 (8.0–112.3) over 50 chips, from 4 by lot
    >>> total.mean, round(total.error, 1)
    (1.0, 19.6)
    """

    #: The sum over all chips, and the sum for each chip in the mean.
    total: float
    mean: float
    #: Standard error of the total, and its interval; NaN where no round has two chips by lot.
    error: float
    low: float
    high: float
    #: All chips, and those drawn by lot that it stands on.
    chips: int
    random: int

    def __str__(self) -> str:
        over = counted(self.chips, "chip")
        return f"{self.total:.1f} ({self.low:.1f}–{self.high:.1f}) over {over}, from {self.random} by lot"


def estimate_total(
    rounds: pd.DataFrame | Sequence[pd.DataFrame], values: Mapping[str, float] | pd.Series, level: float = 0.95
) -> Total:
    """Estimate a sum over all chips: landslides, boxes that were missed, chips that show something.

    Parameters
    ----------
    rounds : DataFrame or sequence of DataFrame
        Of :func:`labkit.label.next_chips`, every round since the first, in their order, each chosen among all chips
        that had not been labelled by then.
    values : mapping of str to float
        chip_id → what is summed up, for every chip that has been labelled: those of the rounds, and those that were
        labelled before the first.
    level : float
        Of the interval, in (0, 1).

    Returns
    -------
    Total

    Raises
    ------
    LabkitError
        A round has no chip by lot, a chip of a round has no value, or the rounds do not follow each other.

    Notes
    -----
    At round t the sum over the chips labelled before is known, K_t; the m_t chips by lot with the mean ȳ_t stand for
    the N_t that were left: T_t = K_t + N_t ȳ_t. Each T_t is unbiased whatever was chosen before, and so are their mean
    with the weights m_t / Σ m and its variance, Σ w_t² N_t² (1 − m_t / N_t) s_t² / m_t, because the errors of two
    rounds are uncorrelated. The interval is Student's with Σ (m_t − 1) degrees of freedom, no lower than what is known
    already where nothing is negative: too narrow for rare things that few chips show. For a share of chips from one
    round take Wilson's
    (``labkit.intervals.share_interval``).

    References
    ----------
    Des Raj (1956), Some estimators in sampling with varying probabilities without replacement. Journal of the American
    Statistical Association 51, 269–284: the sum of what is drawn already and of what the next draw says of the rest.

    Examples
    --------
    >>> chosen = pd.DataFrame({"chip_id": ["a", "b", "c"], "why": ["random", "random", "spread"], "pool": 10})
    >>> print(estimate_total(chosen, {"a": 2, "b": 0, "c": 5}))
    10.0 (7.0–123.6) over 10 chips, from 2 by lot
    """
    tables = [rounds] if isinstance(rounds, pd.DataFrame) else list(rounds)
    if not 0 < level < 1:
        raise LabkitError(f"level must be in (0, 1), instead got level={level}")
    known = {str(chip): float(value) for chip, value in values.items()}
    later = [set(table["chip_id"].astype(str)) for table in tables]
    before = set(known).difference(*later) if later else set()
    everything = len(before) + _pool_of(tables, 0)
    totals, variances, drawn = [], [], []
    for number, table in enumerate(tables):
        left, lots = _pool_of(tables, number), table["chip_id"].astype(str)[table["why"] == "random"]
        _check_round(number, table, lots, known, everything - left, before)
        sample = np.array([known[chip] for chip in lots])
        totals.append(sum(known[chip] for chip in before) + left * sample.mean())
        spread = sample.var(ddof=1) if len(sample) > 1 else np.nan
        # nothing is left to chance where all were drawn
        variances.append(0.0 if len(sample) == left else left**2 * (1 - len(sample) / left) * spread / len(sample))
        drawn.append(len(sample))
        before |= later[number]
    weights = np.array(drawn) / sum(drawn)
    total, error = float(weights @ totals), float(np.sqrt(weights**2 @ variances))
    freedom = sum(drawn) - len(drawn)
    half = error * float(student.ppf(0.5 + level / 2, freedom)) if freedom else float("nan")
    # of what is never negative, all hold no less than those that are known
    least = sum(known.values()) if min(known.values()) >= 0 else -np.inf
    return Total(total, total / everything, error, max(total - half, least), total + half, everything, sum(drawn))


def _pool_of(tables: Sequence[pd.DataFrame], number: int) -> int:
    if not len(tables) or not len(tables[number]):
        raise LabkitError("rounds must hold at least one round with chips, instead got none")
    missing = [name for name in ("chip_id", "why", "pool") if name not in tables[number]]
    if missing:
        raise LabkitError(f"rounds must be tables of label.next_chips, instead {missing} are missing")
    return int(tables[number]["pool"].iloc[0])


def _check_round(
    number: int, table: pd.DataFrame, lots: pd.Series, known: Mapping[str, float], gone: int, before: set[str]
) -> None:
    names = set(table["chip_id"].astype(str))
    if not len(lots):
        raise LabkitError(f"rounds must each hold chips by lot, instead round {number} has none. Raise random_share")
    without = sorted(names - set(known))
    if without or not all(np.isfinite(known[chip]) for chip in names):
        raise LabkitError(f"values must hold a number for each chip of the rounds, instead {without[:3]} have none")
    if gone != len(before) or names & before:
        raise LabkitError(
            f"rounds must follow each other, each chosen among all chips not labelled before, instead {gone} chips "
            f"were gone at round {number} and {len(before)} are known. Give every round, and all labelled chips' values"
        )
