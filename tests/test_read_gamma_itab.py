"""GAMMA's itab: pairs that a person switched off are left out, and damaged tables are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gamma_files import write_pair, write_parameters
from hypothesis import given
from hypothesis import strategies as st

import labkit as lk
from labkit.read.gamma_itab import switched_off

SHAPE = (12, 20)
SLC_TAB = "".join(f"rslc/{d}.rslc rslc/{d}.rslc.par\n" for d in ("20190109", "20190121", "20190202"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pairs of three dates and their image list."""
    write_parameters(tmp_path, SHAPE)
    for name in ("20190109_20190121", "20190121_20190202", "20190109_20190202"):
        write_pair(tmp_path, name, np.ones(SHAPE), np.full(SHAPE, 0.5))
    (tmp_path / "SLC_tab").write_text(SLC_TAB)
    return tmp_path


def test_pairs_with_the_flag_0_are_left_out(folder: Path) -> None:
    (folder / "itab").write_text("    1   2   1   1\n    2   3   2   0\n    1   3   3   1\n")
    assert lk.open_interferograms(folder)["pair"].values.tolist() == ["20190109_20190121", "20190109_20190202"]


def test_without_a_table_every_pair_is_there(folder: Path) -> None:
    assert lk.open_interferograms(folder).sizes["pair"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 1\n", "itab must hold lines of four whole numbers"),
        ("1 2 one 0\n", "itab must hold lines of four whole numbers"),
        ("1 9 1 0\n", r"must count the images of its SLC_tab \(1 to 3\), instead got 9"),
        ("1 2 1 0\n2 3 2 0\n1 3 3 0\n", "all 3 are off"),
    ],
)
def test_a_damaged_table_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "itab").write_text(text)
    with pytest.raises(lk.FileError, match=message):
        lk.open_interferograms(folder)


def test_a_table_without_its_image_list_asks_for_it(folder: Path) -> None:
    (folder / "itab").write_text("1 2 1 0\n")
    (folder / "SLC_tab").unlink()
    with pytest.raises(lk.FileError, match=r"itab must have its image list \(SLC_tab\) beside it"):
        lk.open_interferograms(folder)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_table_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, itab: str, images: str) -> None:
    place = tmp_path_factory.getbasetemp() / "fuzz_itab"
    place.mkdir(exist_ok=True)
    (place / "itab").write_text("1 2 1 0\n" + itab, "utf-8")
    (place / "SLC_tab").write_text(SLC_TAB + images, "utf-8")
    try:
        switched_off(place)
    except lk.FileError as error:
        assert "fuzz_itab" in str(error)
