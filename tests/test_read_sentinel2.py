"""Sentinel-2 products and band files: numbers turned into reflectances, tiles apart, damage named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from sentinel2_files import SHAPE, WEST, write_product, write_raster

import labkit as lk
from labkit.read import open_sentinel2
from labkit.read.sentinel2_files import read_calibration


@pytest.fixture
def numbers() -> dict[str, np.ndarray]:
    """Digital numbers of a 20 m tile; 0 = no data, 65535 = saturated."""
    rng = np.random.default_rng(5)
    bands = {band: rng.integers(1, 12000, SHAPE).astype(np.uint16) for band in ("B03", "B8A", "B11")}
    bands["B03"][0, 0], bands["B03"][0, 1] = 0, 65535
    return bands


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product whose metadata is damaged again and again; "whole" keeps it as it was."""
    bands = {band: np.ones(SHAPE, np.uint16) for band in ("B03", "B8A", "B11")}
    folder = write_product(tmp_path_factory.mktemp("damaged"), bands, baseline="05.09", offset=-1000)
    (folder / "whole").write_bytes((folder / "MTD_MSIL2A.xml").read_bytes())
    return folder


@pytest.mark.parametrize(("baseline", "offset"), [("02.14", 0), ("05.09", -1000)])
def test_a_product_gives_the_reflectances_that_its_metadata_defines(
    tmp_path: Path, numbers: dict[str, np.ndarray], baseline: str, offset: int
) -> None:
    write_product(tmp_path, numbers, baseline=baseline, offset=offset)
    looks = open_sentinel2(tmp_path)
    for band, stored in numbers.items():
        expected = (stored.astype(float) + offset) / 10000
        expected[(stored == 0) | (stored == 65535)] = np.nan
        got = looks["reflectance"].sel(band=band).isel(time=0).values
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-7)
    assert looks.attrs["crs"] == "EPSG:32647"
    assert looks.attrs["tile"] == "T47RQQ"
    assert str(looks["time"].values[0]).startswith("2020-03-26T03:45:31")
    np.testing.assert_allclose(looks["x"].values[:2], [WEST + 10, WEST + 30])


def test_a_product_opens_the_same_by_its_own_folder_and_by_the_folder_of_products(
    tmp_path: Path, numbers: dict[str, np.ndarray]
) -> None:
    first = write_product(tmp_path, numbers)
    write_product(tmp_path, numbers, day="20200405")
    assert open_sentinel2(first).sizes["time"] == 1
    assert [str(t)[:10] for t in open_sentinel2(tmp_path)["time"].values] == ["2020-03-26", "2020-04-05"]


