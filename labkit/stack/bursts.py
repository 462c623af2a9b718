"""Bursts one by one: which ground two of them share, so that a landslide seen by both is reported once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr

from labkit import geo
from labkit.errors import LabkitError
from labkit.ground import metric_crs
from labkit.schema import CORNERS, layers


def burst_overlaps(bursts: Iterable[xr.Dataset], *, min_area_km2: float = 0.01) -> gpd.GeoDataFrame:
    """Find the ground that bursts share, pair by pair.

    Parameters
    ----------
    bursts : iterable of xarray.Dataset
        gradients (or rates) with lon/lat, each of a scene of its own; of one track or of several.
    min_area_km2 : float
        Overlaps smaller than this are touching edges and are left out, at least 0.

    Returns
    -------
    geopandas.GeoDataFrame
        One row for each two bursts that overlap, in the order given: ``first``, ``second`` (their scenes); ``area_km2``
        in local metres; ``first_share``, ``second_share``, the shares of their ground; ``first_xmin`` … ``first_ymax``
        and ``second_xmin`` … ``second_ymax``, the envelope on each burst's array in pixel edges; ``geometry``, the
        shared ground as a lon/lat polygon. Empty where no two overlap.

    Raises
    ------
    LabkitError
        A burst has no lon/lat, two have the same scene, or ``min_area_km2`` is below 0.

    Notes
    -----
    A burst's ground is the convex outline of its pixels with data (:func:`labkit.geo.footprint`). Detect on each burst
    and hand all tables to :func:`labkit.merge_detections`: boxes of one landslide in an overlap become one row that
    names both bursts. A landslide longer than the overlap is cut in both and put together in the same way.

    References
    ----------
    Fu et al. (2022), section 4: bursts are stacked and searched one by one; neighbours overlap by 1.5 km.

    Examples
    --------
    >>> import labkit as lk
    >>> whole = lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)
    >>> north = whole.isel(y=slice(0, 100)).assign_attrs(scene="north")
    >>> south = whole.isel(y=slice(60, 160)).assign_attrs(scene="south")
    >>> burst_overlaps([north, south])[["first", "second"]].values.tolist()
    [['north', 'south']]
    """
    if not min_area_km2 >= 0:
        raise LabkitError(f"min_area_km2 must be at least 0, instead got min_area_km2={min_area_km2}")
    given = list(bursts)
    scenes = _scenes(given)
    grounds = gpd.GeoSeries([_ground(burst) for burst in given], crs=geo.WGS84)
    if not (~grounds.is_empty).any():
        return _table([])
    crs = metric_crs(grounds)
    areas = grounds.to_crs(crs).area.to_numpy()
    rows: list[dict[str, object]] = []
    for i, j in combinations(range(len(given)), 2):
        shared = grounds[i].intersection(grounds[j])
        area = float(gpd.GeoSeries([shared], crs=geo.WGS84).to_crs(crs).area.iloc[0])
        if area > 0 and area >= min_area_km2 * 1e6:
            row: dict[str, object] = {"first": scenes[i], "second": scenes[j], "area_km2": area / 1e6}
            row |= {"first_share": area / areas[i], "second_share": area / areas[j]}
            for side, k in (("first", i), ("second", j)):
                envelope = _on_array(given[k], shared).bounds
                row |= {f"{side}_{corner}": v for corner, v in zip(CORNERS, envelope, strict=True)}
            rows.append(row | {"geometry": shared})
    return _table(rows)


def shared_pixels(burst: xr.Dataset, bursts: Iterable[xr.Dataset]) -> xr.DataArray:
    """Tell for each pixel of a burst how many of the others see the same ground.

    Parameters
    ----------
    burst : xarray.Dataset
        gradients (or rates) with lon/lat.
    bursts : iterable of xarray.Dataset
        The others; ``burst`` itself may be among them.

    Returns
    -------
    xarray.DataArray
        (y, x) int16: 0 where no other burst has the pixel's centre within its outline.

    Raises
    ------
    LabkitError
        As :func:`burst_overlaps`.

    Examples
    --------
    >>> import labkit as lk
    >>> whole = lk.simulate.scene("tiny").rates["ascending"]
    >>> upper = whole.isel(y=slice(0, 100)).assign_attrs(scene="upper")
    >>> lower = whole.isel(y=slice(80, 160)).assign_attrs(scene="lower")
    >>> shared_pixels(upper, [upper, lower]).max("x").values[[0, 79, 80, 99]]
    array([0, 0, 1, 1], dtype=int16)
    """
    others = [other for other in bursts if other is not burst]
    scenes = _scenes([burst, *others])
    shape = (burst.sizes["y"], burst.sizes["x"])
    seen = np.zeros(shape, np.int16)
    ground = _ground(burst)
    for other in others:
        seen += _inside(_on_array(burst, ground.intersection(_ground(other))), shape)
    coords = {name: c for name, c in burst.coords.items() if set(c.dims) <= {"y", "x"}}
    return xr.DataArray(seen, coords, ("y", "x"), name="bursts", attrs={"scene": scenes[0]})


def _scenes(bursts: list[xr.Dataset]) -> list[str]:
    scenes = [str(burst.attrs.get("scene", "")) for burst in bursts]
    twice = sorted({scene for scene in scenes if scenes.count(scene) > 1})
    if twice:
        raise LabkitError(
            f"bursts must each have a scene of their own, instead these stand for several: {twice}. "
            "Name them: burst.assign_attrs(scene='IW2-0451')"
        )
    return scenes


def _ground(burst: xr.Dataset) -> shapely.Polygon:
    known = np.zeros((burst.sizes["y"], burst.sizes["x"]), bool)
    for image in layers(burst).values():
        known |= np.isfinite(image.values)
    return geo.footprint(burst, known)


def _on_array(burst: xr.Dataset, ground: shapely.Geometry) -> shapely.Geometry:
    """Lay lon/lat geometry onto a burst's array: (x, y) in pixel edges."""

    def to_pixels(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        y, x = geo.lonlat_to_pixel(burst, points[:, 0], points[:, 1])
        return np.column_stack([x, y])

    return ground if ground.is_empty else shapely.transform(ground, to_pixels)


def _inside(outline: shapely.Geometry, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which pixels have their centre inside an outline on the array."""
    inside = np.zeros(shape, bool)
    if not outline.is_empty:
        xmin, ymin, xmax, ymax = outline.bounds
        rows = slice(max(int(ymin), 0), min(int(np.ceil(ymax)), shape[0]))
        cols = slice(max(int(xmin), 0), min(int(np.ceil(xmax)), shape[1]))
        y, x = np.mgrid[rows, cols] + 0.5
        shapely.prepare(outline)
        inside[rows, cols] = shapely.contains_xy(outline, x, y)
    return inside


def _table(rows: list[dict[str, object]]) -> gpd.GeoDataFrame:
    numbers = ["area_km2", "first_share", "second_share", *(f"{s}_{c}" for s in ("first", "second") for c in CORNERS)]
    columns: dict[str, object] = {name: [str(row[name]) for row in rows] for name in ("first", "second")}
    columns |= {name: np.array([row[name] for row in rows], float) for name in numbers}
    return gpd.GeoDataFrame(columns, geometry=[row["geometry"] for row in rows], crs=geo.WGS84)
