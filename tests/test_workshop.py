"""The folder of a workshop: wheels, accounts, homes, the way back to the start, and what was run."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import subprocess
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.utils import canonicalize_name

from labkit.course import open_material
from labkit.errors import FileError, LabkitError
from labkit.label.people import Person
from labkit.workshop import accounts, wheels
from labkit.workshop.layout import COURSE, Workshop, account_of
from labkit.workshop.making import make_workshop
from labkit.workshop.memory import memory_by_person
from labkit.workshop.progress import code_cells, page, read_progress
from labkit.workshop.resetting import reset
from labkit.workshop.watching import watch

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def room(tmp_path: Path) -> Workshop:
    """A workshop of three people with the real notebooks, without wheels and scenes."""
    return make_workshop(
        tmp_path / "room", people=3, notebooks=ROOT / "notebooks", scenes=(), with_wheels=False, say=lambda words: None
    )


def test_what_a_package_needs_is_what_pip_says_of_it() -> None:
    needed = wheels.needed("pooch")
    told = subprocess.run(
        [sys.executable, "-m", "pip", "show", "--disable-pip-version-check", *needed],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    asked = {
        canonicalize_name(name)
        for line in told.splitlines()
        if line.startswith("Requires:")
        for name in line.removeprefix("Requires:").replace(",", " ").split()
    }
    assert set(needed) == asked | {"pooch"}
    versions = [line.removeprefix("Version: ") for line in told.splitlines() if line.startswith("Version: ")]
    assert sorted(versions) == sorted(needed.values())


def test_an_extra_brings_what_it_needs_and_what_is_missing_is_named() -> None:
    assert "pytest" in wheels.needed("labkit[test]")
    assert "pytest" not in wheels.needed("labkit")
    with pytest.raises(LabkitError, match="no-such-package must be installed, which no-such-package needs"):
        wheels.needed("no-such-package")


def test_a_version_that_would_not_install_is_named_before_anything_is_fetched() -> None:
    with pytest.raises(LabkitError, match=r"numpy must be <1, which numpy<1 needs, instead \d\S+ is installed"):
        wheels.needed("numpy<1")


def write_wheel(folder: Path, name: str) -> Path:
    """Write a tiny wheel of a package with one module."""
    import zipfile

    path = folder / f"{name}-1.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", "WORD = 'here'\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path


def test_wheels_are_fetched_once_and_those_of_other_versions_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_wheel(tmp_path / "shop", "tinything")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(source.parent))
    write_wheel(tmp_path / "wheels", "leftover")
    (found,) = wheels.collect({"tinything": "1.0"}, tmp_path / "wheels", progress=False)
    assert found.read_bytes() == source.read_bytes()
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == [found.name]
    source.unlink()  # a second call asks nobody
    assert wheels.collect({"tinything": "1.0"}, tmp_path / "wheels", progress=False) == [found]
    with pytest.raises(LabkitError, match=r"pip must get a wheel of each of absent==2\.0, instead it ended with 1"):
        wheels.collect({"tinything": "1.0", "absent": "2.0"}, tmp_path / "wheels", progress=False)
    assert found.exists()  # what was fetched stays


@pytest.mark.slow
def test_a_workshop_installs_from_its_wheels_alone_and_refuses_a_damaged_one(tmp_path: Path, room: Workshop) -> None:
    wheel = write_wheel(room.folder / "wheels", "tinything")
    wheels.check_installable("tinything", room.folder / "wheels")
    with pytest.raises(LabkitError, match="absent must install from"):
        wheels.check_installable("absent", room.folder / "wheels")
    manifest = wheels.write_manifest(room.folder / wheels.MANIFEST, [wheel], labkit="tinything", label_studio="")
    told = json.loads(manifest.read_text())["wheels"]["wheels/tinything-1.0-py3-none-any.whl"]
    assert told == {"size": wheel.stat().st_size, "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    script = [sys.executable, str(room.folder / "install.py")]
    good, said = wheel.read_bytes(), manifest.read_text()
    later = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro + 1}"
    manifest.write_text(said.replace(platform.python_version(), later))
    refused = subprocess.run(script, capture_output=True, text=True, check=False)
    assert f"from {later} on, instead this is {platform.python_version()}" in refused.stderr
    manifest.write_text(said)
    wheel.write_bytes(good[:-1] + b"x")
    refused = subprocess.run(script, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "is damaged: its SHA-256 is not that of manifest.json" in refused.stderr
    wheel.write_bytes(good)
    nowhere = os.environ | {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_EXTRA_INDEX_URL": "http://127.0.0.1:9"}
    done = subprocess.run(script, capture_output=True, text=True, check=False, env=nowhere)
    assert done.returncode == 0, done.stderr
    python = room.folder / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    said = subprocess.run([python, "-c", "import tinything; print(tinything.WORD)"], capture_output=True, text=True)
    assert said.stdout.strip() == "here"
    again = subprocess.run(script, capture_output=True, text=True, check=True)
    assert ".venv is there." in again.stdout


def test_environments_tell_what_is_installed_in_them(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages") or (tmp_path / "env").glob("Lib/site-packages")
    info = site / "Tiny_Thing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Tiny_Thing\nVersion: 1.0\n")
    assert wheels.installed(tmp_path / "env") == {"tiny-thing": "1.0"}


def test_a_workshop_has_what_the_room_needs_and_is_completed_when_made_again(room: Workshop) -> None:
    assert room.people.read_text() == "Person 01\nPerson 02\nPerson 03\n"
    assert (room.notebooks / "00_tour.ipynb").read_bytes() == (ROOT / "notebooks" / "00_tour.ipynb").read_bytes()
    assert not (room.notebooks / "results").exists()
    room.people.write_text("Anna\n")
    (room.notebooks / "00_tour.ipynb").unlink()
    again = make_workshop(
        room.folder, notebooks=ROOT / "notebooks", scenes=(), with_wheels=False, say=lambda words: None
    )
    assert again.people.read_text() == "Anna\n"
    assert (room.notebooks / "00_tour.ipynb").exists()


@pytest.mark.slow
def test_people_find_the_material_of_the_lessons_made_and_readable(tmp_path: Path) -> None:
    room = make_workshop(
        tmp_path / "room", notebooks=ROOT / "notebooks", scenes=(COURSE,), with_wheels=False, say=lambda words: None
    )
    material = open_material(room.data / COURSE)
    assert len(material.part_truth()) > 0
    if os.name == "posix":  # each person's server may run as a user of its own
        for path in (room.data, *room.data.rglob("[!.]*")):
            assert path.stat().st_mode & (0o005 if path.is_dir() else 0o004), path


def test_a_workshop_does_not_settle_where_something_else_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(FileError, match="folder must be new, empty or a workshop"):
        make_workshop(tmp_path, notebooks=ROOT / "notebooks", scenes=(), with_wheels=False)
    with pytest.raises(LabkitError, match="people must be from 1 to 999, instead got people=0"):
        make_workshop(tmp_path / "room", people=0)
    with pytest.raises(FileError, match="notebooks must be a folder that holds .ipynb files"):
        make_workshop(tmp_path / "room", notebooks=tmp_path)
    with pytest.raises(FileError, match="folder must be that of a workshop"):
        Workshop.open(tmp_path)


def test_a_password_opens_its_own_account_and_is_kept_as_a_hash(room: Workshop) -> None:
    people = accounts.everybody(room)
    assert [account_of(person.email) for person in people] == ["teacher", "person.01", "person.02", "person.03"]
    room.private.mkdir()
    new = accounts.let_in(room, people, label_studio=False)
    words = {account_of(person.email): person.password for person in new}
    assert len(set(words.values())) == 4
    for account, word in words.items():
        assert [name for name in words if accounts.is_right(room.passwords, name, word)] == [account]
        assert word not in room.passwords.read_text()
    assert not accounts.is_right(room.passwords, "person.01", "")
    assert not accounts.is_right(room.passwords, "stranger", "")
    if os.name == "posix":
        assert stat.S_IMODE(room.passwords.stat().st_mode) == 0o600
    assert accounts.let_in(room, people, label_studio=False) == []  # who has one keeps it
    renewed = accounts.renew(room, "person.01")
    assert not accounts.is_right(room.passwords, "person.01", words["person.01"])
    assert accounts.is_right(room.passwords, "person.01", renewed.password)
    with pytest.raises(FileError, match="name must be of somebody with an account, instead got name='stranger'"):
        accounts.renew(room, "stranger")
    later = accounts.let_in(room, [*people, Person("Late", "late@workshop.local")], label_studio=False)
    assert [person.name for person in later] == ["Late"]
    assert accounts.is_right(room.passwords, "person.02", words["person.02"])


def test_two_people_cannot_have_one_account(room: Workshop) -> None:
    room.people.write_text("Anna, anna@one.org\nAnna, anna@two.org\n")
    with pytest.raises(FileError, match="must give everybody an account of his own, instead two are 'anna'"):
        accounts.everybody(room)
    room.people.write_text("Eve, ../eve@one.org\n")
    with pytest.raises(FileError, match="account must be letters, digits"):
        accounts.everybody(room)


def test_a_reset_gives_fresh_notebooks_and_loses_nothing(room: Workshop, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert reset(home, room.notebooks) is None
    tour = home / "notebooks" / "00_tour.ipynb"
    tour.write_text("broken")
    (home / "notebooks" / "results").mkdir()
    (home / "notebooks" / "results" / "labels.parquet").write_text("an hour's work")
    kept = [reset(home, room.notebooks), reset(home, room.notebooks)]  # twice within a second
    assert tour.read_bytes() == (room.notebooks / "00_tour.ipynb").read_bytes()
    assert (kept[0] / "00_tour.ipynb").read_text() == "broken"
    assert (kept[0] / "results" / "labels.parquet").read_text() == "an hour's work"
    assert len({*kept}) == 2
    assert sorted(path.name for path in home.iterdir()) == ["kept", "notebooks", "start_here.ipynb"]
    with pytest.raises(FileError, match="LABKIT_WORKSHOP is not set"):
        reset(home)


def test_a_kernel_notes_what_ran_and_the_teacher_reads_it(
    room: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    cells = code_cells(room)
    first, second = cells["00_tour.ipynb"][:2]
    folder = room.home("person.01") / ".progress"
    monkeypatch.setenv("LABKIT_PROGRESS", str(folder))
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/00_tour.ipynb")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell = InteractiveShell()
    shell.history_manager.end_session()
    shell.history_manager.enabled = False
    watch(shell)
    for words, cell in (("1 + 1", first), ("1 / 0", second), ("2", "added-by-the-person")):
        shell.run_cell(words, cell_id=cell)
    progress = read_progress(room, "person.01", cells)
    step = progress.notebooks["00_tour.ipynb"]
    assert (step.ran, step.cells, step.errors) == (2, len(cells["00_tour.ipynb"]), 1)
    shell.run_cell("1", cell_id=second)  # mended
    assert read_progress(room, "person.01", cells).notebooks["00_tour.ipynb"].errors == 0
    exercises = {"c2": {"wrap": {"tries": 3, "right": "2026-01-01T10:00:00"}, "lag": {"tries": 1, "right": None}}}
    (folder / "progress.json").write_text(json.dumps(exercises))
    progress = read_progress(room, "person.01", cells)
    assert (progress.right, progress.wrong) == (1, 1)
    names = {"person.01": "Anna <b>", "person.02": "Bo"}
    everybody = {name: read_progress(room, name, cells) for name in names}
    words = page(everybody, cells, {"person.01": 250_000_000}, names)
    assert "Anna &lt;b&gt;" in words and "Anna <b>" not in words
    assert f"2 of {len(cells['00_tour.ipynb'])} cells" in words
    assert "1 server running, 250 MB in all" in words


@pytest.mark.parametrize(
    "content", ["", "[]", '{"00_tour.ipynb": 3}', '{"00_tour.ipynb": {"cells": 3}}', "[" * 100_000]
)
def test_what_a_person_writes_into_the_files_harms_no_page(room: Workshop, content: str) -> None:
    folder = room.home("person.01") / ".progress"
    folder.mkdir(parents=True)
    (folder / "notebooks.json").write_text(content)
    (folder / "progress.json").write_text(content)
    assert read_progress(room, "person.01", code_cells(room)).notebooks == {}


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
def test_the_memory_of_a_person_is_that_of_the_processes_started_for_it() -> None:
    words = "import sys; block = bytearray(60_000_000); print('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", words]
    environment = os.environ | {"JUPYTERHUB_USER": "somebody.tested"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        held = memory_by_person()["somebody.tested"]
        own = int(SimpleNamespace(**_status(process.pid)).VmRSS.split()[0]) * 1024
        assert process.stdin
        process.stdin.close()
    assert 60e6 < held <= own * 1.05  # never more than all that it has in memory
    assert "somebody.tested" not in memory_by_person()


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines) if key == "VmRSS"}
