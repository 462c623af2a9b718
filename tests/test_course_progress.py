"""A person's progress: counted, kept whole, and read by others."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labkit.course import read_progress
from labkit.course.progress import record
from labkit.errors import FileError


def test_tries_are_counted_up_to_the_first_right_answer(own_progress: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert [record("c1_seeing", "fringe", right) for right in (False, False, True, False, True)] == [1, 2, 3, 3, 3]
    entry = read_progress()["c1_seeing"]["fringe"]
    assert entry["tries"] == 3
    assert before <= datetime.fromisoformat(str(entry["right"])) <= datetime.now(UTC)
    assert json.loads((own_progress / "progress.json").read_text()) == read_progress(own_progress)


def test_nothing_tried_is_nothing_and_writes_no_file(own_progress: Path) -> None:
    assert read_progress() == {}
    assert not own_progress.exists()


def test_without_a_folder_of_its_own_it_lies_in_labkits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABKIT_PROGRESS", raising=False)
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    record("c1_seeing", "fringe", True)
    assert read_progress(tmp_path / "home")["c1_seeing"]["fringe"]["tries"] == 1


def test_notebooks_that_answer_at_once_lose_nothing(own_progress: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: record(f"c{i % 4}", f"exercise {i // 4 % 5}", False), range(80)))
    known = read_progress()
    assert {lesson: {n: e["tries"] for n, e in names.items()} for lesson, names in known.items()} == {
        f"c{i}": {f"exercise {j}": 4 for j in range(5)} for i in range(4)
    }


@pytest.mark.parametrize(
    "words", ["{", "[]", '{"c1": {"fringe": 1}}', '{"c1": {"fringe": {"tries": "x", "right": null}}}']
)
def test_a_file_that_holds_something_else_is_named_and_left_alone(own_progress: Path, words: str) -> None:
    own_progress.mkdir()
    (own_progress / "progress.json").write_text(words)
    for act in (read_progress, lambda: record("c1_seeing", "fringe", True)):
        with pytest.raises(FileError, match="progress.json must hold the progress of the course"):
            act()
    assert (own_progress / "progress.json").read_text() == words
