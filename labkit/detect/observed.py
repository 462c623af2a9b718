"""How much ground was looked at, block by block: what false boxes per 1000 km² are counted against."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from pyproj import CRS, Transformer

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.ground import metric_crs

Image = npt.NDArray[np.floating]

#: Edge of the cells in which ground that several scenes see is counted once, m, and how far apart it is looked at.
_CELL_M, _SAMPLE_M = 1000.0, 100.0


def known_pixels(
    data: xr.Dataset | Iterable[xr.Dataset], chips: gpd.GeoDataFrame | None
) -> list[tuple[xr.Dataset, Image]]:
    """Give each scene with the pixels that count: (y, x), 1 where any direction has a value and a chip lies, else 0.

    Raises
    ------
    LabkitError
        A scene is given twice, or its ground spacing is not known.
    """
    scenes = [data] if isinstance(data, xr.Dataset) else list(data)
    names = [str(scene.attrs.get("scene", "")) for scene in scenes]
    if len(set(names)) < len(names):
        raise LabkitError(f"observed must hold each scene once, instead got scene={names}")
    answer = []
    for name, scene in zip(names, scenes, strict=True):
        spacing = float(scene.attrs.get("ground_spacing", np.nan))
        if not spacing > 0:
            raise LabkitError(
                f"observed must have a positive ground_spacing in metres, instead scene={name!r} has "
                f"ground_spacing={spacing}. Set attrs['ground_spacing']"
            )
        known = np.logical_or.reduce([np.isfinite(layer.values) for layer in schema.layers(scene).values()])
        if chips is not None:
            known &= _covered(chips[chips["scene"].astype(str) == name], known.shape)
        answer.append((scene, known.astype(np.float32)))
    return answer


def _covered(chips: gpd.GeoDataFrame, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    covered = np.zeros(shape, bool)
    for chip in chips.itertuples():
        covered[chip.row : chip.row + chip.size, chip.col : chip.col + chip.size] = True
    return covered


def in_pixels(known: list[tuple[xr.Dataset, Image]], edge: float) -> pd.DataFrame:
    """Give the area of each block of pixels: ``site`` (the scene), ``row``, ``col``, ``km2``.

    Notes
    -----
    Valid pixels × ground spacing². A pixel counts once for all directions of its scene, and once for each scene.
    """
    tables = [pd.DataFrame({"site": np.zeros(0, object), "row": np.zeros(0, int), "col": np.zeros(0, int), "km2": []})]
    for scene, share in known:
        pixel_km2 = float(scene.attrs["ground_spacing"]) ** 2 / 1e6
        tables.append(_by_block(str(scene.attrs.get("scene", "")), share, edge, pixel_km2))
    return pd.concat([table for table in tables if len(table)] or tables)


def of_chips(chips: gpd.GeoDataFrame, edge: float) -> pd.DataFrame | None:
    """Give the area of each block that chips cover, as :func:`in_pixels`; None where a chip has no place on the Earth.

    Notes
    -----
    Pixels of a chip are taken as valid to its ``valid_fraction``, the mean of it where chips overlap, and as large as
    its ground over its pixels.
    """
    if chips.geometry.isna().any() or chips.geometry.is_empty.any():
        return None
    metres = chips.to_crs(metric_crs(chips)).geometry.area.to_numpy()
    tables = []
    for name, rows in chips.assign(m2=metres / chips["size"].to_numpy(float) ** 2).groupby("scene", sort=True):
        shape = tuple(int((rows[axis] + rows["size"]).max()) for axis in ("row", "col"))
        total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for chip in rows.itertuples():
            window = (slice(chip.row, chip.row + chip.size), slice(chip.col, chip.col + chip.size))
            total[window] += chip.valid_fraction * chip.m2
            count[window] += 1
        tables.append(_by_block(str(name), total / np.maximum(count, 1), edge, 1e-6))
    return pd.concat(tables)


def _by_block(site: str, share: Image, edge: float, pixel_km2: float) -> pd.DataFrame:
    """Sum an image over blocks, pixels by their centres; blocks without anything are left out."""
    rows, cols = (np.floor((np.arange(length) + 0.5) / edge).astype(int) for length in share.shape)
    firsts = [np.flatnonzero(np.diff(numbers, prepend=-1)) for numbers in (rows, cols)]
    sums = np.add.reduceat(np.add.reduceat(share, firsts[0], axis=0, dtype=float), firsts[1], axis=1)
    row, col = np.nonzero(sums)
    return pd.DataFrame(
        {"site": site, "row": rows[firsts[0]][row], "col": cols[firsts[1]][col], "km2": sums[row, col] * pixel_km2}
    )


def on_ground(known: list[tuple[xr.Dataset, Image]], edge_m: float, crs: CRS | None) -> pd.DataFrame:
    """Give the area of each block of ground, as :func:`in_pixels` with ``site`` "".

    Notes
    -----
    Ground that several scenes see counts once: in each cell of 1 km² the scene that sees most of it counts.

    Raises
    ------
    LabkitError
        A scene has no place on the Earth.
    """
    lonlat = [_sampled(scene, share) for scene, share in known]
    if crs is None:
        seen = [place for place in lonlat if len(place[0])]
        if not seen:
            return pd.DataFrame({"site": np.zeros(0, object), "row": [], "col": [], "km2": []})
        crs = metric_crs(gpd.GeoSeries(gpd.points_from_xy(seen[0][0], seen[0][1]), crs=geo.WGS84))
    to_metres = Transformer.from_crs(geo.WGS84, crs, always_xy=True)
    cells: pd.Series | None = None
    for lon, lat, km2 in lonlat:
        east, north = to_metres.transform(lon, lat)
        table = pd.DataFrame({"y": np.floor(north / _CELL_M), "x": np.floor(east / _CELL_M), "km2": km2})
        one = table.groupby(["y", "x"])["km2"].sum()
        cells = one if cells is None else pd.concat([cells, one]).groupby(level=["y", "x"]).max()
    assert cells is not None
    y, x = ((cells.index.get_level_values(axis).to_numpy() + 0.5) * _CELL_M for axis in ("y", "x"))
    return pd.DataFrame(
        {"site": "", "row": np.floor(y / edge_m).astype(int), "col": np.floor(x / edge_m).astype(int),
         "km2": cells.to_numpy()}
    )  # fmt: skip


def _sampled(scene: xr.Dataset, share: Image) -> tuple[Image, Image, Image]:
    """Longitude, latitude and area (km²) of pixels, taken every 100 m or so."""
    spacing = float(scene.attrs["ground_spacing"])
    step = max(1, int(_SAMPLE_M / spacing))
    y, x = np.nonzero(share[step // 2 :: step, step // 2 :: step])
    y, x = y * step + step // 2, x * step + step // 2
    lon, lat = geo.pixel_to_lonlat(scene, y + 0.5, x + 0.5)
    return lon, lat, share[y, x] * (spacing * step) ** 2 / 1e6
