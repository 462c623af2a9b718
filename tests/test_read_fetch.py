"""Downloads from a real local server: cut connections, ranges, changed files, refusals, no network."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from product_files import PAIRS, WRITERS, phases
from typer.testing import CliRunner

import labkit as lk
from labkit.cli import app
from labkit.read.fetch import fetch_files, read_addresses

BODY = np.random.default_rng(0).bytes(3_000_000)
QUICK = {"wait_s": 0.01, "timeout_s": 5.0, "progress": False}


class Server(ThreadingHTTPServer):
    """Serves ``files`` by their path, else BODY; each other attribute is one way in which a real server misbehaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.files: dict[str, bytes] = {}
        self.mark: str | None = '"one"'
        self.cut_after: int | None = None
        self.cuts = 0
        self.cut_first_of_each = False
        self.ranges = True
        self.statuses: list[int] = []
        self.kind = "application/octet-stream"
        self.asked: list[tuple[str, str | None]] = []
        self.sent = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is what these tests are about."""

    def address(self, name: str = "20200101_20200113.geo.unw.tif") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/106/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.asked.append((self.path, asked))
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body, begin = server.files.get(self.path, server.body), 0
        if_range = self.headers.get("If-Range")
        if asked and server.ranges and (if_range is None or if_range == server.mark):
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - begin))
        self.send_header("Content-Type", server.kind)
        if server.mark:
            self.send_header("ETag", server.mark)
        self.end_headers()
        part = body[begin:]
        if server.cut_after is not None and server.cuts > 0:
            server.cuts -= 1
            part = part[: server.cut_after]
        elif server.cut_first_of_each and [path for path, _ in server.asked].count(self.path) == 1:
            part = part[: len(part) // 2]
        server.sent += len(part)
        self.wfile.write(part)
        self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def test_a_file_arrives_under_its_name_and_is_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    for _ in range(2):
        (path,) = fetch_files({server.address(): f"sha256:{digest}"}, tmp_path / "frame", **QUICK)
    assert path == tmp_path / "frame" / "20200101_20200113.geo.unw.tif"
    assert path.read_bytes() == BODY
    assert len(server.asked) == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_cut_connections_are_gone_on_with_and_little_is_sent_twice(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.cuts = 400_000, 6
    (path,) = fetch_files({server.address(): None}, tmp_path, attempts=2, **QUICK)
    assert path.read_bytes() == BODY
    # Of each cut the chunk of 64 KiB that was on its way is lost, and nothing else.
    assert server.sent < len(BODY) + 6 * 65536
    begins = [int(asked.removeprefix("bytes=").rstrip("-")) for _, asked in server.asked if asked]
    assert len(begins) == 6
    assert all(0 < later - earlier <= 400_000 for earlier, later in zip([0, *begins], begins, strict=False))


def test_a_download_that_gave_up_goes_on_when_it_is_run_again(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.cuts = 0, 100
    server.body = BODY
    (tmp_path / ".20200101_20200113.geo.unw.tif.part").write_bytes(BODY[:1_000_000])
    (tmp_path / ".20200101_20200113.geo.unw.tif.part.mark").write_text('"one"')
    with pytest.raises(lk.errors.ServerError, match="1000000 bytes are kept, and it goes on from there"):
        fetch_files({server.address(): None}, tmp_path, attempts=2, **QUICK)
    assert not (tmp_path / "20200101_20200113.geo.unw.tif").exists()
    server.cuts = 0
    (path,) = fetch_files({server.address(): None}, tmp_path, **QUICK)
    assert path.read_bytes() == BODY
    assert server.sent == len(BODY) - 1_000_000


def test_what_is_complete_but_not_yet_in_place_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".20200101_20200113.geo.unw.tif.part").write_bytes(BODY)
    (path,) = fetch_files({server.address(): None}, tmp_path, **QUICK)
    assert path.read_bytes() == BODY
    assert server.sent == 0


def test_a_file_that_changed_on_the_server_is_begun_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".20200101_20200113.geo.unw.tif.part").write_bytes(b"old" * 1000)
    (tmp_path / ".20200101_20200113.geo.unw.tif.part.mark").write_text('"zero"')
    (path,) = fetch_files({server.address(): None}, tmp_path, **QUICK)
    assert path.read_bytes() == BODY


def test_what_was_kept_of_a_longer_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".20200101_20200113.geo.unw.tif.part").write_bytes(BODY + b"more")
    (path,) = fetch_files({server.address(): None}, tmp_path, **QUICK)
    assert path.read_bytes() == BODY


def test_a_server_without_ranges_is_asked_for_the_whole_again(server: Server, tmp_path: Path) -> None:
    server.ranges, server.mark = False, None
    server.cut_after, server.cuts = 1_000_000, 1
    (path,) = fetch_files({server.address(): None}, tmp_path, **QUICK)
    assert path.read_bytes() == BODY


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429, 500]
    (path,) = fetch_files({server.address(): None}, tmp_path, attempts=4, **QUICK)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "must be open to you.*answered 401.*Log in"), (403, "answered 403.*netrc"), (404, "services delete old")],
)
def test_a_refusal_is_said_at_once(server: Server, tmp_path: Path, status: int, words: str) -> None:
    server.statuses = [status]
    with pytest.raises(lk.errors.ServerError, match=words):
        fetch_files({server.address(): None}, tmp_path, **QUICK)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_file_that_is_gone_does_not_keep_the_others_back(server: Server, tmp_path: Path) -> None:
    wanted = {server.address(f"{name}.tif"): None for name in "abcd"}
    wrong = dict(wanted) | {server.address("c.tif"): "md5:" + "0" * 32}
    server.statuses = [404]
    said = r"4 files must arrive in .*, instead 2 did not. .1. .*a.tif.*404.*c.tif must have the hash"
    with pytest.raises(lk.errors.ServerError, match=said):
        fetch_files(wrong, tmp_path, **QUICK)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.tif", "d.tif"]
    fetch_files(wanted, tmp_path, **QUICK)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "b.tif", "c.tif", "d.tif"]


def test_a_server_that_is_not_there_is_not_asked_for_every_file(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        root = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(lk.errors.ServerError, match="a.tif must be reachable"):
        fetch_files({f"{root}/{name}.tif": None for name in "abc"}, tmp_path, attempts=1, **QUICK)


def test_a_login_page_is_not_taken_for_the_file(server: Server, tmp_path: Path) -> None:
    server.kind, server.body = "text/html; charset=utf-8", b"<html>Please log in</html>"
    with pytest.raises(lk.errors.ServerError, match="sent a web page.*Log in"):
        fetch_files({server.address("product.zip"): None}, tmp_path, **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_address_and_the_remedy_are_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(lk.errors.ServerError, match=f"http://127.0.0.1:{port}/a.zip must be reachable.*Check the netw"):
        fetch_files({f"http://127.0.0.1:{port}/a.zip": None}, tmp_path, attempts=2, **QUICK)


def test_a_file_that_differs_from_its_hash_is_not_kept(server: Server, tmp_path: Path) -> None:
    digest = hashlib.md5(b"another").hexdigest()
    with pytest.raises(lk.FileError, match="must have the hash md5:.* Fetch it again"):
        fetch_files({server.address(): f"md5:{digest}"}, tmp_path, **QUICK)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    ["ftp://host/a.tif", "file:///etc/passwd", "/etc/passwd", "http://host/", "https://host/..%2f..%2f.bashrc",
     "http://host/a%5Cb", "http://[host/a"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(lk.LabkitError, match="address must be an http or https address of a file"):
        fetch_files({address: None}, tmp_path, **QUICK)


def test_hashes_and_names_are_checked_before_anything_is_asked_for(server: Server, tmp_path: Path) -> None:
    with pytest.raises(lk.LabkitError, match="hash must be"):
        fetch_files({server.address(): "sha256:12"}, tmp_path, **QUICK)
    twice = {server.address(): None, server.address().replace("/106/", "/107/"): None}
    with pytest.raises(lk.LabkitError, match="addresses must name each file once"):
        fetch_files(twice, tmp_path, **QUICK)
    with pytest.raises(lk.LabkitError, match="attempts must be at least 1"):
        fetch_files({}, tmp_path, attempts=0)
    assert server.asked == []


def product(name: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"{name}/{name}_unw_phase.tif", b"II*\0")
        file.writestr("../outside.txt", b"out")
    return archive.getvalue()


def test_archives_are_unpacked_inside_the_folder(server: Server, tmp_path: Path) -> None:
    server.body = product("S1AA")
    folder = tmp_path / "pairs"
    for _ in range(2):
        fetch_files({server.address("S1AA.zip"): None}, folder, unzip=True, **QUICK)
    assert (folder / "S1AA" / "S1AA_unw_phase.tif").read_bytes() == b"II*\0"
    assert not (tmp_path / "outside.txt").exists()
    (folder / "S1AA.zip").write_bytes(b"PK cut")
    with pytest.raises(lk.FileError, match="S1AA.zip must be a whole zip archive"):
        fetch_files({server.address("S1AA.zip"): None}, folder, unzip=True, **QUICK)


def test_a_list_of_addresses_is_read_with_its_hashes(tmp_path: Path) -> None:
    digest = "ab" * 32
    path = tmp_path / "list.txt"
    path.write_text(f"# a frame\n\nhttp://host/a.tif {digest}\nhttps://host/b.tif#part  # without\n")
    assert read_addresses(path) == {"http://host/a.tif": f"sha256:{digest}", "https://host/b.tif#part": None}
    for text, words in (("a b c\n", "'address' or 'address hash'"), ("ftp://host/a\n", "list.txt: address must be")):
        path.write_text(text)
        with pytest.raises(lk.FileError, match=words):
            read_addresses(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(lk.FileError, match="must be a list of addresses as plain text"):
        read_addresses(path)


def test_a_frame_of_licsar_is_fetched_over_cut_connections_and_opens(server: Server, tmp_path: Path) -> None:
    stored = phases()
    WRITERS["licsar"](tmp_path / "site", stored)
    for path in (tmp_path / "site").rglob("*.tif"):
        server.files[f"/106/106D_05447_131313/{path.relative_to(tmp_path / 'site').as_posix()}"] = path.read_bytes()
    server.files["/106/106D_05447_131313/metadata/metadata.txt"] = b"heading=-169.947037\navg_incidence_angle=39.1918\n"
    server.cut_first_of_each = True
    root = f"http://127.0.0.1:{server.server_address[1]}"
    hashes = {root + path: f"sha256:{hashlib.sha256(body).hexdigest()}" for path, body in server.files.items()}
    fetch_files(hashes, tmp_path / "106D_05447_131313", **QUICK)
    ifgs = lk.open_interferograms(tmp_path / "106D_05447_131313")
    assert (ifgs.attrs["processor"], ifgs.attrs["track"], ifgs.sizes["pair"]) == ("LiCSAR", "106", 3)
    np.testing.assert_allclose(ifgs["unwrapped"].sel(pair=PAIRS[0]).values, stored[PAIRS[0]][0], atol=1e-5)
    assert len(server.asked) == 2 * len(server.files)


def test_the_products_of_a_hyp3_job_are_fetched_unpacked_and_open(server: Server, tmp_path: Path) -> None:
    WRITERS["hyp3"](tmp_path / "made", phases())
    root = f"http://127.0.0.1:{server.server_address[1]}"
    for folder in sorted((tmp_path / "made").iterdir()):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            for path in folder.iterdir():
                file.write(path, f"{folder.name}/{path.name}")
        server.files[f"/job/{folder.name}.zip"] = archive.getvalue()
    listed = tmp_path / "job.txt"
    listed.write_text("".join(f"{root}{path}\n" for path in server.files))
    done = CliRunner().invoke(app, ["fetch", str(listed), "--into", str(tmp_path / "pairs"), "--unzip"])
    assert done.exit_code == 0, done.output
    ifgs = lk.open_interferograms(tmp_path / "pairs")
    assert (ifgs.attrs["processor"], ifgs.sizes["pair"]) == ("HyP3", 3)
    assert "unwrapped" in ifgs


def test_the_command_fetches_a_list_and_says_what_is_there(server: Server, tmp_path: Path) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    listed = tmp_path / "list.txt"
    listed.write_text(f"{server.address('a.tif')} {digest}\n{server.address('b.tif')}\n")
    done = CliRunner().invoke(app, ["fetch", str(listed), "--into", str(tmp_path / "pairs")])
    assert done.exit_code == 0, done.output
    assert f"2 files are in {tmp_path / 'pairs'}." in done.output
    assert (tmp_path / "pairs" / "b.tif").read_bytes() == BODY
    server.statuses = [404]
    refused = CliRunner().invoke(app, ["fetch", server.address("c.tif"), "--into", str(tmp_path / "pairs")])
    assert refused.exit_code == 1
    assert "services delete old products" in refused.output
