"""One pair stored in flat rasters, whoever wrote it: from samples to phase and coherence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import FileError
from labkit.read.coherence_estimate import ESTIMATED, estimate_coherence
from labkit.read.decode import join_coherence
from labkit.read.flat_binary import FlatBand
from labkit.read.pair_rows import (
    MAX_COHERENCE,
    NO_DATA,
    as_float32,
    first_wrong,
    outside_unit,
    read_pair,
    read_phasors,
    read_rows,
    to_phase,
)
from labkit.read.pairs import Image, PairFiles, assemble
from labkit.read.rows import ComplexRows, FlatRows, Rows


@dataclass(frozen=True)
class FlatPair(PairFiles):
    """A pair whose samples lie in flat rasters.

    ``phase_band`` holds complex values or phase (rad, wrapped or not), or the real part where ``imaginary_band`` holds
    the imaginary one; without ``coherence_band`` the coherence is estimated. ``reverse``: the processor formed the pair
    from the later to the earlier date, so that its phase changes sign. ``magnitude``: without ``coherence_band``, the
    magnitude of the complex values is the coherence.
    """

    phase_band: FlatBand | None = None
    imaginary_band: FlatBand | None = None
    coherence_band: FlatBand | None = None
    reverse: bool = False
    magnitude: bool = False

    @property
    def is_complex(self) -> bool:
        """Whether complex values are stored."""
        band = self.phase_band
        return band is not None and (self.imaginary_band is not None or np.dtype(band.dtype).kind == "c")


def load_flat_pair(pair: PairFiles, shape: tuple[int, int]) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    0 (phase or magnitude), −9999 and NaN are no data, never phase zero.

    Raises
    ------
    FileError
        A file was cut, is of another size or byte order, or its coherence lies outside 0..1.
    """
    with _open_rows(pair, shape) as (flat, phase, coherence):
        return read_pair(shape, phase, coherence, reverse=flat.reverse, magnitude=flat.magnitude)


def load_flat_rows(pair: PairFiles, shape: tuple[int, int], first: int, phase: Image, coherence: Image) -> None:
    """Fill (rows, x) float32 with the rows from ``first`` on of what :func:`load_flat_pair` gives.

    The pair has a ``coherence_band``, or its ``magnitude`` is the coherence.
    """
    with _open_rows(pair, shape) as (flat, stored, quality):
        read_rows(first, stored, quality, phase, coherence, reverse=flat.reverse, magnitude=flat.magnitude)


def load_flat_phasors(pair: PairFiles, shape: tuple[int, int], first: int, real: Image, imag: Image) -> None:
    """Fill (rows, x) float32 with coherence · exp(i phase) of the rows from ``first`` on; the pair ``is_complex``."""
    with _open_rows(pair, shape) as (flat, stored, quality):
        read_phasors(first, stored, quality, real, imag, reverse=flat.reverse)


def assemble_flat(
    pairs: Sequence[FlatPair], shape: tuple[int, int], coords: dict[str, object], attrs: dict[str, object]
) -> xr.Dataset:
    """Build the lazy interferograms dataset of flat pairs (:func:`labkit.read.pairs.assemble`)."""
    # An estimate needs the rows around.
    stated = all(p.coherence_band is not None or p.magnitude for p in pairs)
    return assemble(
        pairs,
        shape,
        load_flat_pair,
        coords,
        attrs,
        load_rows=load_flat_rows if stated else None,
        load_phasors=load_flat_phasors if stated and all(p.is_complex for p in pairs) else None,
    )


@contextmanager
def _open_rows(pair: PairFiles, shape: tuple[int, int]) -> Iterator[tuple[FlatPair, Rows, Rows | None]]:
    if not isinstance(pair, FlatPair) or pair.phase_band is None:
        raise FileError(f"{pair.phase} must have a band of phase, found none")
    with ExitStack() as files:
        phase: Rows = files.enter_context(_rows(pair.phase_band, shape))
        if pair.imaginary_band is not None:
            phase = ComplexRows(phase, files.enter_context(_rows(pair.imaginary_band, shape)))
        yield pair, phase, files.enter_context(_rows(pair.coherence_band, shape)) if pair.coherence_band else None


def finish_pair(
    path: Path, values: npt.NDArray[Any], coherence: Image | None, *, reverse: bool = False
) -> tuple[Image, Image]:
    """Make phase and coherence of the schema from what a processor stored, where it is in memory as a whole.

    Parameters
    ----------
    path : Path
        The file of the coherence, for the error.
    values : numpy.ndarray (y, x)
        Complex interferogram or phase (rad); 0, −9999 and NaN = no data.
    coherence : numpy.ndarray (y, x), optional
        0..1; −9999 and NaN = no data. None: it is estimated from the phase.
    reverse : bool
        Change the sign of the phase.

    Raises
    ------
    FileError
        The coherence lies outside 0..1.
    """
    phase, quality = np.empty(values.shape, np.float32), np.empty(values.shape, np.float32)
    flat = phase.reshape(-1), quality.reshape(-1)
    to_phase(np.ascontiguousarray(values).reshape(-1), *flat, reverse=reverse, limit=np.float32(np.inf))
    if coherence is None:
        return phase, estimate_coherence(phase)
    stored = as_float32(np.ascontiguousarray(coherence)).reshape(-1)
    if not join_coherence(stored, NO_DATA, MAX_COHERENCE, *flat):
        raise outside_unit(path, first_wrong(stored))
    return phase, quality


def with_coherence_source(dataset: xr.Dataset, without_file: int, *, instead: str = ESTIMATED) -> xr.Dataset:
    """Give the dataset with ``attrs["coherence_source"]``, what its coherence is made of.

    Parameters
    ----------
    dataset : xarray.Dataset
        interferograms.
    without_file : int
        How many of its pairs have no coherence of their own.
    instead : str
        Where theirs comes from.

    Returns
    -------
    xarray.Dataset
        With "files", ``instead``, or "files; … for 3 of 17 pairs".
    """
    pairs = dataset.sizes["pair"]
    some = f"files; {instead} for {without_file} of {pairs} pairs"
    source = "files" if without_file == 0 else instead if without_file == pairs else some
    return dataset.assign_attrs(coherence_source=source)


def _rows(band: FlatBand, shape: tuple[int, int]) -> FlatRows:
    if band.shape != shape:
        raise FileError(
            f"{band.path} must have the shape {shape} of the other pairs, instead got {band.shape}. "
            "Make it again with their looks and extent"
        )
    return FlatRows(band)
