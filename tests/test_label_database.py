"""Which database Label Studio uses: one person's file, or a team's real PostgreSQL."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from label_studio_fixture import chips_of, free_port, images_of
from postgresql_fixture import PASSWORD

from labkit import home
from labkit.errors import LabkitError
from labkit.label import back_up, connect, restore, start_server
from labkit.label.database import DATABASE_FILE, Database, parse_database, remember_database, remembered_database
from labkit.label.dumps import is_empty, last_change
from labkit.label.variables import server_variables
from labkit.schema import boxes_table

BOX = {"scene": ["couplet"], "direction": ["range"], "xmin": [9.5], "ymin": [8.0], "xmax": [90.0], "ymax": [70.0]}


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LABKIT_LABEL_STUDIO_DATABASE", raising=False)
    return tmp_path / "home"


def test_an_address_gives_its_parts_and_hides_its_password():
    database = parse_database("postgresql://a%40b:p%2Fw@db.example.org:6000/labels")
    assert database == Database("labels", "a@b", "p/w", "db.example.org", 6000)
    assert "p/w" not in f"{database} {database!r}"
    assert parse_database("postgres://team@/labels?host=/run/pg").host == "/run/pg"


@pytest.mark.parametrize(
    "words",
    ["mysql://u:secret@h/n", "postgresql://h/n", "postgresql://u:secret@h", "postgresql://u:secret@h:port/n", "labels",
     "postgresql://u:secret@h/n?sslmode=off"],
)  # fmt: skip
def test_a_wrong_address_is_refused_without_its_password(words: str):
    with pytest.raises(LabkitError, match="^database must") as refusal:
        parse_database(words)
    assert "secret" not in str(refusal.value)


def test_the_choice_is_remembered_for_its_owner_alone(empty_home):
    assert remembered_database().embedded
    chosen = parse_database("postgresql://u:secret@h/n")
    remember_database(chosen)
    assert remembered_database() == chosen
    assert stat.S_IMODE((empty_home / DATABASE_FILE).stat().st_mode) == 0o600
    remember_database(parse_database("sqlite"))
    assert remembered_database().embedded
    (empty_home / DATABASE_FILE).write_text("{")
    with pytest.raises(LabkitError, match=r"database\.json must hold the address"):
        remembered_database()


def test_the_shell_cannot_send_label_studio_to_another_database(empty_home, monkeypatch):
    monkeypatch.setenv("DJANGO_DB", "default")
    monkeypatch.setenv("POSTGRE_HOST", "elsewhere")
    told = server_variables(Database())
    assert told["DJANGO_DB"] == "sqlite"
    assert "POSTGRE_HOST" not in told


@pytest.mark.server
def test_a_team_labels_in_postgresql_and_nothing_is_lost(
    migrated_postgresql, label_studio_environment, couplet_scene, tmp_path, monkeypatch
):
    cluster, ready_home = migrated_postgresql
    folder = tmp_path / "home"
    shutil.copytree(ready_home, folder)
    monkeypatch.setenv("LABKIT_HOME", str(folder))
    monkeypatch.setenv("LABKIT_LABEL_STUDIO_ENV", str(label_studio_environment))
    chips = chips_of(couplet_scene, 416).iloc[:1]
    with start_server(port=free_port(), database=cluster.make("team", "ready")) as server:
        assert PASSWORD not in Path(f"/proc/{server.pid}/cmdline").read_text()
        studio = connect()
        studio.push(chips, images_of(chips, couplet_scene, tmp_path / "images"))
        studio.annotate("labkit", boxes_table(BOX))
        before = studio.pull()
        backup = back_up(tmp_path / "team.tar", progress=False)
    assert cluster.query("select count(*) from task_completion", "team") == "1"
    assert not (folder / "label-studio" / "label_studio.sqlite3").exists()
    words = "".join(path.read_text(errors="replace") for path in folder.glob("*.log*"))
    assert PASSWORD not in words
    assert "a%20p%40ss" not in words
    with start_server(port=free_port()):  # the database is remembered
        assert connect().pull().equals(before)

    remember_database(parse_database(cluster.make("other")))
    assert is_empty(remembered_database())
    restore(backup)
    assert cluster.query("select count(*) from task_completion", "other") == "1"
    with pytest.raises(LabkitError, match="replace must be True"):
        restore(backup)
    change = last_change(remembered_database())
    cluster.query("delete from task_completion", "other")
    assert last_change(remembered_database()) != change
    kept = restore(backup, replace=True)
    assert kept.parent == home.folder()
    assert cluster.query("select count(*) from task_completion", "other") == "1"


@pytest.mark.server
def test_a_database_that_does_not_answer_is_named_without_its_password(fresh_home, postgresql, monkeypatch):
    wrong = f"postgresql://labkit:not-the-word@127.0.0.1:{postgresql.port}/postgres"
    with pytest.raises(LabkitError) as refusal:
        start_server(port=free_port(), database=wrong)
    assert "password authentication failed" in str(refusal.value)
    assert "not-the-word" not in str(refusal.value)
    assert remembered_database().embedded


@pytest.mark.server
def test_a_running_server_does_not_change_its_database(label_studio):
    with pytest.raises(LabkitError, match="must be that of the running server") as refusal:
        start_server(port=free_port(), database="postgresql://u:secret@h/n")
    assert "secret" not in str(refusal.value)
