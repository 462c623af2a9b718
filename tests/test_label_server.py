"""The bench's own Label Studio: started, found again, stopped, with nothing lost and nothing told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from label_studio_fixture import chips_of, free_port, images_of

from labkit import home
from labkit.errors import LabkitError, ServerError
from labkit.label import LabelServer, connect, find_server, is_healthy, start_server
from labkit.label.server import LOG_FILE, STATE_FILE
from labkit.schema import boxes_table

pytestmark = pytest.mark.server


def _users(server: LabelServer) -> list[dict]:
    return requests.get(
        f"{server.url}/api/users/", headers={"Authorization": f"Token {server.token}"}, timeout=30
    ).json()


def test_labels_survive_a_stop_and_a_start_on_another_port(fresh_home, couplet_scene, tmp_path):
    chips = chips_of(couplet_scene, 416).iloc[:1]
    boxes = {"scene": ["couplet"], "direction": ["range"], "xmin": [9.5], "ymin": [8.0], "xmax": [90.0], "ymax": [70.0]}
    port = free_port()
    with start_server(port=port) as server:
        assert is_healthy(server.url)
        studio = connect()
        studio.push(chips, images_of(chips, couplet_scene, tmp_path / "images"))
        studio.annotate("labkit", boxes_table(boxes))
        before = studio.pull()
    assert not is_healthy(server.url)
    assert not (fresh_home / STATE_FILE).exists()
    with start_server(port=port + 7) as second:
        assert second.url != server.url
        after = connect().pull()
        assert after.equals(before)
        assert len(after) == 1


def test_a_running_server_is_found_and_left_running_by_those_who_did_not_start_it(label_studio):
    found = start_server(port=free_port())
    assert (found.url, found.pid, found.started) == (label_studio.url, label_studio.pid, False)
    with start_server():
        pass
    assert is_healthy(label_studio.url)


def test_a_busy_port_is_passed_over_and_the_next_one_named(fresh_home, capsys):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # where a server of another test has just ended
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        with start_server(port=port) as server:
            assert port < int(server.url.rsplit(":", 1)[1]) < port + 100
            assert json.loads((fresh_home / STATE_FILE).read_text()) == {"pid": server.pid, "url": server.url}
    taken = server.url.rpartition(":")[2]
    said = "".join(capsys.readouterr())
    assert f"Port {port} is taken: Label Studio listens on {taken}" in said
    assert "its programs are loaded" in said, "who waits is told how far it is"


def test_a_port_that_is_taken_while_the_server_is_on_its_way_is_passed_over(fresh_home):
    port = free_port()
    with socket.socket() as taken, ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start_server, port=port)
        while not (fresh_home / LOG_FILE).exists():
            time.sleep(0.01)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with starting.result() as server:
            assert not server.url.endswith(f":{port}")
            assert is_healthy(server.url)
            assert connect().url == server.url


def test_two_who_start_at_once_share_one_server(fresh_home, capsys):
    port = free_port()
    with ThreadPoolExecutor(2) as pool:
        servers = [future.result() for future in [pool.submit(start_server, port=port) for _ in range(2)]]
    try:
        assert sorted(server.started for server in servers) == [False, True]
        assert len({(server.pid, server.url) for server in servers}) == 1
        assert capsys.readouterr().out.count("being started by another program") == 1
    finally:
        servers[0].stop()


def test_only_this_machine_is_let_in_by_default(label_studio):
    port = int(label_studio.url.rsplit(":", 1)[1])
    listening = {
        fields[1]
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[3] == "0A" and fields[1].endswith(f":{port:04X}")
    }
    assert listening == {f"0100007F:{port:04X}"}


def test_a_workshop_server_listens_everywhere_even_when_the_shell_has_a_host_of_its_own(fresh_home, monkeypatch):
    monkeypatch.setenv("HOST", "0.0.0.0")  # as `make lab HOST=0.0.0.0` leaves it
    monkeypatch.setenv("DEBUG", "true")
    monkeypatch.setenv("PORT", "1")
    port = free_port()
    with start_server(port=port, host="0.0.0.0") as server:
        assert server.url == f"http://127.0.0.1:{port}"
        page = requests.get(f"{server.url}/user/login/", timeout=30)
        assert page.status_code == 200
        assert "0.0.0.0" not in page.text
        everywhere = f"00000000:{port:04X}"
        assert everywhere in Path("/proc/net/tcp").read_text()


def test_nobody_signs_up_without_an_invitation(label_studio):
    with requests.Session() as visitor:
        form = visitor.get(f"{label_studio.url}/user/signup/", timeout=30)
        hidden = {"csrfmiddlewaretoken": visitor.cookies["csrftoken"]}
        account = {"email": "stranger@example.org", "password": "a-long-password-1"}
        answer = visitor.post(form.url, data=hidden | account, headers={"Referer": form.url}, timeout=30)
        assert answer.status_code == 403
        assert "stranger@example.org" not in str(_users(label_studio))


def test_secrets_stay_in_their_file(running_label_studio, label_studio):
    kept = home.load_secrets()
    assert (label_studio.token, label_studio.password) == (kept.label_studio_token, kept.password)
    assert label_studio.secrets_file == running_label_studio.home / home.SECRETS_FILE
    assert stat.S_IMODE(label_studio.secrets_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(running_label_studio.home.stat().st_mode) == 0o700
    requests.get(f"{label_studio.url}/user/login/", timeout=30)
    logs = list(running_label_studio.home.glob(f"{LOG_FILE}*"))
    words = "".join(log.read_text(errors="replace") for log in logs)
    assert "/user/login/" in words
    for secret in (kept.password, kept.label_studio_token, kept.jupyter_token):
        assert secret not in words
        assert secret not in repr(label_studio)
        assert secret not in (running_label_studio.home / STATE_FILE).read_text()
        assert secret not in Path(f"/proc/{label_studio.pid}/cmdline").read_text()


def test_nothing_is_written_outside_the_bench(fresh_home, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    with start_server(port=free_port()):
        pass
    assert list((tmp_path / "user").rglob("*")) == []


def test_a_server_that_ends_at_once_says_why(fresh_home):
    shutil.rmtree(fresh_home / "label-studio")
    (fresh_home / "label-studio").mkdir()
    (fresh_home / "label-studio" / "label_studio.sqlite3").write_text("this is no database\n" * 100)
    port = free_port()
    with pytest.raises(ServerError, match=r"(?s)must keep running.*label-studio\.log.*not a database") as refusal:
        start_server(port=port)
    assert home.load_secrets().password not in str(refusal.value)
    assert find_server() is None
    assert home.is_free(port)


def test_a_server_that_takes_too_long_is_ended_and_says_so(fresh_home):
    port = free_port()
    with pytest.raises(ServerError, match=r"must answer within 0\.2 s"):
        start_server(port=port, timeout_s=0.2)
    assert find_server() is None
    assert home.is_free(port)


def test_data_of_other_secrets_are_refused(fresh_home):
    (fresh_home / home.SECRETS_FILE).unlink()
    port = free_port()
    with pytest.raises(ServerError, match="must belong to the secrets beside it"):
        start_server(port=port)
    assert home.is_free(port)


def test_a_killed_server_is_noticed_and_its_place_taken(fresh_home):
    first = start_server(port=free_port())
    os.killpg(first.pid, 9)
    while is_healthy(first.url, timeout_s=1):
        time.sleep(0.05)
    assert find_server() is None
    assert (fresh_home / STATE_FILE).exists()
    with pytest.raises(ServerError, match="must be running for this bench.*labkit lab"):
        connect()
    with start_server(port=free_port()) as second:
        assert second.pid != first.pid
        assert find_server().pid == second.pid
    first.stop()


def test_a_state_file_that_names_a_strangers_process_is_not_believed(fresh_home):
    (fresh_home / STATE_FILE).write_text(json.dumps({"pid": os.getpid(), "url": "http://127.0.0.1:9"}))
    assert find_server() is None


def test_a_broken_state_file_is_named(fresh_home):
    (fresh_home / STATE_FILE).write_text("{")
    with pytest.raises(LabkitError, match=r"label-studio\.json must hold JSON"):
        find_server()


def test_a_wrong_token_gives_one_clear_error_without_it(label_studio):
    wrong = "f" * 40
    with pytest.raises(ServerError, match="must accept the token") as refusal:
        connect(label_studio.url, wrong)
    assert label_studio.url in str(refusal.value)
    assert "Account & Settings" in str(refusal.value)
    assert wrong not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_server_that_is_down_gives_one_clear_error(label_studio):
    with pytest.raises(ServerError, match=r"must answer at http://127\.0\.0\.1:9, .*labkit lab"):
        connect("http://127.0.0.1:9", "a" * 40)


def test_the_benchs_own_token_is_not_sent_to_a_strangers_address(label_studio):
    with pytest.raises(LabkitError, match="token must be given for the server at http://elsewhere"):
        connect("http://elsewhere:8080")
    with pytest.raises(LabkitError, match="url must be an http or https address"):
        connect("elsewhere:8080", "a" * 40)


def test_something_else_at_the_address_is_no_label_studio(label_studio):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *words: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            with pytest.raises(ServerError, match="must be a Label Studio"):
                connect(f"http://127.0.0.1:{other.server_port}", "a" * 40)
            assert not is_healthy(f"http://127.0.0.1:{other.server_port}")
        finally:
            other.shutdown()
            thread.join()
