"""Which files make a Sentinel-2 look, and what turns their numbers into reflectances."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from labkit.errors import FileError
from labkit.read.safe_xml import read_xml

#: The bands of the snow index (Fu et al. 2022, section 4.2): green 0.56 μm, near infrared 0.86 μm, short wave 1.61 μm.
BANDS = ("B03", "B8A", "B11")

#: ESA's scene classification, one class for each pixel.
CLASSES = "SCL"

#: How the product metadata numbers the bands.
_BAND_IDS = {"B03": 2, "B8A": 8, "B11": 11}

#: From this processing baseline on, products carry an offset (January 2022, and everything reprocessed since).
_FIRST_BASELINE_WITH_OFFSET = 4.0

_RASTER = re.compile(r"\.(jp2|tiff?)$", re.IGNORECASE)
_BAND = re.compile(r"(?:^|[^A-Z0-9])(B0?3|B8A|B11|SCL)(?:[^A-Z0-9]|$)", re.IGNORECASE)
_RESOLUTION = re.compile(r"(?:^|_)(10|20|60)m(?:[^A-Z0-9]|$)", re.IGNORECASE)
_TIME = re.compile(r"(?<!\d)(20\d\d)-?([01]\d)-?([0-3]\d)(?:T(\d\d)(\d\d)(\d\d))?(?!\d)")
_TILE = re.compile(r"(?<![A-Z0-9])T?(\d\d[C-X][A-Z]{2})(?![A-Z0-9])")


@dataclass(frozen=True)
class Look:
    """One acquisition of one tile: ``files`` by band name (SCL where there is one).

    ``product`` is the folder of the whole L2A product, None for plain band files.
    """

    time: np.datetime64
    tile: str
    files: dict[str, Path]
    product: Path | None


@dataclass(frozen=True)
class Calibration:
    """reflectance = (number + offset[band]) / quantification."""

    quantification: float
    offset: dict[str, float]


def find_looks(folder: Path) -> list[Look]:
    """Group the band files below ``folder`` into looks, in order of time.

    Of a band that stands at several resolutions the file of 20 m is taken, else that of 10 m.

    Raises
    ------
    FileError
        There is no band file, a band file has no date, a look lacks a band or has it twice.
    """
    found: dict[tuple[np.datetime64, str], dict[str, list[Path]]] = {}
    for path in _rasters(folder):
        band = _BAND.search(path.stem)
        if band is None:
            continue
        name = band.group(1).upper().replace("B3", "B03")
        key = (_time(path, folder), _tile(path, folder))
        found.setdefault(key, {}).setdefault(name, []).append(path)
    if not found:
        raise FileError(
            f"{folder} must hold Sentinel-2 L2A products (.SAFE) or the band files B03, B8A and B11 (.jp2, .tif), "
            "found none of them"
        )
    looks = []
    for (time, tile), candidates in sorted(found.items()):
        missing = [b for b in BANDS if b not in candidates]
        if missing:
            near = next(iter(candidates.values()))[0].parent
            raise FileError(f"{near} must hold {', '.join(BANDS)} of {time}, instead {', '.join(missing)} is missing")
        files = {name: _finest_fit(paths) for name, paths in candidates.items()}
        looks.append(Look(time, tile, files, _product(files[BANDS[0]])))
    return looks


def read_calibration(product: Path) -> Calibration:
    """Read how an L2A product stores reflectances from its metadata (``MTD_MSIL2A.xml``).

    Raises
    ------
    FileError
        The metadata is missing, is no plain XML, or lacks a number that the reflectances depend on.
    """
    metadata = sorted(p for p in product.glob("*.xml") if "MTD" in p.name)
    levels = [p for p in metadata if "L2A" in p.name]
    if len(levels) != 1:
        raise FileError(
            f"{product} must hold one MTD_MSIL2A.xml, instead it holds {[p.name for p in metadata] or 'no metadata'}. "
            "Fetch the whole Level-2A product; Level-1C has no surface reflectances"
        )
    path = levels[0]
    root = read_xml(path)
    quantification = _number(path, _first(root, "BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"))
    if not quantification > 0:
        raise FileError(f"{path} must have a BOA_QUANTIFICATION_VALUE above 0, instead got {quantification}")
    offsets = {
        element.get("band_id"): _number(path, element) for element in root.iter() if _local(element) == "BOA_ADD_OFFSET"
    }
    if not offsets:
        baseline = _number(path, _first(root, "PROCESSING_BASELINE"))
        if not baseline < _FIRST_BASELINE_WITH_OFFSET:
            raise FileError(
                f"{path} must state BOA_ADD_OFFSET, as products of baseline 04.00 and later do, instead it has none "
                f"and is of baseline {baseline:05.2f}. Fetch the product again"
            )
        return Calibration(quantification, dict.fromkeys(BANDS, 0.0))
    missing = [band for band in BANDS if str(_BAND_IDS[band]) not in offsets]
    if missing:
        raise FileError(f"{path} must state BOA_ADD_OFFSET of {', '.join(BANDS)}, instead {missing} are missing")
    return Calibration(quantification, {band: offsets[str(_BAND_IDS[band])] for band in BANDS})


def _rasters(folder: Path) -> list[Path]:
    """Rasters below the folder, without the quality masks, whose names carry bands too."""
    found = []
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(s for s in subfolders if s != "QI_DATA")
        found += [Path(place) / n for n in sorted(names) if _RASTER.search(n) and not n.startswith("MSK_")]
    return found


def _named(path: Path, folder: Path) -> list[str]:
    """The names that may tell date and tile, the nearest first: the file's and those of the folders around it."""
    inside = path.relative_to(folder).parts[:-1]
    return [path.stem, *reversed(inside), folder.absolute().name]


