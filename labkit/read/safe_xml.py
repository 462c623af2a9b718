"""Read an XML header that may come from anyone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from defusedxml.ElementTree import fromstring

from labkit.errors import FileError

_MAX_BYTES = 100_000_000
_DECLARES = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def read_xml(path: Path) -> ElementTree.Element:
    """Read an XML file that declares nothing of its own.

    Parameters
    ----------
    path : Path
        A header of ISCE (``.xml``, ``.vrt``) or SNAP (``.dim``).

    Returns
    -------
    xml.etree.ElementTree.Element
        The root.

    Raises
    ------
    FileError
        The file is missing, far too large for a header, no text, cut, or declares a document type or entities.

    Notes
    -----
    Every known attack on XML parsers (entities that expand without end, entities that fetch files or addresses) needs
    a DOCTYPE or ENTITY declaration, and no processor's header holds one: such a file is refused before it is parsed.
    The text is decoded first (UTF-8, else Latin-1, which SNAP writes), so that no other encoding can hide one.
    """
    return parse_xml(read_xml_text(path), path)


def read_xml_text(path: Path) -> str:
    """Read the text of an XML file that declares nothing of its own (:func:`read_xml` says what is refused)."""
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= _MAX_BYTES else b""
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise FileError(f"{path} must be there as a file, found none. Copy it beside its raster") from error
    if size > _MAX_BYTES:
        raise FileError(f"{path} must be an XML header, instead it holds {size} bytes. Make it again")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "\0" in text:
        raise FileError(f"{path} must be an XML header of plain text, instead it is binary. Make it again")
    # Looking for two letters first takes a tenth of the time.
    declared = _DECLARES.search(text) if "<!" in text else None
    if declared:
        raise FileError(
            f"{path} must be plain XML, instead it declares {declared.group(0)!r}, which no InSAR header does. "
            "Make it again with the processor, or fetch it from someone you trust"
        )
    return text


def parse_xml(text: str, path: Path) -> ElementTree.Element:
    """Parse what :func:`read_xml_text` read; the path is for the error."""
    try:
        return fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise FileError(f"{path} must be a whole XML file, instead got: {error}. Make it again") from error
