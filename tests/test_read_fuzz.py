"""Any damage to any file of any processor: it opens and can be read, or labkit says in its own words why not."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from gamma_files import DEM_PAR, write_lookup_table
from gmtsar_files import BASELINES, PRM
from hypothesis import given, settings
from hypothesis import strategies as st
from isce_files import write_baseline, write_reference
from map_files import write_map
from product_files import PAIRS, SHAPE, WRITERS, phases, write_licsar

import labkit as lk

#: What stands in headers that went through the wrong hands.
WORDS = [
    b"", b"nan", b"-inf", b"1e400", b"0", b"-1", b"0.5", b"999999999999", b"1e-300", b"\xff\xfe", b"\0", b"2020-13-45",
    b"20200132_20200101", b"<x>", b"{", b"EQA", b"S" * 300, "½".encode(), b"../../etc/passwd",
]  # fmt: skip

TOKEN = re.compile(rb"[^\s<>=:\"',]+")


@st.composite
def damages(draw: st.DrawFn) -> list[tuple[str, float, int, bytes]]:
    """What is done to the bytes of a file, at which share of its length."""
    kind = st.sampled_from(["flip", "word", "cut", "double", "drop"])
    one = st.tuples(kind, st.floats(0, 1, exclude_max=True), st.integers(0, 255), st.sampled_from(WORDS))
    return draw(st.lists(one, min_size=1, max_size=3))


def damaged(raw: bytes, damage: list[tuple[str, float, int, bytes]]) -> bytes:
    for kind, share, value, word in damage:
        place = int(share * len(raw))
        if kind == "flip":
            raw = raw[:place] + bytes([value]) + raw[place + 1 :]
        elif kind == "cut":
            raw = raw[:place]
        elif kind == "word":
            tokens = list(TOKEN.finditer(raw[:20_000]))
            if tokens:
                token = tokens[int(share * len(tokens))]
                raw = raw[: token.start()] + word + raw[token.end() :]
        else:
            line = raw.find(b"\n", place) + 1 or len(raw)
            raw = raw[:place] + raw[place:line] * (2 if kind == "double" else 0) + raw[line:]
    return raw


def opens_or_is_refused(folder: Path, open_it: object, path: Path, raw: bytes) -> None:
    """Damage one file, open and read everything, and put the file back."""
    whole = path.read_bytes()
    path.write_bytes(raw)
    try:
        open_it().compute(scheduler="synchronous")  # type: ignore[operator]
    except lk.LabkitError as error:
        assert str(error)
    finally:
        path.write_bytes(whole)


def with_companions(product: str, folder: Path) -> None:
    """The files that lie beside the pairs of a stack as its processor leaves it."""
    WRITERS[product](folder, phases())
    if product.startswith("gamma"):
        place = {"width": SHAPE[1], "lines": SHAPE[0], "lat": 31.0, "lon": 101.0, "post_lat": -1e-3, "post_lon": 1e-3}
        (folder / "EQA.dem_par").write_text(DEM_PAR.format(**place))
        (folder / f"{PAIRS[0]}_base.par").write_text("initial_baseline(TCN):  0.0  12.5  -3.5  m m m\n")
        (folder / "itab").write_text("1 2 1 1\n2 3 2 1\n")
        (folder / "SLC_tab").write_text("20200101.slc a\n20200113.slc b\n20200125.slc c\n")
    if product == "gamma":
        y, x = np.meshgrid(np.arange(SHAPE[0]), np.arange(SHAPE[1]), indexing="ij")
        write_lookup_table(folder, y, x, 31.0, 101.0, 1e-3)
    if product == "gmtsar":
        (folder / "a.PRM").write_text(PRM)
        (folder / "baseline_table.dat").write_text(BASELINES)
        np.tile([10.0, 10.0, 800.0, 101.0, 31.0], (6, 1)).astype("<f8").tofile(folder / "trans.dat")
    if product == "isce2":
        write_reference(folder)
        write_baseline(folder, PAIRS[0], 12.5)
    if product == "hyp3":
        for path in folder.rglob("*_corr.tif"):
            lines = "Heading: 193.3\nBaseline: 58.4\nSpacecraft height: 700618.6\nEarth radius at nadir: 6370250.1\n"
            path.with_name(path.name.replace("_corr.tif", ".txt")).write_text(lines + "Slant range center: 879794.1\n")
    if product == "licsar":
        (folder / "metadata.txt").write_text("heading=-169.9\navg_incidence_angle=39.2\n")
        (folder / "baselines").write_text("20200101 20200113 12.5 12\n20200101 20200125 -3.0 24\n")


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for product in WRITERS:
        folders[product] = tmp_path_factory.mktemp(product) / "scene"
        folders[product].mkdir()
        with_companions(product, folders[product])
        lk.open_interferograms(folders[product], product).compute(scheduler="synchronous")
    return folders


@pytest.mark.parametrize("product", WRITERS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_stack_with_a_damaged_file(product: str, stacks: dict[str, Path], data: st.DataObject) -> None:
    folder = stacks[product]
    # headers are drawn as often as rasters
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(files))
    on_error = data.draw(st.sampled_from(["raise", "skip"]))
    stated = data.draw(st.sampled_from(["auto", product]))
    raw = damaged(path.read_bytes(), data.draw(damages()))
    opens_or_is_refused(folder, lambda: lk.open_interferograms(folder, stated, on_error, progress=False), path, raw)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Maps of rates of every product."""
    root = tmp_path_factory.mktemp("rates")
    rate = np.random.default_rng(0).normal(0, 10, SHAPE).astype(np.float32)
    place = {"crs": "EPSG:4326", "corner": (101.0, 31.0), "step": 0.001}
    for name in ("vel", "vstd", "mask"):
        write_map(root / "licsbas" / f"{name}.geo.tif", np.ones(SHAPE, np.float32) if name == "mask" else rate, **place)
    write_map(root / "geotiff" / "velocity.tif", rate, **place)
    binary = root / "licsbas_binary"
    (binary / "results").mkdir(parents=True)
    (binary / "info").mkdir()
    rate.astype("<f4").tofile(binary / "results" / "vel")
    fields = {"width": SHAPE[1], "lines": SHAPE[0], "lat": 31.0, "lon": 101.0, "post_lat": -1e-3, "post_lon": 1e-3}
    (binary / "info" / "EQA.dem_par").write_text(DEM_PAR.format(**fields))
    (root / "mintpy").mkdir()
    with h5py.File(root / "mintpy" / "geo_velocity.h5", "w") as file:
        file["velocity"], file["velocityStd"] = rate / 1000, np.abs(rate) / 1e4
        file.attrs.update(
            {"X_FIRST": "101.0", "Y_FIRST": "31.0", "X_STEP": "0.001", "Y_STEP": "-0.001", "UNIT": "m/year"}
        )
        file.attrs.update(
            {"WAVELENGTH": "0.0555", "HEADING": "-169.6", "X_UNIT": "degrees", "REF_Y": "3", "REF_X": "4"}
        )
    (root / "egms").mkdir()
    rows = ["pid,easting,northing,mean_velocity,mean_velocity_std,incidence_angle,track_angle"]
    rows += [f"p{i},{4_300_000 + 50 * i},{3_100_000 + 30 * i},{i - 3.5},0.4,37.5,190.0" for i in range(9)]
    (root / "egms" / "EGMS_L2a_088_0282_IW2_VV_2018_2022.csv").write_text("\n".join(rows) + "\n")
    return {p.name: p for p in root.iterdir()}


