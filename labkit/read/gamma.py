"""GAMMA: complex or unwrapped interferograms in radar geometry, with image parameters and a lookup table."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.coherence_estimate import ESTIMATED
from labkit.read.flat_binary import FlatBand
from labkit.read.flat_pair import FlatPair, assemble_flat, with_coherence_source
from labkit.read.gamma_itab import switched_off
from labkit.read.gamma_parameters import (
    ImageParameters,
    MapParameters,
    perpendicular_baseline,
    read_image_parameters,
    read_map_parameters,
)
from labkit.read.lookup_table import invert_lookup_table
from labkit.read.pair_rows import MAX_COHERENCE
from labkit.read.pairs import find_files, pair_name, pair_name_of_phase, scene_name
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.unwrapped import UnwrappedBand, with_unwrapped

_NOT_PIXELS = r"(?!.*[._](par|ras|bmp|png|jpg|tiff?|rsc|xml|vrt|hdr|off|kml|html|txt|gz|lnk)$)"
_COMPLEX_PAIR = rf"^{_NOT_PIXELS}(?!.*[._](unw|cc|coh)([._]|$)).*\.(diff|int)(\.|$)"
_UNWRAPPED_PAIR = rf"^{_NOT_PIXELS}(?!.*[._](cc|coh)$).*[._]unw([._]|$)"
_BYTES_PER_SAMPLE = 8
_BYTES_PER_UNWRAPPED = 4

#: GAMMA's phase grows with the range: motion toward the satellite lowers it.
_PHASE_SIGN = -1


def recognise(folder: Path) -> bool:
    """Whether the folder holds complex pairs of GAMMA, or unwrapped ones that fit an image ``.par``."""
    if not folder.is_dir():
        return False
    if _complex_pairs(folder):
        return True
    sizes = {p.stat().st_size for p in _unwrapped_pairs(folder).values()}
    return bool(sizes) and any(image.lines * image.samples * _BYTES_PER_UNWRAPPED in sizes for image in _images(folder))


def open_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open a folder of GAMMA pairs (:func:`labkit.open_interferograms` says what it may hold)."""
    wrapped, floats = _complex_pairs(folder, skipped), _unwrapped_pairs(folder, skipped)
    files = wrapped or floats
    if not files and not skipped.lines:
        raise FileError(
            f"{folder} must hold GAMMA pairs (YYYYMMDD_YYYYMMDD.diff… or .unw), found none. "
            "Point to the folder above diff/"
        )
    off = switched_off(folder)
    if files and off.issuperset(files):
        raise FileError(f"{folder} must hold a pair that its itab leaves switched on, instead all {len(off)} are off")
    files = {name: path for name, path in files.items() if name not in off}
    bytes_per_sample = _BYTES_PER_SAMPLE if wrapped else _BYTES_PER_UNWRAPPED
    image = _image_parameters(folder, list(files.values()), bytes_per_sample)
    coherence = _coherence_files(folder)
    baselines = {name: p for p in find_files(folder, r"(base|bperp)\.par$") if (name := pair_name(p))}
    perpendicular = {name: perpendicular_baseline(p, image.look_angle) for name, p in baselines.items()}
    shape = (image.lines, image.samples)
    attrs = image.attributes | {
        "scene": scene_name(folder),
        "geometry": "radar",
        "y_spacing": image.y_spacing,
        "x_spacing": image.x_spacing,
        "ground_spacing": ground_spacing(image.y_spacing, image.x_spacing, image.incidence_angle),
        "processor": "GAMMA",
        "phase_sign": _PHASE_SIGN,
    }
    coords = _lonlat(folder, shape)
    # Without a coherence file of its own, a complex pair carries the coherence as its magnitude, or an amplitude.
    magnitude = bool(wrapped) and not _is_amplitude(files, coherence, shape)
    dtype = ">c8" if wrapped else ">f4"
    found = []
    for name, path in files.items():
        with skipped.pair(name):
            _check_size(path, image, bytes_per_sample)
            found.append(
                FlatPair(
                    name,
                    path,
                    coherence.get(name),
                    perpendicular.get(name, math.nan),
                    phase_band=FlatBand(path, shape, dtype),
                    coherence_band=FlatBand(coherence[name], shape, ">f4").check() if name in coherence else None,
                    magnitude=magnitude,
                )
            )
    pairs = skipped.settle(found, folder)
    dataset = with_coherence_source(
        assemble_flat(pairs, shape, coords, attrs),
        sum(p.coherence is None for p in pairs),
        instead="magnitude" if magnitude else ESTIMATED,
    )
    size = image.lines * image.samples * _BYTES_PER_UNWRAPPED
    fitting = {name: path for name, path in floats.items() if path.stat().st_size == size}
    return with_unwrapped(dataset, {n: UnwrappedBand(FlatBand(p, shape, ">f4")) for n, p in fitting.items()})


