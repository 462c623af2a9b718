"""The runs of the papers' tables, as they are kept for notebook 51, and the script that makes them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def benchmark_of_detectors() -> ModuleType:
    path = ROOT / "benchmarks" / "detectors.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_detectors", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their types
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return pd.read_csv(ROOT / "notebooks" / "tables" / "detectors.csv")


def test_each_run_is_one_of_the_rows(runs: pd.DataFrame, benchmark_of_detectors: ModuleType) -> None:
    tables = benchmark_of_detectors.TABLES
    wanted = {(table, row.title, row.network) for table, rows in tables.items() for row in rows}
    assert set(runs[["table", "title", "network"]].itertuples(index=False, name=None)) <= wanted
    assert not runs.duplicated(["table", "title", "seed"]).any()


def test_the_rows_of_a_table_saw_as_many_windows_of_one_size(runs: pd.DataFrame) -> None:
    for table in ("gradients", "rates"):
        same = runs[runs["table"] == table]
        assert len(same) > 1
        assert not same[["windows", "crop", "epochs", "arithmetic"]].drop_duplicates().iloc[1:].size


def test_measures_are_shares(runs: pd.DataFrame) -> None:
    for measure in ("ap50", "ap", "precision", "recall"):
        low, value, high = (runs[name] for name in (f"{measure}_low", measure, f"{measure}_high"))
        known = value.notna() & low.notna()
        assert (low[known] <= high[known]).all()
        assert value[known].between(0, 1).all()


def test_what_an_ablation_is_compared_with_is_the_row_of_gradients(benchmark_of_detectors: ModuleType) -> None:
    row = benchmark_of_detectors.Row
    assert row("", "a-yolov3-r").name("ablations", 0) == row("", "a-yolov3-r").name("gradients", 0)
    assert row("", "a-yolov3-r", {"dropblock": 0.0}).name("ablations", 0) == "ablations-a-yolov3-r-dropblock-0.0-0"
