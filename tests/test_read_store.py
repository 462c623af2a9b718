"""Stacks kept on disk come back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from stack_scenes import interferograms, ramp

import labkit as lk


@pytest.fixture
def gradients() -> xr.Dataset:
    return lk.stack_gradients(
        interferograms(ramp(4, (12, 14), 0.2, 0.1), np.full((12, 14), 0.7)), window=3, progress=False
    )


def test_gradients_come_back_with_every_number_and_attribute(gradients: xr.Dataset, tmp_path: Path) -> None:
    path = lk.read.save_scene(gradients, tmp_path / "kept" / "stack.nc")
    back = lk.read.load_scene(path)
    xr.testing.assert_identical(back, gradients)
    assert [p.name for p in path.parent.iterdir()] == ["stack.nc"]


def test_a_cut_file_and_a_foreign_one_are_named(gradients: xr.Dataset, tmp_path: Path) -> None:
    path = lk.read.save_scene(gradients, tmp_path / "stack.nc")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(lk.FileError, match="stack.nc must be a whole NetCDF file"):
        lk.read.load_scene(path)
    xr.Dataset({"other": ("a", [1.0])}).to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    with pytest.raises(lk.FileError, match="foreign.nc must hold gradients or rates"):
        lk.read.load_scene(tmp_path / "foreign.nc")
    with pytest.raises(lk.FileError, match="nothing at"):
        lk.read.load_scene(tmp_path / "absent.nc")


def test_a_failed_write_leaves_the_older_file(gradients: xr.Dataset, tmp_path: Path) -> None:
    path = lk.read.save_scene(gradients, tmp_path / "stack.nc")
    before = path.read_bytes()
    with pytest.raises(lk.LabkitError, match=r"path must end in \.nc"):
        lk.read.save_scene(gradients, tmp_path / "stack.tif")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(lk.FileError, match="must be writable"):
        lk.read.save_scene(gradients, tmp_path / "file" / "stack.nc")
    assert path.read_bytes() == before
