"""Where snow and ice lie: their decorrelation and movement look like landslides, so they are masked."""

from __future__ import annotations

import os
from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import LabkitError
from labkit.geo import WGS84, lonlat_to_pixel, pixel_to_lonlat

BANDS = ("B03", "B8A", "B11")

#: Classes of ESA's scene classification in which the ground is seen: vegetation, bare ground, water, unclassified,
#: snow. The others are no data, saturated, dark or shadowed ground, and clouds.
CLEAR_CLASSES = (4, 5, 6, 7, 11)

Mask = npt.NDArray[np.bool_]
Flat = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]


def snow_mask(
    sentinel2: xr.Dataset | Sequence[xr.Dataset] | None,
    like: xr.Dataset | xr.DataArray,
    *,
    polygons: gpd.GeoDataFrame | None = None,
    ndsi_above: float = 0.4,
    b03_above: float = 0.28,
    b8a_above: float = 0.15,
    share_above: float = 0.5,
    progress: bool = True,
) -> xr.DataArray:
    """Find the pixels of a scene that lie under snow or ice in most of the Sentinel-2 looks that see them.

    Parameters
    ----------
    sentinel2 : xarray.Dataset or sequence of them, or None
        Looks of one tile, or of several that together cover the scene (:func:`labkit.read.open_sentinel2`):
        ``reflectance`` (time, band, y, x), NaN = no data; ``scene_class`` (time, y, x) where there is one; ``crs``.
        None: the polygons alone.
    like : xarray.Dataset or DataArray
        The scene to be masked (gradients, rates, interferograms): its pixels have to have a place on the Earth.
    polygons : geopandas.GeoDataFrame, optional
        Areas drawn or imported, in any CRS, that are masked besides: a pixel is in one when its centre is.
    ndsi_above, b03_above, b8a_above : float
        Thresholds of the snow index (−1..1) and of the reflectances.
    share_above : float
        A pixel is snow when more than this share of its clear looks say so, in [0, 1).
    progress : bool
        Show a bar over the looks.

    Returns
    -------
    xarray.DataArray
        (y, x) bool on the grid of ``like``, True = snow, ice or inside a polygon. Attributes: ``masked_fraction``, the
        share of True among the pixels of which something is known (a clear look, or a polygon); ``no_data_fraction``,
        the share of all pixels of which nothing is, they are False; ``n_looks``, ``thresholds``, ``n_polygons``.
        ``gradients.assign(gradient=gradients.gradient.where(~mask))`` takes the masked pixels out of a stack.

    Raises
    ------
    LabkitError
        An argument breaks its rule, or no look overlaps the scene.

    Notes
    -----
    In each look, with B the reflectances::

        NDSI = (B03 − B11) / (B03 + B11)
        snow = NDSI > 0.4  and  B03 > 0.28  and  B8A > 0.15

    B8A leaves out water, B03 dense vegetation, whose index is high as well. A look of a pixel is clear where its three
    reflectances are known and, where the scene classification is there, its class is one of :data:`CLEAR_CLASSES`;
    without it every known pixel counts. Looks and scene meet by nearest neighbour: a pixel takes the counts of the
    Sentinel-2 pixel that its centre lies in; where tiles overlap, those of each tile are added.

    References
    ----------
    Fu et al. (2022), section 4.2 (18.6 % of their region is masked); the shares of looks are labkit's.

    Examples
    --------
    >>> snow, grass = (0.90, 0.80, 0.10), (0.06, 0.40, 0.20)
    >>> looks = xr.Dataset(
    ...     {"reflectance": (("time", "band", "y", "x"), np.array([[snow, grass]]).transpose(0, 2, 1)[..., None])},
    ...     coords={"band": ["B03", "B8A", "B11"], "y": [3400010.0, 3399990.0], "x": [600010.0]},
    ...     attrs={"crs": "EPSG:32647", "x_spacing": 20.0},
    ... )
    >>> scene = looks.reflectance[0, 0].drop_vars("band").assign_attrs(looks.attrs)
    >>> mask = snow_mask(looks, like=scene, progress=False)
    >>> mask.values.tolist(), mask.masked_fraction
    ([[True], [False]], 0.5)
    """
    for name, value in (("ndsi_above", ndsi_above), ("b03_above", b03_above), ("b8a_above", b8a_above)):
        if not -1 <= value <= 1:
            raise LabkitError(f"{name} must be in −1..1, instead got {name}={value}")
    if not 0 <= share_above < 1:
        raise LabkitError(f"share_above must be in [0, 1), instead got share_above={share_above}")
    tiles = _tiles(sentinel2, polygons)
    lon, lat, placed = _places(like)
    clear, snow = np.zeros(lon.size, np.int32), np.zeros(lon.size, np.int32)
    n_looks = 0
    looks = sum(tile.sizes["time"] for tile in tiles)
    with tqdm(total=looks, desc="Sentinel-2", unit="look", disable=not progress or looks < 2) as bar:
        for tile in tiles:
            n_looks += _add_looks(tile, lon, lat, placed, (ndsi_above, b03_above, b8a_above), clear, snow, bar)
    if tiles and not n_looks:
        raise LabkitError("sentinel2 must overlap the scene, instead no look does. Open the tile that covers it")
    inside = _inside(polygons, lon, lat, placed)
    mask = (snow > share_above * clear) | inside
    known = (clear > 0) | inside
    grid = xr.DataArray(
        mask.reshape(like.sizes["y"], like.sizes["x"]),
        dims=("y", "x"),
        coords={str(n): c for n, c in like.coords.items() if c.dims and set(c.dims) <= {"y", "x"}},
        name="snow",
        attrs={n: like.attrs[n] for n in ("scene", "geometry", "crs") if n in like.attrs},
    )
    return grid.assign_attrs(
        masked_fraction=float(mask.sum() / max(1, known.sum())),
        no_data_fraction=float(1 - known.mean()),
        n_looks=n_looks,
        n_polygons=0 if polygons is None else len(polygons),
        thresholds=f"NDSI > {ndsi_above:g}, B03 > {b03_above:g}, B8A > {b8a_above:g}, share of looks > {share_above:g}",
    )


