"""Choose the chips worth a person's time: those where the ground moves, near a river."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.ground import metric_crs

Array = npt.NDArray[np.float64]


def select_chips(
    chips: gpd.GeoDataFrame,
    rates: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset],
    min_rate: float = 10.0,
    rivers: gpd.GeoDataFrame | None = None,
    max_km: float = 50.0,
    *,
    min_pixels: int = 1,
) -> gpd.GeoDataFrame:
    """Keep the chips on which something moves fast enough and that lie near enough to a river.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        Chips (:func:`labkit.make_chips`), of rates or of gradients.
    rates : Dataset, sequence of Dataset, or dict of scene to Dataset
        LOS rates, mm/yr, on the grid of each scene that the chips are of; NaN is no data.
    min_rate : float
        Chips that are slower everywhere are left out, mm/yr toward or away from the satellite, ≥ 0.
    rivers : geopandas.GeoDataFrame, optional
        Lines or areas of the rivers that count, with a CRS. Default: the distance is not asked.
    max_km : float
        Chips of which no part is this near to a river are left out, km, ≥ 0.
    min_pixels : int
        How many pixels of a chip have to reach ``min_rate``, at least 1. More keep single wrong pixels from choosing.

    Returns
    -------
    geopandas.GeoDataFrame
        The chips that are left, in their order, with ``max_rate`` (mm/yr, the ``min_pixels``-th fastest pixel without
        its sign) and, with rivers, ``river_km`` (distance of the chip's square). It may be empty.

    Raises
    ------
    LabkitError
        A table or an argument breaks its rule, a scene's rates are missing, or a chip has no place on the Earth and
        the distance is asked.

    References
    ----------
    Zhang et al. (2025), section 2.3: images of 512 × 512 pixels without overlap, less those with rates below 10 mm/yr
    and those more than 50 km from the Jinsha River; of a chip's rates the fastest is meant here.

    Examples
    --------
    >>> still = np.zeros((100, 200), np.float32)
    >>> still[40, 150] = -12
    >>> rates = xr.Dataset({"rate": (("y", "x"), still)}, attrs={"scene": "valley"})
    >>> from labkit.chip import make_chips
    >>> select_chips(make_chips(rates, size=100), rates)[["chip_id", "max_rate"]]
                      chip_id  max_rate
    0  valley-r0-c100-s100      12.0
    """
    schema.check_chips(chips)
    _check(min_rate, max_km, min_pixels)
    scenes = _by_scene(rates)
    missing = sorted(set(chips["scene"].astype(str)) - set(scenes))
    if missing:
        raise LabkitError(f"rates must hold the scenes of the chips, instead got {sorted(scenes)} without {missing}")
    windows = chips[["scene", "row", "col", "size"]].itertuples(index=False)
    fastest = np.array([
        _fastest(scenes[str(scene)], int(row), int(col), int(size), min_pixels) for scene, row, col, size in windows
    ])  # fmt: skip
    chosen = chips.assign(max_rate=fastest)
    keep = fastest >= min_rate
    if rivers is not None:
        chosen["river_km"] = _river_km(chips, rivers)
        keep &= chosen["river_km"].to_numpy() <= max_km
    return chosen[keep].reset_index(drop=True)


def _check(min_rate: float, max_km: float, min_pixels: int) -> None:
    for name, value in (("min_rate", min_rate), ("max_km", max_km)):
        if not (np.isfinite(value) and value >= 0):
            raise LabkitError(f"{name} must be a number ≥ 0, instead got {name}={value}")
    if min_pixels < 1:
        raise LabkitError(f"min_pixels must be at least 1, instead got min_pixels={min_pixels}")


def _by_scene(rates: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    if isinstance(rates, xr.Dataset):
        rates = [rates]
    if isinstance(rates, Sequence):
        rates = {str(one.attrs.get("scene", "")): one for one in rates}
    return {str(scene): schema.check_rates(one) for scene, one in rates.items()}


def _fastest(rates: xr.Dataset, row: int, col: int, size: int, pixels: int) -> float:
    """Give the rate, without its sign, that this many pixels of a window reach; 0 where fewer have a value."""
    speed = np.abs(geo.read_window(rates["rate"], row, col, size))
    speed = speed[np.isfinite(speed)]
    return float(np.partition(speed, -pixels)[-pixels]) if len(speed) >= pixels else 0.0


def _river_km(chips: gpd.GeoDataFrame, rivers: gpd.GeoDataFrame) -> Array:
    if rivers.crs is None or not len(rivers):
        raise LabkitError(
            "rivers must hold at least one line or area and have a CRS. Set rivers.crs, or leave them out"
        )
    if chips.geometry.isna().any():
        raise LabkitError("chips must have lon/lat for their distance from a river. Leave rivers out for such scenes")
    crs = metric_crs(chips)
    water = rivers.geometry.to_crs(crs).union_all()
    return np.asarray(chips.geometry.to_crs(crs).distance(water), float) / 1000.0
