"""Point at a folder: what it was recognised as, what it holds, what is missing, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from labkit.errors import FileError
from labkit.read.clues import clues, folders_below
from labkit.read.facts import facts_of_pairs, facts_of_rates
from labkit.read.missing import Missing, missing_of_pairs, missing_of_rates
from labkit.read.open import open_interferograms, open_rates, readers_that_know
from labkit.read.pointing import place_of
from labkit.read.rates import named_as_rate
from labkit.read.stated import check_stated
from labkit.read.survey_page import page
from labkit.wording import counted

#: Reader → what it is called among those who use it.
PRODUCTS = {
    "labkit-cache": "labkit's own cache",
    "gmtsar": "GMTSAR",
    "isce2": "ISCE2",
    "roipac": "ROI_PAC",
    "snap": "SNAP",
    "gamma_geocoded": "GAMMA, geocoded",
    "gamma": "GAMMA",
    "hyp3": "HyP3",
    "licsar": "LiCSAR",
    "mintpy": "MintPy",
    "s1_gunw": "ARIA S1-GUNW",
    "opera_disp": "OPERA DISP-S1",
    "geotiff": "GeoTIFF",
    "licsbas": "LiCSBAS",
    "egms": "EGMS",
}

#: So many folders that can be opened are named where the one that was given cannot.
_SUGGESTED = 8


@dataclass(frozen=True)
class Survey:
    """What was found in a folder; in a notebook it shows itself as a table. Made by :func:`survey`.

    Attributes
    ----------
    folder : str
        The place, as a whole path; as it was typed where there is none.
    kind : str
        "interferograms", "rates" (no interferograms, but a map of rates), or "" where nothing can be opened.
    product : str
        The reader that knows it, as ``product=`` takes it; "" where none does.
    facts : tuple of (str, str)
        What it holds, in words: dates, pairs, grid, spacing, wavelength, orbit.
    missing : tuple of Missing
        What it lacks, what follows, and the remedy; those that stop everything first.
    """

    folder: str
    kind: str = ""
    product: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    missing: tuple[Missing, ...] = ()
    _data: xr.Dataset | None = field(default=None, repr=False)

    @property
    def headline(self) -> str:
        """One line: what was recognised."""
        if not self.kind:
            return "nothing that can be opened"
        return f"{self.kind} of {PRODUCTS[self.product]} (product={self.product!r})"

    @property
    def ready(self) -> bool:
        """Whether nothing that is missing stops the steps after reading."""
        return bool(self.kind) and not any(lack.stops for lack in self.missing)

    @property
    def interferograms(self) -> xr.Dataset:
        """The interferograms, lazy (:func:`labkit.open_interferograms`).

        Raises
        ------
        FileError
            There are none; the message says what to do.
        """
        return self._opened("interferograms")

    @property
    def rates(self) -> xr.Dataset:
        """The map of rates (:func:`labkit.open_rates`).

        Raises
        ------
        FileError
            The folder was not opened as rates; the message says what to do.
        """
        return self._opened("rates")

    def _opened(self, kind: str) -> xr.Dataset:
        if self._data is None or self.kind != kind:
            wanted = kind if self.kind else "interferograms or rates"
            raise FileError(f"{self.folder} must hold {wanted}, instead it holds {self.headline}. {self._remedies()}")
        return self._data

    def _remedies(self) -> str:
        told = [lack for lack in self.missing if lack.stops] or list(self.missing)
        return " ".join(f"{lack.what}: {lack.words}. What to do: {lack.remedy}." for lack in told)

    def __str__(self) -> str:
        width = max((len(name) for name, _ in self.facts), default=0) + 2
        lines = [self.folder, f"  {self.headline}"]
        lines += [f"  {name:<{width}}{words}" for name, words in self.facts]
        for lack in self.missing:
            lines += [f"{'!!' if lack.stops else '--'} {lack.what}: {lack.words}", f"   → {lack.remedy}"]
        if self.kind and not self.missing:
            lines.append("Nothing is missing.")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return page(self.folder, self.headline, self.facts, self.missing, whole=bool(self.kind))


def survey(
    folder: str | os.PathLike[str], product: str = "auto", *, on_error: str = "raise", **stated: object
) -> Survey:
    """Look into a folder and say what it is: recognised product, dates, pairs, grid, and what is missing.

    Parameters
    ----------
    folder : path-like
        As a person types or pastes it: ``~``, quotes around it and ``file://`` are understood.
    product, on_error, **stated
        As :func:`labkit.open_interferograms` and :func:`labkit.open_rates` take them.

    Returns
    -------
    Survey
        Its ``interferograms`` or ``rates`` are open, lazily. Where the folder does not exist, is empty, cannot be read
        or holds nothing known, its ``missing`` says so, and what to do; no error is raised for it.

    Raises
    ------
    LabkitError
        A stated value is impossible, or ``product`` or ``on_error`` is unknown.

    Notes
    -----
    Only names, headers and sizes are read, as on opening. Interferograms go before rates where a folder holds both. A
    folder that cannot be opened is compared with the two above it and the nearest 60 below, and those that can be
    opened are named.

    Examples
    --------
    >>> print(survey("nowhere/at/all").headline)
    nothing that can be opened
    """
    check_stated(stated)
    try:
        place = place_of(folder)
    except FileError as error:
        return Survey(str(folder), missing=(_fault("the path", str(error)),))
    except OSError as error:
        return Survey(str(folder), missing=(_unreadable(error),))
    try:
        return _look(place, product, on_error, stated)
    except OSError as error:
        return Survey(str(place), missing=(_unreadable(error),))


def _look(place: Path, product: str, on_error: str, stated: dict[str, Any]) -> Survey:
    pairs, rates = readers_that_know(place)
    if product != "auto":
        known = product in PRODUCTS
        pairs, rates = ([product] if product in pairs or not known else []), [product] if product in rates else []
    if pairs:
        try:
            ifgs = open_interferograms(place, pairs[0] if product == "auto" else product, on_error, **stated)
        except FileError as error:
            if not rates:
                return Survey(
                    str(place), product=pairs[0], missing=(_fault("pairs", str(error)), *_elsewhere(place, pairs))
                )
        else:
            found = [*missing_of_pairs(ifgs), *_other_products(place, pairs, ifgs), *_rates_too(rates)]
            return Survey(
                str(place), "interferograms", pairs[0], tuple(facts_of_pairs(ifgs)), _in_order(found), _data=ifgs
            )
    unnamed = place.is_file() and product == "auto" and rates == ["geotiff"] and not named_as_rate(place)
    if rates and not unnamed:
        try:
            opened = open_rates(place, rates[0], **stated)
        except FileError as error:
            return Survey(
                str(place), product=rates[0], missing=(_fault("rates", str(error)), *_elsewhere(place, rates))
            )
        lacks = _in_order(missing_of_rates(opened))
        return Survey(str(place), "rates", rates[0], tuple(facts_of_rates(opened)), lacks, _data=opened)
    return Survey(str(place), missing=(*clues(place), *_elsewhere(place)))


def _in_order(found: list[Missing]) -> tuple[Missing, ...]:
    return tuple(sorted(found, key=lambda lack: not lack.stops))


def _fault(what: str, message: str) -> Missing:
    """What an error says, its remedy apart: the last sentence, where there is more than one."""
    words, _, remedy = message.rpartition(". ")
    return Missing(what, words or message, remedy or "name another folder", stops=True)


def _unreadable(error: OSError) -> Missing:
    return Missing(
        "permission" if isinstance(error, PermissionError) else "reading",
        f"{error.filename or 'the folder'} cannot be read: {error.strerror or error}",
        "ask its owner to let you read it, or copy the files to a folder of your own",
        stops=True,
    )


def _other_products(place: Path, readers: list[str], ifgs: xr.Dataset) -> list[Missing]:
    """Pairs that lie in the same folder in the files of another processor, and were not opened."""
    found, known = [], set(map(str, ifgs["pair"].values))
    for reader in readers[1:]:
        try:
            others = set(map(str, open_interferograms(place, reader)["pair"].values)) - known
        except FileError:
            continue  # it took a file for its own that is none; the first reader has opened the folder
        if others:
            words = f"{len(others)} more pairs lie here in files of {PRODUCTS[reader]} and are not opened"
            remedy = f"keep each product in a folder of its own, or open these by product={reader!r}"
            found.append(Missing("mixed products", words, remedy))
    if found and (folders := _openable(folders_below(place))):
        remedy = "name one of them, so that nothing is mixed"
        found.append(Missing("folders of one product", f"below this one lie {'; '.join(folders)}", remedy))
    return found


def _rates_too(rates: list[str]) -> list[Missing]:
    if not rates:
        return []
    words = f"the folder holds a map of rates of {PRODUCTS[rates[0]]} as well, which is not opened"
    return [Missing("rates", words, f"lk.open_rates(folder, product={rates[0]!r}) opens it")]


def _elsewhere(place: Path, readers: Sequence[str] = ()) -> list[Missing]:
    """Folders near by that can be opened, where this one cannot: below, and above what the same reader opens."""
    home = place if place.is_dir() else place.parent
    if place == home:
        named = _openable(home.parents[:2], readers) or _openable(folders_below(home))
    else:
        named = _openable([home]) or _openable([home.parent]) or _openable(folders_below(home))
    if not named:
        return []
    words = f"{'this folder' if len(named) == 1 else 'these folders'} can be opened: {'; '.join(named)}"
    remedy = "name it instead" if len(named) == 1 else "name one of them instead"
    return [Missing("another folder", words, remedy, stops=True)]


def _openable(folders: Iterable[Path], readers: Sequence[str] | None = None) -> list[str]:
    """Name folders that can be opened, with what they hold; of those within each other the outermost."""
    named: dict[Path, str] = {}
    for folder in folders:
        if len(named) == _SUGGESTED:
            break
        if any(folder.is_relative_to(other) for other in named):
            continue
        opened = _opened_as(folder, readers)
        if opened:
            named[folder] = f"{folder} ({opened})"
    return list(named.values())


def _opened_as(folder: Path, readers: Sequence[str] | None) -> str:
    """What a folder is opened as (by one of ``readers``, where any are named); "" where it cannot be."""
    try:
        pairs, rates = readers_that_know(folder)
        if pairs and (readers is None or pairs[0] in readers):
            return f"{counted(open_interferograms(folder, pairs[0]).sizes['pair'], 'pair')} of {PRODUCTS[pairs[0]]}"
        if rates and not pairs and (readers is None or rates[0] in readers):
            open_rates(folder, rates[0])
            return f"rates of {PRODUCTS[rates[0]]}"
    except (FileError, OSError):  # it was only guessed at: the folder that was given has its own message
        return ""
    return ""
