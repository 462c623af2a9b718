"""One rates dataset from lazy images and what is known of their scene."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.schema import SCENE_ATTRIBUTES

Load = Callable[[], npt.NDArray[np.float32]]


def rate_dataset(
    shape: tuple[int, int],
    rate: Load,
    standard_error: Load | None,
    coords: Mapping[str, object],
    attrs: Mapping[str, object],
) -> xr.Dataset:
    """Build the lazy rates dataset (:mod:`labkit.schema`).

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    rate, standard_error : callable
        Called without arguments when pixels are needed; give (y, x) float32 in mm/yr, NaN = no data, the rate positive
        toward the satellite. No standard error: None.
    coords, attrs : mapping
        As the schema says; attributes left out become unknown.
    """
    unknown: dict[str, object] = dict.fromkeys(SCENE_ATTRIBUTES, "")
    unknown |= {"wavelength": math.nan, "heading": math.nan, "incidence_angle": math.nan, "phase_sign": -1}
    units = {"units": "mm/yr"}
    variables = {"rate": (("y", "x"), _lazy(rate, shape), units | {"long_name": "LOS rate toward the satellite"})}
    if standard_error is not None:
        variables["standard_error"] = (("y", "x"), _lazy(standard_error, shape), units)
    return xr.Dataset(variables, coords=dict(coords), attrs=unknown | dict(attrs))


def _lazy(load: Load, shape: tuple[int, int]) -> da.Array:
    return da.from_delayed(dask.delayed(load, pure=True)(), shape, np.float32)
