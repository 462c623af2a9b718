"""Cut a scene down to what a screen can show, with the value, its error and its place for each shown pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import geo
from labkit.errors import LabkitError

#: A panel that holds more pixels than this is averaged down: about what a screen shows, and a few megabytes.
MAX_PIXELS = 250_000

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shown:
    """Part of an image at the resolution of a screen.

    ``arrays`` (y, x) by name; ``bounds`` = left, top, right, bottom of their outer edges in pixels of the image, which
    reach beyond it where its size is no multiple of ``step``, the edge of a block in pixels.
    """

    arrays: dict[str, Array]
    bounds: tuple[float, float, float, float]
    step: int


def shown(
    data: xr.Dataset,
    layers: dict[str, xr.DataArray],
    *,
    rows: tuple[float, float] | None = None,
    cols: tuple[float, float] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Shown:
    """Cut a window out of images and average it down to at most ``max_pixels``.

    Parameters
    ----------
    data : xarray.Dataset
        The scene, for its places on the Earth.
    layers : dict of DataArray (y, x)
        What to show; NaN = no data.
    rows, cols : (float, float), optional
        Window in pixel edges, clipped to the image; all of it without.
    max_pixels : int
        Upper bound of the number of pixels, ≥ 1.

    Returns
    -------
    Shown
        Each array as the mean of square blocks of ``step`` pixels, no-data left out (NaN where a whole block has
        none), and ``lon`` and ``lat`` (degrees, of the middle of the block) where the scene knows them.

    Examples
    --------
    >>> image = xr.DataArray([[1.0, 3.0], [np.nan, 5.0]], dims=("y", "x"))
    >>> shown(xr.Dataset(), {"rate": image}, max_pixels=1).arrays["rate"].tolist()
    [[3.0]]
    """
    if max_pixels < 1:
        raise LabkitError(f"max_pixels must be at least 1, instead got max_pixels={max_pixels}")
    height, width = next(iter(layers.values())).shape
    top, bottom = _clipped(rows, height)
    left, right = _clipped(cols, width)
    step = max(1, int(np.ceil(np.sqrt((bottom - top) * (right - left) / max_pixels))))
    window = {"y": slice(top, bottom), "x": slice(left, right)}
    arrays = {name: _block_mean(np.asarray(layer.isel(window), np.float32), step) for name, layer in layers.items()}
    ys, xs = (np.arange(a, b, step, dtype=np.float64) + step / 2 for a, b in ((top, bottom), (left, right)))
    if geo.has_lonlat(data):
        arrays["lon"], arrays["lat"] = places(data, ys, xs)
    bounds = (float(left), float(top), float(xs[-1] + step / 2), float(ys[-1] + step / 2))
    return Shown(arrays, bounds, step)


def _clipped(span: tuple[float, float] | None, length: int) -> tuple[int, int]:
    if span is None:
        return 0, length
    low, high = sorted(span)
    start = int(np.clip(np.floor(low), 0, length - 1))
    return start, int(np.clip(np.ceil(high), start + 1, length))


def _block_mean(values: Array, step: int) -> Array:
    if step == 1:
        return values
    rows, cols = values.shape
    padded = np.pad(values, ((0, -rows % step), (0, -cols % step)), constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0).sum(axis=(1, 3), dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def places(data: xr.Dataset, ys: npt.NDArray[np.float64], xs: npt.NDArray[np.float64]) -> tuple[Array, Array]:
    """Give longitude and latitude (degrees, NaN in a hole of the lookup table) of a grid of rows ys and columns xs."""
    if "lon" in data.coords and data["lon"].ndim == 2:
        # The table itself, holes and all: an extrapolated place under the pointer would look like a known one.
        rows, cols = data["lon"].shape
        at = {"y": np.minimum(ys, rows - 1).astype(int), "x": np.minimum(xs, cols - 1).astype(int)}
        # two names give two arrays, which the type of tuple() does not say
        return tuple(np.asarray(data[c].isel(at), np.float32) for c in ("lon", "lat"))  # type: ignore[return-value]
    lon, lat = geo.pixel_to_lonlat(data, *np.meshgrid(ys, xs, indexing="ij"))
    return lon.astype(np.float32), lat.astype(np.float32)


def packed(shares: npt.NDArray[np.floating]) -> npt.NDArray[np.uint32]:
    """Give a colour image (rows, columns, 3), 0..1, in the four bytes of a page; transparent where any is NaN."""
    known = np.isfinite(shares).all(axis=-1)
    bytes_ = np.zeros((*known.shape, 4), np.uint8)
    bytes_[..., :3] = np.rint(np.where(known[..., None], shares, 0) * 255)
    bytes_[..., 3] = np.where(known, 255, 0)
    return bytes_.view(np.uint32)[..., 0]