def _is_amplitude(files: dict[str, Path], coherence: dict[str, Path], shape: tuple[int, int]) -> bool:
    """Whether the magnitude of the pairs without a coherence file is an amplitude; one line of one pair tells."""
    bands = (FlatBand(path, shape, ">c8") for name, path in files.items() if name not in coherence)
    band = next((band for band in bands if band.path.stat().st_size == band.file_bytes), None)
    if band is None:
        return False
    line = np.abs(band.read(shape[0] // 2, 1))
    return bool((line > MAX_COHERENCE).any())


def _unwrapped_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> dict[str, Path]:
    """Unwrapped pairs without the header of another processor beside them."""
    files = [
        p
        for p in find_files(folder, _UNWRAPPED_PAIR)
        if not any(p.with_name(p.name + end).exists() for end in (".rsc", ".xml", ".vrt", ".hdr"))
    ]
    return _each_once(files, skipped)


def _each_once(files: list[Path], skipped: Skipped) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        with skipped.pair(path.name):
            name = pair_name_of_phase(path)
            if name in found:
                raise FileError(f"each pair must stand once, instead {name} is in {found[name]} and {path}. Keep one")
            if name:
                found[name] = path
    return found


def _images(folder: Path) -> list[ImageParameters]:
    return [p for path in find_files(folder, r"\.par$") if (p := read_image_parameters(path))]


def _complex_pairs(folder: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> dict[str, Path]:
    """Differential interferograms, and plain ones (``.int``) where there is none of the pair."""
    files = find_files(folder, _COMPLEX_PAIR)
    found = _each_once([p for p in files if ".diff" in p.name], skipped)
    return _each_once([p for p in files if ".diff" not in p.name], skipped) | found


def _coherence_files(folder: Path) -> dict[str, Path]:
    return {name: p for p in find_files(folder, r"\.cc(\.|$)(?!.*(ras|bmp|png|tif)$)") if (name := pair_name(p))}


def _image_parameters(folder: Path, files: list[Path], bytes_per_sample: int) -> ImageParameters:
    """Find the image ``.par`` that fits most of the pairs by size; the last one looked at where none fits."""
    found = _images(folder)
    if not found:
        raise FileError(
            f"{folder} must hold an image parameter file (*.rmli.par with range_samples, azimuth_lines), found none. "
            "Copy the .par of the multilooked reference image beside the interferograms"
        )
    sizes = Counter(path.stat().st_size for path in files)
    best = max(found, key=lambda p: sizes[p.lines * p.samples * bytes_per_sample])
    return best if sizes[best.lines * best.samples * bytes_per_sample] else found[-1]


def _check_size(path: Path, image: ImageParameters, bytes_per_sample: int) -> None:
    expected = image.lines * image.samples * bytes_per_sample
    size = path.stat().st_size
    if size == expected:
        return
    line = image.samples * bytes_per_sample
    kind = "complex64" if bytes_per_sample == _BYTES_PER_SAMPLE else "float32"
    remedy = (
        "It was cut while being written or copied: make it again"
        if size < expected
        else "It has other looks or another extent than the others: take it away or make it again"
    )
    raise FileError(
        f"{path} must hold {image.lines} lines × {image.samples} samples of {kind} ({expected} bytes) as "
        f"{image.path.name} says, instead it holds {size} bytes ({size / line:.2f} lines). {remedy}"
    )


def _lonlat(folder: Path, shape: tuple[int, int]) -> dict[str, object]:
    """Lazy lon/lat of the radar grid from the lookup table; nothing where there is none."""
    tables = find_files(folder, r"\.lt(_fine)?$|\.lt_[^.]*$")
    maps = [read_map_parameters(p) for p in find_files(folder, r"dem[._]par$")]
    for table in tables:
        for grid in maps:
            if table.stat().st_size == grid.lines * grid.width * _BYTES_PER_SAMPLE:
                inverted = dask.delayed(_read_lookup_table, pure=True, nout=2)(table, grid, shape)
                lon, lat = (da.from_delayed(part, shape, np.float64) for part in inverted)
                return {"lon": (("y", "x"), lon), "lat": (("y", "x"), lat)}
    if tables:
        raise FileError(
            f"{tables[0]} must fit a dem_par beside it (lines × width × 8 bytes), instead it holds "
            f"{tables[0].stat().st_size} bytes and there are {[m.path.name for m in maps]}. "
            "Put the dem_par of the lookup table beside it, or take a cut table away"
        )
    return {}


def _read_lookup_table(
    table: Path, grid: MapParameters, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    values = FlatBand(table, (grid.lines, grid.width), ">c8").read().astype(np.complex128)
    outside = values == 0
    x, y = np.where(outside, np.nan, values.real), np.where(outside, np.nan, values.imag)
    lat, lon = np.meshgrid(
        grid.first_lat + grid.lat_step * np.arange(grid.lines),
        grid.first_lon + grid.lon_step * np.arange(grid.width),
        indexing="ij",
    )
    return invert_lookup_table(y, x, lon, lat, shape)
