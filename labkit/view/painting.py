"""How a density map, rates or gradients are painted on any map: colours, ends of the bar, and its words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.view import colours, panels

UNOBSERVED = "not observed"


@dataclass(frozen=True)
class Painted:
    """An image (y, x) that can be placed on the Earth, and how it is drawn.

    Attributes
    ----------
    image : xarray.DataArray or Dataset
        The image with lon/lat, or on a map grid with the attribute ``crs``; NaN = no data.
    name : str
        What a list of layers calls it.
    colour_map : str
        Of matplotlib.
    low, high : float
        Values at the ends of the bar.
    words : str
        What stands at the bar: quantity, unit, and the meaning of its ends.
    no_data : str
        What NaN means.
    """

    image: xr.DataArray
    name: str
    colour_map: str
    low: float
    high: float
    words: str
    no_data: str


def painted(data: xr.DataArray | xr.Dataset, direction: str = "azimuth", limit: float | None = None) -> Painted:
    """Choose how something is painted.

    Parameters
    ----------
    data : xarray.DataArray or Dataset
        A density map, rates, or gradients, of which ``direction`` is taken; with a place on the Earth.
    direction : str
        "azimuth" or "range".
    limit : float, optional
        Value at the end of the bar, > 0; without it the densest cell, the 99th percentile of the absolute rate, and
        ±4 rad.

    Raises
    ------
    LabkitError
        It is none of these, has no place, or the limit is out of its range.
    """
    if limit is not None:
        panels.check_limit(limit)
    if isinstance(data, xr.DataArray) and data.dims == ("y", "x") and {"crs", "cell_m"} <= set(data.attrs):
        high = density_top(data) if limit is None else limit
        name, words = "landslide density", "landslides per km²"
        return Painted(data, name, colours.DENSITY_COLOURS, 0.0, high, words, UNOBSERVED)
    if not isinstance(data, xr.Dataset) or not {"rate", "gradient"} & set(data.data_vars):
        raise LabkitError(
            "data must be a density map, rates or gradients, instead got "
            f"{type(data).__name__} of {data.dims if isinstance(data, xr.DataArray) else getattr(data, 'sizes', '')}"
        )
    if not geo.has_lonlat(data):
        raise LabkitError("data must have lon/lat, instead there is neither that nor a crs: they lie nowhere on a map")
    if "rate" in data:
        image = schema.check_rates(data)["rate"]
        end = panels.rate_limit(image.values) if limit is None else limit
        return _of_scene(data, image, "LOS rate", colours.RATE_COLOURS, end, f"LOS rate, mm/yr ({colours.RATE_ENDS})")
    layers = schema.layers(schema.check_gradients(data))
    if direction not in layers:
        raise LabkitError(f"direction must be one of {tuple(layers)}, instead got direction={direction!r}")
    end = schema.DISPLAY_LIMIT_RAD if limit is None else limit
    words = f"phase gradient, rad ({colours.gradient_ends(direction)})"
    return _of_scene(data, layers[direction], f"gradient along {direction}", colours.GRADIENT_COLOURS, end, words)


def density_top(density: xr.DataArray) -> float:
    """Give the end of a density's bar: its densest cell, or 1 where it is 0 or unobserved everywhere."""
    known = density.values[np.isfinite(density.values)]
    return float(known.max(initial=0.0)) or 1.0


def _of_scene(data: xr.Dataset, image: xr.DataArray, name: str, colour_map: str, limit: float, words: str) -> Painted:
    # geocoding asks the image itself for its place
    placed = image.assign_attrs({k: data.attrs[k] for k in ("crs", "ground_spacing") if k in data.attrs})
    return Painted(placed, name, colour_map, -limit, limit, words, "no data")
