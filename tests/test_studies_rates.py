"""The study of integrated rates: better with pairs and coherence, and standard errors that can be believed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labkit import LabkitError
from labkit.studies.rates import rate_errors


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return rate_errors((6, 14, 36), (0.25, 0.6), ("lsq",), shape=(120, 120), seeds=(0, 1), progress=False)


def test_errors_fall_with_the_number_of_pairs_and_with_coherence(table: pd.DataFrame) -> None:
    assert table["n_pairs"].tolist() == [12, 36, 102] * 2
    for _, rows in table.groupby("coherence_12"):
        assert (np.diff(rows["rmse_quiet"]) < 0).all() and (np.diff(rows["rmse"]) < 0).all()
        assert (np.diff(rows["correlation"]) > 0).all()
    low, high = table[table["coherence_12"] == 0.25], table[table["coherence_12"] == 0.6]
    assert (high["rmse_quiet"].to_numpy() < low["rmse_quiet"].to_numpy()).all()


def test_many_coherent_pairs_bring_the_peaks_back(table: pd.DataFrame) -> None:
    best = table.iloc[-1]
    assert abs(best["peak_bias"]) < 0.05 and best["within"] > 0.9 and best["correlation"] > 0.98
    assert best["peak_low"] <= best["peak_bias"] <= best["peak_high"]


def test_standard_errors_are_honest_on_quiet_ground(table: pd.DataFrame) -> None:
    assert table["error_ratio"].between(0.8, 1.2).all()


def test_too_few_dates_are_refused() -> None:
    with pytest.raises(LabkitError, match="dates must be at least 3"):
        rate_errors((2, 10))
    with pytest.raises(LabkitError, match="dates must be at least 3"):
        rate_errors(())
