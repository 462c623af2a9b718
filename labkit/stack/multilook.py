"""Multilook interferograms to a ground spacing."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import LabkitError
from labkit.geo import ground_spacing
from labkit.schema import check_interferograms

Image = npt.NDArray[np.float32]


def multilook(ifgs: xr.Dataset, ground_m: float = 40, *, looks: tuple[int, int] | None = None) -> xr.Dataset:
    """Average interferograms to about ``ground_m`` on the ground, weighted by coherence.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.
    ground_m : float
        Wanted ground spacing, m; the looks along y and x are the whole numbers that come closest.
    looks : (int, int), optional
        Looks along y and x themselves, instead of ``ground_m``.

    Returns
    -------
    xarray.Dataset
        interferograms, lazy; rows and columns that do not fill a cell are left out; spacings and coordinates follow.
        ``unwrapped``, where there is one, is averaged with them.

    Raises
    ------
    LabkitError
        ``ground_m`` or ``looks`` is out of range, the spacing is unknown, or the scene is smaller than one cell.

    Notes
    -----
    z = mean of coherence · exp(i phase) over the valid pixels of a cell; phase = arg z, coherence = |z|. A cell of
    which fewer than half of the pixels are valid is no data. Unwrapped phase has no turns to lose: it becomes
    Σ coherence · unwrapped / Σ coherence over its own valid pixels, by the same rule.

    Fu et al. (2022), section 4.1, take 2 looks along azimuth and 8 along range, ``looks=(2, 8)``, for a resolution of
    about 40 m. Sentinel-1's pixels of about 14.0 m × 3.8 m on the ground become cells of 28 m × 31 m by them, while
    ``ground_m=40`` gives 3 × 10 or 11 looks: 42 m × 38 to 42 m.

    Examples
    --------
    >>> import labkit as lk
    >>> fine = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> coarse = multilook(fine, looks=(2, 2))
    >>> fine["phase"].shape, coarse["phase"].shape, coarse.attrs["y_spacing"] / fine.attrs["y_spacing"]
    ((21, 160, 192), (21, 80, 96), 2.0)
    """
    check_interferograms(ifgs)
    rows, cols = _looks(ifgs, ground_m) if looks is None else looks
    if rows < 1 or cols < 1:
        raise LabkitError(f"looks must be at least 1 along y and x, instead got looks={(rows, cols)}")
    shape = (ifgs.sizes["y"] // rows, ifgs.sizes["x"] // cols)
    if 0 in shape:
        raise LabkitError(
            f"looks must fit into the scene of {ifgs.sizes['y']} × {ifgs.sizes['x']}, instead got {(rows, cols)}"
        )
    if (rows, cols) == (1, 1):
        return ifgs
    lazily = dask.delayed(average_looks, pure=True, nout=2)
    images: dict[str, list[da.Array]] = {"phase": [], "coherence": []}
    for k in range(ifgs.sizes["pair"]):
        averaged = lazily(ifgs["phase"].data[k], ifgs["coherence"].data[k], rows, cols)
        for collected, part in zip(images.values(), averaged, strict=True):
            collected.append(da.from_delayed(part, shape, np.float32))
    if "unwrapped" in ifgs:
        unwrapped = dask.delayed(average_unwrapped, pure=True)
        images["unwrapped"] = [
            da.from_delayed(unwrapped(whole, coherence, rows, cols), shape, np.float32)
            for whole, coherence in zip(ifgs["unwrapped"].data, ifgs["coherence"].data, strict=True)
        ]
    coarse = _coarse_coordinates(ifgs, shape, rows, cols)
    attrs = dict(ifgs.attrs)
    attrs["y_spacing"], attrs["x_spacing"] = attrs["y_spacing"] * rows, attrs["x_spacing"] * cols
    attrs["ground_spacing"] = _spacing(attrs)
    variables = {name: (("pair", "y", "x"), da.stack(parts), ifgs[name].attrs) for name, parts in images.items()}
    kept = {name: c for name, c in ifgs.coords.items() if not {"y", "x"} & set(c.dims)}
    return xr.Dataset(variables, coords={**kept, **coarse}, attrs=attrs)


def average_looks(phase: Image, coherence: Image, rows: int, cols: int) -> tuple[Image, Image]:
    """Average one pair, (y, x) arrays, over cells of rows × cols; the formula stands in :func:`multilook`."""
    height, width = phase.shape[0] // rows, phase.shape[1] // cols
    cells = (height, rows, width, cols)
    cut = (slice(height * rows), slice(width * cols))
    phase, coherence = phase[cut], coherence[cut]
    valid = np.isfinite(phase) & np.isfinite(coherence)
    z = np.where(valid, coherence, 0) * np.exp(1j * np.where(valid, phase, 0).astype(np.float32))
    count = valid.reshape(cells).sum((1, 3))
    mean = z.reshape(cells).sum((1, 3)) / np.maximum(count, 1)
    missing = count * 2 < rows * cols
    averaged = np.angle(mean).astype(np.float32)
    averaged[averaged >= np.float32(np.pi)] = -np.float32(np.pi)
    averaged[missing] = np.nan
    return averaged, np.where(missing, np.nan, np.abs(mean)).astype(np.float32)


def average_unwrapped(unwrapped: Image, coherence: Image, rows: int, cols: int) -> Image:
    """Average the unwrapped phase of one pair, (y, x), over cells of rows × cols as :func:`multilook` says."""
    height, width = unwrapped.shape[0] // rows, unwrapped.shape[1] // cols
    cells = (height, rows, width, cols)
    cut = (slice(height * rows), slice(width * cols))
    unwrapped, coherence = unwrapped[cut], coherence[cut]
    valid = np.isfinite(unwrapped) & np.isfinite(coherence)
    # A coherence of 0 weighs next to nothing, and still leaves a mean where all of a cell have it.
    weight = np.where(valid, np.maximum(coherence, np.finfo(np.float32).tiny), 0).astype(np.float64)
    total = weight.reshape(cells).sum((1, 3))
    known = valid.reshape(cells).sum((1, 3)) * 2 >= rows * cols
    weighted = (weight * np.where(valid, unwrapped, 0)).reshape(cells).sum((1, 3))
    return np.where(known, weighted / np.where(total > 0, total, 1), np.nan).astype(np.float32)


def _looks(ifgs: xr.Dataset, ground_m: float) -> tuple[int, int]:
    if not (np.isfinite(ground_m) and ground_m > 0):
        raise LabkitError(f"ground_m must be a positive number of metres, instead got ground_m={ground_m}")
    along_y, along_x = float(ifgs.attrs["y_spacing"]), float(ifgs.attrs["x_spacing"])
    if ifgs.attrs["geometry"] == "radar":
        along_x = along_x / np.sin(np.radians(float(ifgs.attrs["incidence_angle"])))
    if not (np.isfinite(along_y) and np.isfinite(along_x) and along_y > 0 and along_x > 0):
        raise LabkitError(
            f"y_spacing and x_spacing must be known on the ground, instead got {along_y} and {along_x} m. "
            "Set them in ifgs.attrs, or name the looks themselves with looks=(along_y, along_x)"
        )
    return max(1, round(ground_m / along_y)), max(1, round(ground_m / along_x))


def _spacing(attrs: dict[str, object]) -> float:
    slant = attrs["geometry"] == "radar"
    # numbers by the schema, though attributes of xarray are of any type
    incidence = float(attrs["incidence_angle"]) if slant else float("nan")  # type: ignore[arg-type]
    return ground_spacing(float(attrs["y_spacing"]), float(attrs["x_spacing"]), incidence)  # type: ignore[arg-type]


def _coarse_coordinates(ifgs: xr.Dataset, shape: tuple[int, int], rows: int, cols: int) -> dict[str, object]:
    looks = {"y": rows, "x": cols}
    coarse: dict[str, object] = {}
    for name, coordinate in ifgs.coords.items():
        dims = [str(d) for d in coordinate.dims if d in looks]
        if not dims:
            continue
        cut = coordinate.isel({d: slice(shape[0] * rows if d == "y" else shape[1] * cols) for d in dims})
        grouped = cut.variable.coarsen({d: looks[d] for d in dims}, func="mean")
        coarse[str(name)] = (coordinate.dims, grouped.data)
    return coarse
