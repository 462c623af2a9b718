"""A survey names what lies in a folder, what is missing and the remedy, and raises no error for a wrong folder."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import product_files
import pytest
from map_files import write_map

import labkit as lk
from labkit.errors import FileError, LabkitError
from labkit.read.pointing import place_of

#: Real folder → kind and reader, words of its facts, what it lacks ("!": this stops the stack).
REAL: dict[str, tuple[str, str, list[str], list[str]]] = {
    "danba_gamma": (
        "interferograms",
        "gamma",
        [
            "186 between 43 dates",
            "79 pairs of at most 36",
            "101 × 175 px, radar",
            "14.7 m on the ground",
            "5.55 cm (C-",
        ],
        ["perpendicular baselines"],
    ),
    "mexico_city_geotiff": (
        "interferograms",
        "geotiff",
        ["30 between 13 dates", "60 × 100 px, map", "19.4", "heading 347.7°", "of every pair"],
        ["short pairs", "resolution"],
    ),
    "sydney_gamma": (
        "interferograms",
        "gamma_geocoded",
        ["17 between 13 dates, 2006-06-19 to 2007-09-17", "84.3 m on the ground", "5.62 cm"],
        ["pairs", "short pairs", "resolution"],
    ),
    "sydney_roipac": (
        "interferograms",
        "roipac",
        ["17 between 13 dates", "72 × 47 px, map", "estimated from phase"],
        ["pairs", "short pairs", "resolution", "heading", "coherence", "perpendicular baselines"],
    ),
    "kirishima_mintpy": ("rates", "mintpy", ["541 × 541", "23.84 cm (L-band)", "track 023"], ["interferograms"]),
    "anatolia_licsbas/014A_04939_131313": (
        "rates",
        "licsbas",
        ["268 × 354", "969.3 m on the ground", "ascending, track 014", "with standard errors"],
        ["interferograms", "resolution"],
    ),
    "anatolia_licsbas": ("", "geotiff", [], ["rates!", "another folder!"]),
    "hyp3": ("", "", [], ["test_unw_phase.tif!", "test_water_mask.tif!"]),
    "gmt": ("", "", [], ["example_grd.grd!"]),
    "isce_geometry": ("", "", [], ["lat.rdr, lat.rdr.vrt, lon.rdr and 5 more!"]),
    "dem": ("", "", [], ["bigtujunga.tif!"]),
    "sentinel2": ("", "", [], ["REFERENCE_SCENES.npy!"]),
    "README.md": ("", "", [], ["README.md!", "another folder!"]),
}

#: Real folder that cannot be stacked → words that say why, and words that say what to do.
REMEDIES = {
    "anatolia_licsbas": ("the rates of one scene", "087A_04904_121313 (rates of LiCSBAS)"),
    "anatolia_licsbas/014A_04939_131313": ("there are rates alone", "point to the folder of the wrapped or unwrapped"),
    "kirishima_mintpy": ("there are rates alone", "point to the folder of the wrapped or unwrapped"),
    "hyp3": ("names do not hold the two dates", "give the files the names back"),
    "gmt": ("lie in no folder of a pair", "point to the folder that holds intf/"),
    "isce_geometry": ("the geometry of an ISCE2 stack", "the folder that holds this one and interferograms/"),
    "dem": ("a terrain model or something else", "point to another folder"),
    "sentinel2": ("arrays without dates", "the processor's own files"),
    "danba_gamma/diff": ("must hold an image parameter file", "danba_gamma (186 pairs of GAMMA)"),
    "danba_gamma/diff/20180327_20180408.diff.ml.sm": ("one file of one pair", "danba_gamma (186 pairs of GAMMA)"),
    "danba_gama": ("there is nothing at", "there is danba_gamma"),
}


def lacks(found: lk.read.surveying.Survey) -> list[str]:
    return [lack.what + ("!" if lack.stops else "") for lack in found.missing]


@pytest.fixture
def three_pairs(tmp_path: Path) -> Path:
    """GeoTIFFs on a map grid of about 100 m, without any image parameters."""
    folder = tmp_path / "mine"
    folder.mkdir()
    product_files.write_geotiff(folder, product_files.phases())
    return folder


@pytest.mark.parametrize("name", REAL)
def test_a_real_folder_is_recognised_with_what_it_holds_and_lacks(name: str, real_data: Path) -> None:
    kind, product, words, missing = REAL[name]
    found = lk.survey(real_data / name)
    assert (found.kind, found.product) == (kind, product)
    told = "; ".join(f"{what}: {said}" for what, said in found.facts)
    assert [word for word in words if word not in told] == []
    assert lacks(found) == missing
    assert found.ready is bool(kind)
    opened = {"interferograms": lk.open_interferograms, "rates": lk.open_rates}.get(kind)
    if opened is not None:
        assert dict(getattr(found, kind).sizes) == dict(opened(real_data / name).sizes)


@pytest.mark.parametrize("name", REMEDIES)
def test_where_nothing_can_be_stacked_a_sentence_says_why_and_what_to_do(name: str, real_data: Path) -> None:
    found = lk.survey(real_data / name)
    why, remedy = REMEDIES[name]
    assert why in str(found) and remedy in str(found)
    with pytest.raises(FileError, match=r"must hold interferograms( or rates)?, instead .*What to do") as caught:
        _ = found.interferograms
    assert why in str(caught.value)


def test_the_folder_above_several_scenes_names_them(real_data: Path) -> None:
    found = lk.survey(real_data)
    assert {"mixed products", "folders of one product"} <= set(lacks(found))
    named = next(lack.words for lack in found.missing if lack.what == "folders of one product")
    for scene in ("danba_gamma (186 pairs of GAMMA)", "mexico_city_geotiff (30 pairs of GeoTIFF)"):
        assert scene in named


@pytest.mark.parametrize("product", product_files.WRITERS)
def test_the_files_of_every_processor_are_recognised_and_opened(product: str, tmp_path: Path) -> None:
    product_files.WRITERS[product](tmp_path, product_files.phases())
    found = lk.survey(tmp_path)
    assert (found.kind, found.product) == ("interferograms", product)
    assert list(found.interferograms["pair"].values) == sorted(product_files.PAIRS)
    assert ("pairs", "3 between 3 dates, 2020-01-01 to 2020-01-25") in found.facts


def test_what_is_stated_is_no_longer_missing(three_pairs: Path) -> None:
    assert {"wavelength", "heading"} <= set(lacks(lk.survey(three_pairs)))
    stated = lk.survey(three_pairs, wavelength=0.0555, heading=192.0)
    assert {"wavelength", "heading"}.isdisjoint(lacks(stated))
    assert ("wavelength", "5.55 cm (C-band)") in stated.facts


def test_a_stack_without_spacing_waits_until_it_is_stated(tmp_path: Path) -> None:
    product_files.write_isce2(tmp_path, product_files.phases())
    found = lk.survey(tmp_path)
    assert "spacing on the ground!" in lacks(found) and not found.ready
    remedy = next(lack.remedy for lack in found.missing if lack.what == "spacing on the ground")
    assert "y_spacing=14.0, x_spacing=2.3, incidence_angle=39" in remedy
    with pytest.raises(LabkitError, match=r"spacing on the ground: .* state y_spacing=14\.0"):
        lk.quicklook(found)
    stated = lk.survey(tmp_path, y_spacing=14.0, x_spacing=2.3, incidence_angle=39.0)
    assert stated.ready
    expected = math.sqrt(14.0 * 2.3 / math.sin(math.radians(39.0)))
    assert stated.interferograms.attrs["ground_spacing"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "stated",
    [
        {"wavelength": 5.55},
        {"wavelength": "0.0555"},
        {"wavelength": math.nan},
        {"incidence_angle": 0},
        {"heading": 720.0},
        {"y_spacing": -14.0},
        {"y_spacing": True},
    ],
)
def test_a_stated_number_in_the_wrong_unit_is_refused_with_the_usual_one(
    stated: dict[str, object], three_pairs: Path
) -> None:
    (name,) = stated
    with pytest.raises(LabkitError, match=rf"{name} must be in .* instead got {name}="):
        lk.survey(three_pairs, **stated)


def test_one_pair_is_too_few_and_says_how_many_are_usual(tmp_path: Path) -> None:
    pairs = product_files.phases()
    product_files.write_geotiff(tmp_path, {product_files.PAIRS[0]: pairs[product_files.PAIRS[0]]})
    found = lk.survey(tmp_path)
    assert found.kind == "interferograms" and not found.ready
    assert "pairs!" in lacks(found)
    with pytest.raises(LabkitError, match=r"one interferogram cannot be stacked.*50 to 350 are usual"):
        lk.quicklook(found)


def test_two_products_in_one_folder_are_told_apart(three_pairs: Path) -> None:
    others = {name.replace("2020", "2021"): images for name, images in product_files.phases().items()}
    (three_pairs / "pac").mkdir()
    product_files.write_roipac(three_pairs / "pac", others)
    found = lk.survey(three_pairs)
    assert found.product == "roipac"
    words = {lack.what: f"{lack.words} {lack.remedy}" for lack in found.missing}
    assert "3 more pairs lie here in files of GeoTIFF" in words["mixed products"]
    assert "product='geotiff'" in words["mixed products"]
    assert f"{three_pairs / 'pac'} (3 pairs of ROI_PAC)" in words["folders of one product"]
    by_name = lk.survey(three_pairs, product="geotiff")
    assert (by_name.product, by_name.interferograms.sizes["pair"]) == ("geotiff", 3)


def test_rates_beside_interferograms_are_named(three_pairs: Path) -> None:
    write_map(three_pairs / "vel.tif", np.ones(product_files.SHAPE, np.float32), crs="EPSG:4326", corner=(101.0, 31.0))
    found = lk.survey(three_pairs)
    assert found.kind == "interferograms"
    assert "lk.open_rates(folder, product='geotiff')" in str(found)
    rates = lk.survey(three_pairs, product="geotiff")
    assert rates.kind == "interferograms"  # of the two that the name stands for, pairs go first


def test_a_damaged_pair_is_named_and_can_be_left_out(three_pairs: Path) -> None:
    damaged = three_pairs / f"{product_files.PAIRS[1]}_unw.tif"
    damaged.write_bytes(b"no image at all")
    found = lk.survey(three_pairs)
    assert found.kind == "" and damaged.name in str(found)
    rest = lk.survey(three_pairs, on_error="skip")
    assert rest.interferograms.sizes["pair"] == 2
    left_out = next(lack for lack in rest.missing if lack.what == "damaged pairs")
    assert product_files.PAIRS[1] in left_out.words


def test_empty_folders_single_files_and_packed_products_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "the folder is empty" in str(lk.survey(tmp_path / "empty"))
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "S1AA_20200101T000000_20200113T000000_VVP012_INT80_G_ueF_0000.zip").write_bytes(b"PK")
    assert "unpack them here" in str(lk.survey(tmp_path / "packed"))
    note = tmp_path / "note.txt"
    note.write_text("to do")
    assert "no reader knows files of these names" in str(lk.survey(note))


def test_a_single_geotiff_is_taken_for_rates_only_if_its_name_says_so(tmp_path: Path) -> None:
    place = {"crs": "EPSG:4326", "corner": (101.0, 31.0)}
    for name in ("vel.tif", "phase.tif"):
        write_map(tmp_path / name, np.ones((9, 13), np.float32), **place)
    assert lk.survey(tmp_path / "vel.tif").kind == "rates"
    assert lk.survey(tmp_path / "phase.tif").kind == ""
    assert lk.survey(tmp_path / "phase.tif", product="geotiff").kind == "rates"


@pytest.mark.skipif(os.name == "nt", reason="on Windows these are ordinary paths")
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (r"C:\data\danba", "under WSL the folder is /mnt/c/data/danba"),
        ("D:/data", "/mnt/d/data"),
        (r"\\server\share\danba", "Mount it first"),
        ("C:\new\table", r"r'C:\new\table'"),
        ("https://example.org/pairs.zip", "labkit fetch"),
        ("  ", "it is empty"),
        ("~nobody-of-this-name/data", "there is nothing at"),
        (None, "Write it in quotes"),
        (7, "Write it in quotes"),
    ],
)
def test_a_path_that_cannot_be_one_says_how_to_write_it(typed: str, words: str) -> None:
    found = lk.survey(typed)
    assert found.kind == "" and words in str(found)


def test_paths_are_understood_as_people_paste_them(three_pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(three_pairs.parent))
    monkeypatch.setenv("USERPROFILE", str(three_pairs.parent))
    monkeypatch.setenv("MY_PAIRS", str(three_pairs))
    monkeypatch.chdir(three_pairs.parent)
    for typed in ("~/mine", '"~/mine"', "'mine/' ", "$MY_PAIRS", three_pairs.as_uri(), three_pairs, "./mine/../mine"):
        assert place_of(typed) == three_pairs, typed


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: it becomes somebody who may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX systems")
def test_a_folder_that_may_not_be_read_says_so(three_pairs: Path) -> None:
    three_pairs.chmod(0)
    try:
        with as_nobody():
            found = lk.survey(three_pairs)
    finally:
        three_pairs.chmod(0o755)
    assert found.kind == "" and lacks(found) == ["permission!"]
    assert "Permission denied" in str(found) and "ask its owner" in str(found)


def test_the_page_escapes_what_files_are_called_and_says_what_the_words_say(tmp_path: Path) -> None:
    folder = tmp_path / "<b>mine"
    folder.mkdir()
    (folder / "<script>alert(1).npy").write_bytes(b"")
    shown = lk.survey(folder)._repr_html_()
    assert "<script>" not in shown and "<b>mine" not in shown
    assert "&lt;script&gt;" in shown and "without dates, spacing or place" in shown


def test_every_lack_has_its_remedy_in_the_page(three_pairs: Path) -> None:
    found = lk.survey(three_pairs)
    shown = found._repr_html_()
    assert len(found.missing) >= 4
    for lack in found.missing:
        assert lack.remedy and lack.remedy[1:].replace("'", "&#x27;") in shown
