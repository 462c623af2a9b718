"""The doctor: what it finds in real environments, servers and folders, and that each trouble has a remedy."""

from __future__ import annotations

import html
import http.server
import json
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import labkit as lk
from labkit import health, home
from labkit.health import Finding


@pytest.fixture(autouse=True)
def empty_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing has been started or made yet."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("LABKIT_LABEL_STUDIO_ENV", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def answering(port: int, path: str, content: object) -> Iterator[None]:
    """A web server on a port that answers one path with JSON."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == path else 404)
            self.end_headers()
            if self.path == path:
                self.wfile.write(json.dumps(content).encode())

        def log_message(self, *words: object) -> None:
            """Keep the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def named(findings: list[Finding], name: str) -> list[Finding]:
    return [finding for finding in findings if finding.name == name]


def test_this_environment_is_found_whole() -> None:
    findings = health.examine()
    assert [finding for finding in findings if finding.state == "wrong"] == []
    (packages,) = named(findings, "packages")
    assert all(f"{name} " in packages.words for name in health.SHOWN)
    (gpu,) = named(findings, "GPU")
    assert "torch" in gpu.words


def test_whatever_is_not_good_comes_with_a_remedy() -> None:
    findings = health.examine()
    assert {finding.name for finding in findings} >= {
        "Python",
        "secrets",
        "JupyterLab",
        "Label Studio",
        "demo scene",
        "disk",
    }
    for finding in findings:
        assert finding.words
        assert finding.state == "good" or finding.remedy, f"{finding.name}: {finding.words}"


def test_a_package_that_is_missing_or_too_old_is_named_with_the_command_that_mends_it() -> None:
    wrong = health.check_requirements(["no-such-package-of-labkit>=2", "numpy<1", "xarray>=2024"])
    assert [finding.name for finding in wrong] == ["no-such-package-of-labkit", "numpy"]
    assert "is not installed; labkit needs no-such-package-of-labkit >=2" in wrong[0].words
    assert "labkit needs numpy <1" in wrong[1].words
    for finding in wrong:
        assert finding.state == "wrong"
        assert finding.remedy.startswith(f"{sys.executable} -m pip install '")


def test_what_belongs_to_an_extra_or_another_system_is_not_asked_for() -> None:
    assert health.check_requirements(["none-such; extra == 'test'", "none-such; sys_platform == 'nowhere'"]) == []


def test_a_demo_scene_that_is_missing_broken_or_whole_is_told_apart(empty_bench: Path) -> None:
    scene = empty_bench / "data" / "demo"
    (missing,) = health._demo()
    scene.mkdir(parents=True)
    (broken,) = health._demo()
    (scene / "truth.gpkg").touch()
    (whole,) = health._demo()
    assert [finding.state for finding in (missing, broken, whole)] == ["note", "wrong", "good"]
    assert "labkit demo" in missing.remedy
    assert str(scene) in broken.remedy


def test_secrets_that_others_can_read_are_wrong() -> None:
    home.load_secrets()
    path = home.folder() / home.SECRETS_FILE
    (good,) = health._secrets()
    path.chmod(0o644)
    (wrong,) = health._secrets()
    assert (good.state, wrong.state) == ("good", "wrong")
    assert f"chmod 600 {path}" in wrong.words
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "the doctor looks and changes nothing"


def test_looking_makes_no_secrets() -> None:
    health.examine()
    assert not (home.folder() / home.SECRETS_FILE).exists()


def test_no_secret_stands_in_the_report() -> None:
    made = home.load_secrets()
    words = health.report(health.examine())
    for secret in (made.password, made.jupyter_token, made.label_studio_token):
        assert secret not in words


def test_a_label_studio_environment_that_the_variable_does_not_name_rightly_is_wrong(
    empty_bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (absent,) = health._label_studio_environment()
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_ENV", str(empty_bench))
    (misnamed,) = health._label_studio_environment()
    assert absent.state == "note"
    assert "labkit label-server --prepare-only" in absent.remedy
    assert misnamed.state == "wrong"
    assert str(empty_bench) in misnamed.words


@pytest.mark.parametrize(
    ("path", "content", "who"),
    [
        ("/api", {"version": "2.21.1"}, "another JupyterLab"),
        ("/health", {"status": "UP"}, "another Label Studio"),
        ("/", {}, "another program"),
    ],
)
def test_who_holds_a_port_is_told(path: str, content: object, who: str) -> None:
    port = home.free_port(18600)
    with answering(port, path, content):
        finding = health._port("JupyterLab", port)
    assert finding.state == "note"
    assert finding.words == f"is not running; port {port} is taken by {who}"
    assert str(port) in finding.remedy


def test_a_port_whose_holder_does_not_speak_is_told_too() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        finding = health._port("JupyterLab", listener.getsockname()[1])
    assert finding.words.endswith("is taken by another program")


def test_a_free_port_is_good() -> None:
    port = home.free_port(18700)
    assert health._port("JupyterLab", port).state == "good"


def test_the_report_puts_each_remedy_below_its_finding_and_counts_what_is_wrong() -> None:
    lines = health.report([Finding("a", "good", "stands"), Finding("b", "wrong", "is broken", "mend it")]).splitlines()
    assert lines[0].startswith("ok  a")
    assert lines[1].startswith("!!  b")
    assert lines[2].strip() == "→ mend it"
    assert lines[-1] == "1 to mend first."
    assert health.report([Finding("a", "note", "is not made yet", "make it")]).endswith("Nothing stands in the way.")


def test_the_command_ends_with_an_error_only_when_something_is_wrong(empty_bench: Path) -> None:
    command = [str(Path(sys.executable).parent / "labkit"), "doctor"]
    good = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    (empty_bench / "data" / "demo").mkdir(parents=True)
    wrong = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "Nothing stands in the way." in good.stdout
    assert wrong.returncode == 1
    assert "1 to mend first." in wrong.stdout


def test_the_notebook_shows_what_the_command_line_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_up = lk.doctor()
    assert [finding.name for finding in check_up.findings] == [finding.name for finding in health.examine()]
    assert str(check_up) == health.report(check_up.findings)
    shown = html.unescape(check_up._repr_html_())
    for finding in check_up.findings:
        assert finding.words in shown and finding.remedy in shown
    assert check_up.healthy is (str(check_up).splitlines()[-1] == "Nothing stands in the way.")


def test_the_page_of_a_check_up_escapes_what_it_found():
    check_up = health.CheckUp((Finding("<b>disk</b>", "wrong", "a < b", "mend <it>"),))
    assert not check_up.healthy
    assert "<b>disk" not in check_up._repr_html_() and "a &lt; b<br>→ mend &lt;it&gt;" in check_up._repr_html_()


def test_the_demo_scene_beside_the_notebooks_is_seen(tmp_path, monkeypatch):
    (tmp_path / "data" / "demo").mkdir(parents=True)
    (tmp_path / "data" / "demo" / "truth.gpkg").write_bytes(b"")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    (found,) = health._demo()
    assert (found.state, found.words) == ("good", str(tmp_path / "data" / "demo"))
