"""What a person states because the files do not say it: checked, and carried into what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real

import xarray as xr

from labkit.errors import LabkitError
from labkit.geo import ground_spacing

#: What a person may state when the files do not say it.
STATED = (
    "scene",
    "wavelength",
    "heading",
    "incidence_angle",
    "orbit_direction",
    "phase_sign",
    "track",
    "burst",
    "y_spacing",
    "x_spacing",
)

#: Number → least and greatest value (that one is allowed, this one is not), and what is usual.
_BOUNDS: dict[str, tuple[float, float, str]] = {
    "wavelength": (0.0, 1.0, "in m: Sentinel-1 0.0555, Envisat 0.0562, ALOS-2 0.2424, TerraSAR-X 0.0311"),
    "heading": (-360.0, 360.0, "in degrees clockwise from north: Sentinel-1 about 348 ascending, 192 descending"),
    "incidence_angle": (0.0, 89.0, "in degrees from the vertical: Sentinel-1 31 to 46"),
    "y_spacing": (0.0, 10_000.0, "in m: along azimuth, or of a map's rows"),
    "x_spacing": (0.0, 10_000.0, "in m: of the slant range, or of a map's columns"),
}
#: The spacing on the ground follows from these.
_SPACING = ("y_spacing", "x_spacing", "incidence_angle")


def check_stated(stated: Mapping[str, object]) -> None:
    """Raise LabkitError where a name is unknown or a number lies outside what is possible."""
    unknown = sorted(set(stated) - set(STATED))
    if unknown:
        raise LabkitError(f"stated attributes must be among {STATED}, instead got {unknown}")
    for name, (low, high, usual) in _BOUNDS.items():
        if name not in stated:
            continue
        value = stated[name]
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        if not low < number <= high:
            raise LabkitError(f"{name} must be {usual}, instead got {name}={value!r}. State the number in that unit")


def state(dataset: xr.Dataset, stated: Mapping[str, object]) -> xr.Dataset:
    """Give a scene with what a person states of it in its attributes, and the ground spacing that follows.

    Notes
    -----
    ground spacing = √(y_spacing · x_spacing) on a map, √(y_spacing · x_spacing / sin incidence) in radar geometry. It
    is computed anew only where one of these three is stated.
    """
    attrs = {**dataset.attrs, **stated}
    if any(name in stated for name in _SPACING):
        radar = attrs.get("geometry") == "radar"
        spacing = [float(attrs.get(name, math.nan)) for name in _SPACING]
        known = all(math.isfinite(number) for number in (spacing if radar else spacing[:2]))
        attrs["ground_spacing"] = ground_spacing(*(spacing if radar else spacing[:2])) if known else math.nan
    return dataset.assign_attrs(attrs)
