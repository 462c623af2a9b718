"""Images kept in memory and in a temporary file (labkit.train.keeping), and batches from them."""

import gc
import tempfile
import tracemalloc
import warnings
from pathlib import Path

import couplets
import numpy as np
import pytest
import torch
import xarray as xr

from labkit.train import ChipData, FitSettings
from labkit.train.keeping import Kept

EDGE = 24
BYTES = 4 * EDGE**2
BUMPS = np.array([[30.0, 40, 5, 20, 0], [90.0, 110, 6, 24, 0.5]])


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def images(count):
    values = np.random.default_rng(0).standard_normal((count, EDGE, EDGE)).astype(np.float32)
    values[:, 3, 5:9] = np.nan
    return values


def open_files(folder):
    links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link for link in links if str(link).startswith(str(folder))]


def test_windows_of_images_in_memory_and_in_the_file_are_those_of_the_images():
    kept = Kept(memory_bytes=2 * BYTES, disk_bytes=3 * BYTES)
    given = images(5)
    for number, image in enumerate(given):
        assert kept.has_room(BYTES)
        kept.keep(number, image)
    for number, image in enumerate(given):
        for row, col, height, width in [(0, 0, EDGE, EDGE), (2, 4, 5, 7), (EDGE - 1, 0, 1, EDGE), (3, EDGE - 1, 9, 1)]:
            window = kept.window(number, row, col, height, width)
            np.testing.assert_array_equal(window, image[row : row + height, col : col + width])
    assert kept.window("another", 0, 0, 1, 1) is None


def test_an_image_is_kept_once_and_takes_its_room_once():
    kept = Kept(memory_bytes=0, disk_bytes=2 * BYTES)
    for image in images(3)[:2]:
        kept.keep("one", image)
    np.testing.assert_array_equal(kept.window("one", 0, 0, EDGE, EDGE), images(3)[0])
    assert kept.has_room(BYTES)


def test_what_may_not_go_to_the_file_does_not(home):
    kept = Kept(memory_bytes=BYTES, disk_bytes=9 * BYTES)
    for number, image in enumerate(images(2)):
        kept.keep(number, image, in_file=False)
    assert not kept.has_room(BYTES, in_file=False) and kept.window(1, 0, 0, 1, 1) is None
    assert not home.exists()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed in /proc of Linux alone")
def test_the_file_has_no_name_and_goes_with_its_owner(home):
    kept = Kept(memory_bytes=0)
    kept.keep(0, images(1)[0])
    assert len(open_files(home)) == 1
    assert [path.name for path in home.iterdir()] == [".gitignore"]
    del kept
    gc.collect()
    assert not open_files(home)


def test_a_file_that_may_not_grow_is_told_once_and_nothing_is_lost():
    kept = Kept(memory_bytes=0, disk_bytes=2 * BYTES)
    first, second, third = images(3)
    kept.keep(0, first)
    kept.keep(1, second)
    with pytest.warns(UserWarning, match=r"further chips are read anew .*: 0.0 GB of them fill .* set LABKIT_HOME to"):
        assert not kept.has_room(BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not kept.has_room(BYTES)
        kept.keep(2, third)
    assert kept.window(2, 0, 0, 1, 1) is None
    np.testing.assert_array_equal(kept.window(1, 0, 0, EDGE, EDGE), second)


def test_the_file_takes_half_of_the_free_disk_at_most(monkeypatch):
    import shutil

    whole = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: whole._replace(free=3 * BYTES))
    kept = Kept(memory_bytes=0)
    kept.keep(0, images(1)[0])
    with pytest.warns(UserWarning, match="read anew"):
        assert not kept.has_room(BYTES)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is a device of Linux alone")
def test_a_disk_that_fills_meanwhile_is_told_and_the_image_is_not_kept(monkeypatch):
    # every write to this device fails as on a full disk; its owner closes it (SIM115)
    full = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **how: full)
    kept = Kept(memory_bytes=0)
    with pytest.warns(UserWarning, match="the disk of .* is full"):
        kept.keep(0, images(1)[0])
    assert kept.window(0, 0, 0, 1, 1) is None and not kept.has_room(1)


def test_memory_stays_bounded_whatever_lies_in_the_file():
    edge, count = 256, 40
    kept = Kept(memory_bytes=0)
    rng = np.random.default_rng(0)
    tracemalloc.start()
    for number in range(count):
        kept.keep(number, rng.standard_normal((edge, edge), np.float32))
    for number in range(count):
        kept.window(number, 10, 10, 100, 100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 4 * edge**2 < count * 4 * edge**2


@pytest.mark.parametrize(
    ("workers", "shown"), [(0, {"noise": 0.5}), (2, {"noise": 0.5}), (2, {"standard_error": True, "directions": 2})]
)
def test_batches_from_a_file_are_those_from_memory_to_the_last_bit(tmp_path, workers, shown):
    scene = couplets.gradients((128, 160), BUMPS)
    scene["standard_error"] = abs(scene["gradient"]) / 3 + 0.1
    quiet = couplets.gradients((128, 160), np.zeros((0, 5)), seed=9)
    labels, chips = couplets.truth(scene, BUMPS), couplets.chips(scene, 64)
    scene.to_netcdf(tmp_path / "scene.nc", encoding={"gradient": {"zlib": True, "chunksizes": (1, 50, 50)}})
    settings = FitSettings(crop=64, draws=2, batch_size=4, mosaic=0.5, workers=workers, **shown)
    batches = {}
    with xr.open_dataset(tmp_path / "scene.nc") as lazy:
        ways = {"memory": (scene, 1 << 30, 0), "file": (lazy, 0, 1 << 30), "both": (lazy, 4 * 5 * 64**2, 1 << 30)}
        for name, (given, memory, disk) in (ways | {"anew": (lazy, 0, 0)}).items():
            noise = quiet if settings.noise else None
            data = ChipData(chips, given, labels, settings, seed=3, noise=noise, memory_bytes=memory, disk_bytes=disk)
            loader = data.train_dataloader()
            batches[name] = [*loader, *loader]
    for name in ("file", "both", "anew"):
        assert len(batches[name]) == len(batches["memory"]) > 4
        for one, other in zip(batches["memory"], batches[name], strict=True):
            assert torch.equal(one.images, other.images) and one.words == other.words
            for key in ("targets", "ignored"):
                assert all(map(torch.equal, getattr(one, key), getattr(other, key)))