def is_snow(
    b03: npt.NDArray[np.floating],
    b8a: npt.NDArray[np.floating],
    b11: npt.NDArray[np.floating],
    thresholds: tuple[float, float, float] = (0.4, 0.28, 0.15),
) -> Mask:
    """Say of each pixel whether its reflectances are those of snow (the formula stands in :func:`snow_mask`).

    Parameters
    ----------
    b03, b8a, b11 : numpy.ndarray
        Reflectances of one shape, NaN = no data (not snow).
    thresholds : (float, float, float)
        Of NDSI, B03 and B8A.
    """
    ndsi_above, b03_above, b8a_above = thresholds
    total = b03 + b11
    # The offset of newer products lets dark reflectances fall below 0; an index over such a sum means nothing.
    ndsi = np.divide(b03 - b11, total, out=np.full_like(total, np.nan), where=total > 0)
    with np.errstate(invalid="ignore"):
        return np.asarray((ndsi > ndsi_above) & (b03 > b03_above) & (b8a > b8a_above))


def _tiles(
    sentinel2: xr.Dataset | Sequence[xr.Dataset] | None, polygons: gpd.GeoDataFrame | None
) -> Sequence[xr.Dataset]:
    if isinstance(sentinel2, str | os.PathLike):
        raise LabkitError(
            f"sentinel2 must be a Dataset, instead got the path {str(sentinel2)!r}. "
            "Open it first: lk.snow_mask(lk.read.open_sentinel2(path), like=gradients)"
        )
    tiles = [] if sentinel2 is None else [sentinel2] if isinstance(sentinel2, xr.Dataset) else list(sentinel2)
    if not tiles and polygons is None:
        raise LabkitError("sentinel2 or polygons must be given, instead got neither")
    for tile in tiles:
        if not isinstance(tile, xr.Dataset) or "reflectance" not in tile:
            raise LabkitError(
                f"sentinel2 must be a Dataset with 'reflectance', instead got {type(tile).__name__}. "
                "Open it with lk.read.open_sentinel2"
            )
        dims = tuple(map(str, tile["reflectance"].dims))
        if dims != ("time", "band", "y", "x"):
            raise LabkitError(f"reflectance must have the dims (time, band, y, x), instead got dims={dims}")
        bands = [str(b) for b in tile["band"].values] if "band" in tile.coords else []
        if not set(BANDS) <= set(bands):
            raise LabkitError(f"band must hold {BANDS}, instead got band={bands}")
        if not tile.attrs.get("crs"):
            raise LabkitError("sentinel2 must have the attribute 'crs', instead it has none. Set tile.attrs['crs']")
    return tiles


