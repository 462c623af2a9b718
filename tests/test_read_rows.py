"""Rows of flat rasters: the same as GDAL's and the whole file's, in every portion, layout, type and byte order."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import labkit as lk
from labkit.read.flat_binary import FlatBand
from labkit.read.rows import ComplexRows, FlatRows, read_into

SHAPE = (11, 7)


def stored(path: Path, dtype: str, bands: int, interleave: str) -> np.ndarray:
    """Write a raster of several bands; give them (band, y, x)."""
    rng = np.random.default_rng(2)
    values = rng.uniform(1, 90, (bands, *SHAPE)) + (1j * rng.uniform(1, 90, (bands, *SHAPE)) if "c" in dtype else 0)
    values = values.astype(dtype)
    order = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    path.write_bytes(b"head" + values.transpose(order).tobytes())
    return values


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("dtype", ["".join(p) for p in itertools.product("<>", ("f4", "c8", "f8", "i2", "c16"))])
def test_any_portions_of_any_layout_make_up_the_band(tmp_path: Path, dtype: str, interleave: str) -> None:
    path = tmp_path / "raster"
    values = stored(path, dtype, 3, interleave)
    for band, portion in itertools.product(range(3), (1, 4, 11)):
        with FlatRows(FlatBand(path, SHAPE, dtype, band, 3, interleave, 4)) as rows:
            parts = []
            for first in range(0, SHAPE[0], portion):
                part = rows.read(first, min(portion, SHAPE[0] - first))
                assert part.dtype.isnative and part.flags.c_contiguous
                parts.append(part.copy())
            rows.judge()
        np.testing.assert_array_equal(np.concatenate(parts), values[band])


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">c8", "<c8"])
@pytest.mark.parametrize("portion", [3, 40])
def test_a_wrong_byte_order_is_told_from_what_was_read(tmp_path: Path, dtype: str, portion: int) -> None:
    rng = np.random.default_rng(3)
    values = np.zeros((60, 50), complex if "c" in dtype else float)
    # framed by zeros, as images are
    values[20:40, 10:40] = rng.normal(size=(20, 30))
    path = tmp_path / "a.int"
    values.astype(dtype).tofile(path)
    for order, wrong in ((dtype, False), (dtype.translate(str.maketrans("<>", "><")), True)):
        with FlatRows(FlatBand(path, (60, 50), order)) as rows:
            for first in range(0, 60, portion):
                rows.read(first, min(portion, 60 - first))
            if wrong:
                with pytest.raises(lk.FileError, match=rf"a\.int must be {'big' if order[0] == '>' else 'little'}-end"):
                    rows.judge()
            else:
                rows.judge()


def test_a_file_that_is_cut_while_it_is_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.cc"
    np.ones(SHAPE, "<f4").tofile(path)
    with FlatRows(FlatBand(path, SHAPE, "<f4")) as rows:
        rows.read(0, 4)
        path.write_bytes(path.read_bytes()[:-4])
        with pytest.raises(lk.FileError, match=r"a\.cc must be a whole file, instead it ends early"):
            rows.read(4, 7)


def test_real_and_imaginary_rasters_make_complex_rows(tmp_path: Path) -> None:
    parts = [np.random.default_rng(i).normal(size=SHAPE).astype(">f4") for i in range(2)]
    for name, part in zip("iq", parts, strict=True):
        part.tofile(tmp_path / name)
    with FlatRows(FlatBand(tmp_path / "i", SHAPE, ">f4")) as i, FlatRows(FlatBand(tmp_path / "q", SHAPE, ">f4")) as q:
        rows = ComplexRows(i, q)
        np.testing.assert_array_equal(rows.read(2, 5), (parts[0] + 1j * parts[1])[2:7].astype(np.complex64))
        rows.judge()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that cannot be read is Linux's /proc/self/mem")
def test_an_error_of_the_disk_names_the_file() -> None:
    path = Path("/proc/self/mem")
    # No process has memory at its first address.
    with path.open("rb", buffering=0) as file, pytest.raises(lk.FileError, match=r"mem must be readable, .*error"):
        read_into(file, 0, np.empty(100, np.uint8), path)
