"""A stack as the couplet filter sees it: gradients, weights, and the derivative that each direction is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError

#: A standard error below this share of the stack's median counts as this much: few pairs give some by chance.
_LEAST_ERROR = 0.5


@dataclass(frozen=True)
class Field:
    """The images of a stack as the filter sees them.

    Attributes
    ----------
    values, weights : numpy.ndarray (direction, y, x) float32
        Gradient, rad, and 1 / standard error², both 0 where there is no data.
    directions : tuple of str
        Names of the directions.
    vectors : numpy.ndarray (direction, 2)
        The derivative that each direction is, over (y, x) in pixels.
    lag : int
        Distance of the pixels that were subtracted: a value belongs half of it further along the direction.
    window : int
        Edge of the moving mean that the stack's pairs went through, px; 1 for none.
    masked : numpy.ndarray (y, x) bool
        Where nobody looks: there is no data, and no slide has its centre there.
    """

    values: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    directions: tuple[str, ...]
    vectors: npt.NDArray[np.float64]
    lag: int
    window: int
    masked: npt.NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.values.shape[1], self.values.shape[2]


def make_field(gradients: xr.Dataset, mask: xr.DataArray | None = None) -> Field:
    """Take the images of a stack apart (:class:`Field`).

    Parameters
    ----------
    gradients : xarray.Dataset
        gradients.
    mask : xarray.DataArray, optional
        (y, x) bool on the grid of the stack, True where nobody is to look.

    Notes
    -----
    A stack without ``standard_error`` gets one for each direction: 1.4826 × the median absolute gradient, as if most of
    the scene stood still.

    Raises
    ------
    LabkitError
        No pixel of any direction has data outside the mask, or the mask is not on the stack's grid.
    """
    masked = _masked(gradients, mask)
    values, weights = [], []
    for direction, layer in schema.layers(gradients).items():
        gradient = np.where(masked, np.float32(np.nan), np.asarray(layer.values, np.float32))
        if "standard_error" in gradients:
            error = np.asarray(gradients["standard_error"].sel(direction=direction).values, np.float32)
        else:
            known = np.abs(gradient[np.isfinite(gradient)])
            error = np.full_like(gradient, 1.4826 * np.median(known) if len(known) else np.nan)
        valid = np.isfinite(gradient) & np.isfinite(error) & (error >= 0)
        positive = error[valid & (error > 0)]
        floor = np.float32(_LEAST_ERROR * np.median(positive) if len(positive) else 1.0)
        values.append(np.where(valid, gradient, 0).astype(np.float32))
        weights.append(np.where(valid, 1 / np.maximum(np.where(valid, error, 1), floor) ** 2, 0).astype(np.float32))
    if not any(weight.any() for weight in weights):
        where = "somewhere" if mask is None else "somewhere outside mask"
        raise LabkitError(f"gradients must have data {where}, instead scene {gradients.attrs['scene']!r} has none")
    names = tuple(schema.layers(gradients))
    lag, window = (int(gradients.attrs.get(word, 1)) for word in ("lag", "window"))
    return Field(np.stack(values), np.stack(weights), names, _vectors(gradients, names), lag, window, masked)


def _masked(gradients: xr.Dataset, mask: xr.DataArray | None) -> npt.NDArray[np.bool_]:
    """Check a mask against the stack and give its pixels, (y, x); without one nothing is masked."""
    grid = gradients["gradient"].isel(direction=0)
    if mask is None:
        return np.zeros(grid.shape, bool)
    if not isinstance(mask, xr.DataArray) or mask.dtype != bool or set(mask.dims) != {"y", "x"}:
        got = f"{mask.dtype} over {mask.dims}" if isinstance(mask, xr.DataArray) else type(mask).__name__
        raise LabkitError(f"mask must be a boolean DataArray over y and x, instead got mask={got}")
    shape = mask.sizes["y"], mask.sizes["x"]
    alike = shape == (grid.sizes["y"], grid.sizes["x"]) and all(
        np.array_equal(mask[axis], grid[axis]) for axis in ("y", "x") if axis in mask.coords and axis in grid.coords
    )
    if not alike:
        raise LabkitError(
            f"mask must lie on the grid of gradients, instead got mask of {shape} for {grid.shape} pixels, or of other "
            "y and x. Make it with lk.snow_mask(..., like=gradients)"
        )
    return np.asarray(mask.transpose("y", "x").values)


def _vectors(gradients: xr.Dataset, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """The derivative over (y, x) that each direction is: the array's own axes, or turned by the heading on a map."""
    vectors = {"azimuth": (1.0, 0.0), "range": (0.0, 1.0)}
    frame = str(gradients.attrs.get("direction_frame", ""))
    if frame:
        heading = math.radians(float(gradients.attrs["heading"])) if frame == "radar" else 0.0
        toward = [math.copysign(1.0, float(gradients[axis][-1] - gradients[axis][0])) for axis in ("y", "x")]
        cosine, sine = math.cos(heading), math.sin(heading)
        vectors = {
            "azimuth": (cosine * toward[0], sine * toward[1]),
            "range": (-sine * toward[0], cosine * toward[1]),
        }
    return np.array([vectors[name] for name in names])


def half_lag(vector: npt.NDArray[np.float64], lag: float) -> npt.NDArray[np.float64]:
    """How far (y, x) the place that a difference along ``vector`` belongs to lies beyond the pixel that holds it."""
    return np.asarray(lag / 2 * vector**2 / (vector @ vector))
