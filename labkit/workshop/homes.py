"""A home folder for each person: notebooks, the way to the scenes, and the line that notes what was run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from labkit.errors import FileError, LabkitError
from labkit.label.variables import CHIPS_FOLDER, FILES_FOLDER
from labkit.workshop.layout import COMPILED, NOTEBOOKS, TEACHER, Workshop, isolates
from labkit.workshop.resetting import reset
from labkit.workshop.watching import STARTUP

#: System users' numbers of the people begin here, where root runs the hub.
_FIRST_NUMBER = 20_000

#: What the first notebooks do.
_WALK = """
import sys
from pathlib import Path
import labkit as lk
for track in ("ascending", "descending"):
    pairs = lk.select_pairs(lk.open_interferograms(Path(sys.argv[1]) / track), max_days=36)
    for ifgs in (pairs, lk.multilook(pairs, 40)):
        stack = lk.stack_gradients(ifgs, progress=False)
lk.integrate_rate(stack)
lk.filter_detections(lk.couplets(stack, progress=False), stack)
"""

_STARTUP = Path(".ipython/profile_default/startup/00-workshop.py")


def numbers_of(room: Workshop, accounts: Sequence[str]) -> dict[str, int]:
    """Give each person a system user's number of his own, the one that a home has already where there is one.

    Returns
    -------
    dict
        Account → number, without the teacher, who runs as who opens the workshop; empty where that is not root.

    Raises
    ------
    LabkitError
        A number belongs to somebody of this machine.
    """
    if not isolates():
        return {}
    import pwd  # of POSIX systems

    people = [account for account in accounts if account != TEACHER]
    given = {name: room.home(name).stat().st_uid for name in people if room.home(name).exists()}
    free = iter(range(max([_FIRST_NUMBER - 1, *given.values()]) + 1, 2**31))
    numbers = {name: given[name] if name in given else next(free) for name in people}
    known = {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
    for name, number in numbers.items():
        if number in known:
            raise LabkitError(
                f"the home of {name} must belong to a number of its own, instead {number} is {known[number]!r} of this "
                "machine. Open the workshop as a user who is not root, or move that home away"
            )
    return numbers


def make_home(room: Workshop, account: str, number: int | None) -> Path:
    """Make the home of an account; one that is there stays as it is.

    Parameters
    ----------
    room : Workshop
    account : str
    number : int or None
        Of :func:`numbers_of`: who owns it, and all that is made in it; None for who runs this.
    """
    home = room.home(account)
    if home.exists():
        return home
    partial = home.with_name(f".{account}.part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir(mode=0o700, exist_ok=True)
    if number is None:
        furnish(partial, room.folder)
    else:
        os.chown(partial, number, number)
        as_owner(partial, "from labkit.workshop.homes import furnish; furnish(there, given)", room.folder)
    partial.rename(home)
    return home


def compile_once(room: Workshop) -> None:
    """Compile what the notebooks use before people come, so that thirty servers do not do it at the same moment.

    Raises
    ------
    LabkitError
        The demo scene of the workshop cannot be stacked here.
    """
    if room.compiled.exists():
        return
    partial = room.compiled.with_name(".compiled.part")
    with tqdm(total=1, desc="Compiling for everybody (once)") as bar:
        done = subprocess.run(
            [sys.executable, "-c", _WALK, str(room.data / "demo")],
            env=os.environ | {"NUMBA_CACHE_DIR": str(partial)},
            capture_output=True,
            text=True,
            check=False,
        )
        bar.update()
    if done.returncode:
        raise LabkitError(
            f"the scene in {room.data / 'demo'} must be there and stack, instead: {done.stderr.strip()[-800:]}\n"
            "Make the workshop again with --scene demo"
        )
    for path in (partial, *partial.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    partial.rename(room.compiled)


def share_pictures(room: Workshop) -> None:
    """Let everybody's notebooks put pictures of chips where Label Studio may show them.

    Like ``/tmp``, the folder takes files of all, and nobody can remove another's. In a workshop that was opened before
    there was such a folder, pictures stay where they are, and only the teacher's notebooks reach Label Studio.
    """
    served = room.bench / FILES_FOLDER
    if served.is_dir() and not served.is_symlink():
        return
    chips = room.pictures / CHIPS_FOLDER
    chips.mkdir(parents=True, exist_ok=True)
    room.pictures.chmod(0o755)
    chips.chmod(0o1777)
    room.bench.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not served.is_symlink():
        served.symlink_to(room.pictures)


def furnish(home: Path, folder: Path) -> None:
    """Put into a home what it begins with."""
    data = home / "data"
    if not data.is_symlink():
        data.symlink_to(folder / "data")
    startup = home / _STARTUP
    startup.parent.mkdir(parents=True, exist_ok=True)
    startup.write_text(STARTUP)
    compiled = Workshop(folder).compiled
    if compiled.is_dir():
        shutil.copytree(compiled, home / COMPILED, dirs_exist_ok=True)
    if not (home / NOTEBOOKS).exists():
        reset(home, folder / NOTEBOOKS)


def reset_for(room: Workshop, account: str) -> None:
    """Put a person's notebooks back to the start, as that person: what is made there belongs to whom it shall.

    Raises
    ------
    FileError
        The person has no home yet, or it cannot be written.
    """
    home = room.home(account)
    if not home.is_dir():
        known = ", ".join(sorted(path.name for path in home.parent.glob("[!.]*"))) or "none"
        raise FileError(f"name must be that of a home, instead got name={account!r}. There are: {known}")
    if home.stat().st_uid == os.geteuid():
        reset(home, room.notebooks)
    else:
        as_owner(home, "from labkit.workshop.resetting import reset; reset(there, given)", room.notebooks)


def as_owner(home: Path, code: str, given: Path) -> None:
    """Run a line of Python as who owns a home; ``there`` is that home and ``given`` a path.

    Root itself never works in a folder where somebody else can lay links.
    """
    owner = home.stat().st_uid
    words = f"import sys; from pathlib import Path; there, given = map(Path, sys.argv[1:]); {code}"
    done = subprocess.run(
        [sys.executable, "-c", words, str(home), str(given)],
        user=owner,
        group=owner,
        extra_groups=[],
        umask=0o077,
        cwd="/",
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FileError(f"{home} must be made ready, instead: {done.stderr.strip()[-800:]}")


def check_reach(room: Workshop) -> None:
    """Make sure that system users without a name can reach the workshop and the packages.

    Raises
    ------
    LabkitError
        A folder on the way is closed to them.
    """
    for end in (room.notebooks, room.data, Path(sys.prefix), Path(sys.executable).resolve(), Path(__file__).resolve()):
        for path in end.parents if end.is_file() else (end, *end.parents):
            if path.exists() and not path.stat().st_mode & 0o001:
                raise LabkitError(
                    f"{path} must let others pass, for each person's server runs as a user of its own, instead it is "
                    f"closed. Run: chmod o+x {path}; or keep it elsewhere; or let all run as one user: --one-user"
                )
