"""One pair stored in flat rasters, whoever wrote it: from samples to phase and coherence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import FileError
from labkit.read.coherence_estimate import ESTIMATED, estimate_coherence
from labkit.read.flat_binary import FlatBand
from labkit.read.pairs import Image, PairFiles, wrap

#: Besides NaN: what processors write where they know nothing.
_NO_DATA = (0.0, -9999.0)


@dataclass(frozen=True)
class FlatPair(PairFiles):
    """A pair whose samples lie in flat rasters.

    ``phase_band`` holds complex values or phase (rad, wrapped or not), or the real part where ``imaginary_band`` holds
    the imaginary one; without ``coherence_band`` the coherence is estimated. ``reverse``: the processor formed the pair
    from the later to the earlier date, so that its phase changes sign.
    """

    phase_band: FlatBand | None = None
    imaginary_band: FlatBand | None = None
    coherence_band: FlatBand | None = None
    reverse: bool = False


def load_flat_pair(pair: PairFiles, shape: tuple[int, int]) -> tuple[Image, Image]:
    """Read one pair: phase re-wrapped into [−π, π) rad and coherence 0..1, (y, x) float32, NaN = no data.

    0 (phase or magnitude), −9999 and NaN are no data, never phase zero.

    Raises
    ------
    FileError
        A file was cut, is of another size or byte order, or its coherence lies outside 0..1.
    """
    if not isinstance(pair, FlatPair) or pair.phase_band is None:
        raise FileError(f"{pair.phase} must have a band of phase, found none")
    values = _band(pair.phase_band, shape)
    if pair.imaginary_band is not None:
        values = values + 1j * _band(pair.imaginary_band, shape)
    if pair.coherence_band is None:
        return finish_pair(pair.phase, values, None, reverse=pair.reverse)
    coherence = _band(pair.coherence_band, shape).real.astype(np.float32)
    return finish_pair(pair.coherence_band.path, values, coherence, reverse=pair.reverse)


def finish_pair(
    path: Path, values: npt.NDArray[Any], coherence: Image | None, *, reverse: bool = False
) -> tuple[Image, Image]:
    """Make phase and coherence of the schema from what a processor stored.

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
    missing = ~np.isfinite(values) | np.isin(values.real if np.iscomplexobj(values) else values, _NO_DATA[1:])
    missing |= values == 0
    raw = np.angle(values) if np.iscomplexobj(values) else values.astype(np.float64)
    phase = wrap(np.where(missing, np.nan, -raw if reverse else raw))
    if coherence is None:
        return phase, estimate_coherence(phase)
    unknown = ~np.isfinite(coherence) | (coherence == np.float32(-9999))
    wrong = ~unknown & ((coherence < 0) | (coherence > 1.01))
    if wrong.any():
        raise FileError(
            f"{path} must hold coherence between 0 and 1, instead got {float(coherence[wrong][0]):.4g}. "
            "Is it another band, or of another type than its header says?"
        )
    gone = np.isnan(phase) | unknown
    phase[gone] = np.nan
    return phase, np.where(gone, np.float32(np.nan), np.minimum(coherence, np.float32(1))).astype(np.float32)


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


def _band(band: FlatBand, shape: tuple[int, int]) -> npt.NDArray[Any]:
    if band.shape != shape:
        raise FileError(f"{band.path} must have the shape {shape} of the other pairs, instead got {band.shape}")
    return band.read()
