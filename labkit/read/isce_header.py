"""ISCE's raster headers: ``.xml`` beside the file, else ``.vrt``."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from labkit.errors import FileError
from labkit.read.flat_binary import FlatBand
from labkit.read.safe_xml import parse_xml, read_xml, read_xml_text

_XML_TYPES = {"BYTE": "u1", "SHORT": "i2", "INT": "i4", "FLOAT": "f4", "DOUBLE": "f8", "CFLOAT": "c8", "CDOUBLE": "c16"}
_VRT_TYPES = {"Byte": "u1", "Int16": "i2", "Int32": "i4", "Float32": "f4", "Float64": "f8", "CFloat32": "c8"}
_FILE_NAMES = re.compile(
    r'(<property name="(?:file_name|extra_file_name|metadata_location)">\s*<value>)[^<]*(?=</value>)'
)
_parsed: dict[str, dict[str, str]] = {}
_MOST_PARSED = 64
_MEND = "Make the header again with ISCE's fixImageXml.py"


def has_header(path: Path) -> bool:
    """Whether an ISCE header stands beside the raster."""
    return any(path.with_name(path.name + end).is_file() for end in (".xml", ".vrt"))


def read_bands(path: Path) -> tuple[FlatBand, ...]:
    """Read where the bands of an ISCE raster lie.

    The ``.xml`` is taken where there is one; the absolute path that it remembers is not looked at, the raster is the
    file beside it. Of a ``.vrt`` only raw bands in the file beside it are taken.

    Raises
    ------
    FileError
        No header, a damaged one, one that points elsewhere, or a raster of another size.
    """
    header = path.with_name(path.name + ".xml")
    if header.is_file():
        return tuple(band.check() for band in _from_xml(path, header))
    header = path.with_name(path.name + ".vrt")
    if header.is_file():
        return tuple(band.check() for band in _from_vrt(header))
    raise FileError(f"{path} must have its header beside it ({path.name}.xml), found none. Copy it, or {_MEND.lower()}")


def properties(root: ElementTree.Element) -> dict[str, str]:
    """Give the properties of an ISCE ``.xml`` by lower-case name; of several of one name the first."""
    found: dict[str, str] = {}
    for element in root.iter("property"):
        name, value = element.get("name", "").lower(), element.findtext("value")
        if name and value is not None:
            found.setdefault(name, value.strip())
    return found


def whole(words: dict[str, str], name: str, header: Path) -> int:
    """Give a property that must be a whole number ≥ 1.

    Raises
    ------
    FileError
        It is missing or something else.
    """
    if name not in words:
        raise FileError(f"{header} must hold the property '{name}', instead it is missing. {_MEND}")
    try:
        value = float(words[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 1 or value != int(value):
        raise FileError(f"{header} must hold a whole number ≥ 1 at '{name}', instead got {words[name]!r}. {_MEND}")
    return int(value)


def _from_xml(path: Path, header: Path) -> list[FlatBand]:
    words = _words(header)
    lines, samples = whole(words, "length", header), whole(words, "width", header)
    bands = whole(words, "number_bands", header)
    kind, scheme = words.get("data_type", "").upper(), words.get("scheme", "").lower()
    if kind not in _XML_TYPES or scheme not in ("bip", "bil", "bsq") or bands > 100:
        raise FileError(
            f"{header} must hold a data_type among {tuple(_XML_TYPES)}, a scheme BIP, BIL or BSQ and at most 100 "
            f"bands, instead got data_type={kind!r}, scheme={scheme!r}, number_bands={bands}. {_MEND}"
        )
    order = ">" if words.get("byte_order", "l").lower().startswith("b") else "<"
    return [FlatBand(path, (lines, samples), order + _XML_TYPES[kind], i, bands, scheme) for i in range(bands)]


def _words(header: Path) -> dict[str, str]:
    """The properties but for the names of files, which labkit does not use.

    The headers of a stack differ in those names alone: what is equal without them is parsed once.
    """
    text = _FILE_NAMES.sub(r"\1", read_xml_text(header))
    if text not in _parsed:
        if len(_parsed) >= _MOST_PARSED:
            _parsed.clear()
        _parsed[text] = properties(parse_xml(text, header))
    return _parsed[text]


def _from_vrt(header: Path) -> list[FlatBand]:
    root = read_xml(header)
    layers = root.findall("VRTRasterBand")
    size = {name: root.get(name, "") for name in ("rasterXSize", "rasterYSize")}
    shape = whole(size, "rasterYSize", header), whole(size, "rasterXSize", header)
    if not layers:
        raise FileError(f"{header} must hold a VRTRasterBand, found none. {_MEND}")
    found = []
    for index, layer in enumerate(layers):
        if layer.get("subClass") != "VRTRawRasterBand":
            raise FileError(
                f'{header} must describe raw bands (subClass="VRTRawRasterBand"), instead band {index + 1} refers to '
                f"another image, of which nothing says how it is laid out. {_MEND}"
            )
        found.append(_raw_band(header, layer, shape, index, len(layers)))
    return found


def _raw_band(header: Path, layer: ElementTree.Element, shape: tuple[int, int], index: int, bands: int) -> FlatBand:
    source = _source(header, layer)
    kind = layer.get("dataType", "Byte")
    if kind not in _VRT_TYPES:
        raise FileError(f"{header} must hold a dataType among {tuple(_VRT_TYPES)}, instead got {kind!r}. {_MEND}")
    order = ">" if (layer.findtext("ByteOrder") or "LSB").strip().upper() == "MSB" else "<"
    sample = np.dtype(_VRT_TYPES[kind]).itemsize
    lines, samples = shape
    offsets = tuple((layer.findtext(name) or "").strip() for name in ("ImageOffset", "PixelOffset", "LineOffset"))
    layouts = {
        "bsq": (index * sample * samples * lines, sample, sample * samples),
        "bil": (index * sample * samples, sample, sample * samples * bands),
        "bip": (index * sample, sample * bands, sample * samples * bands),
    }
    for interleave, layout in layouts.items():
        if offsets == tuple(map(str, layout)):
            return FlatBand(source, shape, order + _VRT_TYPES[kind], index, bands, interleave)
    raise FileError(
        f"{header} must lay out its bands as BIP, BIL or BSQ, instead band {index + 1} has (ImageOffset, PixelOffset, "
        f"LineOffset)={offsets}. {_MEND}"
    )


def _source(header: Path, layer: ElementTree.Element) -> Path:
    element = layer.find("SourceFilename")
    name = (element.text or "").strip() if element is not None else ""
    relative = element is not None and element.get("relativeToVRT") == "1"
    parts = PurePosixPath(name).parts + PureWindowsPath(name).parts
    if not name or not relative or ".." in parts or ":" in name or name[0] in "/\\":
        raise FileError(
            f'{header} must name a raster in its own folder (relativeToVRT="1"), instead got {name!r}. '
            f"Copy the raster beside it. {_MEND}"
        )
    return header.parent / name
