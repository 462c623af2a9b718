"""GMTSAR's ``trans.dat``: where the nodes of the DEM lie in the radar image, turned into lon/lat of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt

from labkit.errors import FileError
from labkit.read.gmt_grid import GmtGrid
from labkit.read.lookup_table import invert_lookup_table

#: Range and azimuth (samples and lines of the full resolution), elevation (m), longitude, latitude (degrees).
_COLUMNS = ("range", "azimuth", "elevation", "lon", "lat")
_RECORD = np.dtype([(name, "<f8") for name in _COLUMNS])

#: Nodes may be missing (sea, voids), but a list that fills less than this share of its rows and columns is no grid.
_LEAST_FILLED = 0.02
_REMEDY = "Make it again with dem2topo_ra.csh, or take it away"


def radar_lonlat(tables: Sequence[Path], grid: GmtGrid) -> dict[str, object]:
    """Give lazy 2-D lon/lat of the pixels of a radar grid; nothing where there is no table.

    Parameters
    ----------
    tables : sequence of Path
        ``trans.dat`` files, of which the first is taken: the DEM's nodes one after the other, each as five doubles
        (range, azimuth, elevation, longitude, latitude), as ``SAT_llt2rat -bod`` writes them for ``proj_ra2ll.csh``.
    grid : GmtGrid
        The radar grid; its axes count samples and lines of the full resolution.

    Returns
    -------
    dict
        ``lon``, ``lat`` (y, x), degrees, NaN where no node falls.

    Raises
    ------
    FileError
        The file is no list of such records. What it holds is looked at when lon or lat is needed.
    """
    if not tables:
        return {}
    table = tables[0]
    size = table.stat().st_size
    if size == 0 or size % _RECORD.itemsize:
        raise FileError(
            f"{table} must hold records of {len(_COLUMNS)} doubles ({_RECORD.itemsize} bytes), instead it holds {size} "
            f"bytes. {_REMEDY}"
        )
    read = dask.delayed(_read_lonlat, pure=True, nout=2)(table, grid)
    lon, lat = (da.from_delayed(part, grid.shape, np.float64) for part in read)
    return {"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)}


def _read_lonlat(table: Path, grid: GmtGrid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    nodes = np.fromfile(table, _RECORD)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(nodes["range"]) & np.isfinite(nodes["azimuth"])
        placed = (np.abs(nodes["lon"]) <= 360) & (np.abs(nodes["lat"]) <= 90)
    if not (placed | ~known).all() or not known.any():
        raise FileError(
            f"{table} must hold longitude and latitude in its last two columns, instead some are beyond 360° and 90° "
            f"or nothing is known. {_REMEDY}"
        )
    nodes = nodes[known]
    # The list leaves out nodes without an elevation: rows and columns are those of the places that do stand in it.
    lons, column = np.unique(nodes["lon"], return_inverse=True)
    lats, row = np.unique(nodes["lat"], return_inverse=True)
    if len(nodes) < _LEAST_FILLED * len(lons) * len(lats):
        raise FileError(
            f"{table} must list the nodes of a grid of longitude and latitude, instead its {len(nodes)} nodes lie on "
            f"{len(lons)} meridians and {len(lats)} parallels. {_REMEDY}"
        )
    y, x = (np.full((len(lats), len(lons)), np.nan) for _ in range(2))
    y[row, column] = (nodes["azimuth"] - grid.first_y) / grid.y_step
    x[row, column] = (nodes["range"] - grid.first_x) / grid.x_step
    lon, lat = np.meshgrid(lons, lats)
    return invert_lookup_table(y, x, lon, lat, grid.shape)
