"""The people of a workshop: accounts on this bench's Label Studio from a list of names, and a sheet to hand out."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

from labkit import home
from labkit.errors import FileError, LabkitError
from labkit.label.database import remembered_database
from labkit.label.environment import ensure_environment, environment_python
from labkit.label.variables import server_variables

#: Accounts are e-mail addresses in Label Studio; nobody gets mail at this one.
DOMAIN = "workshop.local"

# Without the letters that people mistake for one another on paper.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")
_MARK = "people: "

#: Runs in Label Studio's own environment; what it has to do comes by its standard input, so that no password stands in
#: a list of processes.
_SCRIPT = """
import json, sys
from label_studio.server import _setup_env
_setup_env()
from django.db import transaction
from organizations.models import Organization
from rest_framework.authtoken.models import Token
from users.models import User
asked = json.load(sys.stdin)
told = {}
with transaction.atomic():
    organization = Organization.objects.first()
    for person in asked["people"]:
        user = User.objects.filter(email__iexact=person["email"]).first()
        state = "there" if user else "missing" if asked["reset"] else "new"
        if user is None and not asked["reset"]:
            first, _, last = person["name"].partition(" ")
            user = User.objects.create_user(
                email=person["email"], username=person["email"], password=person["password"],
                first_name=first[:30], last_name=last[:30],
            )
            organization.add_user(user)
            user.active_organization = organization
            user.save()
        elif user is not None and asked["reset"]:
            user.set_password(person["password"])
            user.save()
        token = Token.objects.get_or_create(user=user)[0].key if user else ""
        told[person["email"]] = [state, token]
