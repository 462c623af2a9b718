"""Which chips a detector may learn from."""

import couplets
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import LabkitError, split_chips
from labkit.train.sides import annotated_only, check_sides

SCENE = couplets.gradients((160, 200), np.zeros((0, 5)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=2, max_size=5), st.data())
def test_chips_that_share_a_pixel_across_a_split_are_refused_and_no_others(places, data):
    chips = pd.concat([couplets.chips(SCENE, 200).assign(size=30)] * len(places), ignore_index=True)
    chips[["row", "col"]] = places
    chips["chip_id"] = [f"c{i}" for i in range(len(chips))]
    chips["split"] = data.draw(st.lists(st.sampled_from(["train", "validation", "test", ""]), min_size=len(chips),
                                        max_size=len(chips)))  # fmt: skip
    owner = np.full((120, 120), "", object)
    leaks = False
    for chip in chips[chips["split"] != ""].itertuples():
        seen = owner[chip.row : chip.row + 30, chip.col : chip.col + 30]
        leaks |= bool(((seen != "") & (seen != chip.split)).any())
        seen[...] = chip.split
    if leaks:
        with pytest.raises(LabkitError, match=r"chips must share no pixels between splits, .*lk\.split_chips"):
            check_sides(chips)
    else:
        check_sides(chips)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(8, 1, 1), (7, 3, 0)]), st.integers(20, 40), st.sampled_from([0.0, 0.25, 0.5]), st.integers(0, 5)
)
def test_the_splits_of_both_papers_by_blocks_of_ground_leak_nothing(weights, size, overlap, seed):
    import geopandas as gpd

    from labkit import make_chips

    chips = gpd.GeoDataFrame(pd.concat([make_chips(SCENE, size, overlap)]))
    try:
        split = split_chips(chips, weights, seed)
    except LabkitError as error:
        assert "overlap too much" in str(error)
        return
    check_sides(split)
    if overlap == 0 and 160 % size == 0 and 200 % size == 0:
        shares = split["split"].value_counts(normalize=True)
        assert shares["train"] == pytest.approx(weights[0] / 10, abs=1 / len(chips))
        assert shares["validation"] == pytest.approx(weights[1] / 10, abs=1 / len(chips))
        assert "" not in shares


def test_chips_of_two_scenes_may_lie_at_the_same_pixels():
    chips = pd.concat([couplets.chips(SCENE, 100), couplets.chips(SCENE, 100, "test").assign(scene="other")])
    check_sides(chips)


def test_what_nobody_has_looked_at_is_left_out():
    chips = couplets.chips(SCENE, 40)
    labels = couplets.truth(SCENE, np.array([[40.0, 30.0, 6.0, 5.0, 30.0]]))
    assert annotated_only(chips, labels) is chips
    labels.attrs["annotated_chips"] = [chips.chip_id[3], "elsewhere"]
    assert annotated_only(chips, labels).chip_id.tolist() == [chips.chip_id[3]]
    labels.attrs["annotated_chips"] = ["elsewhere"]
    with pytest.raises(LabkitError, match="chips must be those that were labelled, instead none of the 1 annotated"):
        annotated_only(chips, labels)
