"""Ground that somebody has outlined on an image is taken out of it: snow, water, layover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError

#: Corners (x, y) of an outline, in pixel edges of the image; the last is joined to the first.
Outline = Sequence[tuple[float, float]]


def mask_outlines(data: xr.Dataset, outlines: Mapping[str, Sequence[Outline]]) -> xr.Dataset:
    """Take outlined ground out of a stack: no data where the centre of a pixel lies inside.

    Parameters
    ----------
    data : xarray.Dataset
        gradients or rates.
    outlines : mapping of str to sequence of outlines
        Reason, such as "snow", → outlines of at least three corners (x, y) in pixel edges of ``data``, also beyond it.

    Returns
    -------
    xarray.Dataset
        The same with NaN for ``gradient`` or ``rate``, and their ``standard_error``, inside; coherence and the number
        of pairs stay. Attribute ``masked_fraction``: the share of all pixels that lies inside.

    Raises
    ------
    LabkitError
        An outline has fewer than three corners, one that is not finite, or no area.

    Notes
    -----
    For outlines in lon/lat there is :func:`labkit.snow_mask` with ``polygons``.

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> stack = lk.stack_gradients(ifgs, progress=False)
    >>> masked = mask_outlines(stack, {"snow": [[(10, 20), (50, 20), (50, 40), (10, 40)]]})
    >>> int(masked["gradient"][0, 20:40, 10:50].notnull().sum()), round(masked.masked_fraction, 4)
    (0, 0.026)
    """
    inside = covered(outlines, (data.sizes["y"], data.sizes["x"]))
    known = xr.DataArray(~inside, dims=("y", "x"))
    names = ("gradient" if schema.is_gradients(data) else "rate", "standard_error")
    changed = {name: data[name].where(known) for name in names if name in data}
    return data.assign(changed).assign_attrs(masked_fraction=float(inside.mean()))


def covered(outlines: Mapping[str, Sequence[Outline]], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Say of each pixel (y, x) whether its centre lies inside one of these outlines.

    Raises
    ------
    LabkitError
        As for :func:`mask_outlines`.
    """
    inside = np.zeros(shape, bool)
    for reason, drawn in outlines.items():
        for outline in drawn:
            area = as_area(outline, reason)
            left, top, right, bottom = area.bounds
            rows, cols = _pixels(top, bottom, shape[0]), _pixels(left, right, shape[1])
            y, x = np.mgrid[rows, cols]
            shapely.prepare(area)
            inside[rows, cols] |= shapely.contains_xy(area, x + 0.5, y + 0.5)
    return inside


def _pixels(low: float, high: float, size: int) -> slice:
    """The pixels of an axis that a span touches; none where it lies beyond the image."""
    return slice(min(max(int(np.floor(low)), 0), size), min(max(int(np.ceil(high)), 0), size))


def as_area(outline: Outline, reason: str) -> shapely.Geometry:
    """Give the ground inside an outline, px; one that crosses itself encloses all its loops.

    Raises
    ------
    LabkitError
        As for :func:`mask_outlines`.
    """
    corners = np.asarray(outline, float)
    if corners.ndim != 2 or corners.shape[0] < 3 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise LabkitError(
            f"outlines[{reason!r}] must have at least three finite corners (x, y), instead got {str(outline)[:80]}"
        )
    # lines drawn by hand cross themselves now and then
    area = shapely.make_valid(shapely.Polygon(corners), method="structure", keep_collapsed=False)
    if not area.area > 0:
        raise LabkitError(f"outlines[{reason!r}] must enclose some ground, instead got {str(outline)[:80]}")
    return area
