"""A PostgreSQL of the tests' own: Debian's programs, a cluster in a temporary folder, on the loopback alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from label_studio_fixture import free_port

PASSWORD = "a p@ss/word"


@dataclass(frozen=True)
class Cluster:
    """A running cluster; ``url(name)`` names one of its databases, password and all."""

    port: int
    programs: Path

    def url(self, name: str) -> str:
        """Name a database as a person would."""
        return f"postgresql://labkit:a%20p%40ss%2Fword@127.0.0.1:{self.port}/{name}"

    def make(self, name: str, template: str = "template0") -> str:
        """Make a database, and give its address."""
        self.query(f'create database "{name}" template "{template}"', "postgres")
        return self.url(name)

    def query(self, words: str, name: str) -> str:
        """Ask a database."""
        variables = os.environ | {"PGPASSWORD": PASSWORD}
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "labkit", "-d", name]
        done = subprocess.run(
            [str(self.programs / "psql"), "-X", "-At", *where, "-c", words],
            env=variables, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A cluster that runs until the last test is done; its programs refuse to run as root, so it gets an owner."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    program = found[-1] if found else shutil.which("initdb")
    if not program:
        pytest.skip("PostgreSQL is not on this machine: apt-get install postgresql (Label Studio for a team needs it)")
    programs = Path(program).parent
    folder = Path(tempfile.mkdtemp(prefix="labkit-postgresql-"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    owner = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        owner = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        for path in (folder, secret):
            os.chown(path, account.pw_uid, account.pw_gid)
    port = free_port() + 5
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"

    def run(program: str, *words: str) -> None:
        subprocess.run(
            [str(programs / program), "-D", str(folder / "data"), *words], check=True, cwd=folder,
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **owner,
        )  # fmt: skip

    run("initdb", "-U", "labkit", f"--pwfile={secret}", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield Cluster(port, programs)
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_postgresql(
    postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory, label_studio_environment: Path
) -> tuple[Cluster, Path]:
    """A database that Label Studio made ready once, "ready", as a template for others; and the home it belongs to."""
    from labkit.label import start_server

    folder = tmp_path_factory.mktemp("team") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(folder))
        patch.setenv("LABKIT_LABEL_STUDIO_ENV", str(label_studio_environment))
        with start_server(port=free_port(), database=postgresql.make("ready")):
            pass
    return postgresql, folder
