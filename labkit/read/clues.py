"""What lies in a folder that no reader knows, and what would make it readable."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.read.missing import Missing
from labkit.read.pairs import names_two_dates

#: So many files are looked at for clues, and so many folders below for one that can be opened.
_FILES, _FOLDERS = 2000, 60
_DEPTH = 3
_NAMED = 3


@dataclass(frozen=True)
class _Clue:
    """A kind of file that says what a person has: what it is, and what to do."""

    pattern: re.Pattern[str]
    words: str
    remedy: str


def _clue(pattern: str, words: str, remedy: str) -> _Clue:
    return _Clue(re.compile(pattern, re.IGNORECASE), words, remedy)


#: The first whose pattern fits a file's name speaks for it.
_CLUES = (
    _clue(
        r"^S1[ABCD]_(IW|EW|SM|S\d)_SLC.*",
        "images of Sentinel-1 as they are delivered, no interferograms",
        "make interferograms of them (ISCE2, GMTSAR, SNAP, GAMMA), or order them from HyP3",
    ),
    _clue(r"^S2[ABC]_MSI.*", "optical images of Sentinel-2", "lk.read.open_sentinel2 reads them, for a snow mask"),
    _clue(r"\.(zip|tar|tgz|gz|7z|rar)$", "packed products", "unpack them here: readers look at the files inside"),
    _clue(
        r"(unw|wrapped|phase|diff|ifg).*\.tiff?$",
        "GeoTIFFs of phase whose names do not hold the two dates of a pair",
        "give the files the names back with which they came (HyP3: S1AA_20200101T…_20200113T…_unw_phase.tif), or "
        "rename them 20200101-20200113_unw.tif and 20200101-20200113_cc.tif",
    ),
    _clue(
        r"^(lat|lon|los|hgt|z|incLocal|shadowMask)\.rdr(\.full)?(\.|$)",
        "the geometry of an ISCE2 stack (where its pixels lie), no interferograms",
        "point to the folder that holds this one and interferograms/ or merged/",
    ),
    _clue(
        r"\.grd$",
        "GMT grids that lie in no folder of a pair",
        "GMTSAR's pairs are folders named by two dates (intf/2018001_2018013/) with phasefilt.grd and corr.grd: point "
        "to the folder that holds intf/",
    ),
    _clue(
        r"\.(npy|npz|mat)$",
        "arrays without dates, spacing or place",
        "point to the processor's own files, from which they were made",
    ),
    _clue(
        r"\.(unw|int|diff|cor|cc|flat)$",
        "rasters of an interferogram without the header or image parameters that tell their size",
        "keep the processor's .par, .rsc, .xml or .vrt beside them",
    ),
    _clue(
        r"\.tiff?$",
        "GeoTIFFs whose names say neither two dates nor vel or rate: a terrain model or something else",
        "name pairs 20200101-20200113_unw.tif, a map of rates vel.tif, or point to another folder",
    ),
    _clue(
        r"\.(h5|he5|hdf5?)$",
        "HDF5 files that are neither MintPy's ifgramStack.h5 nor velocity.h5",
        "point to MintPy's own folder, the one with inputs/",
    ),
    _clue(
        r"\.nc4?$",
        "NetCDF files that are neither ARIA's S1-GUNW nor OPERA's DISP-S1",
        "give them the names back with which they came; what labkit itself saved is opened by lk.read.load_scene",
    ),
    _clue(
        r"\.(shp|gpkg|geojson|kml|kmz|parquet|csv)$",
        "tables or outlines, no images",
        "outlines of landslides are read by lk.label.load_labels; point here to the folder of the pairs",
    ),
)


def clues(place: Path) -> list[Missing]:
    """Say what a folder (or file) holds that no reader knows, kind by kind; where it is empty, that."""
    if not place.is_dir() and names_two_dates(place):
        words, remedy = "one file of one pair; a stack is opened by the folder of its pairs", "name that folder"
        return [Missing(place.name, words, remedy, stops=True)]
    named: dict[_Clue | None, list[str]] = {}
    for path in itertools.islice(_files(place), _FILES):
        speaks = next((clue for clue in _CLUES if clue.pattern.search(path.name)), None)
        named.setdefault(speaks, []).append(path.name)
    if not named:
        return [Missing("files", "the folder is empty", "put the pairs there, or name another folder", stops=True)]
    found = [
        Missing(_listed(names), clue.words, clue.remedy, stops=True)
        for clue, names in named.items()
        if clue is not None
    ]
    if found:
        return found
    others = named[None]
    return [
        Missing(
            _listed(others),
            "no reader knows files of these names",
            "point to the folder of the pairs as the processor wrote it (the README lists what is read)",
            stops=True,
        )
    ]


def folders_below(place: Path) -> Iterator[Path]:
    """Give the folders below one, the nearest first, three levels deep and not beyond the first 60."""
    level, given = [place], 0
    for _ in range(_DEPTH):
        level = [child for folder in level for child in _children(folder)]
        for child in level:
            if given == _FOLDERS:
                return
            given += 1
            yield child


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))
    except OSError:  # a folder of somebody else's, among those that were only guessed at
        return []


def _files(place: Path) -> Iterator[Path]:
    """The file itself, or those of a folder and of the folders in it (of Sentinel's the folders themselves)."""
    if not place.is_dir():
        yield place
        return
    for path in sorted(place.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir() or path.suffix == ".SAFE":
            yield path
    for child in _children(place):
        if child.suffix != ".SAFE":
            yield from sorted(p for p in child.iterdir() if p.is_file() and not p.name.startswith("."))


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    more = len(names) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown
