"""The folder of labkit's state: secrets, private files, ports."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit import home
from labkit.errors import LabkitError

needs_posix = pytest.mark.skipif(os.name != "posix", reason="file modes mean this on POSIX systems only")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that is not there yet."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port of this machine on which somebody listens, with a free one after it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@needs_posix
def test_the_folder_is_private_and_ignored_by_git(state: Path) -> None:
    assert home.folder() == state
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert (state / ".gitignore").read_text() == "*\n"


def test_without_the_variable_the_folder_lies_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABKIT_HOME")
    monkeypatch.chdir(tmp_path)
    assert home.folder() == tmp_path / ".labkit"


@needs_posix
def test_secrets_are_made_once_in_a_file_that_only_its_owner_reads(state: Path) -> None:
    first = home.load_secrets()
    assert stat.S_IMODE((state / home.SECRETS_FILE).stat().st_mode) == 0o600
    assert home.load_secrets() == first
    assert [p.name for p in state.iterdir() if p.name.endswith(".part")] == []


def test_two_benches_have_different_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for name in ("one", "two"):
        monkeypatch.setenv("LABKIT_HOME", str(tmp_path / name))
        made.append(home.load_secrets())
    assert made[0].password != made[1].password
    assert made[0].jupyter_token != made[1].jupyter_token
    assert made[0].label_studio_token != made[1].label_studio_token


def test_label_studio_gets_a_token_of_the_form_it_takes() -> None:
    token = home.load_secrets().label_studio_token
    assert len(token) == 40
    int(token, 16)


def test_secrets_do_not_show_when_they_are_printed() -> None:
    made = home.load_secrets()
    shown = f"{made} {made!r}"
    assert made.user in shown
    for secret in (made.password, made.label_studio_token, made.jupyter_token):
        assert secret not in shown


@needs_posix
def test_secrets_that_others_can_read_are_refused(state: Path) -> None:
    home.load_secrets()
    (state / home.SECRETS_FILE).chmod(0o644)
    with pytest.raises(LabkitError, match=r"must be readable by its owner alone. Run: chmod 600 .*secrets\.json"):
        home.load_secrets()


@pytest.mark.parametrize("text", ["{", json.dumps({"user": "a"}), json.dumps([1])])
def test_secrets_that_cannot_be_understood_are_named_and_kept(state: Path, text: str) -> None:
    path = home.folder() / home.SECRETS_FILE
    home.write_private(path, text)
    with pytest.raises(LabkitError, match=r"secrets\.json must hold the secrets of this bench as JSON"):
        home.load_secrets()
    assert path.read_text() == text


@needs_posix
def test_a_private_file_replaces_an_open_one_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "word"
    path.write_text("old")
    path.chmod(0o666)
    home.write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_busy_port_is_passed_over_for_the_next_free_one(busy_port: int) -> None:
    assert not home.is_free(busy_port)
    taken = home.free_port(busy_port)
    assert busy_port < taken < busy_port + 100
    assert home.is_free(taken)


def test_a_port_taken_on_every_address_is_busy_on_loopback() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not home.is_free(listener.getsockname()[1], "127.0.0.1")


@pytest.mark.parametrize("port", [0, -1, 65536, 70000])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(LabkitError, match=rf"port must be between 1 and 65535, instead got port={port}"):
        home.free_port(port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(LabkitError, match=rf"host must be an address of this machine, instead got host='{host}'"):
        home.free_port(8888, host)


def test_a_range_of_busy_ports_says_so() -> None:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", 65535))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            listener.listen()
        with pytest.raises(LabkitError, match="65535 to 65535 are all taken"):
            home.free_port(65535)
