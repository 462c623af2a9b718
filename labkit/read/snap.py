"""SNAP: interferograms in BEAM-DIMAP products (``.dim`` with its ``.data``), in radar geometry or geocoded."""

from __future__ import annotations

import math
from pathlib import Path

import xarray as xr

from labkit.errors import FileError
from labkit.geo import ground_spacing
from labkit.read.flat_pair import FlatPair, assemble_flat, with_coherence_source
from labkit.read.flat_shape import common_shape
from labkit.read.gamma_parameters import SPEED_OF_LIGHT
from labkit.read.map_grid import map_attributes
from labkit.read.pairs import find_files, scene_name
from labkit.read.raster import Grid
from labkit.read.skipped import DAMAGE_IS_AN_ERROR, Skipped
from labkit.read.snap_header import SnapProduct, band_dates, ordered_dates, read_product
from labkit.read.snap_tie_points import lonlat
from labkit.read.unwrapped import UnwrappedBand, with_unwrapped

#: SNAP forms reference · conj(secondary) with SLC phase −4π/λ · range; its operator Phase to Displacement multiplies by
#: −λ / 4π, so that uplift comes out positive where the first date is the earlier one (so also ESA's STEP forum, topic
#: 5826 on the signs of displacement maps): motion toward the satellite lowers the phase. Pairs named later date first
#: are turned.
_PHASE_SIGN = -1

_TWICE = "Point to the last product of the chain, or keep the others elsewhere"


def recognise(path: Path) -> bool:
    """Whether this is a ``.dim`` with pairs, or a folder that holds one."""
    return any(_holds_pairs(p) for p in _headers(path))


def open_pairs(path: Path, skipped: Skipped = DAMAGE_IS_AN_ERROR) -> xr.Dataset:
    """Open SNAP products (:func:`labkit.open_interferograms` says what they may hold)."""
    products: list[SnapProduct] = []
    found: list[FlatPair] = []
    unwrapped: dict[Path, UnwrappedBand] = {}
    for header in (p for p in _headers(path) if _holds_pairs(p)):
        with skipped.pair(header.name):
            product = read_product(header)
            pairs_of, unwrapped_of = _pairs(product)
            if products:
                _check_map_grid(products[0], product)
            products.append(product)
            found += pairs_of
            unwrapped |= unwrapped_of
    if not found and not skipped.lines:
        raise FileError(
            f"{path} must hold SNAP products with stored bands i_ifg_… and q_ifg_…, Phase_ifg_… or Unw_Phase_ifg_… "
            "that name two dates, found none. Write the interferogram as BEAM-DIMAP"
        )
    shape, pairs = common_shape(skipped.settle(found, path, twice=_TWICE), skipped)
    coords, attrs = _geometry(products[0], shape)
    folder = path if path.is_dir() else path.with_suffix("")
    attrs |= {"scene": scene_name(folder), "processor": "SNAP", "phase_sign": _PHASE_SIGN}
    dataset = assemble_flat(pairs, shape, coords, attrs)
    dataset = with_coherence_source(dataset, sum(p.coherence is None for p in pairs))
    return with_unwrapped(dataset, {p.name: unwrapped[p.phase] for p in pairs if p.phase in unwrapped})


def _headers(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".dim" else []
    return find_files(path, r"\.dim$")


def _holds_pairs(header: Path) -> bool:
    """Whether the folder of rasters beside a header has bands of an interferogram: only names are looked at."""
    rasters = header.with_suffix(".data").glob("*.img")
    return any("ifg" in p.name and band_dates(p.stem) for p in rasters) or not header.with_suffix(".data").is_dir()


def _pairs(product: SnapProduct) -> tuple[list[FlatPair], dict[Path, UnwrappedBand]]:
    """The pairs of a product, and by their phase file the unwrapped phase of those that have it."""
    found = []
    unwrapped: dict[Path, UnwrappedBand] = {}
    bands = product.bands()
    by_dates: dict[tuple[str, str], list[str]] = {}
    for name in bands:
        if dates := band_dates(name):
            by_dates.setdefault(dates, []).append(name)
    for (first, second), names in by_dates.items():
        real, imaginary = _one(names, "i_"), _one(names, "q_")
        phase = real if real and imaginary else _one(names, "Phase_") or _one(names, "Unw_Phase_")
        if phase is None:
            continue
        coherence, unfolded = _one(names, "coh_"), _one(names, "Unw_Phase_")
        name, reverse = ordered_dates(first, second, product.path)
        band = product.band(phase)
        quality = product.band(coherence) if coherence else None
        baseline = product.perpendicular_baseline(first, second)
        if unfolded:
            unwrapped[band.path] = UnwrappedBand(product.band(unfolded), reverse)
        found.append(
            FlatPair(
                name,
                band.path,
                quality.path if quality else None,
                -baseline if reverse else baseline,
                phase_band=band,
                imaginary_band=product.band(imaginary) if real and imaginary else None,
                coherence_band=quality,
                reverse=reverse,
            )
        )
    return found, unwrapped


def _one(names: list[str], start: str) -> str | None:
    return next((name for name in sorted(names) if name.startswith(start)), None)


def _geometry(product: SnapProduct, shape: tuple[int, int]) -> tuple[dict[str, object], dict[str, object]]:
    frequency = product.number("radar_frequency")
    heading = product.number("centre_heading") % 360.0
    # The mean of near and far range; either is NaN where SNAP does not know it.
    incidence = (product.number("incidence_near") + product.number("incidence_far")) / 2
    incidence = incidence if 0 < incidence < 90 else math.nan
    attrs: dict[str, object] = {
        # SNAP states MHz.
        "wavelength": SPEED_OF_LIGHT / (frequency * 1e6) if frequency > 0 else math.nan,
        "heading": heading,
        "incidence_angle": incidence,
        "orbit_direction": product.word("PASS").lower(),
        "track": product.word("REL_ORBIT"),
    }
    grid = product.map_grid(shape)
    if grid is None:
        y_spacing, x_spacing = product.number("azimuth_spacing"), product.number("range_spacing")
        spacing = ground_spacing(y_spacing, x_spacing, incidence) if math.isfinite(incidence) else math.nan
        attrs |= {"geometry": "radar", "y_spacing": y_spacing, "x_spacing": x_spacing, "ground_spacing": spacing}
        return lonlat(product, shape), attrs
    return grid.coords, attrs | map_attributes(grid)


def _check_map_grid(first: SnapProduct, other: SnapProduct) -> None:
    """Refuse a product on another map grid; sizes are compared where the bands are known."""
    grid, placed = (product.map_grid((1, 1)) for product in (first, other))
    if (grid is None) != (placed is None) or (
        grid is not None and placed is not None and (placed.crs != grid.crs or _shift(grid, placed) > 0.5)
    ):
        raise FileError(f"{other.path} must lie on the map grid of {first.path.name}. Collocate the products")


def _shift(grid: Grid, other: Grid) -> float:
    return max(abs((other.first_y - grid.first_y) / grid.y_step), abs((other.first_x - grid.first_x) / grid.x_step))
