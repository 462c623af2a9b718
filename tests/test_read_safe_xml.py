"""XML headers from anyone: plain ones are read, those that declare anything are refused before they are parsed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labkit as lk
from labkit.read.safe_xml import read_xml

BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "xxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>"""
FETCH = """<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>"""


def test_a_plain_header_is_read_in_either_encoding_of_the_processors(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes('<?xml version="1.0" encoding="ISO-8859-1"?><a><b>Zürich</b></a>'.encode("latin-1"))
    assert read_xml(path).findtext("b") == "Zürich"
    path.write_text("<?xml version='1.0' encoding='UTF-8'?><a><b>Zürich</b></a>", "utf-8")
    assert read_xml(path).findtext("b") == "Zürich"


@pytest.mark.parametrize("text", [BOMB, FETCH, BOMB.replace("DOCTYPE", "doctype"), BOMB.replace("<!D", "<! D")])
def test_declared_entities_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(lk.FileError, match=r"a\.xml must be plain XML"):
        read_xml(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_no_encoding_hides_a_declaration(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(BOMB.encode(encoding))
    with pytest.raises(lk.FileError, match=r"a\.xml must be"):
        read_xml(path)


def test_a_cut_or_missing_header_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    with pytest.raises(lk.FileError, match=r"a\.xml must be there"):
        read_xml(path)
    path.write_text("<a><b>1</b>")
    with pytest.raises(lk.FileError, match=r"a\.xml must be a whole XML file"):
        read_xml(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.xml"
    path.write_bytes(raw)
    try:
        read_xml(path)
    except lk.FileError as error:
        assert "fuzz.xml" in str(error)
