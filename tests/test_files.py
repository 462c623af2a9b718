"""A file is there whole, or as it was before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labkit import FileError
from labkit.files import whole


def test_the_file_appears_only_when_the_body_is_done(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with whole(target) as partial:
        partial.write_text("complete")
        assert partial.name == "a.txt"
        assert not target.exists()
    assert target.read_text() == "complete"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("older")
    with pytest.raises(RuntimeError), whole(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "older"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"older")
    program = (
        "import resource, signal, sys\n"
        "from labkit.files import whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with whole(sys.argv[1]) as partial:\n"
        "    partial.write_bytes(bytes(5000))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "a.bin must be writable with enough room on its disk" in done.stderr
    assert target.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileError, match="file/a.txt must be writable"), whole(tmp_path / "file" / "a.txt") as partial:
        partial.write_text("never")
