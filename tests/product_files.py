"""The same three pairs in the files of every processor, for tests that hold for all of them.

Each writer puts down a stack as that processor lays it out: the unwrapped phase that is given, its wrapped twin where
the product has one, and the coherence. It gives back the file of each pair's phase.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import gamma_files
import gmtsar_files
import h5py
import isce_files
import numpy as np
import pandas as pd
import rasterio
import snap_files
from map_files import write_map
from pyproj import CRS

SHAPE = (9, 13)

#: Three pairs between three dates.
PAIRS = ("20200101_20200113", "20200113_20200125", "20200101_20200125")

#: (y, x) rad, NaN = no data; and (y, x) 0..1.
Images = tuple[np.ndarray, np.ndarray]
Written = dict[str, Path]

_DEGREES = {"crs": "EPSG:4326", "corner": (101.0, 31.0), "step": 0.001}


def phases(seed: int = 0) -> dict[str, Images]:
    """Unwrapped phases beyond ±π that close, with one pixel of no data, and coherence."""
    rng = np.random.default_rng(seed)
    date = rng.uniform(-9, 9, (3, *SHAPE))
    first, second, third = date
    made = {}
    for name, phase in zip(PAIRS, (second - first, third - second, third - first), strict=True):
        phase[1, 1] = np.nan
        made[name] = (phase, rng.uniform(0.3, 0.9, SHAPE))
    return made


def wrapped(phase: np.ndarray) -> np.ndarray:
    return np.angle(np.exp(1j * phase))


def _filled(phase: np.ndarray) -> np.ndarray:
    return np.nan_to_num(phase, nan=0.0).astype(np.float32)


def write_gamma(folder: Path, pairs: Mapping[str, Images]) -> Written:
    gamma_files.write_parameters(folder, SHAPE)
    written = {}
    for name, (phase, coherence) in pairs.items():
        written[name] = gamma_files.write_pair(folder, name, phase, coherence)
        _filled(phase).astype(">f4").tofile(folder / "diff" / f"{name}.unw")
    return written


def write_gamma_geocoded(folder: Path, pairs: Mapping[str, Images]) -> Written:
    text = gamma_files.DEM_PAR.format(
        width=SHAPE[1], lines=SHAPE[0], lat=31.0, lon=101.0, post_lat=-1e-3, post_lon=1e-3
    )
    (folder / "EQA.dem_par").write_text(text)
    written = {}
    for name, (phase, coherence) in pairs.items():
        written[name] = folder / f"{name}.geo.diff"
        np.where(np.isfinite(phase), 40 * np.exp(1j * _filled(phase)), 0).astype(">c8").tofile(written[name])
        _filled(phase).astype(">f4").tofile(folder / f"{name}.geo.unw")
        coherence.astype(">f4").tofile(folder / f"{name}.geo.cc")
    return written


def write_gmtsar(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    y, x = 2 + 4.0 * np.arange(SHAPE[0]), 4 + 8.0 * np.arange(SHAPE[1])
    for name, (phase, coherence) in pairs.items():
        days = [pd.Timestamp(date) for date in name.split("_")]
        place = "_".join(f"{day.year}{day.day_of_year - 1:03d}" for day in days)
        made = gmtsar_files.write_pair(folder / "intf", place, wrapped(phase), coherence)
        gmtsar_files.write_grid(made / "unwrap.grd", phase, y, x)
        written[name] = made / "phasefilt.grd"
    return written


def write_isce2(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    for name, (phase, coherence) in pairs.items():
        place = isce_files.write_pair(folder, name, phase, coherence)
        isce_files.write_raster(place / "filt_fine.unw", [np.full(SHAPE, 300.0), _filled(phase)], "f4", "BIL")
        written[name] = place / "filt_fine.int"
    return written


RSC = """WIDTH                 {width}
FILE_LENGTH           {lines}
WAVELENGTH            0.0562356
DATE12                {dates}
HEADING_DEG           -167.5
RANGE_PIXEL_SIZE      31.2
AZIMUTH_PIXEL_SIZE    20.0
"""


def write_roipac(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    for name, (phase, coherence) in pairs.items():
        dates = name.replace("20", "", 1).replace("_20", "-", 1)
        amplitude = np.where(np.isfinite(phase), 500.0, 0.0)
        for suffix in ("int", "unw", "cor"):
            text = RSC.format(width=SHAPE[1], lines=SHAPE[0], dates=dates)
            (folder / f"{dates}.{suffix}.rsc").write_text(text)
        written[name] = folder / f"{dates}.int"
        (amplitude * np.exp(1j * _filled(phase))).astype("<c8").tofile(written[name])
        for suffix, values in (("unw", _filled(phase)), ("cor", coherence)):
            np.stack([amplitude, values], axis=1).astype("<f4").tofile(folder / f"{dates}.{suffix}")
    return written


def write_snap(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    for name, (phase, coherence) in pairs.items():
        first, second = (f"{pd.Timestamp(date):%d%b%Y}" for date in name.split("_"))
        header = folder / f"S1_{name}.dim"
        snap_files.write_product(header, (first, second), phase, coherence=coherence)
        band = f"Unw_Phase_ifg_{first}_{second}"
        snap_files.write_band(header.with_suffix(".data") / f"{band}.img", _filled(phase), "abs_phase")
        info = snap_files.BAND.format(index=7, name=band, unit="abs_phase", virtual="")
        text = header.read_text("latin-1").replace("<Image_Interpretation>", f"<Image_Interpretation>{info}")
        header.write_text(text, "latin-1")
        written[name] = header.with_suffix(".data") / f"i_ifg_IW1_VV_{first}_{second}.img"
    return written


def hyp3_name(pair: str) -> str:
    first, second = pair.split("_")
    return f"S1AA_{first}T070700_{second}T070658_VVP012_INT80_G_ueF_74C2"


def write_hyp3(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    for name, (phase, coherence) in pairs.items():
        product = folder / hyp3_name(name) / hyp3_name(name)
        for kind, values in (
            ("wrapped_phase", _filled(wrapped(phase))),
            ("unw_phase", _filled(phase)),
            ("corr", coherence.astype(np.float32)),
            ("water_mask", np.ones(SHAPE, np.uint8)),
        ):
            write_map(product.with_name(f"{product.name}_{kind}.tif"), values, nodata=0)
        written[name] = product.with_name(f"{product.name}_wrapped_phase.tif")
    return written


def write_licsar(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    for name, (phase, coherence) in pairs.items():
        place = folder / "interferograms" / name
        written[name] = write_map(place / f"{name}.geo.diff_pha.tif", _filled(wrapped(phase)), nodata=0, **_DEGREES)
        write_map(place / f"{name}.geo.unw.tif", _filled(phase), nodata=0, **_DEGREES)
        # 0 is no data, 1…255 the coherence
        write_map(place / f"{name}.geo.cc.tif", np.rint(coherence * 255).astype(np.uint8), nodata=0, **_DEGREES)
    return written


def write_mintpy(folder: Path, pairs: Mapping[str, Images]) -> Written:
    path = folder / "inputs" / "ifgramStack.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    phase = np.stack([_filled(p) for p, _ in pairs.values()])
    with h5py.File(path, "w") as file:
        file["date"] = np.array([name.split("_") for name in pairs], "S8")
        file["bperp"] = np.zeros(len(pairs), np.float32)
        file["dropIfgram"] = np.ones(len(pairs), bool)
        file.create_dataset("unwrapPhase", data=phase, chunks=(1, *SHAPE))
        file["wrapPhase"] = wrapped(phase).astype(np.float32)
        file["coherence"] = np.stack([c for _, c in pairs.values()]).astype(np.float32)
        file.attrs.update(
            {"WAVELENGTH": "0.0555", "HEADING": "-169.6", "PROCESSOR": "isce", "RANGE_PIXEL_SIZE": "11.4"}
        )
        file.attrs.update({"AZIMUTH_PIXEL_SIZE": "23.4", "LENGTH": f"{SHAPE[0]}", "WIDTH": f"{SHAPE[1]}"})
    return dict.fromkeys(pairs, path)


def write_s1_gunw(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    for name, (phase, coherence) in pairs.items():
        # the later date stands first, and so does its phase
        later_first = "_".join(reversed(name.split("_")))
        path = folder / f"S1-GUNW-D-R-042-tops-{later_first}-015813-00121W_00033N-PP-6267-v2_0_4.nc"
        with h5py.File(path, "w") as file:
            data = file.create_group("science/grids/data")
            data["latitude"] = 34.0 - np.arange(SHAPE[0]) / 1200
            data["longitude"] = -120.0 + np.arange(SHAPE[1]) / 1200
            data["unwrappedPhase"], data["coherence"] = _filled(-phase), coherence.astype(np.float32)
            for variable in ("unwrappedPhase", "coherence"):
                data[variable].attrs["_FillValue"] = np.float32(0)
            geometry = file.create_group("science/grids/imagingGeometry")
            for variable, value in (("perpendicularBaseline", 37.5), ("incidenceAngle", 39.5), ("azimuthAngle", 12.0)):
                geometry[variable] = np.full((4, 5, 5), value, np.float32)
            file["science/radarMetaData/wavelength"] = 0.05546576
        written[name] = path
    return written


#: Sentinel-1's, m.
WAVELENGTH = 299_792_458.0 / 5.405000454334350e9


def write_opera_disp(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    for name, (phase, coherence) in pairs.items():
        first, second = name.split("_")
        stamp = f"{first}T140755Z_{second}T140756Z_v1.0_20250408T163512Z"
        path = folder / f"OPERA_L3_DISP-S1_IW_F11116_VV_{stamp}.nc"
        with h5py.File(path, "w") as file:
            file["y"] = 3_780_000.0 - 30.0 * (np.arange(SHAPE[0]) + 0.5)
            file["x"] = 400_000.0 + 30.0 * (np.arange(SHAPE[1]) + 0.5)
            file["spatial_ref"] = 0
            file["spatial_ref"].attrs["crs_wkt"] = CRS.from_epsg(32611).to_wkt()
            # toward the satellite is positive, and lowers the phase
            file["displacement"] = (-phase * WAVELENGTH / (4 * np.pi)).astype(np.float32)
            file["temporal_coherence"] = coherence.astype(np.float32)
            file["water_mask"] = np.ones(SHAPE, np.uint8)
        written[name] = path
    return written


def write_geotiff(folder: Path, pairs: Mapping[str, Images]) -> Written:
    written = {}
    for name, (phase, coherence) in pairs.items():
        written[name] = write_map(folder / f"{name}_unw.tif", _filled(phase), **_DEGREES)
        write_map(folder / f"{name}_cc.tif", coherence.astype(np.float32), **_DEGREES)
    return written


#: Product → its writer.
WRITERS: dict[str, Callable[[Path, Mapping[str, Images]], Written]] = {
    "gamma": write_gamma,
    "gamma_geocoded": write_gamma_geocoded,
    "gmtsar": write_gmtsar,
    "isce2": write_isce2,
    "roipac": write_roipac,
    "snap": write_snap,
    "hyp3": write_hyp3,
    "licsar": write_licsar,
    "mintpy": write_mintpy,
    "s1_gunw": write_s1_gunw,
    "opera_disp": write_opera_disp,
    "geotiff": write_geotiff,
}


def set_phase(path: Path, value: float, place: tuple[int, int] | None = None) -> None:
    """Give one pixel (row, column) of a file of phase a value, or all of them, whatever the format.

    Of a stack in one file it is the second pair; of complex values real and imaginary part are both set.
    """
    where = ... if place is None else place
    if path.suffix == ".tif":
        with rasterio.open(path, "r+") as file:
            values = file.read(1)
            values[where] = value
            file.write(values, 1)
    elif path.suffix in (".nc", ".h5", ".grd"):
        with h5py.File(path, "r+") as file:
            names = ("z", "displacement", "science/grids/data/unwrappedPhase", "wrapPhase")
            data = next(file[name] for name in names if name in file)
            values = data[()]
            (values[1] if data.ndim == 3 else values)[where] = value
            data[...] = values
    else:
        # SNAP keeps real and imaginary part in files of their own
        for part in {path, path.with_name(path.name.replace("i_ifg", "q_ifg"))}:
            values = np.fromfile(part, "<f4" if path.suffix == ".int" else ">f4").reshape(*SHAPE, -1)
            values[where] = value
            values.tofile(part)
