"""Chips are shared out evenly, everybody gets a project, and what they draw comes back into one store."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_fixture import chips_of, images_of

from labkit.errors import LabkitError
from labkit.label import assign_chips, connect, gather, open_store, push_apart
from labkit.label.apart import title_of
from labkit.schema import boxes_table

PEOPLE = ("ann", "bo", "cy", "di")


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(0, 99))
def test_everybody_has_as_many_chips_and_each_chip_as_many_people(couplet_scene, overlap, seed):
    chips = chips_of(couplet_scene, 64)
    shares = assign_chips(chips, PEOPLE, overlap, seed)
    assert not shares.duplicated().any()
    assert (shares.groupby("chip_id").size() == overlap).all() and shares["chip_id"].nunique() == len(chips)
    counts = shares["annotator"].value_counts()
    assert counts.max() - counts.min() <= 1
    assert assign_chips(chips, PEOPLE, overlap, seed).equals(shares)
    if overlap == 2:
        of = shares.groupby("annotator")["chip_id"].agg(set)
        common = [len(of[a] & of[b]) for a, b in combinations(PEOPLE, 2)]
        assert min(common) > 0.7 * max(common)


@pytest.mark.server
def test_people_label_apart_and_all_is_gathered(label_studio, couplet_scene, tmp_path):
    chips = chips_of(couplet_scene, 416, 0.25)
    images = images_of(chips, couplet_scene, tmp_path / "images")
    shares = assign_chips(chips, PEOPLE[:2], 1)
    studio = connect()
    reports = push_apart(studio, chips, images, shares, "apart")
    assert {who: report.new for who, report in reports.items()} == shares["annotator"].value_counts().to_dict()
    assert all(report.new == 0 for report in push_apart(studio, chips, images, shares, "apart").values())
    whole = chips.iloc[0]
    corners = {"xmin": whole.col + 10, "ymin": whole.row + 10, "xmax": whole.col + 60, "ymax": whole.row + 50}
    drawn = boxes_table({"scene": [whole.scene], "direction": "range", **{k: [float(v)] for k, v in corners.items()}})
    first = shares.set_index("chip_id")["annotator"][whole.chip_id]
    studio.annotate(title_of("apart", first), drawn)
    store = open_store(tmp_path / "labels")
    table = gather(studio, shares, "apart", store=store)
    assert table["boxes"].sum() == len(store.labels()) >= 1
    assert table.loc[first, "finished"] >= 1
    assert table["assigned"].to_dict() == shares["annotator"].value_counts().to_dict()
    revision = store.revision
    gather(studio, shares, "apart", store=store)
    assert store.revision == revision


def test_what_breaks_a_rule_is_refused(couplet_scene):
    chips = chips_of(couplet_scene, 416)
    with pytest.raises(LabkitError, match="overlap must be"):
        assign_chips(chips, PEOPLE, 5)
    with pytest.raises(LabkitError, match="people must be different"):
        assign_chips(chips, ("a", "a"))
    with pytest.raises(LabkitError, match="assignment must be of these chips"):
        push_apart(None, chips[:1], None, assign_chips(chips, PEOPLE))
