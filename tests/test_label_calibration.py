"""Hidden chips cannot be told from the others, their labels never reach the store's, and each person gets a score."""

from __future__ import annotations

import re

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from label_studio_fixture import images_of
from scipy.stats import binomtest

import labkit as lk
from labkit.errors import FileError, LabkitError
from labkit.label import assign_chips, calibration_scores, connect, gather, hide_chips, open_store, push_apart
from labkit.label.apart import title_of
from labkit.label.tasks import task_data
from labkit.schema import boxes_table
from labkit.simulate import Annotator, annotate

SIZE = 100


def field(name: str, rows: int, cols: int) -> xr.Dataset:
    """Gradients of noise on a skewed lookup table."""
    y, x = np.mgrid[0.5:rows, 0.5:cols]
    gradient = np.random.default_rng(len(name)).normal(0, 1, (2, rows, cols)).astype(np.float32)
    place = {"lon": (("y", "x"), 101.5 + 4e-4 * x - 1e-4 * y), "lat": (("y", "x"), 30.9 - 3e-4 * y - 5e-5 * x)}
    attrs = {"scene": name, "ground_spacing": 40.0, "sum_temporal_baseline": 20.0, "wavelength": 0.0555}
    coords = {"direction": ["azimuth", "range"], **place}
    return xr.Dataset({"gradient": (("direction", "y", "x"), gradient)}, coords=coords, attrs=attrs)


@pytest.fixture(scope="module")
def ground() -> tuple[xr.Dataset, gpd.GeoDataFrame]:
    scene = field("valley", 300, 400)
    return scene, lk.make_chips(scene, SIZE, 0)


