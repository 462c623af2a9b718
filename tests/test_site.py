"""The site: its links are looked at, its pages have all public names, and Binder's files agree with the project's."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nbformat
import pytest
import yaml
from make_site import as_a_page
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from PIL import Image
from site_links import answers, broken_links, outside_links, unreachable
from site_pictures import browser

import labkit as lk

ROOT = Path(__file__).resolve().parents[1]

#: Names an environment with labkit's packages and its extra "docs", where this one has not that extra.
DOCS_VARIABLE = "LABKIT_DOCS_ENV"


def test_links_that_lead_nowhere_are_named_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a b.html").write_text('<h1 id="top">A</h1><a href="sub/b.html#there">x</a><a href="#top">x</a>')
    (tmp_path / "sub" / "b.html").write_text(
        '<p id="there"><a href="../a%20b.html#gone">x</a><a href="c.html">x</a><img src="../no.png">'
        '<a href="https://example.org/x">x</a><a href="mailto:a@b.c">x</a><a href="..">folder without a page</a>'
    )
    expected = ["sub/b.html: ../a%20b.html#gone", "sub/b.html: c.html", "sub/b.html: ../no.png", "sub/b.html: .."]
    assert broken_links(tmp_path) == expected
    assert outside_links(tmp_path) == ["https://example.org/x"]


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_addresses_that_do_not_answer_are_named(host: str) -> None:
    silent = "http://127.0.0.1:1/"
    found = unreachable([f"{host}/there", f"{host}/gone", silent])
    assert found == [f"{host}/gone: 404", f"{silent}: ConnectionError"]


def test_a_missing_network_is_seen_at_once_and_any_answer_is_one(host: str) -> None:
    assert not answers([])
    assert not answers(["http://127.0.0.1:1/", "http://127.0.0.2:1/"])
    assert answers(["http://127.0.0.1:1/", f"{host}/gone"])


def test_without_a_network_links_to_the_outside_are_refused_before_anything_is_run(tmp_path: Path) -> None:
    # a proxy where nobody listens is no way to the outside, whatever network this machine has
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1")
    words = [sys.executable, str(ROOT / "docs" / "make_site.py"), "--out", str(tmp_path / "site"), "--external"]
    done = subprocess.run(words, env=os.environ | nowhere, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("--external needs a network")
    assert not (tmp_path / "site").exists()


def test_binder_takes_the_same_python_and_installs_the_project() -> None:
    environment = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {Requirement(text).name: Requirement(text).specifier for text in environment["dependencies"]}
    assert set(wanted) == {"python", "pip", "pytorch-cpu", "torchvision"}
    asked = SpecifierSet(project["requires-python"])
    for version in ("3.10", "3.11", "3.12", "3.13"):
        assert wanted["python"].contains(version) == asked.contains(version)
    built = ROOT / "binder" / "postBuild"
    assert os.access(built, os.X_OK) or os.name != "posix"
    assert "pip install --no-cache-dir -e ." in built.read_text()
    assert "labkit demo data/demo" in built.read_text()


def test_what_only_a_kernel_moves_is_told_in_words_and_bars_are_left_out() -> None:
    widget, new = {"application/vnd.jupyter.widget-view+json": {"model_id": "0"}}, nbformat.v4.new_output
    outputs = [
        new("stream", text="58 pairs"),
        new("display_data", widget | {"text/plain": "stacking:   0%|          | 0/480 [00:00<?, ?row/s]"}),
        new("display_data", widget | {"text/plain": "tasks: 0task [00:00, ?task/s]"}),
        new("execute_result", widget | {"text/plain": "Map(center=[30.85, 101.95], controls=(Zoom…"}),
        new("display_data", widget | {"text/plain": "VBox(children=(HTML(value='<b>Air</b>')))"}),
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("lk.view.map(landslides)", outputs=outputs)])
    as_a_page(book)
    first, a_map, sliders = book.cells[0].outputs
    assert first.text == "58 pairs"
    assert "A map to move and zoom" in a_map.data["text/html"] and "Sliders" in sliders.data["text/html"]
    assert not any(name.startswith("application") for name in [*a_map.data, *sliders.data])


def docs_python() -> str:
    """Give the Python that has Sphinx, or skip with what to do."""
    if os.environ.get(DOCS_VARIABLE):
        return str(Path(os.environ[DOCS_VARIABLE]) / "bin" / "python")
    if all(importlib.util.find_spec(name) for name in ("sphinx", "myst_nb", "sphinx_book_theme")):
        return sys.executable
    pytest.skip(f'Sphinx is missing: pip install -e ".[docs]", or name an environment in {DOCS_VARIABLE}')


@pytest.mark.slow
@pytest.mark.notebooks
def test_a_site_of_two_notebooks_has_their_outputs_every_public_name_and_no_broken_link(tmp_path: Path) -> None:
    words = [
        docs_python(),
        str(ROOT / "docs" / "make_site.py"),
        "--out",
        str(tmp_path),
        "--only",
        "00_tour",
        "30_chips",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "all links between its pages hold" in done.stdout
    site = tmp_path / "site"
    tour = (site / "notebooks" / "00_tour.html").read_text()
    assert "Traceback" not in tour and 'class="cell_output' in tour
    gallery = (site / "gallery.html").read_text()
    if browser():
        for name in ("00_tour", "30_chips"):
            assert f"{name}.png" in gallery
            with Image.open(site / "_images" / f"{name}.png") as picture:
                assert min(picture.size) > 120
    else:
        assert "a browser draws them, and there is none here" in gallery
    assert 'href="notebooks/00_tour.html"' in gallery and 'href="notebooks/30_chips.html"' in gallery
    listed = (site / "names" / "index.html").read_text()
    for name in lk.__all__:
        assert f"lk.{name}" in listed
    pages = "".join(path.read_text() for path in (site / "names").glob("*.html"))
    assert "labkit.course.LESSONS" in pages and "&lt;lambda" not in (site / "names" / "course.html").read_text()
    for part in ("stack", "label", "view"):
        for name in getattr(lk, part).__all__:
            assert f'id="labkit.{part}.{name}"' in pages, f"labkit.{part}.{name} has no place on its page"
