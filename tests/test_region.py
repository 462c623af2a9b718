"""``labkit region``: many bursts in one process and in several, killed, resumed, damaged, and put together."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from unittest import mock

import geopandas as gpd
import numpy as np
import pandas as pd
import psutil
import pytest
import rasterio
import torch
from distributed import Client, LocalCluster
from filelock import FileLock
from region_bursts import CONFIG, write_region
from typer.testing import CliRunner

import labkit as lk
from labkit import FileError, LabkitError, ServerError
from labkit.cli import app
from labkit.region import read_plan, run_region
from labkit.region.records import sha256

SCENES = ["ascending-iw1", "ascending-iw2", "descending-iw1", "descending-iw2"]


@pytest.fixture(scope="module")
def made(tiny_scene, tmp_path_factory):
    """The folder of a region that one process has made. Not to be changed: tests take copies."""
    folder = tmp_path_factory.mktemp("region")
    config = write_region(tiny_scene, folder)
    report = run_region(read_plan(config), one_process=True, progress=False)
    assert [(o.scene, o.state) for o in report.outcomes] == [(name, "made") for name in SCENES], str(report)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy with its results, the times of change with it."""
    return Path(shutil.copytree(made, tmp_path / "region"))


def states(report):
    return {outcome.scene: outcome.state for outcome in report.outcomes}


def run_again(folder):
    return run_region(read_plan(folder / "region.toml"), one_process=True, progress=False)


def change(folder, old, new):
    config = folder / "region.toml"
    assert config.read_text().count(old) == 1
    config.write_text(config.read_text().replace(old, new))


def digests(folder):
    """What every burst left: SHA-256 of each image of its stack and of its tables."""
    found = {}
    for scene in SCENES:
        home = folder / "results" / "bursts" / scene
        for name, image in lk.read.load_scene(home / "gradients.nc").data_vars.items():
            found[scene, name] = hashlib.sha256(image.values.tobytes()).hexdigest()
        found |= {(scene, name): sha256(home / name) for name in ("detections.parquet", "dropped.csv")}
    return found


def same(kept, found):
    """Every value is the same; a file gives words back as pandas' own strings."""
    assert len(kept) == len(found)
    pd.testing.assert_frame_equal(kept, found, check_dtype=False, check_exact=True)


def test_a_region_is_what_its_steps_give_one_by_one(made):
    tables = []
    for scene in SCENES:
        ifgs = lk.open_interferograms(made / "bursts" / scene)
        stacked = lk.stack_gradients(lk.multilook(lk.select_pairs(ifgs)), progress=False)
        found = lk.couplets(stacked, 20.0, progress=False)
        tables.append(lk.filter_detections(found, stacked))
        home = made / "results" / "bursts" / scene
        np.testing.assert_array_equal(lk.read.load_scene(home / "gradients.nc")["gradient"], stacked["gradient"])
        kept = gpd.read_parquet(home / "detections.parquet")
        assert len(kept) and set(kept["track"]) == {scene.split("-")[0]}
        same(kept.drop(columns="track"), tables[-1].drop(columns="track"))
        tables[-1] = kept
    landslides = lk.merge_detections(tables)
    written = gpd.read_file(made / "results" / "landslides.gpkg")
    assert written["member_boxes"].tolist() == landslides["member_boxes"].tolist()
    np.testing.assert_array_equal(written["score"], landslides["score"])


def test_a_region_finds_the_landslides_that_are_there(made, tiny_scene):
    found = gpd.read_file(made / "results" / "landslides.gpkg")
    known = tiny_scene.landslides.to_crs(found.crs)
    on = [known.geometry.intersects(box).any() for box in found.geometry]
    met = [found.geometry.intersects(slide).any() for slide in known.geometry]
    assert sum(on) == len(on) and sum(met) >= len(known) - 1


def test_the_maps_hold_every_landslide(made):
    landslides = gpd.read_file(made / "results" / "landslides.gpkg")
    counties = gpd.read_file(made / "results" / "counties.gpkg")
    assert counties["count"].sum() == len(landslides)
    stacks = [lk.read.load_scene(made / "results" / "bursts" / scene / "gradients.nc") for scene in SCENES]
    seen = [one["gradient"].notnull().any("direction").assign_attrs(one.attrs) for one in stacks]
    grounds = gpd.GeoSeries(
        [lk.geo.footprint(one, known.values) for one, known in zip(stacks, seen, strict=True)], crs=4326
    )
    density = lk.density(landslides, 500, 1000, extent=grounds, observed=seen)
    assert float((density.fillna(0) * density["observed"]).sum()) * 0.5**2 == pytest.approx(len(landslides))
    with rasterio.open(made / "results" / "density.tif") as file:
        np.testing.assert_allclose(file.read(1), density, rtol=1e-5)
        assert np.isnan(file.read(1)).any()  # ground that no burst saw is blank
    with zipfile.ZipFile(made / "results" / "landslides.kmz") as kmz:
        assert kmz.namelist() == ["doc.kml", "files/picture-1.png", "files/picture-1-legend.png"]


