"""A page of chips shows each of them where it belongs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labkit.chip import contact_sheet
from labkit.errors import LabkitError


@pytest.fixture
def images(tmp_path: Path) -> pd.DataFrame:
    """Three chips with two directions each; every image of 10 × 10 pixels has a grey of its own."""
    rows = []
    for k in range(6):
        path = tmp_path / f"{k}.png"
        Image.fromarray(np.full((10, 10, 3), 20 * k, np.uint8)).save(path)
        rows.append({"chip_id": f"chip{k // 2}", "direction": ("azimuth", "range")[k % 2], "path": str(path)})
    return pd.DataFrame(rows)


def test_chips_stand_in_rows_with_their_directions_side_by_side(images: pd.DataFrame) -> None:
    page = np.asarray(contact_sheet(images, columns=2, gap=6))
    # a chip is 10 + 2 + 10 wide; pages begin and end with a gap
    assert page.shape == (6 + 10 + 6 + 10 + 6, 6 + 22 + 6 + 22 + 6, 3)
    corners = {(6, 6): 0, (6, 18): 20, (6, 34): 40, (6, 46): 60, (22, 6): 80, (22, 18): 100}
    for (row, col), grey in corners.items():
        assert (page[row : row + 10, col : col + 10] == grey).all()
    assert (page[22:32, 34:] == 255).all()


def test_a_short_page_is_no_wider_than_its_chips(images: pd.DataFrame) -> None:
    assert contact_sheet(images[:2], columns=5, gap=0).size == (20, 10)


def test_no_image_and_no_column_are_errors(images: pd.DataFrame) -> None:
    with pytest.raises(LabkitError, match="empty table"):
        contact_sheet(images[:0])
    with pytest.raises(LabkitError, match=r"^columns must be"):
        contact_sheet(images, columns=0)
