"""Accounts for a workshop on a real Label Studio: a list of names becomes people who can log in, and a sheet."""

from __future__ import annotations

import stat

import pytest
import requests
from label_studio_fixture import free_port

from labkit import home
from labkit.errors import FileError, LabkitError
from labkit.label import add_people, reset_password, start_server
from labkit.label.people import Person, read_people, write_sheet


def test_a_list_gives_names_and_addresses(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("# the course of May\nAnna Müller\n\nBo, Bo@Example.org\n", encoding="utf-8")
    assert read_people(path) == [
        Person("Anna Müller", "anna.muller@workshop.local"),
        Person("Bo", "bo@example.org"),
    ]


@pytest.mark.parametrize("words", ["", "Anna\nanna", "王\n", "Anna, nobody", "Bo, a b@c.d"])
def test_a_list_that_cannot_be_understood_is_named(tmp_path, words):
    path = tmp_path / "names.txt"
    path.write_text(words, encoding="utf-8")
    with pytest.raises(FileError, match=r"names\.txt must"):
        read_people(path)


def test_a_sheet_is_for_its_owner_and_escapes_names(tmp_path):
    person = Person("<script>alert(1)</script>", "a@b.c", "abcd-efgh")
    sheet = write_sheet([person, Person("Bo", "bo@b.c")], tmp_path / "people.html", "http://lab:8080")
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    words = sheet.read_text()
    assert "<script>" not in words
    assert "abcd-efgh" in words
    assert "(the one you have)" in words
    assert "abcd-efgh" not in repr(person)


@pytest.mark.server
def test_people_log_in_with_what_the_sheet_says_and_keep_their_accounts(fresh_home):
    with start_server(port=free_port()) as server:
        anna, bo = add_people([Person("Anna Müller", "anna@workshop.local"), Person("Bo", "bo@workshop.local")])
        assert _logs_in(server.url, anna)
        assert _logs_in(server.url, bo)
        assert not _logs_in(server.url, Person("Bo", bo.email, anna.password))
        again, new = add_people([Person("Anna Müller", "anna@workshop.local"), Person("Cy", "cy@workshop.local")])
        assert again.password == ""
        assert _logs_in(server.url, anna)
        assert _logs_in(server.url, new)
        renewed = reset_password("Anna@workshop.local")
        assert _logs_in(server.url, renewed)
        assert not _logs_in(server.url, anna)
        with pytest.raises(LabkitError, match="email must be of somebody with an account"):
            reset_password("stranger@workshop.local")
        with pytest.raises(LabkitError, match="must not be the owner's"):
            reset_password(home.load_secrets().user)
    words = "".join(path.read_text(errors="replace") for path in fresh_home.glob("*.log*"))
    assert not any(person.password in words for person in (anna, bo, new, renewed))


@pytest.mark.server
def test_people_come_after_the_first_start(tmp_path, monkeypatch, label_studio_environment):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_ENV", str(label_studio_environment))
    with pytest.raises(LabkitError, match="must have been started once"):
        add_people([Person("Anna", "anna@workshop.local")])


def _logs_in(url: str, person: Person) -> bool:
    """Log in as the page does, and look whether a project list is given."""
    with requests.Session() as visitor:
        visitor.get(f"{url}/user/login/", timeout=30)
        form = {"csrfmiddlewaretoken": visitor.cookies["csrftoken"], "email": person.email}
        visitor.post(
            f"{url}/user/login/",
            data=form | {"password": person.password},
            headers={"Referer": f"{url}/user/login/"},
            timeout=30,
        )
        return visitor.get(f"{url}/api/projects", timeout=30).status_code == 200