def test_what_stands_is_left_alone(folder):
    before = {path: path.stat().st_mtime_ns for path in (folder / "results" / "bursts").rglob("*") if path.is_file()}
    report = run_again(folder)
    assert set(states(report).values()) == {"there"} and report.maps == ""
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert report.landslides == len(gpd.read_file(folder / "results" / "landslides.gpkg"))


def test_a_worker_that_is_killed_costs_nothing(folder):
    """Two workers of a scheduler given by its address; one gets SIGKILL in the middle of a burst."""
    expected = digests(folder)
    landslides = gpd.read_file(folder / "results" / "landslides.gpkg")
    shutil.rmtree(folder / "results")
    killed = []

    def kill_one(address: str) -> None:
        with Client(address, set_as_default=False) as client:
            pids = client.run(os.getpid)
            while not killed:
                busy = [worker for worker, tasks in client.processing().items() if tasks]
                if busy:
                    os.kill(pids[busy[0]], signal.SIGKILL)
                    killed.append(busy[0])

    with (
        mock.patch.dict(os.environ),  # which dask's nannies change
        LocalCluster(2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50) as cluster,
    ):
        killer = threading.Thread(target=kill_one, args=[cluster.scheduler_address])
        killer.start()
        plan = read_plan(folder / "region.toml")
        report = run_region(plan, scheduler=cluster.scheduler_address, progress=False)
        killer.join()
    assert killed and set(states(report).values()) == {"made"}, str(report)
    assert digests(folder) == expected
    pd.testing.assert_frame_equal(gpd.read_file(folder / "results" / "landslides.gpkg"), landslides)


