"""Cut a scene into chips: square windows, listed in a table."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError

#: Edge (px) and overlap of chips on gradients (Fu et al. 2022) and on rates (Zhang et al. 2025).
GRADIENT_CHIPS = (416, 0.25)
RATE_CHIPS = (512, 0.0)


def make_chips(
    data: xr.Dataset, size: int | None = None, overlap: float | None = None, *, min_valid: float = 0.0
) -> gpd.GeoDataFrame:
    """List the chips that cover a scene.

    Parameters
    ----------
    data : xarray.Dataset
        gradients or rates (:mod:`labkit.schema`).
    size : int, optional
        Edge of the square, px. Default 416 for gradients, 512 for rates. A smaller scene gives one chip at (0, 0) that
        reaches beyond it; what is outside reads as no data.
    overlap : float, optional
        Share of a chip that neighbours have in common, in [0, 1). Default 0.25 for gradients, 0 for rates. The last
        chip of a row or column is moved back to end at the scene's edge, so that it may share more.
    min_valid : float
        Chips whose share of valid pixels is not above this are left out, in [0, 1). Default 0: only empty ones are.

    Returns
    -------
    geopandas.GeoDataFrame
        :data:`labkit.schema.CHIP_COLUMNS`, from top left, row by row. ``chip_id`` follows from scene, row, column and
        size, so that it is the same whenever the chips are made again. ``valid_fraction`` is the share of the square's
        pixels that have a value in any direction; ``split`` is still empty; ``geometry`` is the square in lon/lat.

    Raises
    ------
    LabkitError
        An argument is out of its bounds, or no chip holds enough data.

    Examples
    --------
    >>> rates = xr.Dataset({"rate": (("y", "x"), np.zeros((100, 300), np.float32))}, attrs={"scene": "valley"})
    >>> make_chips(rates, size=150)[["chip_id", "valid_fraction"]]
                      chip_id  valid_fraction
    0    valley-r0-c0-s150        0.666667
    1  valley-r0-c150-s150        0.666667
    """
    layers = schema.layers(data)
    default_size, default_overlap = GRADIENT_CHIPS if schema.is_gradients(data) else RATE_CHIPS
    size = default_size if size is None else size
    overlap = default_overlap if overlap is None else overlap
    if not 0 <= min_valid < 1:
        raise LabkitError(f"min_valid must be in [0, 1), instead got min_valid={min_valid}")
    rows, cols = next(iter(layers.values())).shape
    corners = list(geo.windows((rows, cols), size, overlap))
    shares = np.array([_valid_fraction(layers, row, col, size) for row, col in corners])
    kept = [(row, col, share) for (row, col), share in zip(corners, shares, strict=True) if share > min_valid]
    scene = str(data.attrs.get("scene", ""))
    if not kept:
        raise LabkitError(
            f"data must have chips with more than {min_valid:.0%} valid pixels, instead scene={scene!r} of "
            f"{rows} × {cols} pixels has none. Is the whole scene no data?"
        )
    table = {
        "chip_id": [f"{scene}-r{row}-c{col}-s{size}" for row, col, _ in kept],
        "scene": scene,
        "row": [row for row, _, _ in kept],
        "col": [col for _, col, _ in kept],
        "size": size,
        "valid_fraction": [share for _, _, share in kept],
        "split": "",
    }
    squares = geo.box_polygons(data, [(col, row, col + size, row + size) for row, col, _ in kept])
    return schema.check_chips(gpd.GeoDataFrame(table, geometry=squares, crs=geo.WGS84))


def _valid_fraction(layers: dict[str, xr.DataArray], row: int, col: int, size: int) -> float:
    valid = np.zeros((size, size), bool)
    for layer in layers.values():
        valid |= np.isfinite(geo.read_window(layer, row, col, size))
    return float(valid.mean())
