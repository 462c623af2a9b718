"""Boxes drawn for one thing on overlapping chips become one; everything else stays."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import drop_duplicates


def labels(*rows: tuple[str, float, float, float, float], **more: object) -> gpd.GeoDataFrame:
    corners = np.array([row[1:] for row in rows], float).reshape(-1, 4).T
    return schema.boxes_table(
        {
            "scene": ["s"] * len(rows),
            "direction": "range",
            **dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)),
            "chip_id": [row[0] for row in rows],
            **more,
        }
    )


def test_a_box_cut_by_a_chips_edge_gives_way_to_the_whole_one():
    table = labels(("a", 80, 10, 100, 40), ("b", 79, 9, 140, 41))
    table.attrs["annotated_chips"] = ["a", "b"]
    kept = drop_duplicates(table)
    assert list(kept["chip_id"]) == ["b"]
    assert kept.attrs == table.attrs


def test_two_peoples_boxes_on_one_chip_both_stay():
    assert len(drop_duplicates(labels(("a", 10, 10, 50, 50), ("a", 11, 11, 51, 51)))) == 2


def test_other_directions_labels_and_scenes_are_other_things():
    same = (("a", 10, 10, 50, 50), ("b", 10, 10, 50, 50))
    for column, values in (
        ("direction", ["range", "azimuth"]),
        ("label", ["landslide", "unsure"]),
        ("scene", ["s", "t"]),
    ):
        assert len(drop_duplicates(labels(*same).assign(**{column: values}))) == 2


def test_neighbours_that_overlap_a_little_both_stay():
    assert len(drop_duplicates(labels(("a", 0, 0, 40, 40), ("b", 30, 0, 70, 40)))) == 2


def test_nothing_stays_nothing():
    assert len(drop_duplicates(labels())) == 0


corner = st.integers(0, 60)
row = st.tuples(st.sampled_from("abc"), corner, corner, st.integers(1, 40), st.integers(1, 40))


@given(st.lists(row, max_size=8))
def test_what_stays_repeats_nothing_and_a_second_time_changes_nothing(rows):
    table = labels(*[(c, x, y, x + w, y + h) for c, x, y, w, h in rows])
    once = drop_duplicates(table)
    assert drop_duplicates(once).equals(once)
    assert (len(rows) > 0) == (len(once) > 0)


def test_a_share_out_of_its_range_and_labels_without_a_chip_are_refused():
    with pytest.raises(LabkitError, match="min_overlap must be in"):
        drop_duplicates(labels(("a", 0, 0, 1, 1)), min_overlap=0)
    with pytest.raises(LabkitError, match="column 'chip_id'"):
        drop_duplicates(labels(("a", 0, 0, 1, 1)).drop(columns="chip_id"))
