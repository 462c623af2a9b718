"""From a mask of moving pixels to detections: connected ground, its box, its outline and how fast it moves."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr
from rasterio.features import shapes
from scipy import ndimage

from labkit import geo, schema
from labkit.errors import LabkitError

Mask = npt.NDArray[np.bool_]
Image = npt.NDArray[np.float64]

#: A region of fewer pixels is left out: 16 of 40 m are 160 m × 160 m, about the shortest slide that a couplet shows.
MIN_PIXELS = 16


def absolute_rates(rates: xr.Dataset) -> tuple[Image, Mask]:
    """Give |rate| in mm/yr (y, x), 0 where there is none, and which pixels have one: those with a finite number."""
    values = schema.check_rates(rates)["rate"].to_numpy().astype(float)
    known = np.isfinite(values)
    return np.where(known, np.abs(values), 0.0), known


def check_regions(min_rate: float, min_pixels: int) -> None:
    """Raise where the least rate (mm/yr) or the least size (px) is out of its range."""
    if not 0 <= min_rate < np.inf:
        raise LabkitError(f"min_rate must be a number of mm/yr ≥ 0, instead got min_rate={min_rate}")
    if isinstance(min_pixels, bool) or not isinstance(min_pixels, int | np.integer) or min_pixels < 1:
        raise LabkitError(f"min_pixels must be a whole number of at least 1, instead got min_pixels={min_pixels}")


def regions_table(
    mask: Mask, rates: xr.Dataset, strength: Image, limit: float, min_pixels: int, model: str
) -> gpd.GeoDataFrame:
    """Make detections of the connected regions of a mask.

    Parameters
    ----------
    mask : numpy.ndarray, shape (y, x)
        Which pixels belong to something; those without data do not.
    rates : xarray.Dataset
        The scene, on the grid of the mask.
    strength : numpy.ndarray, shape (y, x)
        What the mask was made of, such as a z-score; its greatest value in a region makes the score.
    limit : float
        The threshold that it was compared to.
    min_pixels : int
        Smaller regions are left out.
    model : str
        Word for the column ``model``.

    Returns
    -------
    geopandas.GeoDataFrame
        detections of the direction "rate", best first, with the further columns ``pixels``, ``area_m2`` (NaN where the
        ground spacing is unknown), ``mean_rate`` and ``peak_rate`` (mm/yr, with sign; the peak is the fastest pixel),
        ``orbit_direction``, ``track``, and ``outline``: the region itself, with its holes, as a lon/lat (multi)polygon,
        None where the scene has no lon/lat. ``geometry`` is the box.

    Notes
    -----
    Pixels that touch by an edge or a corner are one region. Boxes and outlines run along the edges of pixels; pixel i
    spans [i, i + 1). score = 1 − 2^(−s / limit), s the greatest strength: 0.5 at the threshold, 1 far above it.

    ``detections.set_geometry("outline", crs="EPSG:4326")`` puts the outlines in the place of the boxes; files keep them
    as text (WKT).
    """
    numbers, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel())[1:]
    kept = np.flatnonzero(sizes >= min_pixels) + 1
    places = ndimage.find_objects(numbers) if len(kept) else []
    rate = rates["rate"].to_numpy().astype(float)
    spacing = float(rates.attrs.get("ground_spacing", np.nan))
    rows = []
    for number in kept:
        place = places[number - 1]
        inside = numbers[place] == number
        motion, (down, across) = rate[place][inside], place
        rows.append({
            "xmin": across.start, "ymin": down.start, "xmax": across.stop, "ymax": down.stop,
            "score": 1 - 2 ** (-float(strength[place][inside].max()) / limit),
            "pixels": int(sizes[number - 1]), "area_m2": sizes[number - 1] * spacing**2,
            "mean_rate": float(motion.mean()), "peak_rate": float(motion[np.abs(motion).argmax()]),
        })  # fmt: skip
    table = pd.DataFrame(rows, columns=["xmin", "ymin", "xmax", "ymax", "score", *_MEASURES])
    columns: dict[str, object] = {name: table[name].to_numpy(float) for name in table if name != "pixels"}
    columns["pixels"] = table["pixels"].to_numpy(np.int64)
    words = {"scene": rates.attrs.get("scene", ""), "direction": "rate", "model": model}
    words |= {name: rates.attrs.get(name, "") for name in ("orbit_direction", "track")}
    columns |= {name: [str(word)] * len(kept) for name, word in words.items()}
    detections = geo.with_geometry(schema.boxes_table(columns), rates)
    detections["outline"] = pd.Series(_outlines(numbers, kept, rates), index=detections.index, dtype=object)
    order = ["score", "ymin", "xmin", "ymax", "xmax"]
    return detections.sort_values(order, ascending=[False] + [True] * 4, ignore_index=True)


_MEASURES = ("pixels", "area_m2", "mean_rate", "peak_rate")


def _outlines(
    numbers: npt.NDArray[np.int32], kept: npt.NDArray[np.intp], scene: xr.Dataset
) -> list[shapely.Geometry | None]:
    """Outline the regions of these numbers along the edges of their pixels, on the Earth."""
    if not len(kept) or not geo.has_lonlat(scene):
        return [None] * len(kept)
    parts: dict[int, list[shapely.Geometry]] = {int(number): [] for number in kept}
    # by edges alone: a ring that meets itself in a corner would be no valid polygon
    for polygon, number in shapes(numbers.astype(np.int32), mask=np.isin(numbers, kept), connectivity=4):
        parts[int(number)].append(shapely.geometry.shape(polygon))
    pixels = [one[0] if len(one) == 1 else shapely.MultiPolygon(one) for one in parts.values()]
    corners = shapely.get_coordinates(pixels)
    return list(shapely.set_coordinates(pixels, np.column_stack(geo.pixel_to_lonlat(scene, *corners.T[::-1]))))
