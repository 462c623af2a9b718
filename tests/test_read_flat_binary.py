"""Headerless rasters: every interleaving against GDAL's own reading, and files that are cut or of another order."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import rasterio

import labkit as lk
from labkit.read.flat_binary import FlatBand

ENVI = """ENVI
samples = 7
lines = 5
bands = 3
header offset = 16
file type = ENVI Standard
data type = 4
interleave = {interleave}
byte order = {order}
"""


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("interleave", "order"), list(itertools.product(("bip", "bil", "bsq"), (0, 1))))
def test_each_band_is_the_one_that_gdal_reads(tmp_path: Path, interleave: str, order: int) -> None:
    dtype = "<>"[order] + "f4"
    values = np.random.default_rng(2).normal(size=5 * 7 * 3).astype(dtype)
    path = tmp_path / "raster.img"
    path.write_bytes(b"\0" * 16 + values.tobytes())
    path.with_suffix(".hdr").write_text(ENVI.format(interleave=interleave, order=order))
    with rasterio.open(path, driver="ENVI") as source:
        expected = source.read()
    for band in range(3):
        layer = FlatBand(path, (5, 7), dtype, band, 3, interleave, 16)
        np.testing.assert_array_equal(layer.read(), expected[band])
        np.testing.assert_array_equal(layer.read(2, 2), expected[band, 2:4])


@pytest.mark.parametrize(("change", "message"), [(-4, "It was cut"), (8, "belongs to another file")])
def test_a_file_of_another_size_is_named(tmp_path: Path, change: int, message: str) -> None:
    path = tmp_path / "a.unw"
    path.write_bytes(b"\0" * (4 * 5 * 7 + change))
    with pytest.raises(lk.FileError, match=rf"a\.unw must hold 5 lines × 7 samples.*{message}"):
        FlatBand(path, (5, 7), ">f4").check()


def test_an_absurd_size_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(lk.FileError, match="1000000 × 1000000"):
        FlatBand(tmp_path / "a.unw", (10**6, 10**6), ">f4").check()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(lk.FileError, match="there is no such file"):
        FlatBand(tmp_path / "a.unw", (5, 7), ">f4").check()


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">c8", "<c8"])
def test_a_wrong_byte_order_is_told_from_the_values(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(20, 30)) + (1j * rng.normal(size=(20, 30)) if "c" in dtype else 0)
    path = tmp_path / "a.int"
    values.astype(dtype).tofile(path)
    other = dtype.translate(str.maketrans("<>", "><"))
    np.testing.assert_allclose(FlatBand(path, (20, 30), dtype).read(), values, rtol=1e-6)
    with pytest.raises(lk.FileError, match=rf"a\.int must be {'big' if other[0] == '>' else 'little'}-endian"):
        FlatBand(path, (20, 30), other).read()
