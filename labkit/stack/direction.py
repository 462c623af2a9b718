"""Turn gradients along the axes of a map grid into azimuth and range."""

from __future__ import annotations

import math
import warnings

import numpy as np
import xarray as xr


def to_azimuth_and_range(stacked: xr.Dataset) -> xr.Dataset:
    """Turn a stack that was differenced along the rows and columns of a map grid into azimuth and range.

    Parameters
    ----------
    stacked : xarray.Dataset
        gradients whose "azimuth" holds the difference along y and "range" the one along x, with the attributes
        ``heading`` (degrees), ``y_spacing``, ``x_spacing``, ``ground_spacing`` (m) and the coordinates ``y``, ``x``.

    Returns
    -------
    xarray.Dataset
        gradients per ``ground_spacing`` along azimuth and ground range of a right-looking radar.

    Warns
    -----
    UserWarning
        The heading is unknown: "azimuth" then is grid north and "range" grid east, and the attribute
        ``direction_frame`` says "grid".

    Notes
    -----
    With the heading h clockwise from north, slopes per metre toward east g_e and north g_n and the ground spacing s:
    azimuth = s (g_e sin h + g_n cos h), range = s (g_e cos h − g_n sin h). Errors add in quadrature, as if both axes
    were independent.
    """
    heading = float(stacked.attrs["heading"])
    frame = "radar"
    if not math.isfinite(heading):
        warnings.warn(
            "heading must be known to turn a map grid into azimuth and range; "
            "'azimuth' is grid north and 'range' grid east here. "
            "Open the pairs with heading=… (degrees clockwise from north; Sentinel-1 about 348 or 192)",
            UserWarning,
            stacklevel=3,
        )
        heading, frame = 0.0, "grid"
    spacing = float(stacked.attrs["ground_spacing"])
    per_axis = [float(stacked.attrs["y_spacing"]), float(stacked.attrs["x_spacing"])]
    scale = [spacing / s if math.isfinite(spacing) and math.isfinite(s) and s > 0 else 1.0 for s in per_axis]
    # The sign with which rows and columns run toward north and east.
    toward = [math.copysign(1.0, float(stacked[axis][-1] - stacked[axis][0])) for axis in ("y", "x")]
    north, east = scale[0] * toward[0], scale[1] * toward[1]
    h = math.radians(heading)
    turn = np.array([[math.cos(h) * north, math.sin(h) * east], [-math.sin(h) * north, math.cos(h) * east]], np.float32)
    gradient, error = stacked["gradient"].values, stacked["standard_error"].values
    turned = stacked.assign(
        gradient=stacked["gradient"].copy(data=np.einsum("ij,jyx->iyx", turn, gradient)),
        standard_error=stacked["standard_error"].copy(data=np.sqrt(np.einsum("ij,jyx->iyx", turn**2, error**2))),
        n_pairs=stacked["n_pairs"].copy(data=np.broadcast_to(stacked["n_pairs"].values.min(0), gradient.shape).copy()),
    )
    return turned.assign_attrs(direction_frame=frame)