def test_the_scene_classification_is_handed_on(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    classes = np.random.default_rng(1).integers(0, 12, SHAPE).astype(np.uint8)
    write_product(tmp_path, {**numbers, "SCL": classes})
    looks = open_sentinel2(tmp_path)
    assert looks["scene_class"].dtype == np.uint8
    np.testing.assert_array_equal(looks["scene_class"][0].values, classes)
    write_product(tmp_path, numbers, day="20200405")
    with pytest.raises(lk.FileError, match=r"scene classification .* is missing beside .*20200405"):
        open_sentinel2(tmp_path)


def test_quality_masks_that_carry_a_band_in_their_name_are_no_bands(
    tmp_path: Path, numbers: dict[str, np.ndarray]
) -> None:
    product = write_product(tmp_path, numbers)
    quality = next((product / "GRANULE").iterdir()) / "QI_DATA"
    quality.mkdir()
    (quality / "MSK_DETFOO_B03.jp2").write_bytes(b"not a band")
    assert open_sentinel2(product).sizes["time"] == 1


def test_a_window_is_the_same_as_the_whole_cut(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    looks = open_sentinel2(write_product(tmp_path, numbers))
    whole = looks["reflectance"].values
    np.testing.assert_array_equal(looks["reflectance"][:, :, 7:19, 3:11].values, whole[:, :, 7:19, 3:11])


def write_bands(folder: Path, values: dict[str, np.ndarray], day: str = "2021-02-03", **tags: float) -> None:
    for band, layer in values.items():
        write_raster(folder / f"{day}_Sentinel-2_L2A_{band}.tif", layer, driver="GTiff", **tags)


def test_band_files_of_reflectances_are_taken_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values = {b: rng.uniform(0.01, 1.2, SHAPE).astype(np.float32) for b in ("B03", "B8A", "B11")}
    values["B8A"][4, 4] = np.nan
    write_bands(tmp_path, values)
    looks = open_sentinel2(tmp_path)
    np.testing.assert_array_equal(looks["reflectance"][0].values, np.stack(list(values.values())))
    assert str(looks["time"].values[0])[:10] == "2021-02-03"


def test_whole_numbers_without_a_scale_are_not_guessed_at(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    write_bands(tmp_path, numbers)
    with pytest.raises(lk.FileError, match=r"B03.tif must say how it stores reflectances.*State offset=-1000"):
        open_sentinel2(tmp_path)
    stated = open_sentinel2(tmp_path, offset=-1000)["reflectance"][0, 1].values
    np.testing.assert_allclose(stated, (numbers["B8A"].astype(float) - 1000) / 10000, atol=1e-7)


def test_the_scale_in_a_geotiff_is_used(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    write_bands(tmp_path, numbers, scale=0.0001, offset=-0.1)
    got = open_sentinel2(tmp_path)["reflectance"][0, 2].values
    np.testing.assert_allclose(got, numbers["B11"] * 0.0001 - 0.1, atol=1e-6)


def test_floating_numbers_far_above_one_are_no_reflectances(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    write_bands(tmp_path, {band: layer.astype(np.float32) for band, layer in numbers.items()})
    with pytest.raises(lk.FileError, match=r"must hold reflectances \(0 to about 1\), instead got"):
        open_sentinel2(tmp_path)["reflectance"].compute()


def test_ten_metre_bands_come_onto_the_twenty_metre_grid_as_gdal_finds_their_neighbours(
    tmp_path: Path, numbers: dict[str, np.ndarray]
) -> None:
    fine = np.random.default_rng(8).integers(1, 9000, (SHAPE[0] * 2, SHAPE[1] * 2)).astype(np.uint16)
    write_bands(tmp_path, {band: layer for band, layer in numbers.items() if band != "B03"})
    path = tmp_path / "2021-02-03_Sentinel-2_L2A_B03.tif"
    write_raster(path, fine, driver="GTiff", step=10)
    with rasterio.open(path) as source:
        x, y = np.meshgrid(WEST + 20 * np.arange(SHAPE[1]) + 10, 3_400_000 - 20 * np.arange(SHAPE[0]) - 10)
        # The centre of a 20 m pixel is a corner of four; a metre to the south-east lies in the one that is taken.
        expected = np.array([v[0] for v in source.sample(zip(x.ravel() + 1, y.ravel() - 1, strict=True))])
    got = open_sentinel2(tmp_path, offset=0)["reflectance"].sel(band="B03")[0].values
    np.testing.assert_allclose(got.ravel(), expected / 10000, atol=1e-7)


def test_of_two_resolutions_the_one_of_twenty_metres_is_taken(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    product = write_product(tmp_path, numbers)
    images = next((product / "GRANULE").iterdir()) / "IMG_DATA"
    fine = np.full((SHAPE[0] * 2, SHAPE[1] * 2), 777, np.uint16)
    write_raster(images / "R10m" / "T47RQQ_20200326T034531_B03_10m.jp2", fine, driver="JP2OpenJPEG", step=10)
    np.testing.assert_allclose(
        open_sentinel2(product)["reflectance"][0, 0, 1:].values, numbers["B03"][1:] / 10000.0, atol=1e-7
    )


def test_several_tiles_are_opened_one_by_one(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    write_product(tmp_path, numbers)
    write_product(tmp_path, numbers, tile="T48RTV")
    with pytest.raises(lk.LabkitError, match=r"holds \['T47RQQ', 'T48RTV'\]"):
        open_sentinel2(tmp_path)
    assert open_sentinel2(tmp_path, tile="T48RTV").attrs["tile"] == "T48RTV"
    with pytest.raises(lk.LabkitError, match="instead got tile='T01ABC'"):
        open_sentinel2(tmp_path, tile="T01ABC")


def test_what_is_missing_is_named(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    with pytest.raises(lk.FileError, match="found none of them"):
        open_sentinel2(tmp_path)
    with pytest.raises(lk.FileError, match="instead there is none at"):
        open_sentinel2(tmp_path / "nowhere")
    product = write_product(tmp_path, numbers)
    next(product.rglob("*_B11_20m.jp2")).unlink()
    with pytest.raises(lk.FileError, match="instead B11 is missing"):
        open_sentinel2(product)


def test_the_same_look_in_two_processings_is_not_counted_twice(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    write_product(tmp_path / "old", numbers)
    write_product(tmp_path / "new", numbers, baseline="05.00", offset=-1000)
    with pytest.raises(lk.FileError, match="each look must have a band once"):
        open_sentinel2(tmp_path)


def test_products_state_their_own_scale(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    write_product(tmp_path, numbers)
    with pytest.raises(lk.LabkitError, match="must be left to the product's own metadata"):
        open_sentinel2(tmp_path, offset=-1000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda xml: xml.replace("<n1:", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><n1:', 1), "declares"),
        (lambda xml: xml[: len(xml) // 2], "must be a whole XML file"),
        (lambda xml: xml.replace(">10000<", ">ten thousand<"), "must have a number as BOA_QUANTIFICATION_VALUE"),
        (lambda xml: xml.replace(">10000<", ">nan<"), "must have a finite BOA_QUANTIFICATION_VALUE"),
        (lambda xml: xml.replace(">10000<", ">0<"), "must have a BOA_QUANTIFICATION_VALUE above 0"),
        (lambda xml: xml.replace("BOA_QUANTIFICATION_VALUE", "ANOTHER_VALUE"), "must state quantification"),
        (lambda xml: xml.replace('band_id="8"', 'band_id="88"'), r"\['B8A'\] are missing"),
        (lambda xml: xml.replace("BOA_ADD_OFFSET ", "OTHER ").replace("/BOA_ADD_OFFSET>", "/OTHER>"), "has none"),
    ],
)
def test_metadata_that_cannot_be_trusted_is_refused(
    tmp_path: Path, numbers: dict[str, np.ndarray], change: object, words: str
) -> None:
    product = write_product(tmp_path, numbers, baseline="05.09", offset=-1000)
    path = product / "MTD_MSIL2A.xml"
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(lk.FileError, match=rf"MTD_MSIL2A.xml .*{words}"):
        open_sentinel2(product)


@given(start=st.integers(0, 1500), length=st.integers(0, 40), noise=st.binary(max_size=40))
@settings(max_examples=60)
def test_damaged_metadata_gives_numbers_or_a_named_error(product: Path, start: int, length: int, noise: bytes) -> None:
    path = product / "MTD_MSIL2A.xml"
    whole = (product / "whole").read_bytes()
    path.write_bytes(whole[:start] + noise + whole[start + length :])
    try:
        calibration = read_calibration(product)
    except lk.FileError as error:
        assert "MTD_MSIL2A.xml" in str(error)
    else:
        assert calibration.quantification > 0
        assert np.isfinite(list(calibration.offset.values())).all()


def test_level_1c_is_refused(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    product = write_product(tmp_path, numbers)
    (product / "MTD_MSIL2A.xml").rename(product / "MTD_MSIL1C.xml")
    with pytest.raises(lk.FileError, match=r"must hold one MTD_MSIL2A.xml, instead it holds \['MTD_MSIL1C.xml'\]"):
        open_sentinel2(product)


def test_other_formats_and_cut_files_are_named(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    product = write_product(tmp_path, numbers)
    path = next(product.rglob("*_B8A_20m.jp2"))
    whole = path.read_bytes()
    path.write_bytes(b"<VRTDataset/>")
    with pytest.raises(lk.FileError, match=r"B8A_20m.jp2 must be a GeoTIFF or JPEG 2000, instead it begins with"):
        open_sentinel2(product)
    path.write_bytes(whole[:200])
    with pytest.raises(lk.FileError, match=r"B8A_20m.jp2 must be (a whole raster|whole)"):
        open_sentinel2(product)["reflectance"].compute()


def test_a_band_of_another_crs_or_place_is_named(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    write_bands(tmp_path, numbers, scale=0.0001)
    path = tmp_path / "2021-02-03_Sentinel-2_L2A_B8A.tif"
    write_raster(path, numbers["B8A"], driver="GTiff", crs="EPSG:32648", scale=0.0001)
    with pytest.raises(lk.FileError, match="B8A.tif must have the CRS of .* instead got 'EPSG:32648'"):
        open_sentinel2(tmp_path)
    write_raster(path, numbers["B8A"], driver="GTiff", west=WEST + 90_000, scale=0.0001)
    with pytest.raises(lk.FileError, match="B8A.tif must overlap"):
        open_sentinel2(tmp_path)


def test_a_size_that_no_tile_has_is_refused(tmp_path: Path, numbers: dict[str, np.ndarray]) -> None:
    write_bands(tmp_path, {"B03": numbers["B03"], "B8A": numbers["B8A"]}, scale=0.0001)
    with rasterio.open(
        tmp_path / "2021-02-03_Sentinel-2_L2A_B11.tif",
        "w",
        driver="GTiff",
        height=1_000_000,
        width=1_000_000,
        count=1,
        dtype="uint16",
        crs="EPSG:32647",
        transform=from_origin(WEST, 3_400_000, 20, 20),
        sparse_ok=True,
        bigtiff=True,
        tiled=True,
        blockxsize=4096,
        blockysize=4096,
    ):
        pass
    with pytest.raises(lk.FileError, match=r"B11.tif must have at most .* claims \(1000000, 1000000\)"):
        open_sentinel2(tmp_path)
