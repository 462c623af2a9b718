"""SNAP's BEAM-DIMAP headers (``.dim``): bands, metadata, map grid and tie points."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyproj import CRS
from pyproj.exceptions import CRSError

from labkit.errors import FileError
from labkit.read.envi_header import read_envi_band
from labkit.read.flat_binary import FlatBand
from labkit.read.map_grid import check_placed
from labkit.read.raster import Grid
from labkit.read.safe_xml import read_xml

#: What SNAP writes at metadata that it does not know.
_UNKNOWN = 99999.0
_DATES = re.compile(r"(?<![0-9A-Za-z])(\d{2}[A-Z][a-z]{2}\d{4})_(\d{2}[A-Z][a-z]{2}\d{4})(?![0-9A-Za-z])")


@dataclass(frozen=True)
class SnapProduct:
    """A ``.dim`` and its parsed header."""

    path: Path
    root: ElementTree.Element

    @property
    def data(self) -> Path:
        """The folder of the rasters."""
        return self.path.with_suffix(".data")

    def bands(self) -> dict[str, str]:
        """Names of the stored bands (virtual ones are computed by SNAP, not stored) → their physical unit.

        Raises
        ------
        FileError
            A band's name leads out of the product.
        """
        found = {}
        for info in self.root.iter("Spectral_Band_Info"):
            name = (info.findtext("BAND_NAME") or "").strip()
            if (info.findtext("VIRTUAL_BAND") or "").strip().lower() == "true":
                continue
            if not name or re.search(r"[/\\\0]|^\.", name):
                raise FileError(f"{self.path} must name its bands by plain words, instead got BAND_NAME={name!r}")
            found[name] = (info.findtext("PHYSICAL_UNIT") or "").strip()
        return found

    def band(self, name: str) -> FlatBand:
        """The raster of a band."""
        return read_envi_band(self.data / f"{name}.img")

    def number(self, *names: str) -> float:
        """The first of these numbers of the abstracted metadata that SNAP knows; NaN where none is.

        Raises
        ------
        FileError
            It is no number.
        """
        for name in names:
            word = self.word(name)
            if word:
                try:
                    value = float(word)
                except ValueError as error:
                    raise FileError(f"{self.path} must hold a number at '{name}', instead got {word!r}") from error
                if math.isfinite(value) and value != _UNKNOWN:
                    return value
        return math.nan

    def word(self, name: str) -> str:
        """A text of the abstracted metadata; "" where it is missing."""
        for element in self.root.iter("MDElem"):
            if element.get("name") == "Abstracted_Metadata":
                for attribute in element.findall("MDATTR"):
                    if attribute.get("name") == name:
                        return (attribute.text or "").strip()
        return ""

    def perpendicular_baseline(self, first: str, second: str) -> float:
        """The perpendicular baseline (m) that SNAP kept for two dates as it writes them; NaN where it kept none."""
        for baselines in (e for e in self.root.iter("MDElem") if e.get("name") == "Baselines"):
            for reference in (e for e in baselines.findall("MDElem") if first in e.get("name", "")):
                for secondary in (e for e in reference.findall("MDElem") if second in e.get("name", "")):
                    for attribute in secondary.findall("MDATTR"):
                        if attribute.get("name") == "Perp Baseline":
                            return _finite(attribute.text)
        return math.nan

    def map_grid(self, shape: tuple[int, int]) -> Grid | None:
        """The map grid of a geocoded product; None in radar geometry.

        Raises
        ------
        FileError
            The transform or the CRS is damaged, or the grid is rotated.
        """
        text = self.root.findtext("Geoposition/IMAGE_TO_MODEL_TRANSFORM")
        if text is None:
            return None
        numbers = [_finite(word) for word in text.split(",")]
        if len(numbers) != 6 or not all(map(math.isfinite, numbers)) or 0.0 in (numbers[0], numbers[3]):
            raise FileError(f"{self.path} must hold six numbers at IMAGE_TO_MODEL_TRANSFORM, instead got {text[:80]!r}")
        x_step, y_shear, x_shear, y_step, left, top = numbers
        if x_shear or y_shear:
            raise FileError(f"{self.path} must have axes along its CRS, instead its grid is rotated. Reproject it")
        # The transform places the outer corner of the first pixel.
        return check_placed(Grid(self.path, shape, self._crs(), top + y_step / 2, left + x_step / 2, y_step, x_step))

    def _crs(self) -> str:
        wkt = (self.root.findtext("Coordinate_Reference_System/WKT") or "").strip()
        try:
            crs = CRS.from_wkt(wkt)
        except CRSError as error:
            raise FileError(f"{self.path} must hold the WKT of its map projection, instead got {wkt[:60]!r}") from error
        if crs.is_geographic:
            return "EPSG:4326"
        code = crs.to_epsg(min_confidence=20)
        return f"EPSG:{code}" if code else crs.to_wkt()


def read_product(path: Path) -> SnapProduct:
    """Read a ``.dim``.

    Raises
    ------
    FileError
        It is damaged, or its ``.data`` folder is missing.
    """
    product = SnapProduct(path, read_xml(path))
    if not product.data.is_dir():
        raise FileError(f"{path} must have its rasters beside it in {product.data.name}/, found none. Copy the folder")
    return product


def band_dates(name: str) -> tuple[str, str] | None:
    """The two dates in a band's name as SNAP writes them (17Mar2017, 10Apr2017); None where it names none."""
    found = _DATES.search(name)
    return (found.group(1), found.group(2)) if found else None


def ordered_dates(first: str, second: str, path: Path) -> tuple[str, bool]:
    """Give "YYYYMMDD_YYYYMMDD", earlier date first, and whether SNAP has them the other way round.

    Raises
    ------
    FileError
        They are no two different calendar dates.
    """
    try:
        days = [datetime.strptime(date, "%d%b%Y").strftime("%Y%m%d") for date in (first, second)]
    except ValueError as error:
        raise FileError(f"{path} must name two calendar dates, instead got {first}_{second}") from error
    if days[0] == days[1]:
        raise FileError(f"{path} must name two different dates, instead got {first}_{second}")
    return "_".join(sorted(days)), days[1] < days[0]


def _finite(text: str | None) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