@pytest.fixture(scope="module")
def known() -> tuple[xr.Dataset, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """A simulated scene of six chips with two landslides on each, one of them on the edge of the second chip."""
    scene = field("planted", 200, 300)
    chips = lk.make_chips(scene, SIZE, 0)
    rows = [
        (c.scene, way, c.col + x, c.row + 20.0, c.col + x + 24, c.row + 50.0)
        for c in chips.itertuples()
        for x in (10.0, 60.0)
        for way in ("azimuth", "range")
    ]
    names = ("scene", "direction", "xmin", "ymin", "xmax", "ymax")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    across = boxes_table(
        {"scene": ["planted"], "direction": "range", "xmin": [92.0], "ymin": [70], "xmax": [120], "ymax": [90]}
    )
    return scene, chips, pd.concat([boxes_table(columns), across], ignore_index=True)


def test_a_hidden_chip_shows_nothing_that_the_others_do_not_show(ground, known, tmp_path):
    _, chips = ground
    store = open_store(tmp_path / "labels")
    hidden = hide_chips(store, known[1], known[2], chips, seed=1)
    shown = [task_data(chip, {}) for _, chip in hidden.chips.iterrows()]
    others = [task_data(chip, {}) for _, chip in chips.iterrows()]
    assert set(shown[0]) == set(others[0])
    for task in shown:
        assert "planted" not in str(task)
        assert task["chip_id"] == f"valley-r{task['row']}-c{task['col']}-s{SIZE}"
        shape = re.sub(r"[-\d.]+", "#", task["title"])
        assert shape == re.sub(r"[-\d.]+", "#", others[0]["title"])
    # beyond the scene, on its grid, where no label can teach anything; and on the ground where that grid goes on
    assert ((hidden.chips["row"] >= 300) | (hidden.chips["col"] >= 400)).all()
    assert not hidden.chips["chip_id"].duplicated().any()
    for chip in hidden.chips.itertuples():
        lon, lat = np.array(chip.geometry.exterior.coords)[0]
        assert lon == pytest.approx(101.5 + 4e-4 * chip.col - 1e-4 * chip.row, abs=1e-9)
        assert lat == pytest.approx(30.9 - 3e-4 * chip.row - 5e-5 * chip.col, abs=1e-9)
    again = hide_chips(open_store(tmp_path / "labels"), known[1], known[2], chips, seed=1)
    assert again.chips["chip_id"].tolist() == hidden.chips["chip_id"].tolist()
    assert len(store.calibration().chips) == 6
    more = hide_chips(store, known[1], known[2], chips, seed=2)
    assert not set(more.chips["chip_id"]) & set(hidden.chips["chip_id"])
    assert len(store.calibration().chips) == 12


def test_the_truth_goes_with_its_chip_and_what_is_cut_need_not_be_found(ground, known, tmp_path):
    scene, planted, truth = known
    hidden = hide_chips(open_store(tmp_path / "labels"), planted, truth, ground[1])
    places = planted.set_index("chip_id")
    for chip in hidden.chips.itertuples():
        origin = places.loc[chip.known_as]
        on = hidden.truth[hidden.truth["chip_id"] == chip.chip_id]
        back = on[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float) - [chip.col, chip.row] * 2
        wanted = truth[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float) - [origin.col, origin.row] * 2
        wanted = wanted.clip(0, SIZE)
        wanted = wanted[(wanted[:, 2:] > wanted[:, :2]).all(axis=1)]
        np.testing.assert_allclose(np.sort(back, axis=0), np.sort(wanted, axis=0))
    cut = hidden.truth[hidden.truth["label"] == "unsure"]
    # 8 of 28 columns lie on the first chip and 20 on the second
    assert (cut["xmax"] - cut["xmin"]).tolist() == [8.0]
    assert scene.attrs["scene"] not in set(hidden.truth["scene"])


def test_scores_tell_the_habits_of_people_with_wilsons_interval(ground, known, tmp_path):
    hidden = hide_chips(open_store(tmp_path / "labels"), known[1], known[2], ground[1])
    to_find = hidden.truth[hidden.truth["label"] == "landslide"]
    people = {
        "careful": Annotator(misses=0, invents=0, jitter_px=0),
        "hasty": Annotator(misses=0.5, invents=0, jitter_px=0),
        "eager": Annotator(misses=0, invents=3, jitter_px=0),
        "wide": Annotator(misses=0, invents=0, jitter_px=0, grows=1.2),
    }
    labels, looks = annotate(to_find, hidden.chips, people, seed=1)
    scores = calibration_scores(labels, looks, hidden)
    assert scores.loc["careful", ["looked", "known", "found", "drawn"]].tolist() == [6, 25, 25, 25]
    assert scores.loc["careful", ["recall", "precision"]].tolist() == [1, 1]
    assert scores.loc["careful", "iou"] == pytest.approx(1, abs=1e-6)
    hasty = labels["annotator"] == "hasty"
    assert scores.loc["hasty", "found"] == hasty.sum() and scores.loc["hasty", "precision"] == 1
    assert scores.loc["eager", "recall"] == 1 and scores.loc["eager", "precision"] < 0.8
    # boxes wholly inside of one that is 1.2 times as long and as wide, but where the chip cuts it
    assert scores.loc["wide", "iou"] == pytest.approx(1 / 1.44, abs=0.02)
    for who, row in scores.iterrows():
        for name, total in (("recall", "known"), ("precision", "drawn")):
            wilson = binomtest(int(row["found"]), int(row[total])).proportion_ci(method="wilson")
            assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((wilson.low, wilson.high), abs=1e-6), who


def test_who_is_unsure_or_draws_what_is_cut_is_not_wrong(ground, known, tmp_path):
    hidden = hide_chips(open_store(tmp_path / "labels"), known[1], known[2], ground[1])
    cut = hidden.truth[hidden.truth["label"] == "unsure"]
    drawn = pd.concat([cut.assign(label="landslide"), hidden.truth[:3].assign(label="unsure")], ignore_index=True)
    looks = pd.DataFrame({"chip_id": hidden.chips["chip_id"], "annotator": "ann"})
    row = calibration_scores(drawn.assign(annotator="ann"), looks, hidden).loc["ann"]
    assert row[["known", "found", "drawn"]].tolist() == [25, 0, 0]
    assert np.isnan(row["precision"]) and (row["precision_low"], row["precision_high"]) == (0, 1)


def test_a_chip_that_a_person_has_not_finished_is_no_miss_and_other_chips_do_not_count(ground, known, tmp_path):
    hidden = hide_chips(open_store(tmp_path / "labels"), known[1], known[2], ground[1])
    first = hidden.chips["chip_id"].iloc[0]
    drawn = hidden.truth[(hidden.truth["chip_id"] == first) & (hidden.truth["label"] == "landslide")]
    elsewhere = drawn.assign(chip_id=ground[1]["chip_id"].iloc[0])
    looks = pd.DataFrame({"chip_id": [first, elsewhere["chip_id"].iloc[0]], "annotator": "ann"})
    both = pd.concat([drawn, elsewhere], ignore_index=True).assign(annotator="ann")
    row = calibration_scores(both, looks, hidden).loc["ann"]
    assert row["looked"] == 1 and row["recall"] == 1 and row["drawn"] == len(drawn)
    assert not len(calibration_scores(both, looks[1:], hidden))


def test_a_store_keeps_what_was_drawn_on_hidden_chips_out_of_its_labels_and_releases(ground, known, tmp_path):
    store = open_store(tmp_path / "labels")
    hidden = hide_chips(store, known[1], known[2], ground[1])
    real = ground[1].iloc[0]
    mine = boxes_table(
        {"scene": ["valley"], "direction": "range", "xmin": [5.0], "ymin": [5], "xmax": [30], "ymax": [40]}
    )
    store.add(pd.concat([mine.assign(chip_id=real.chip_id), hidden.truth], ignore_index=True), by="ann", source="x")
    assert store.labels()["chip_id"].tolist() == [real.chip_id]
    assert store.labels().attrs["hidden"] == len(hidden.truth)
    assert set(store.labels(hidden=True)["chip_id"]) == set(hidden.chips["chip_id"])
    assert len(gpd.read_parquet(store.folder / "labels.parquet")) == 1
    assert store.release("v1")["chip_id"].tolist() == [real.chip_id]
    with pytest.raises(LabkitError, match="labels must be of real ground, instead"):
        store.release("v2", labels=store.labels(hidden=True))
    key = next((store.folder / "calibration").glob("*/truth.parquet"))
    key.write_bytes(b"broken")
    with pytest.raises(FileError, match="must be the key to hidden chips"):
        store.labels()


@pytest.mark.server
def test_hidden_chips_go_through_a_real_server_and_come_back_apart(label_studio, ground, known, tmp_path):
    scene, chips = ground
    planted_scene, planted, truth = known
    store = open_store(tmp_path / "labels")
    hidden = hide_chips(store, planted, truth, chips)
    images = pd.concat(
        [images_of(chips, scene, tmp_path / "a"), images_of(planted, planted_scene, tmp_path / "b")], ignore_index=True
    )
    shares = assign_chips(chips, ("ann", "bo"), 1)
    studio = connect()
    reports = push_apart(studio, chips, images, shares, "calibrated", calibration=hidden)
    assert {who: report.new for who, report in reports.items()} == {"ann": 12, "bo": 12}
    again = push_apart(studio, chips, images, shares, "calibrated", calibration=hidden)
    assert all(report.new == 0 and report.updated == 0 for report in again.values())
    # what the page gets: nothing names the simulated scene, nothing says which chips are hidden, and they are mixed in
    names = set(hidden.chips["chip_id"])
    for who in ("ann", "bo"):
        (project,) = studio._client.projects.list(title=title_of("calibrated", who))
        tasks = sorted(studio._client.tasks.list(project=project.id, fields="all"), key=lambda task: task.id)
        data = [task.data for task in tasks]
        assert "planted" not in str(data) and len({tuple(sorted(d)) for d in data}) == 1
        where = [number for number, d in enumerate(data) if d["chip_id"] in names]
        assert len(where) == 6 and where != list(range(6, 12))
    to_find = hidden.truth[hidden.truth["label"] == "landslide"].drop(columns="chip_id")
    studio.annotate(title_of("calibrated", "ann"), to_find, include_empty=True)
    first_half = to_find[to_find["xmin"] % SIZE < 40]  # 12, and the one across the edge
    studio.annotate(title_of("calibrated", "bo"), first_half, include_empty=True)
    table = gather(studio, shares, "calibrated", scene, store=store)
    assert table["assigned"].tolist() == table["finished"].tolist() == [6, 6]
    assert table["boxes"].tolist() == [0, 0] and len(store.labels()) == 0
    assert store.labels().attrs["hidden"] == 25 + 13
    assert table.loc["ann", ["looked", "known", "found", "drawn"]].tolist() == [6, 25, 25, 25]
    assert table.loc["bo", ["known", "found", "drawn"]].tolist() == [25, 13, 13]
    assert table.loc["ann", "iou"] == pytest.approx(1, abs=1e-6)
    assert set(store.looks()["chip_id"]) == set(chips["chip_id"])
    revision = store.revision
    gather(studio, shares, "calibrated", scene, store=store)
    assert store.revision == revision


def test_what_breaks_a_rule_is_refused(ground, known, tmp_path):
    scene, chips = ground
    store = open_store(tmp_path / "labels")
    with pytest.raises(LabkitError, match="known must be chips of the same edge"):
        hide_chips(store, lk.make_chips(known[0], 50, 0), known[2], chips)
    with pytest.raises(LabkitError, match="among must have chips named"):
        hide_chips(store, known[1], known[2], chips.assign(chip_id=[f"c{n}" for n in range(len(chips))]))
    hidden = hide_chips(store, known[1], known[2], chips)
    images = images_of(chips, scene, tmp_path / "a")
    with pytest.raises(LabkitError, match="images must hold those of the hidden chips too"):
        push_apart(None, chips, images, assign_chips(chips, ("ann",), 1), calibration=hidden)
    both = pd.concat([chips, hidden.chips[chips.columns]], ignore_index=True)
    with pytest.raises(LabkitError, match="calibration must be hidden among all chips"):
        push_apart(None, both, images, assign_chips(both, ("ann",), 1), calibration=hidden)
    looks = pd.DataFrame({"chip_id": hidden.chips["chip_id"], "annotator": "ann"})
    with pytest.raises(LabkitError, match="by must name a column"):
        calibration_scores(hidden.truth.assign(annotator="ann"), looks, hidden, by="project")
    with pytest.raises(LabkitError, match="z must be above 0"):
        calibration_scores(hidden.truth, looks, hidden, z=0)
