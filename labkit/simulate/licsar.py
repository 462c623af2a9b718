"""A simulated scene as LiCSAR would hand it out: geocoded GeoTIFFs, one folder for each frame."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
from affine import Affine
from tqdm.auto import tqdm

from labkit.errors import FileError
from labkit.simulate.geometry import Frame
from labkit.simulate.scenes import Scene, compact

#: Relative orbits of the first paper's tracks over the scene's place.
_TRACK_NUMBERS = {"ascending": 26, "descending": 135}
_BURSTS = "010101"

#: LiCSAR's grid, degrees.
_STEP_DEG = 0.001

#: A phase of exactly 0 means no data; this is what a true 0 is written as.
_SMALL_RAD = np.float32(1e-6)


def write_licsar(simulated: Scene, folder: str | Path, *, progress: bool = False) -> list[Path]:
    """Write the tracks of a scene as LiCSAR frames.

    Parameters
    ----------
    simulated : Scene
        What to write (:func:`labkit.simulate.scene`).
    folder : str or Path
        To be made; new or empty.
    progress : bool
        Show a bar over the pairs.

    Returns
    -------
    list of Path
        The frames' folders, "026A_05915_010101" and the like: track and direction, colatitude in hundredths of a
        degree, bursts. In each ``interferograms/<pair>/<pair>.geo.diff_pha.tif`` (float32 rad, 0 = no data) and
        ``.geo.cc.tif`` (8 bits, coherence · 255, 0 = no data), ``metadata/`` with heading and incidence,
        baselines, and the look vector (``<frame>.geo.E.tif``, ``N``, ``U``).

    Raises
    ------
    FileError
        The folder holds something.

    Notes
    -----
    The grid has 0.001 degrees; each of its pixels takes the radar pixel in which its centre lies. Everything is written
    to a temporary folder beside the target, which is then renamed.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     frames = write_licsar(lk.simulate.scene("tiny"), folder)
    ...     [frame.name for frame in frames]
    ...     lk.open_interferograms(frames[0], progress=False).attrs["geometry"]
    ['026A_05915_010101', '135D_05915_010101']
    'map'
    """
    target = Path(folder).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileError(f"folder must be new or empty, instead got {target}. Name another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(partial, ignore_errors=True)
    names = []
    total = sum(ifgs.sizes["pair"] for ifgs in simulated.interferograms.values())
    try:
        with tqdm(total=total, desc="writing pairs", unit="pair", disable=not progress) as bar:
            for track, ifgs in simulated.interferograms.items():
                name = _frame_name(track, simulated.place.lat)
                _write_frame(partial / name, name, ifgs, simulated, bar)
                names.append(name)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [target / name for name in names]


def _frame_name(track: str, lat: float) -> str:
    return f"{_TRACK_NUMBERS[track]:03d}{track[0].upper()}_{round((90 - lat) * 100):05d}_{_BURSTS}"


def _write_frame(folder: Path, name: str, ifgs: xr.Dataset, simulated: Scene, bar: tqdm) -> None:
    frame = simulated.frames[str(ifgs.attrs["track"])]
    transform, rows, cols = _lookup(ifgs, frame, simulated)
    outside = rows < 0
    for k in range(ifgs.sizes["pair"]):
        pair = ifgs[["phase", "coherence"]].isel(pair=k).compute()
        phase, coherence = (pair[image].values[rows, cols] for image in ("phase", "coherence"))
        unknown = outside | np.isnan(phase)
        phase = np.where(unknown, 0, np.where(phase == 0, _SMALL_RAD, phase)).astype(np.float32)
        level = np.where(unknown, 0, np.clip(np.round(np.nan_to_num(coherence) * 255), 1, 255)).astype(np.uint8)
        pair_name = str(pair["pair"].item())
        home = folder / "interferograms" / pair_name
        home.mkdir(parents=True)
        _write_raster(home / f"{pair_name}.geo.diff_pha.tif", phase, transform)
        _write_raster(home / f"{pair_name}.geo.cc.tif", level, transform)
        bar.update()
    metadata = folder / "metadata"
    metadata.mkdir()
    for letter, part in zip("ENU", frame.los, strict=True):
        image = np.where(outside, 0, part).astype(np.float32)
        _write_raster(metadata / f"{name}.geo.{letter}.tif", image, transform)
    primary = compact(ifgs["reference"].values.min().astype("datetime64[D]"))
    heading = frame.heading - 360.0 if frame.heading > 180 else frame.heading
    (metadata / "metadata.txt").write_text(
        f"master={primary}\nheading={heading:.6f}\navg_incidence_angle={frame.incidence_angle:.4f}\n"
    )
    (metadata / "baselines").write_text(_baselines(ifgs, primary))


def _lookup(
    ifgs: xr.Dataset, frame: Frame, simulated: Scene
) -> tuple[Affine, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The map grid, and for each of its pixels the radar row and column; −1 outside the image."""
    lon, lat = ifgs["lon"].values, ifgs["lat"].values
    west, north = np.floor(lon.min() / _STEP_DEG) * _STEP_DEG, np.ceil(lat.max() / _STEP_DEG) * _STEP_DEG
    width = int(np.ceil((lon.max() - west) / _STEP_DEG))
    height = int(np.ceil((north - lat.min()) / _STEP_DEG))
    across = west + (np.arange(width) + 0.5) * _STEP_DEG
    down = north - (np.arange(height) + 0.5) * _STEP_DEG
    y, x = frame.pixel(*simulated.place.to_ground(*np.meshgrid(across, down)))
    inside = (y >= 0) & (y < frame.shape[0]) & (x >= 0) & (x < frame.shape[1])
    rows = np.where(inside, np.floor(y), -1).astype(np.intp)
    cols = np.where(inside, np.floor(x), -1).astype(np.intp)
    return Affine(_STEP_DEG, 0.0, float(west), 0.0, -_STEP_DEG, float(north)), rows, cols


def _write_raster(path: Path, values: npt.NDArray, transform: Affine) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype=values.dtype.name,
        crs="EPSG:4326",
        transform=transform,
        nodata=0,
        compress="deflate",
    ) as raster:
        raster.write(values, 1)


def _baselines(ifgs: xr.Dataset, primary: str) -> str:
    """Lines of ``primary date bperp days``: each date's baseline against the first date that pairs tie it to.

    Dates that no chain of pairs ties together cannot be told from each other's baseline; each group begins at 0.
    """
    first, second = (ifgs[name].values.astype("datetime64[D]") for name in ("reference", "secondary"))
    place: dict[np.datetime64, float] = {}
    for a, b, baseline in zip(first, second, ifgs["perpendicular_baseline"].values, strict=True):
        place.setdefault(a, 0.0)
        place.setdefault(b, place[a] + float(baseline))
    start = first.min()
    lines = [
        f"{primary} {compact(date)} {metres:.4f} {int((date - start).astype(int))}\n"
        for date, metres in sorted(place.items())
    ]
    return "".join(lines)