def _places(like: xr.Dataset | xr.DataArray) -> tuple[Flat, Flat, Mask]:
    """Longitude and latitude of the pixel centres, flat, and which of them are known and not carried on."""
    if not {"y", "x"} <= set(map(str, like.dims)):
        raise LabkitError(f"like must have the dims y and x, instead got dims={tuple(like.dims)}")
    rows, cols = np.indices((like.sizes["y"], like.sizes["x"]))
    lon, lat = pixel_to_lonlat(like, rows.ravel() + 0.5, cols.ravel() + 0.5)
    placed = np.isfinite(lon) & np.isfinite(lat)
    if "lon" in like.coords and like["lon"].ndim == 2:
        placed &= (np.isfinite(like["lon"].values) & np.isfinite(like["lat"].values)).ravel()
    return lon, lat, placed


def _add_looks(
    tile: xr.Dataset,
    lon: Flat,
    lat: Flat,
    placed: Mask,
    thresholds: tuple[float, float, float],
    clear: Counts,
    snow: Counts,
    bar: tqdm,
) -> int:
    """Count on the tile's own grid how often each pixel is clear and how often snow; hand the counts to the scene."""
    y, x = lonlat_to_pixel(tile, lon, lat)
    seen = placed & (y >= 0) & (y < tile.sizes["y"]) & (x >= 0) & (x < tile.sizes["x"])
    if not seen.any():
        bar.update(tile.sizes["time"])
        return 0
    rows, cols = y[seen].astype(np.intp), x[seen].astype(np.intp)
    window = {"y": slice(rows.min(), rows.max() + 1), "x": slice(cols.min(), cols.max() + 1)}
    cut = tile.isel(window)
    counted = np.zeros((2, cut.sizes["y"], cut.sizes["x"]), np.int32)
    for i in range(tile.sizes["time"]):
        b03, b8a, b11 = cut["reflectance"].isel(time=i).sel(band=list(BANDS)).values
        visible = np.isfinite(b03) & np.isfinite(b8a) & np.isfinite(b11)
        if "scene_class" in cut:
            visible &= np.isin(cut["scene_class"].isel(time=i).values, CLEAR_CLASSES)
        counted[0] += visible
        counted[1] += visible & is_snow(b03, b8a, b11, thresholds)
        bar.update()
    at = (rows - window["y"].start, cols - window["x"].start)
    clear[seen] += counted[0][at]
    snow[seen] += counted[1][at]
    return int(tile.sizes["time"])


def _inside(polygons: gpd.GeoDataFrame | None, lon: Flat, lat: Flat, placed: Mask) -> Mask:
    inside = np.zeros(lon.size, bool)
    if polygons is None:
        return inside
    if not isinstance(polygons, gpd.GeoDataFrame | gpd.GeoSeries):
        raise LabkitError(f"polygons must be a GeoDataFrame, instead got {type(polygons).__name__}")
    if polygons.crs is None:
        raise LabkitError("polygons must have a CRS, instead got polygons.crs=None. Set it with polygons.set_crs")
    for shape in polygons.geometry.to_crs(WGS84):
        if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
            got = "nothing" if shape is None else shape.geom_type
            raise LabkitError(f"polygons must hold polygons only, instead got a row with {got}. Take it away")
        # Lines drawn by hand cross themselves now and then.
        area = shape if shape.is_valid else shapely.make_valid(shape)
        west, south, east, north = area.bounds
        near = np.flatnonzero(placed & ~inside & (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
        shapely.prepare(area)
        inside[near] = shapely.contains_xy(area, lon[near], lat[near])
    return inside
