"""Write Sentinel-2 L2A folders as ESA's product specification lays them out, for the tests of reader and snow mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

SHAPE = (40, 30)
WEST, NORTH = 600_000.0, 3_400_000.0

_METADATA = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <n1:General_Info>
    <Product_Info>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
    </Product_Info>
    <Product_Image_Characteristics>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>
      {offsets}
    </Product_Image_Characteristics>
  </n1:General_Info>
</n1:Level-2A_User_Product>
"""


def write_raster(
    path: Path,
    values: np.ndarray,
    *,
    driver: str,
    step: float = 20.0,
    west: float = WEST,
    crs: str = "EPSG:32647",
    scale: float | None = None,
    offset: float | None = None,
) -> None:
    """One band; JPEG 2000 without loss, as ESA writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lossless = {"QUALITY": "100", "REVERSIBLE": "YES"} if driver == "JP2OpenJPEG" else {}
    with rasterio.open(
        path,
        "w",
        driver=driver,
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype=values.dtype.name,
        crs=crs,
        transform=from_origin(west, NORTH, step, step),
        **lossless,
    ) as file:
        file.write(values, 1)
        if scale is not None:
            file.scales, file.offsets = (scale,), (offset or 0.0,)


def write_product(
    folder: Path,
    numbers: dict[str, np.ndarray],
    *,
    day: str = "20200326",
    tile: str = "T47RQQ",
    baseline: str = "02.14",
    offset: int = 0,
    west: float = WEST,
) -> Path:
    """A ``.SAFE`` folder with these bands at 20 m; the offset stands in the metadata where it is not 0."""
    stamp = f"{day}T034531"
    product = folder / f"S2A_MSIL2A_{stamp}_N{baseline.replace('.', '')}_R104_{tile}_{day}T074500.SAFE"
    images = product / "GRANULE" / f"L2A_{tile}_A024861_{day}T035326" / "IMG_DATA" / "R20m"
    for band, values in numbers.items():
        write_raster(images / f"{tile}_{stamp}_{band}_20m.jp2", values, driver="JP2OpenJPEG", west=west)
    listed = "".join(f'<BOA_ADD_OFFSET band_id="{i}">{offset}</BOA_ADD_OFFSET>' for i in range(13))
    offsets = f"<BOA_ADD_OFFSET_VALUES_LIST>{listed}</BOA_ADD_OFFSET_VALUES_LIST>" if offset else ""
    (product / "MTD_MSIL2A.xml").write_text(_METADATA.format(baseline=baseline, offsets=offsets))
    return product
