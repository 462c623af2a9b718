"""Which pairs enter a stack of a study: so many of them, at random or one after the other, out of pairs in memory."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm.auto import tqdm

from labkit import schema
from labkit.errors import LabkitError

#: "random": anywhere in the calendar; "consecutive": one after the other, as a short campaign has them.
ORDERS = ("random", "consecutive")

_BATCH = 8


def load_pairs(ifgs: xr.Dataset, *, progress: bool = True) -> xr.Dataset:
    """Make or read every pair once and keep it: many stacks of the same pairs then cost no simulation.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms, lazy. In memory they take 8 bytes per pixel and pair: 1 GB for 348 pairs of 480 × 720 pixels.
    progress : bool
        Show a bar over the pairs.

    Returns
    -------
    xarray.Dataset
        The same interferograms, in memory; a subset of them is no copy.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.studies import load_pairs
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"].isel(pair=slice(4))
    >>> loaded = load_pairs(ifgs, progress=False)
    >>> loaded.equals(ifgs), loaded["phase"].chunks[0]
    (True, (1, 1, 1, 1))
    """
    schema.check_interferograms(ifgs)
    count = ifgs.sizes["pair"]
    phase, coherence = (np.empty(ifgs["phase"].shape, np.float32) for _ in range(2))
    with tqdm(total=count, desc="pairs", unit="pair", disable=not progress) as bar:
        for start in range(0, count, _BATCH):
            part = slice(start, min(start + _BATCH, count))
            # computed together, a simulated pair is made once
            phase[part], coherence[part] = dask.compute(ifgs["phase"].data[part], ifgs["coherence"].data[part])
            bar.update(part.stop - part.start)
    loaded = {"phase": phase, "coherence": coherence}
    # blocks of one pair: to select some is to name them, where an array in memory would be copied
    blocks = {name: da.from_array(image, chunks=(1, -1, -1), name=False) for name, image in loaded.items()}
    return ifgs.assign({name: (("pair", "y", "x"), image, ifgs[name].attrs) for name, image in blocks.items()})


def choose(total: int, count: int, order: str, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Choose pairs by their place in the list, in ascending order.

    Parameters
    ----------
    total : int
        How many pairs there are, in order of their dates.
    count : int
        How many are wanted, 1 to ``total``.
    order : str
        "random": any of them. "consecutive": one after the other, from a random beginning.
    random : numpy.random.Generator
        Begun alike for every count, it gives subsets of which each random one holds all smaller ones.

    Raises
    ------
    LabkitError
        There are not so many pairs, or the order is unknown.

    Examples
    --------
    >>> choose(10, 3, "consecutive", np.random.default_rng(0))
    array([5, 6, 7])
    >>> few, many = (set(choose(10, n, "random", np.random.default_rng(0))) for n in (3, 6))
    >>> few < many
    True
    """
    if order not in ORDERS:
        raise LabkitError(f"order must be one of {ORDERS}, instead got order={order!r}")
    if not 1 <= count <= total:
        raise LabkitError(f"count must be between 1 and the {total} pairs there are, instead got count={count}")
    if order == "random":
        return np.sort(random.permutation(total)[:count])
    first = int(random.random() * (total - count + 1))
    return np.arange(first, first + count)
