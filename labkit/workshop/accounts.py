"""Who may come in: accounts of the hub and of Label Studio with one password, kept as a hash."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labkit import home
from labkit.errors import FileError
from labkit.label.database import DATA_FOLDER
from labkit.label.people import DOMAIN, Person, add_people, made_password, read_people, reset_password
from labkit.workshop.layout import TEACHER, Workshop, account_of

# Cost of scrypt (RFC 7914): 16 MB and some 50 ms for each try.
_COST = {"n": 2**14, "r": 8, "p": 1}


def everybody(room: Workshop) -> list[Person]:
    """Give the teacher and the people of the list.

    Raises
    ------
    FileError
        Two would have the same account.
    """
    people = [Person("Teacher", f"{TEACHER}@{DOMAIN}"), *read_people(room.people)]
    accounts = [account_of(person.email) for person in people]
    for account in accounts:
        room.home(account)  # says what is wrong with it
        if accounts.count(account) > 1:
            raise FileError(f"{room.people} must give everybody an account of his own, instead two are {account!r}")
    return people


def let_in(room: Workshop, people: Sequence[Person], *, label_studio: bool) -> list[Person]:
    """Make the accounts that are missing.

    Parameters
    ----------
    room : Workshop
        Whose ``passwords`` and ``tokens`` are completed.
    people : sequence of Person
        Of :func:`everybody`.
    label_studio : bool
        Make accounts of Label Studio too, with the same password; its server has to have been started once.

    Returns
    -------
    list of Person
        Those who are new or have a new password, with it: it is nowhere else in clear.
    """
    known = _read(room.passwords)
    if label_studio:
        asked = add_people(people)
        tokens = {account_of(person.email): person.token for person in asked}
        home.write_private(room.tokens, json.dumps(tokens, indent=1) + "\n")
        # Label Studio knows them, the hub does not: an earlier call was cut between the two
        given = [
            reset_password(person.email) if not person.password and account_of(person.email) not in known else person
            for person in asked
        ]
        new = [replace(person, name=asker.name) for person, asker in zip(given, asked, strict=True) if person.password]
    else:
        missing = [person for person in people if account_of(person.email) not in known]
        new = [replace(person, password=made_password()) for person in missing]
    for person in new:
        known[account_of(person.email)] = _hashed(person.password)
    home.write_private(room.passwords, json.dumps(known, indent=1) + "\n")
    return new


def renew(room: Workshop, account: str) -> Person:
    """Give somebody who lost it a new password, in the hub at once, and in Label Studio where it was opened with it.

    Raises
    ------
    FileError
        There is no such account.
    """
    known = _read(room.passwords)
    found = [person for person in everybody(room) if account_of(person.email) == account]
    if not found or account not in known:
        raise FileError(f"name must be of somebody with an account, instead got name={account!r}. See {room.people}")
    has_label_studio = (room.bench / DATA_FOLDER).is_dir()
    password = reset_password(found[0].email).password if has_label_studio else made_password()
    known[account] = _hashed(password)
    home.write_private(room.passwords, json.dumps(known, indent=1) + "\n")
    return replace(found[0], password=password)


def is_right(passwords: Path, account: str, password: str) -> bool:
    """Whether this is the password of that account. An account that is not there takes as long to refuse."""
    known = _read(passwords)
    kept = known.get(account) or _hashed("")
    tried = _hashed(password, bytes.fromhex(kept["salt"]))
    return hmac.compare_digest(kept["scrypt"], tried["scrypt"]) and account in known


def _hashed(password: str, salt: bytes | None = None) -> dict[str, str]:
    salt = salt or secrets.token_bytes(16)
    return {"salt": salt.hex(), "scrypt": hashlib.scrypt(password.encode(), salt=salt, **_COST).hex()}


def _read(passwords: Path) -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads(passwords.read_text()))
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        raise FileError(
            f"{passwords} must be JSON, instead got: {error}. Restore it, or remove it: people get new passwords"
        ) from error