print("MARK" + json.dumps(told))
""".replace("MARK", _MARK)


@dataclass(frozen=True)
class Person:
    """Somebody who labels.

    ``password`` is "" where the account was there before and kept the one it has; ``token`` is what that person's
    programs show to Label Studio, "" where it was not asked.
    """

    name: str
    email: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def read_people(path: str | Path) -> list[Person]:
    """Read a list of people: on each line a name or "name, e-mail address"; what begins with # is passed over.

    Raises
    ------
    FileError
        The file cannot be read, a line cannot be understood, or two are alike.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     names = Path(folder) / "names.txt"
    ...     _ = names.write_text("# the course of May\\nAnn Lee\\nBo, bo@example.org\\n")
    ...     lk.label.read_people(names)
    [Person(name='Ann Lee', email='ann.lee@workshop.local'), Person(name='Bo', email='bo@example.org')]
    """
    source = Path(path)
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{source} must be a text file with a name on each line, instead got: {error}") from error
    people: list[Person] = []
    for number, line in enumerate(lines, 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        name, _, address = (part.strip() for part in words.partition(","))
        email = address or f"{_plain(name)}@{DOMAIN}"
        if not name or not _ADDRESS.fullmatch(email) or email.startswith("@"):
            raise FileError(f"{source} must have a name or 'name, e-mail' on line {number}, instead got {words!r}")
        if any(person.email.lower() == email.lower() for person in people):
            raise FileError(f"{source} must name everybody once, instead {email} on line {number} was there before")
        people.append(Person(name, email.lower()))
    if not people:
        raise FileError(f"{source} must name somebody, instead it names nobody")
    return people


def add_people(people: Iterable[Person]) -> list[Person]:
    """Make accounts for people; who has one keeps it, with its password.

    Parameters
    ----------
    people : iterable of Person
        Of :func:`read_people`. The server may run or not, but has to have been started once.

    Returns
    -------
    list of Person
        The same, with the passwords of the new ones and everybody's token.

    Raises
    ------
    LabkitError
        Label Studio was never started here, or refuses.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     names = Path(folder) / "names.txt"
    ...     _ = names.write_text("Ann Lee\\nBo, bo@example.org\\n")
    ...     people = lk.label.add_people(lk.label.read_people(names))
    >>> [(person.name, person.email, len(person.password)) for person in people]
    [('Ann Lee', 'ann.lee@workshop.local', 19), ('Bo', 'bo@example.org', 19)]
    """
    asked = [replace(person, password=made_password()) for person in people]
    told = _tell(asked, reset=False)
    return [
        replace(person, token=token, password=person.password if state == "new" else "")
        for person, (state, token) in ((person, told[person.email]) for person in asked)
    ]


def reset_password(email: str) -> Person:
    """Give somebody who lost it a new password.

    Raises
    ------
    LabkitError
        There is no account of that address, or it is the owner's, whose password is among the secrets.

    Examples
    --------
    For somebody else it gives the person with a new password, to be printed with :func:`write_sheet`. The owner's
    stays:

    >>> import labkit as lk
    >>> lk.label.reset_password("labkit@localhost.local")
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: email must not be the owner's, whose password is in the secrets, instead got email=...
    """
    if email.lower() == home.load_secrets().user.lower():
        raise LabkitError(
            f"email must not be the owner's, whose password is in the secrets, instead got email={email!r}"
        )
    person = Person(email, email.lower(), made_password())
    state, token = _tell([person], reset=True)[person.email]
    if state == "missing":
        raise LabkitError(f"email must be of somebody with an account, instead got email={email!r}")
    return replace(person, token=token)


def write_sheet(people: Sequence[Person], path: str | Path, address: str) -> Path:
    """Write a sheet to print and cut: for each person the address, the user name and the password.

    Parameters
    ----------
    people : sequence of Person
        Of :func:`add_people`.
    path : str or Path
        The HTML file to be, of mode 0600.
    address : str
        Of the server, as the people's browsers reach it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     names = Path(folder) / "names.txt"
    ...     _ = names.write_text("Ann Lee\\nBo, bo@example.org\\n")
    ...     people = lk.label.read_people(names)
    ...     sheet = lk.label.write_sheet(people, f"{folder}/sheet.html", "http://192.168.1.5:8080")
    ...     "user <b>ann.lee@workshop.local</b>" in sheet.read_text(), oct(sheet.stat().st_mode & 0o777)
    (True, '0o600')
    """
    slips = "\n".join(
        f"<section><h2>{escape(person.name)}</h2><p>{escape(address)}</p><p>user <b>{escape(person.email)}</b></p>"
        f"<p>password <b>{escape(person.password) or '(the one you have)'}</b></p></section>"
        for person in people
    )
    target = Path(path).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    home.write_private(
        target,
        "<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n<title>Label Studio: who is who</title>\n"
        "<style>body{font:16px/1.4 sans-serif;columns:2;column-gap:0;margin:0}"
        "section{border:1px dashed #888;padding:8mm;break-inside:avoid}h2{margin:0 0 2mm;font-size:20px}"
        f"p{{margin:1mm 0}}b{{font-family:monospace}}</style>\n{slips}\n</html>\n",
    )
    return target


def made_password() -> str:
    """Make a password that a person can type from paper: 80 random bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def _plain(name: str) -> str:
    """Turn a name into the first part of an address: letters and digits of ASCII, words joined by dots."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return ".".join(re.findall(r"[a-z0-9]+", ascii_name))


def _tell(people: list[Person], *, reset: bool) -> dict[str, tuple[str, str]]:
    """Have Label Studio's own code make accounts or set passwords.

    Tell by address whether the account is "new", "there" or "missing", and its token.
    """
    database = remembered_database()
    if database.embedded and not database.file.exists():
        raise LabkitError("Label Studio must have been started once before it gets people. Run `labkit label-server`")
    wanted = [{"name": person.name, "email": person.email, "password": person.password} for person in people]
    done = subprocess.run(
        [str(environment_python(ensure_environment().parents[1])), "-c", _SCRIPT],
        input=json.dumps({"people": wanted, "reset": reset}),
        env=server_variables(database),
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode or not said:
        raise LabkitError(
            f"Label Studio must take the people into {database}, instead it says: {done.stderr.strip()[-600:]}"
        )
    answer = json.loads(said[-1].removeprefix(_MARK))
    return {email: (str(state), str(token)) for email, (state, token) in answer.items()}
