"""What a scene that was opened lacks for the steps after it, and how to supply it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from labkit.geo import has_lonlat

#: So many pairs are a stack in which couplets rise above the noise; fewer show the fastest alone.
FEW_PAIRS = 20

#: Temporal baseline that the first paper stacks, days (Fu et al. 2022, section 3).
SHORT_DAYS = 36

#: Above this spacing an ordinary landslide of some hundred metres has only a few pixels, m.
COARSE_M = 60.0
_ORDINARY_M = 500.0


@dataclass(frozen=True)
class Missing:
    """One thing that a scene lacks.

    Attributes
    ----------
    what : str
        Its name.
    words : str
        What follows from its lack.
    remedy : str
        What to do about it.
    stops : bool
        Whether nothing can be stacked or searched before it is supplied.
    """

    what: str
    words: str
    remedy: str
    stops: bool = False


def missing_of_pairs(ifgs: xr.Dataset) -> list[Missing]:
    """List what interferograms lack; only coordinates and attributes are read."""
    found = [*_of_network(ifgs), *_of_scene(ifgs)]
    left_out = str(ifgs.attrs.get("skipped_pairs", "")).splitlines()
    if left_out:
        words = f"{len(left_out)} are left out, the first: {left_out[0]}"
        found.append(Missing("damaged pairs", words, "make them again; attrs['skipped_pairs'] names all of them"))
    if not math.isfinite(_number(ifgs, "wavelength")):
        found.append(
            Missing(
                "wavelength",
                "gradients stay in rad: no rates in mm/yr can follow",
                "state wavelength=0.0555 (m; Sentinel-1. Envisat 0.0562, ALOS-2 0.2424, TerraSAR-X 0.0311)",
            )
        )
    if ifgs.attrs.get("coherence_source") == "estimated from phase":
        found.append(
            Missing(
                "coherence",
                "there are no files of it for some or all pairs: it was estimated from the phase, and weighs worse",
                "put the processor's coherence files beside the phases",
            )
        )
    if not np.isfinite(ifgs["perpendicular_baseline"].values).all():
        found.append(
            Missing(
                "perpendicular baselines",
                "the network is drawn by time alone, and pairs cannot be chosen by them; stacking needs none",
                "put the processor's baseline files beside the pairs, if you want them",
            )
        )
    return found


def missing_of_rates(rates: xr.Dataset) -> list[Missing]:
    """List what a rate map lacks; only attributes are read."""
    found = [
        Missing(
            "interferograms",
            "there are rates alone: landslides are searched in them as they are, and nothing is stacked",
            "point to the folder of the wrapped or unwrapped pairs, if you have them",
        ),
        *_of_scene(rates),
    ]
    if "standard_error" not in rates:
        found.append(
            Missing(
                "standard error",
                "the detector needs one: it is estimated from the map, the same value everywhere",
                "put the time series' own beside the rates (vstd, velocityStd)",
            )
        )
    return found


def _of_network(ifgs: xr.Dataset) -> list[Missing]:
    count = int(ifgs.sizes["pair"])
    short = int((ifgs["temporal_baseline"].values <= SHORT_DAYS).sum())
    if count == 1:
        return [
            Missing(
                "pairs",
                "one interferogram cannot be stacked: its gradient is air and noise more than motion",
                f"gather at least {FEW_PAIRS} pairs of one track in this folder; 50 to 350 are usual",
                stops=True,
            )
        ]
    found = []
    if count < FEW_PAIRS:
        found.append(
            Missing(
                "pairs",
                f"{count} are few: only fast landslides rise above the noise of so small a stack",
                "add pairs of the same track: 50 to 350 are usual",
            )
        )
    if short < min(FEW_PAIRS, count):
        few = f"only {short} pairs span" if short else "no pair spans"
        found.append(
            Missing(
                "short pairs",
                f"{few} at most {SHORT_DAYS} days; longer ones lose coherence, and fast landslides wrap in them",
                "add pairs of neighbouring acquisitions; until then the shortest that are there are stacked",
            )
        )
    return found


def _of_scene(data: xr.Dataset) -> list[Missing]:
    """What pairs and rates lack alike: spacing, look direction, place."""
    found, radar = [], data.attrs.get("geometry") == "radar"
    spacing = _number(data, "ground_spacing")
    if not (math.isfinite(spacing) and spacing > 0):
        names = ("y_spacing", "x_spacing", "incidence_angle") if radar else ("y_spacing", "x_spacing")
        unknown = [name for name in names if not math.isfinite(_number(data, name))] or list(names)
        usual = {"y_spacing": "14.0", "x_spacing": "2.3", "incidence_angle": "39"}
        stated = ", ".join(f"{name}={usual[name] if radar else '90'}" for name in unknown)
        found.append(
            Missing(
                "spacing on the ground",
                f"{' and '.join(unknown)} unknown: a detector cannot tell a slope's size from pixels alone",
                f"state {stated} (m and degrees, as in your files), or put the image parameters beside the pairs",
                stops=True,
            )
        )
    elif spacing > COARSE_M:
        found.append(
            Missing(
                "resolution",
                f"a pixel is {spacing:.0f} m wide, so that a landslide of {_ORDINARY_M:.0f} m has "
                f"{_pixels(_ORDINARY_M / spacing)}: "
                + (
                    "only large ones can be found"
                    if spacing < _ORDINARY_M
                    else "what is found here is wider ground, such as subsidence, faults or air"
                ),
                "take the product with fewer looks, 20 to 40 m on the ground",
            )
        )
    if not math.isfinite(_number(data, "heading")):
        on_map = "'azimuth' and 'range' are grid north and east, for which no detector was trained; "
        words = ("" if radar or "rate" in data else on_map) + "ascending and descending cannot be told apart"
        found.append(Missing("heading", words, "state heading=348 (ascending) or 192 (descending), Sentinel-1's"))
    if not has_lonlat(data):
        found.append(
            Missing(
                "place on the Earth",
                "pixels have no longitude and latitude: no map, and no merging with other tracks",
                "put the lookup table (GAMMA: .lt or .lt_fine with its dem_par; ISCE2: geom_reference/) beside them",
            )
        )
    return found


def _pixels(count: float) -> str:
    return f"{count:.0f} pixels" if count >= 1.5 else "about one pixel" if count >= 0.75 else "less than a pixel"


def _number(data: xr.Dataset, name: str) -> float:
    return float(data.attrs.get(name, math.nan))