@pytest.mark.parametrize("product", ["mintpy", "licsbas", "licsbas_binary", "egms", "geotiff"])
@settings(max_examples=60)
@given(data=st.data())
def test_a_map_of_rates_with_a_damaged_file(product: str, maps: dict[str, Path], data: st.DataObject) -> None:
    folder = maps[product]
    path = data.draw(st.sampled_from(sorted(p for p in folder.rglob("*") if p.is_file())))
    raw = damaged(path.read_bytes(), data.draw(damages()))
    opens_or_is_refused(folder, lambda: lk.open_rates(folder), path, raw)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cached")
    write_licsar(folder / "frame", phases())
    return lk.read.write_cache(lk.open_interferograms(folder / "frame"), folder / "a.zarr", progress=False)


@settings(max_examples=100)
@given(data=st.data())
def test_a_cache_with_a_damaged_file(cache: Path, data: st.DataObject) -> None:
    headers = sorted(cache.rglob("zarr.json"))
    files = sorted(p for p in cache.rglob("*") if p.is_file() and p.name != "zarr.json")
    path = data.draw(st.one_of(st.sampled_from(headers), st.sampled_from(files)))
    raw = damaged(path.read_bytes(), data.draw(damages()))
    opens_or_is_refused(cache, lambda: lk.open_interferograms(cache), path, raw)


def test_a_compressed_header_is_no_header(tmp_path: Path) -> None:
    WRITERS["gamma"](tmp_path, phases())
    par = next(tmp_path.glob("*.par"))
    par.write_bytes(gzip.compress(par.read_bytes()))
    with pytest.raises(lk.FileError, match=r"20190109.rmli.par must be a GAMMA parameter file of plain text"):
        lk.open_interferograms(tmp_path)
