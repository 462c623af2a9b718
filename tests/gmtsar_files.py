"""Write small GMTSAR stacks for tests: NetCDF grids as GMT writes them, ``.PRM`` files and the baseline table."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from scipy.io import netcdf_file

PRM = """num_valid_az            = 12
SC_clock_start          = 2015016.5885345591
radar_wavelength        = 0.0554658
near_range              = 800000.0
rng_samp_rate           = 64345238.125714
PRF                     = 486.4863103
SC_vel                  = 7588.0
SC_height               = 697000.0
earth_radius            = 6371000.0
orbdir                  = D
"""

BASELINES = """S1_20150117_ALL_F1 2015016.5885345591 381  -58.81  -16.0
S1_20150210_ALL_F1 2015040.5885222249 405  -33.27   44.0
S1_20150306_ALL_F1 2015064.5885250464 429 -104.66 -142.5
"""


def write_grid(
    path: Path, values: np.ndarray, y: np.ndarray, x: np.ndarray, axes: tuple[str, str] = ("y", "x")
) -> None:
    """A NetCDF-4 grid: dimension scales, ``z`` in float32, NaN as the fill value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, axis in (("y", y), ("x", x)):
            file[name] = np.asarray(axis, float)
            file[name].make_scale(name)
        grid = file.create_dataset("z", data=values.astype("<f4"))
        grid.attrs["_FillValue"] = np.array([np.nan], "f4")
        for i, name in enumerate(("y", "x")):
            grid.dims[i].attach_scale(file[name])
        file.attrs["Conventions"] = "CF-1.7"
        file.attrs["node_offset"] = np.array([1], "i4")


def write_classic_grid(path: Path, values: np.ndarray, y: np.ndarray, x: np.ndarray) -> None:
    """The same as a classic NetCDF file (GMT's format before NetCDF-4)."""
    with netcdf_file(path, "w") as file:
        for name, axis in (("y", y), ("x", x)):
            file.createDimension(name, len(axis))
            file.createVariable(name, "d", (name,))[:] = axis
        variable = file.createVariable("z", "f", ("y", "x"))
        variable[:] = values
        variable._FillValue = np.float32(np.nan)
        file.node_offset = np.int32(1)


def write_pair(intf: Path, name: str, phase: np.ndarray, coherence: np.ndarray | None) -> Path:
    """``phasefilt.grd`` and ``corr.grd`` in radar geometry: 4 lines × 8 samples of the full resolution to a pixel."""
    y, x = 2 + 4.0 * np.arange(phase.shape[0]), 4 + 8.0 * np.arange(phase.shape[1])
    write_grid(intf / name / "phasefilt.grd", phase, y, x)
    if coherence is not None:
        write_grid(intf / name / "corr.grd", coherence, y, x)
    return intf / name
