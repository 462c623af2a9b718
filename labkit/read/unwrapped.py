"""Unwrapped phase beside the wrapped one, handed on lazily where every pair of a product has it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from labkit.errors import FileError
from labkit.read.flat_binary import FlatBand
from labkit.read.pairs import Image

#: Reads the unwrapped phase of one pair as its processor stored it: (y, x), rad.
Read = Callable[[], npt.NDArray[Any]]

#: Besides NaN: what processors write where they unwrapped nothing.
_NO_DATA = (0.0, -9999.0)


@dataclass(frozen=True)
class UnwrappedBand:
    """The unwrapped phase of a pair in a flat raster; ``reverse``: its pair runs from the later to the earlier date."""

    band: FlatBand
    reverse: bool = False

    def __call__(self) -> npt.NDArray[Any]:
        """Read it, rad, from the earlier to the later date."""
        values = self.band.read().astype(np.float32)
        return -values if self.reverse else values


def with_unwrapped(ifgs: xr.Dataset, reads: Mapping[str, Read]) -> xr.Dataset:
    """Give the interferograms with the variable ``unwrapped`` (:mod:`labkit.schema`), where every pair has it.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.
    reads : mapping
        Pair → how its unwrapped phase is read, with the sign of ``phase``; NaN, 0 and −9999 = no data. Where a pair of
        ``ifgs`` is not among them, nothing is added: a stack of some pairs unwrapped and others not would mislead.

    Returns
    -------
    xarray.Dataset
        ``unwrapped`` (pair, y, x) float32 rad, NaN = no data; read when it is needed, pair by pair. A pair whose file
        has another shape raises a FileError then.
    """
    names = [str(name) for name in ifgs["pair"].values]
    if not all(name in reads for name in names):
        return ifgs
    shape = (ifgs.sizes["y"], ifgs.sizes["x"])
    # Not named after the files: they may have changed when they are opened again.
    name = f"unwrapped-{uuid.uuid4().hex}"
    tasks = {(name, i, 0, 0): (_ReadKnown(pair, reads[pair], shape),) for i, pair in enumerate(names)}
    graph = HighLevelGraph({name: MaterializedLayer(tasks)}, {name: set()})
    images = da.Array(graph, name, ((1,) * len(names), (shape[0],), (shape[1],)), np.float32)
    described = {"units": "rad", "long_name": "unwrapped phase"}
    return ifgs.assign(unwrapped=(("pair", "y", "x"), images, described))


@dataclass(frozen=True)
class _ReadKnown:
    """One task of the graph, with its own arguments."""

    pair: str
    read: Read
    shape: tuple[int, int]

    def __call__(self) -> Image:
        with np.errstate(over="ignore"):  # what is beyond float32 is no phase
            values = np.asarray(self.read(), np.float32)
        if values.shape != self.shape:
            raise FileError(
                f"the unwrapped phase of pair {self.pair} must have the shape of its wrapped one, {self.shape}, "
                f"instead got shape={values.shape}. Make both with the same looks and extent"
            )
        known = np.isfinite(values) & ~np.isin(values, _NO_DATA)
        return np.where(known, values, np.float32(np.nan))[np.newaxis]