def _time(path: Path, folder: Path) -> np.datetime64:
    for name in _named(path, folder):
        found = _TIME.search(name)
        if found:
            year, month, day, *clock = found.groups()
            text = f"{year}-{month}-{day}" + (f"T{':'.join(clock)}" if clock[0] else "")
            try:
                return np.datetime64(text, "s")
            except ValueError as error:
                raise FileError(f"{path} must name a calendar date, instead got {found.group(0)!r}") from error
    raise FileError(f"{path} must have its date in its name (20200326), instead there is none. Rename it or its folder")


def _tile(path: Path, folder: Path) -> str:
    found = (_TILE.search(name) for name in _named(path, folder))
    return next((f"T{match.group(1)}" for match in found if match), "")


def _product(path: Path) -> Path | None:
    return next((p.parent for p in path.parents if p.name == "GRANULE"), None)


def _finest_fit(paths: list[Path]) -> Path:
    """The file of the resolution nearest to what is wanted; two of the same would count a look twice."""
    order = {"20": 0, "10": 1, "": 2, "60": 3}
    ranked = sorted((order[m.group(1) if (m := _RESOLUTION.search(p.stem)) else ""], p) for p in paths)
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        raise FileError(
            f"each look must have a band once, instead there are {ranked[0][1]} and {ranked[1][1]}. "
            "Keep the one of the later processing baseline"
        )
    return ranked[0][1]


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _first(root: ElementTree.Element, *names: str) -> ElementTree.Element | None:
    return next((element for element in root.iter() if _local(element) in names), None)


def _number(path: Path, element: ElementTree.Element | None) -> float:
    if element is None:
        raise FileError(f"{path} must state quantification and processing baseline, instead one is missing")
    try:
        value = float(element.text or "")
    except ValueError as error:
        raise FileError(f"{path} must have a number as {_local(element)}, instead got {element.text!r}") from error
    if not math.isfinite(value):
        raise FileError(f"{path} must have a finite {_local(element)}, instead got {element.text!r}")
    return value
