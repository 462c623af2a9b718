"""Damaged pairs: an error that names the file, or a pair left out and reported, as the person asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import dask
import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import FileError
from labkit.read.pairs import PairFiles

_Pair = TypeVar("_Pair", bound=PairFiles)

#: So many pairs are in memory at once while their pixels are checked.
_CHECKERS = 2


class Skipped:
    """Which pairs are left out for damage, and why.

    Parameters
    ----------
    wanted : bool
        Whether damaged pairs are left out; else damage is raised as the FileError that it is.
    """

    def __init__(self, wanted: bool = False) -> None:
        self.wanted = wanted
        self._reasons: dict[str, str] = {}

    @property
    def lines(self) -> list[str]:
        """One line for each pair (or file, where it names no pair) that was left out: its name and the reason."""
        return [f"{name}: {reason}" for name, reason in sorted(self._reasons.items())]

    @contextmanager
    def pair(self, name: str) -> Iterator[None]:
        """Read what is known of one pair inside the body; damage ends the body, and is raised or noted.

        Raises
        ------
        FileError
            The pair is damaged and skipping is not wanted.
        """
        try:
            yield
        except FileError as error:
            if not self.wanted:
                raise
            self._note(name, str(error))

    def settle(self, pairs: Sequence[_Pair], folder: Path, *, twice: str = "Keep one of them") -> list[_Pair]:
        """Give the pairs that stand, each once; of a pair that stands twice the first (``twice``: the remedy).

        Raises
        ------
        FileError
            No pair is left, or one stands twice and skipping is not wanted.
        """
        kept: dict[str, _Pair] = {}
        for pair in pairs:
            first = kept.setdefault(pair.name, pair)
            if first is not pair:
                with self.pair(f"{pair.name} (the second)"):
                    raise FileError(
                        f"each pair must stand once, instead {pair.name} is in {first.phase} and {pair.phase}. {twice}"
                    )
        if not kept:
            self.nothing_left(folder)
        return list(kept.values())

    def check_pixels(self, ifgs: xr.Dataset, folder: Path, *, progress: bool = True) -> xr.Dataset:
        """Read all pixels once, where skipping is wanted, and leave out the pairs that cannot be read.

        Parameters
        ----------
        ifgs : xarray.Dataset
            interferograms as a reader opened them. Two pairs are in memory at a time.
        folder : Path
            Where they come from, for the error.
        progress : bool
            Show a bar.

        Returns
        -------
        xarray.Dataset
            Without the damaged pairs; ``attrs["skipped_pairs"]`` names all that were left out (:attr:`lines`), "" where
            none was. Where skipping is not wanted, ``ifgs`` as it is.

        Raises
        ------
        FileError
            No pair is left.
        """
        if not self.wanted:
            return ifgs
        names = [str(name) for name in ifgs["pair"].values]
        with ThreadPoolExecutor(min(_CHECKERS, os.cpu_count() or 1)) as pool:
            found = pool.map(lambda k: _damage(ifgs, k), range(len(names)))
            damage = list(tqdm(found, total=len(names), desc="checking pixels", unit="pair", disable=not progress))
        for name, reason in zip(names, damage, strict=True):
            if reason:
                self._note(name, reason)
        kept = [k for k, reason in enumerate(damage) if not reason]
        if not kept:
            self.nothing_left(folder)
        if progress and self._reasons:
            tqdm.write(f"{len(self._reasons)} are left out, as attrs['skipped_pairs'] says: {', '.join(self._reasons)}")
        return ifgs.isel(pair=kept).assign_attrs(skipped_pairs="\n".join(self.lines))

    def _note(self, name: str, reason: str) -> None:
        self._reasons.setdefault(name, " ".join(reason.split()))

    def nothing_left(self, folder: Path) -> NoReturn:
        """Say that no pair of a folder stands.

        Raises
        ------
        FileError
            Always.
        """
        if not self._reasons:
            raise FileError(f"{folder} must hold at least one pair, instead there is none")
        raise FileError(
            f"{folder} must hold at least one whole pair, instead all {len(self._reasons)} are damaged. "
            f"The first: {self.lines[0]}"
        )


#: For readers that were not asked to skip.
DAMAGE_IS_AN_ERROR = Skipped()


def _damage(ifgs: xr.Dataset, k: int) -> str:
    """What is wrong with the pixels of a pair; "" where nothing is."""
    images = [ifgs[name].data[k] for name in ("phase", "coherence", "unwrapped") if name in ifgs]
    try:
        dask.compute(*images, scheduler="synchronous")
    except FileError as error:
        return str(error)
    return ""
