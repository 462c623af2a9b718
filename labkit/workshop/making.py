"""Making the folder of a workshop, where there is a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from labkit import simulate
from labkit.course.material import prepare
from labkit.errors import FileError, LabkitError
from labkit.files import whole
from labkit.label.environment import REQUIREMENT, ensure_environment
from labkit.workshop import wheels
from labkit.workshop.accounts import everybody
from labkit.workshop.layout import COURSE, Workshop

#: What the notebooks run on; "course" is the material of the lessons, which people find made and cannot change.
SCENES = ("demo", "workshop", COURSE)

_REQUIREMENT = "labkit[workshop]"
_LEFT_OUT = shutil.ignore_patterns("results", ".*", "__pycache__")


def make_workshop(
    folder: str | Path,
    *,
    people: int = 30,
    names: str | Path | None = None,
    notebooks: str | Path = "notebooks",
    scenes: Sequence[str] = SCENES,
    with_wheels: bool = True,
    say: Callable[[str], None] = print,
) -> Workshop:
    """Make a folder with all that a workshop needs; called again, it goes on where it was stopped.

    Parameters
    ----------
    folder : path
        New, or made by an earlier call: then the list of people stays, notebooks are replaced, and only wheels and
        scenes that are missing are made.
    people : int
        How many, from 1 to 999: "Person 01" and so on.
    names : path, optional
        A file with a name, or "name, e-mail address", on each line, instead of numbers.
    notebooks : path
        The folder of notebooks that everybody gets; results in it are left out.
    scenes : sequence of str
        Which simulated scenes, "demo" (the notebooks), "workshop" (1.9 GB) and "course" (the lessons, 190 MB).
    with_wheels : bool
        Fetch every package for an install without a network: some GB with a PyTorch that can use a GPU.
    say : callable
        Where the words for the person go.

    Returns
    -------
    Workshop

    Raises
    ------
    LabkitError
        An argument breaks its rule, the folder holds something else, or a package cannot be fetched.
    """
    if not 1 <= people <= 999:
        raise LabkitError(f"people must be from 1 to 999, instead got people={people}")
    source = Path(notebooks)
    if not any(source.rglob("*.ipynb")):
        raise FileError(
            f"notebooks must be a folder that holds .ipynb files, instead got notebooks={notebooks}. Go to the "
            "project's folder, or name another one with --notebooks"
        )
    room = Workshop(Path(folder).absolute())
    if room.folder.exists() and any(room.folder.iterdir()) and not room.people.exists():
        raise FileError(f"folder must be new, empty or a workshop, instead {room.folder} holds something else")
    _write(room.people, Path(names).read_bytes() if names else _numbered(people), anew=names is not None)
    everybody(room)  # says at once what is wrong with a name
    _copy(source, room.notebooks)
    here = resources.files("labkit.workshop")
    _write(room.hub_settings, (here / "hub" / "jupyterhub_config.py").read_bytes())
    _write(room.folder / "install.py", (here / "install.py").read_bytes())
    _write(room.folder / "README.md", _README.encode())
    _write(room.folder / ".gitignore", b"*\n")  # passwords and gigabytes, perhaps made within a checkout
    if with_wheels:
        _fetch(room, say)
    for name in scenes:
        say(f"Scene {name} ...")
        if name == "demo":
            simulate.demo(room.data / "demo")
        elif name == COURSE:
            prepare(room.data / COURSE)
        else:
            simulate.stored(name, room.data)
    return room


def _fetch(room: Workshop, say: Callable[[str], None]) -> None:
    say("Packages for the notebooks and the hub ...")
    ours = wheels.collect(wheels.needed(_REQUIREMENT), room.folder / "wheels")
    say("Packages for Label Studio ...")
    studio = ensure_environment().parents[1]
    theirs = wheels.collect(wheels.installed(studio), room.folder / "wheels-label-studio")
    wheels.check_installable(_REQUIREMENT, room.folder / "wheels")
    wheels.check_installable(REQUIREMENT, room.folder / "wheels-label-studio")
    manifest = room.folder / wheels.MANIFEST
    wheels.write_manifest(manifest, [*ours, *theirs], labkit=_REQUIREMENT, label_studio=REQUIREMENT)


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, ignore=_LEFT_OUT)
    if target.exists():
        shutil.rmtree(target)
    partial.rename(target)


def _write(target: Path, content: bytes, *, anew: bool = True) -> None:
    if anew or not target.exists():
        with whole(target) as partial:
            partial.write_bytes(content)


def _numbered(people: int) -> bytes:
    return "".join(f"Person {number:02d}\n" for number in range(1, people + 1)).encode()


_README = """# A labkit workshop

Everything that the room needs is in this folder. It needs Python, of the version and for the platform that
`manifest.json` names, and no network.

1. Copy the folder to the server, and install from the wheels in it: `python3 install.py`
2. Let the people in: `.venv/bin/labkit workshop open .` on this machine alone, with `--host 0.0.0.0` for the network.
   It prints the addresses, and where the sheet with everybody's password is: print it and cut it.
3. Log in as `teacher` and open `/services/progress/`: who ran what, and how much memory everybody's server holds.
4. Somebody is lost? The notebook `start_here.ipynb` has a button that puts one's own notebooks back to the start; or
   `.venv/bin/labkit workshop reset . person.07`. What was there is kept in that person's folder `kept`.
5. Ctrl-C stops everything. Opened again, everybody goes on where he was.

`people.txt` names the people, a line each: a name, or "name, e-mail address". Add lines, and open the workshop again.

Opened as root, each person's server is a system user of its own and cannot read the others' files. Opened as anybody
else, all servers run as that one user: folders and pages are apart, but somebody who knows how can read the others'
files. What goes over the wire is not encrypted: use a network that you trust, or a proxy with TLS before it.

The folder `private` holds passwords (as hashes), the sheet, secrets, logs and Label Studio's data: keep it to yourself,
and keep it when the folder moves. Where labkit's docs are, `teaching.md` has timing, sizing and what goes wrong.
"""