@pytest.mark.slow
def test_processes_of_this_machine_listen_to_it_alone(folder):
    """Slow: two processes that load labkit; every socket that they listen on is looked at while they run."""
    shutil.rmtree(folder / "results")
    reports = []
    environment = dict(os.environ)

    def run() -> None:
        reports.append(run_region(read_plan(folder / "region.toml"), workers=2, progress=False))

    me, seen = psutil.Process(), set()
    already = {c.laddr for c in me.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    running = threading.Thread(target=run)
    running.start()
    while running.is_alive():
        for process in [me, *me.children(recursive=True)]:
            try:
                seen |= {c.laddr for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN}
            except psutil.Error:  # it has just ended
                continue
        time.sleep(0.05)
    assert set(states(reports[0]).values()) == {"made"}, str(reports[0])
    assert dict(os.environ) == environment
    assert len(seen - already) >= 3, "a scheduler and two workers"
    assert {address.ip for address in seen - already} <= {"127.0.0.1", "::1"}


def labkit_region(folder, *words):
    command = [str(Path(sys.executable).parent / "labkit")]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.Popen(
        [*command, "region", str(folder / "region.toml"), *words], env=alone,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_where_it_was(folder):
    """Slow: the command itself, in a process of its own, gets SIGKILL."""
    expected = digests(folder)
    shutil.rmtree(folder / "results")
    process = labkit_region(folder, "--one-process")
    wait_for(folder / "results" / "bursts" / SCENES[1] / "gradients.json", process)
    process.kill()
    process.communicate()
    assert not (folder / "results" / "region.json").exists()
    report = run_again(folder)
    assert states(report)[SCENES[0]] == "there" and states(report)[SCENES[3]] == "made"
    assert digests(folder) == expected
    assert not list((folder / "results").glob("bursts/*/.*")), "nothing half-written is left"


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--one-process",), ("--workers", "2")])
def test_ctrl_c_leaves_all_in_order(folder, words):
    """Slow: a process that is started, stopped as a person stops it, and started again, twice."""
    expected = digests(folder)
    shutil.rmtree(folder / "results")
    process = labkit_region(folder, *words)
    while not list((folder / "results").glob("bursts/*/detections.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "goes on from there" in out and "Traceback" not in err, err
    assert not psutil.wait_procs(children, timeout=10)[1], "no worker is left"
    report = run_again(folder)
    assert "there" in states(report).values() and digests(folder) == expected


def test_a_burst_with_a_cut_file_fails_and_the_rest_goes_on(folder):
    shutil.rmtree(folder / "results")
    pair = next((folder / "bursts" / "ascending-iw2" / "diff").iterdir())
    whole = pair.read_bytes()
    pair.write_bytes(whole[:-1000])
    done = CliRunner().invoke(app, ["region", str(folder / "region.toml"), "--one-process"])
    assert done.exit_code == 1 and "ascending-iw2 failed" in done.output and pair.name in done.output
    table = pd.read_csv(folder / "results" / "bursts.csv").set_index("scene")
    assert table["state"].to_dict() == dict.fromkeys(SCENES, "made") | {"ascending-iw2": "failed"}
    assert pair.name in table.loc["ascending-iw2", "reason"]
    without = gpd.read_file(folder / "results" / "landslides.gpkg")
    assert not without["scenes"].str.contains("ascending-iw2").any()

    pair.write_bytes(whole)
    report = run_again(folder)
    assert states(report) == dict.fromkeys(SCENES, "there") | {"ascending-iw2": "made"}
    assert report.maps and "ascending-iw2" in report.maps
    assert gpd.read_file(folder / "results" / "landslides.gpkg")["scenes"].str.contains("ascending-iw2").any()


@pytest.mark.parametrize("name", ["gradients.nc", "detections.parquet"])
def test_an_output_changed_by_one_byte_is_made_again(folder, name):
    expected = digests(folder)
    path = folder / "results" / "bursts" / "descending-iw1" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    report = run_again(folder)
    assert states(report) == dict.fromkeys(SCENES, "there") | {"descending-iw1": "made"}
    assert f"{name} was not as it had been written" in report.outcomes[2].reason
    assert digests(folder) == expected and report.maps == ""


def test_a_map_that_was_changed_is_made_again(folder):
    (folder / "results" / "density.tif").unlink()
    report = run_again(folder)
    assert set(states(report).values()) == {"there"} and report.maps == "density.tif was missing"
    assert (folder / "results" / "density.tif").is_file()


def test_other_settings_make_again_what_depends_on_them(folder):
    before = digests(folder)
    change(folder, "false_per_1000_km2 = 20.0", "false_per_1000_km2 = 1.0")
    report = run_again(folder)
    for outcome in report.outcomes:
        assert outcome.reason == "searched: detect.false_per_1000_km2 was 20.0 and is 1.0"
    change(folder, "window = 5", "window = 3")
    report = run_again(folder)
    for outcome in report.outcomes:
        assert outcome.reason.startswith("stacked: stack.window was 5 and is 3; searched: gradients was")
    assert not set(before.items()) & {(k, v) for k, v in digests(folder).items() if k[1] == "gradient"}


def test_other_inputs_make_a_burst_again(folder):
    pair = next((folder / "bursts" / "ascending-iw1" / "diff").iterdir())
    os.utime(pair)
    report = run_again(folder)
    assert states(report) == dict.fromkeys(SCENES, "there") | {"ascending-iw1": "made"}
    assert f"other inputs: diff/{pair.name}" in report.outcomes[0].reason
    assert report.maps == "", "the same detections came out"

    change(folder, 'detector = "couplets"', 'detector = "couplets"\nidentity = "contents"')
    run_again(folder)
    os.utime(pair)
    assert set(states(run_again(folder)).values()) == {"there"}


def test_masked_ground_has_no_landslides_and_was_not_observed(folder):
    """Snow over one landslide, with 300 m around it; a mask that is drawn anew makes what depends on it anew."""
    results = folder / "results"
    before = gpd.read_file(results / "landslides.gpkg")
    with rasterio.open(results / "density.tif") as file:
        assert file.descriptions == ("landslide density", "observed share") and np.isnan(file.nodata)
        share, crs = file.read(2), file.crs
    metres = before.to_crs(crs).geometry
    snow = metres.iloc[:1].buffer(300)
    snow.to_crs(4326).to_file(folder / "snow.gpkg")
    change(folder, "[detect]", '[masks]\nsnow = "snow.gpkg"\n\n[detect]')
    report = run_again(folder)
    assert set(states(report).values()) == {"made"}
    assert all("searched" in o.reason and "stacked" not in o.reason for o in report.outcomes), str(report)
    after = gpd.read_file(results / "landslides.gpkg")
    free = before[~metres.intersects(snow.iloc[0]).to_numpy()]
    assert 0 < len(free) <= len(after) < len(before)
    assert not after.to_crs(crs).centroid.intersects(snow.iloc[0]).any()
    dropped = pd.concat(pd.read_csv(results / "bursts" / scene / "dropped.csv") for scene in SCENES)
    assert dropped["reason"].str.contains("snow").any()
    with rasterio.open(results / "density.tif") as file:
        density, left = file.read()
        cell_km2 = abs(file.transform.a * file.transform.e) / 1e6
    # of ground that several bursts see the share is that of the one that sees most
    assert (share - left).sum() * cell_km2 == pytest.approx(snow.area.iloc[0] / 1e6, rel=0.1)
    np.testing.assert_array_equal(np.isnan(density), left == 0)
    assert np.nansum(density * left) * cell_km2 == pytest.approx(len(after), rel=1e-4)
    metres.iloc[1:2].to_crs(4326).to_file(folder / "snow.gpkg")
    assert "masks.snow was" in run_again(folder).outcomes[0].reason


def test_a_gpu_that_no_worker_has_is_told(folder):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU: hide it with CUDA_VISIBLE_DEVICES=")
    change(folder, "false_per_1000_km2 = 20.0", "")
    change(folder, 'detector = "couplets"', 'detector = "gradients-small"\ndevice = "cuda"')
    report = run_again(folder)
    assert len(report.failed) == 4 and report.maps is None
    assert all(o.reason.startswith("device must be one that each worker has") for o in report.failed), str(report)


def test_a_trained_detector_searches_a_region_by_its_name(folder):
    change(folder, "false_per_1000_km2 = 20.0", "score = 0.1")
    change(folder, 'detector = "couplets"', 'detector = "gradients-small"\ndevice = "cpu"')
    report = run_again(folder)
    assert set(states(report).values()) == {"made"} and "detector was" in report.outcomes[0].reason
    detector = lk.load_detector("gradients-small")
    for scene in SCENES:
        home = folder / "results" / "bursts" / scene
        gradients = lk.read.load_scene(home / "gradients.nc")
        found = lk.filter_detections(lk.detect_landslides(gradients, detector, 0.1), gradients)
        same(gpd.read_parquet(home / "detections.parquet"), found)


def test_a_bug_in_one_step_is_told_with_its_place(folder):
    change(folder, "false_per_1000_km2 = 20.0", 'lengths_m = ["a", "b"]')
    report = run_again(folder)
    assert len(report.failed) == 4 and report.maps is None
    assert all(outcome.reason.startswith("TypeError") for outcome in report.failed)
    assert "Traceback" in (folder / "results" / "bursts" / SCENES[0] / "failed.txt").read_text()
    shutil.copy(folder / "region.toml", folder / "wrong.toml")
    (folder / "region.toml").write_text(CONFIG)
    assert not run_again(folder).failed
    assert not list((folder / "results").rglob("failed.txt"))


def test_two_runs_at_a_time_are_refused(folder):
    with (
        FileLock(folder / "results" / ".running.lock"),
        pytest.raises(LabkitError, match="out must be a folder that no other run writes into"),
    ):
        run_again(folder)
    assert not run_again(folder).failed


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ('out = "results"', "", FileError, r"must hold the words tracks, out and detector"),
        ("window = 5", "windw = 5", FileError, "stack must hold only the words estimator.*instead got windw"),
        ('"couplets"', '"no-such"', LabkitError, "detector must be a folder"),
        ('"couplets"', '"rates-small"', LabkitError, "detect must fit the detector"),
        ("descending-*", "nowhere-*", FileError, "instead there is none for .*nowhere"),
        ("descending-*", "ascending-*", LabkitError, "share one"),
        ("counties.gpkg", "cantons.gpkg", FileError, "counties must be a file"),
        ("[detect]", '[masks]\nsnow = "none.gpkg"\n[detect]', FileError, "masks must name files.* for snow"),
        ("[detect]", "[masks]\nsnow = 3\n[detect]", LabkitError, "masks must be a section of names and files"),
        ("cell_m = 500.0", "cell_m = -1.0", LabkitError, "cell_m must be"),
        ('out = "results"', 'out = "results"\nthreads = 0', LabkitError, "threads must be a whole number"),
        ('out = "results"', 'out = "results"\nidentity = "name"', LabkitError, "identity must be one of"),
        ('out = "results"', 'out = "results"\nformats = ["doc"]', LabkitError, "formats must be among"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_by_its_word(made, tmp_path, old, new, error, words):
    (tmp_path / "bursts").symlink_to(made / "bursts")
    if "cantons" not in new:
        shutil.copy(made / "counties.gpkg", tmp_path)
    text = CONFIG.replace(old, new)
    assert text != CONFIG
    if "no-such" in new:
        text = text.replace("false_per_1000_km2 = 20.0", "")
    (tmp_path / "region.toml").write_text(text)
    with pytest.raises(error, match=words):
        run_again(tmp_path)
    assert not (tmp_path / "results").exists()


def test_a_detector_of_rates_is_refused(folder):
    change(folder, "false_per_1000_km2 = 20.0", "")
    change(folder, '"couplets"', '"rates-small"')
    with pytest.raises(LabkitError, match="detector must be one for gradients"):
        run_again(folder)


def test_a_scheduler_that_is_not_there_is_told(folder, monkeypatch):
    monkeypatch.setattr("labkit.region.running._CONNECT_SECONDS", 1)
    with pytest.raises(ServerError, match="scheduler must be the address of a running dask scheduler.*127.0.0.1:9"):
        run_region(read_plan(folder / "region.toml"), scheduler="tcp://127.0.0.1:9", progress=False)
