"""The study of directions and tracks: unions hold their parts, classes share landslides out, merging by the ground."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import labkit as lk
from labkit.errors import LabkitError
from labkit.simulate import Effects, Scene
from labkit.studies.directions import directions_and_tracks, faces_and_sizes


@pytest.fixture(scope="module")
def scene() -> Scene:
    effects = Effects(snow_share=0.0, creep_mm=0.0, subsidence_mm=0.0)
    return lk.simulate.scene("tiny", seed=2, effects=effects, calendar="two-years")


@pytest.fixture(scope="module")
def table(scene: Scene) -> pd.DataFrame:
    return directions_and_tracks(scene, progress=False)


def detected(table: pd.DataFrame, word: str = "all") -> pd.Series:
    return table[table["class"] == word].set_index(["track", "direction"])["detected"]


def test_every_view_has_its_row_and_the_same_landslides_to_find(scene: Scene, table: pd.DataFrame) -> None:
    assert not table.duplicated(["class", "track", "direction"]).any()
    assert (table.groupby("class")["labels"].nunique() == 1).all()
    assert table["labels"].max() == scene.truth["landslide_id"].nunique()
    assert set(table["track"]) == {"ascending", "descending", "both", "merged"}


def test_a_union_finds_what_its_parts_find(table: pd.DataFrame) -> None:
    found = detected(table)
    for track in ("ascending", "descending", "both"):
        for direction in ("azimuth", "range"):
            assert found[track, "either"] >= found[track, direction]
    for direction in ("azimuth", "range", "either"):
        parts = [found[track, direction] for track in ("ascending", "descending")]
        assert max(parts) <= found["both", direction] <= sum(parts)
    assert found["both", "either"] > 0


def test_what_is_merged_on_the_ground_lies_on_the_landslides_that_were_found(table: pd.DataFrame) -> None:
    found = detected(table)
    assert found["merged", "merged"] >= found["both", "either"] - 1
    row = table[(table["class"] == "all") & (table["track"] == "merged")].iloc[0]
    both = table[(table["class"] == "all") & (table["track"] == "both") & (table["direction"] == "either")].iloc[0]
    assert row["boxes"] <= both["boxes"]


def test_quarters_and_sizes_share_the_landslides_out(scene: Scene, table: pd.DataFrame) -> None:
    faces, sizes = faces_and_sizes(scene)
    aspect = scene.landslides.set_index("landslide_id")["aspect"]
    middle = {"facing north": 0, "facing east": 90, "facing south": 180, "facing west": 270}
    for name, word in faces.items():
        assert abs((aspect[name] - middle[word] + 180) % 360 - 180) <= 45
    for words in (faces, sizes):
        parts = sum(detected(table, word) for word in set(words.values()))
        pd.testing.assert_series_equal(parts, detected(table), check_names=False)


def test_one_track_alone_is_refused(scene: Scene) -> None:
    one = replace(scene, interferograms={"ascending": scene.interferograms["ascending"]})
    with pytest.raises(LabkitError, match="scene must have two tracks"):
        directions_and_tracks(one, progress=False)
