"""Single pairs of ISCE2's topsApp: one run for each pair, its rasters in ``merged/``."""

from __future__ import annotations

import re
from pathlib import Path

from labkit.errors import FileError
from labkit.read.dates import stated_pair
from labkit.read.isce_header import properties
from labkit.read.pairs import names_two_dates, pair_name
from labkit.read.safe_xml import read_xml

_DATE = re.compile(r"\s*(\d{4})-(\d{2})-(\d{2})[ T]")
_STARTS = ("sensingstart", "burststartutc")


def run_folders(folder: Path) -> list[Path]:
    """Give the runs of topsApp: the folder itself, or those in it (``merged/filt_topophase.flat`` or ``.unw``)."""
    found = sorted({path.parent.parent for path in folder.glob("merged/*topophase.*")})
    return found or sorted({path.parent.parent for path in folder.glob("*/merged/*topophase.*")})


def run_pair(run: Path) -> str:
    """Name the pair of a run, from the name of its folder, else from ``reference/IW*.xml`` and ``secondary/IW*.xml``.

    Raises
    ------
    FileError
        Neither names two dates, or the reference is the later one.
    """
    name = pair_name(run.absolute()) if names_two_dates(run.absolute()) else None
    return name or stated_pair(_date(run, "reference", "master"), _date(run, "secondary", "slave"), run)


def _date(run: Path, *places: str) -> str:
    for header in sorted(path for place in places for path in run.glob(f"{place}/IW*.xml")):
        words = properties(read_xml(header))
        found = _DATE.match(next((words[name] for name in _STARTS if name in words), ""))
        if found:
            return "".join(found.groups())
    raise FileError(
        f"{run} must say the dates of its pair by its name (YYYYMMDD_YYYYMMDD), or at sensingstart in "
        f"{places[0]}/IW*.xml, instead neither does. Rename the folder"
    )
