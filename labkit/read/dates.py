"""Two dates that a header or a file name states → the name of a pair."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from labkit.errors import FileError

_DIGITS = re.compile(r"(19|20)[0-9]{6}")


def stated_pair(reference: str, secondary: str, path: Path) -> str:
    """Give "YYYYMMDD_YYYYMMDD" from two stated dates.

    Parameters
    ----------
    reference, secondary : str
        YYYYMMDD, of the 20th or 21st century.
    path : Path
        The file that states them, for the error.

    Raises
    ------
    FileError
        One is no calendar date, or the secondary date is not after the reference.
    """
    for date in (reference, secondary):
        try:
            known = bool(_DIGITS.fullmatch(date)) and bool(datetime.strptime(date, "%Y%m%d"))
        except ValueError:
            known = False
        if not known:
            raise FileError(f"{path} must state calendar dates (YYYYMMDD), instead got {reference!r} and {secondary!r}")
    if secondary <= reference:
        raise FileError(
            f"{path} must state the earlier date first, instead got {reference}_{secondary}. "
            "Make the pair again, or turn its dates and the sign of its phase"
        )
    return f"{reference}_{secondary}"
