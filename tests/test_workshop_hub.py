"""A workshop as a room sees it: real people's browsers at a real JupyterHub."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM_FLAGS, chromium
from hub_fixture import OpenWorkshop, labkit, open_workshop

from labkit.workshop.memory import memory_by_person

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.skipif(os.name != "posix", reason="no hub on Windows")]

WAIT = 240_000


@pytest.fixture(scope="module")
def room(demo_folder: Path) -> Iterator[OpenWorkshop]:
    with open_workshop(demo_folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def people(room: OpenWorkshop, browser: Any) -> dict[str, Any]:
    """Both people, logged in, each in a browser of their own, each server up."""
    pages = {}
    for name in ("anna.rossi", "bo.chen"):
        pages[name] = log_in(browser, room, name)
        pages[name].get_by_role("button", name="Start My Server").or_(
            pages[name].locator(".jp-NotebookPanel")
        ).first.wait_for(timeout=WAIT)
    return pages


def log_in(browser: Any, room: OpenWorkshop, name: str, password: str | None = None) -> Any:
    page = browser.new_context(viewport={"width": 1300, "height": 900}).new_page()
    page.goto(f"{room.url}/hub/login", timeout=60_000)
    page.fill("#username_input", name)
    page.fill("#password_input", room.passwords[name] if password is None else password)
    page.click("#login_submit")
    return page


def run_all(page: Any, room: OpenWorkshop, name: str, notebook: str) -> None:
    page.goto(f"{room.url}/user/{name}/lab/tree/{notebook}?reset", timeout=60_000)
    panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    panel.locator(".jp-CodeCell").first.wait_for(timeout=WAIT)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]:visible").first.wait_for(timeout=WAIT)
    panel.locator(".jp-CodeCell .cm-content").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


@pytest.fixture(scope="module")
def ran(room: OpenWorkshop, people: dict[str, Any], test_output: Path) -> dict[str, str]:
    """What each saw after running the notebook to its error in the last cell."""
    seen = {}
    for name, page in people.items():
        run_all(page, room, name, "notebooks/10_stack.ipynb")
        page.get_by_text("ZeroDivisionError").first.wait_for(timeout=WAIT)
        seen[name] = "\n".join(page.locator(".jp-OutputArea-output").all_inner_texts())
        page.screenshot(path=test_output / f"workshop-{name}.png")
    return seen


def test_a_wrong_password_lets_nobody_in(room: OpenWorkshop, browser: Any) -> None:
    for name, password in (
        ("anna.rossi", "wrong"),
        ("anna.rossi", ""),
        ("nobody", ""),
        ("bo.chen", room.passwords["teacher"]),
    ):
        page = log_in(browser, room, name, password)
        page.get_by_text("Invalid username or password").wait_for(timeout=WAIT)
        page.context.close()


def test_each_person_runs_a_stack_in_a_server_and_a_home_of_their_own(room: OpenWorkshop, ran: dict[str, str]) -> None:
    for name, seen in ran.items():
        assert "stacked" in seen
        assert f"I am {name} in {name}" in seen
        assert (room.folder / "homes" / name / "notebooks" / "mine.txt").read_text() == name
    held = memory_by_person()
    print({name: f"{held[name] / 1e6:.0f} MB" for name in ran})
    for name in ran:
        assert held[name] > 150e6  # a server and a kernel with a stack cannot be smaller


def test_nobody_reaches_the_server_of_another(room: OpenWorkshop, people: dict[str, Any], ran: dict[str, str]) -> None:
    answer = people["bo.chen"].request.get(f"{room.url}/user/anna.rossi/api/contents/notebooks/mine.txt")
    assert answer.status in (403, 404)
    assert "anna" not in answer.text().replace("anna.rossi/", "")
    own = people["bo.chen"].request.get(f"{room.url}/user/bo.chen/api/contents/notebooks/mine.txt")
    assert own.json()["content"] == "bo.chen"


def test_nobody_reads_the_files_of_another(room: OpenWorkshop, ran: dict[str, str]) -> None:
    if not room.apart:
        pytest.skip(
            "files are apart where root opens the workshop with a Python that others reach: this is not so here"
        )
    assert "anna.rossi closed" in ran["bo.chen"]
    assert "bo.chen open" in ran["bo.chen"]
    assert "bo.chen closed" in ran["anna.rossi"]


def test_the_teacher_sees_who_is_how_far_and_nobody_else_does(
    room: OpenWorkshop, browser: Any, people: dict[str, Any], ran: dict[str, str], test_output: Path
) -> None:
    teacher = log_in(browser, room, "teacher")
    teacher.wait_for_url("**/user/teacher/**", timeout=WAIT)
    teacher.goto(f"{room.url}/services/progress/", timeout=60_000)
    teacher.get_by_text("Who is how far").first.wait_for(timeout=WAIT)
    teacher.screenshot(path=test_output / "workshop-teacher.png")
    for name in ("Anna Rossi", "Bo Chen"):
        row = teacher.locator("tr", has_text=name)
        assert row.locator("td[title='4 of 4 cells']").count() == 1
        assert row.locator(".bad").inner_text() == "1"
        assert int(row.locator("td").last.inner_text()) > 150
    teacher.context.close()
    page = people["bo.chen"].context.new_page()
    answer = page.goto(f"{room.url}/services/progress/")
    assert answer.status == 403
    page.close()


def test_a_press_of_the_button_puts_the_notebooks_back_and_loses_nothing(
    room: OpenWorkshop, people: dict[str, Any], ran: dict[str, str], test_output: Path
) -> None:
    page, home = people["anna.rossi"], room.folder / "homes" / "anna.rossi"
    run_all(page, room, "anna.rossi", "start_here.ipynb")
    page.get_by_role("button", name="Back to the start").click(timeout=WAIT)
    page.get_by_role("button", name="Yes, put my notebooks back").click(timeout=WAIT)
    page.get_by_text("Done: the notebooks are as at the start").wait_for(timeout=WAIT)
    page.screenshot(path=test_output / "workshop-reset.png")
    assert not (home / "notebooks" / "mine.txt").exists()
    start = (room.folder / "notebooks" / "10_stack.ipynb").read_bytes()
    assert (home / "notebooks" / "10_stack.ipynb").read_bytes() == start
    (kept,) = (home / "kept").iterdir()
    assert (kept / "notebooks" / "mine.txt").read_text() == "anna.rossi"
    assert (room.folder / "homes" / "bo.chen" / "notebooks" / "mine.txt").exists()


def test_the_teacher_puts_somebodys_notebooks_back_from_outside(room: OpenWorkshop, ran: dict[str, str]) -> None:
    home = room.folder / "homes" / "bo.chen"
    done = labkit(room.python, "workshop", "reset", str(room.folder), "bo.chen")
    assert done.returncode == 0, done.stderr
    assert not (home / "notebooks" / "mine.txt").exists()
    (kept,) = (home / "kept").iterdir()
    assert (kept / "notebooks" / "mine.txt").read_text() == "bo.chen"
    assert {path.lstat().st_uid for path in home.rglob("*")} == {home.stat().st_uid}
    unknown = labkit(room.python, "workshop", "reset", str(room.folder), "nobody")
    assert unknown.returncode == 1
    assert "anna.rossi, bo.chen, teacher" in unknown.stderr


def test_no_password_stands_anywhere_but_on_the_sheet(room: OpenWorkshop, ran: dict[str, str]) -> None:
    private = room.folder / "private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    (sheet,) = private.glob("people-*.html")
    for path in (sheet, private / "passwords.json", private / "hub-cookie-secret"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (
        set(room.passwords)
        == {"teacher", "anna.rossi", "bo.chen"}
        == set(json.loads((private / "passwords.json").read_text()))
    )
    words = [value.encode() for value in room.passwords.values()]
    for path in room.folder.rglob("*"):
        if path.is_file() and path != sheet and "data" not in path.parts:
            content = path.read_bytes()
            assert not any(word in content for word in words), path


def test_the_end_takes_everybodys_server_along(room: OpenWorkshop, ran: dict[str, str]) -> None:
    assert memory_by_person()
    room.process.terminate()
    assert room.process.wait(120) == 0
    assert memory_by_person() == {}
