"""The map grid of a NetCDF product that gives the centres of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from labkit.errors import FileError
from labkit.read.map_grid import check_placed
from labkit.read.raster import Grid

#: Axes may stray from even steps by this share of a step: they are stored with rounding.
_UNEVEN = 0.05


def grid_of_centres(path: Path, y: h5py.Dataset, x: h5py.Dataset, crs: str, images: Sequence[h5py.Dataset]) -> Grid:
    """Give the grid of a product from its axes.

    Parameters
    ----------
    path : Path
        The product, for errors.
    y, x : h5py.Dataset
        Centres of the pixels in units of ``crs``, 1-D.
    crs : str
        As :class:`labkit.read.raster.Grid` takes it.
    images : sequence of h5py.Dataset
        Which have to be of this shape.

    Raises
    ------
    FileError
        The steps are not even, an image has another shape, or the grid does not lie on the Earth.
    """
    first, second = _axis(y, path), _axis(x, path)
    shape = (len(first), len(second))
    for image in images:
        if image.shape != shape:
            raise FileError(
                f"{path} must hold '{image.name}' of the shape of its axes, {shape}, instead got {image.shape}. "
                "Fetch it again"
            )
    steps = [float(axis[-1] - axis[0]) / (len(axis) - 1) for axis in (first, second)]
    return check_placed(Grid(path, shape, crs, float(first[0]), float(second[0]), steps[0], steps[1]))


def _axis(stored: h5py.Dataset, path: Path) -> npt.NDArray[np.float64]:
    values = np.asarray(stored[()], np.float64)
    if len(values) > 1 and np.isfinite(values).all():
        step = (values[-1] - values[0]) / (len(values) - 1)
        if step != 0 and np.abs(np.diff(values) - step).max() <= _UNEVEN * abs(step):
            return values
    raise FileError(f"{path} must hold even steps at '{stored.name}', instead they are not. Fetch it again")
