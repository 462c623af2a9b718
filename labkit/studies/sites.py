"""Landslides of a chosen rate and course, put into pairs that are there already; and how clearly a stack shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dask.array as da
import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import wrap
from labkit.simulate.landslides import Landslide
from labkit.simulate.motion import Motion

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

#: A site keeps this far from the edge and from whatever else moves, as a share of its length.
_CLEARANCE = 0.8

#: Quiet places on which a landslide's template is laid to measure the noise.
_PLACES = 80

#: Median absolute deviation to standard deviation.
_MAD = 1.4826

_HARMONICS = 5


@dataclass(frozen=True)
class Site:
    """A place where a landslide is planted.

    Attributes
    ----------
    name : str
        ``landslide_id``.
    rows, cols : slice
        Where.
    share : numpy.ndarray (rows, cols)
        Share (0..1) of its greatest rate.
    rate : float
        Greatest LOS rate, mm/yr, positive toward the satellite, to which its course refers.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.studies import choose_sites
    >>> scene = lk.simulate.scene("tiny")
    >>> ifgs, frame = scene.interferograms["ascending"], scene.frames["ascending"]
    >>> sites = choose_sites(ifgs, frame, scene.truth, rates=[-40.0], each=2, length_m=400)
    >>> sites[0]
    Site('planted-01', rows 50:67, cols 57:74, -40 mm/yr)
    """

    name: str
    rows: slice
    cols: slice
    share: Image
    rate: float

    def __repr__(self) -> str:
        rows, cols = (f"{part.start}:{part.stop}" for part in (self.rows, self.cols))
        return f"Site({self.name!r}, rows {rows}, cols {cols}, {self.rate:g} mm/yr)"


def choose_sites(
    ifgs: xr.Dataset,
    frame: Frame,
    occupied: gpd.GeoDataFrame,
    rates: Sequence[float],
    each: int,
    *,
    length_m: float = 900.0,
    seed: int = 0,
) -> list[Site]:
    """Find places for landslides of one size: apart from each other, from what moves already and from the edge.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms; the first pair tells where there is data.
    frame : Frame
        Their track.
    occupied : geopandas.GeoDataFrame
        Boxes of what moves already.
    rates : sequence of float
        LOS rates, mm/yr, each planted ``each`` times, in random order over the scene.
    each : int
        How often.
    length_m : float
        Length of the landslides, m on the ground; they are 0.7 times as wide, with outlines of their own.
    seed : int
        Of the places and outlines.

    Raises
    ------
    LabkitError
        There is no room for so many.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.studies import choose_sites
    >>> scene = lk.simulate.scene("tiny")
    >>> ifgs, frame = scene.interferograms["ascending"], scene.frames["ascending"]
    >>> sites = choose_sites(ifgs, frame, scene.truth, rates=[-20.0, -40.0], each=1, length_m=400)
    >>> sites
    [Site('planted-01', rows 50:67, cols 57:74, -40 mm/yr), Site('planted-02', rows 61:78, cols 163:180, -20 mm/yr)]
    """
    random = np.random.default_rng((seed, 6))
    half = int(np.ceil(0.75 * length_m / frame.spacing_m))
    free = np.isfinite(ifgs["coherence"].isel(pair=0).values)
    gap = int(np.ceil(_CLEARANCE * length_m / frame.spacing_m))
    for box in occupied.itertuples():
        _close(free, box.ymin - gap - half, box.xmin - gap - half, box.ymax + gap + half, box.xmax + gap + half)
    wanted = [float(rate) for rate in np.repeat(rates, each)]
    random.shuffle(wanted)
    sites: list[Site] = []
    inner = np.zeros_like(free)
    inner[half + gap : -half - gap, half + gap : -half - gap] = True
    for place in random.permutation(np.flatnonzero(free & inner)):
        if len(sites) == len(wanted):
            break
        y, x = (int(i) for i in np.unravel_index(place, free.shape))
        if free[y, x]:
            rows, cols = slice(y - half, y + half + 1), slice(x - half, x + half + 1)
            share = _shape(frame, (y, x), rows, cols, length_m, random)
            sites.append(Site(f"planted-{len(sites) + 1:02d}", rows, cols, share, wanted[len(sites)]))
            reach = 2 * half + gap
            _close(free, y - reach, x - reach, y + reach + 1, x + reach + 1)
    if len(sites) < len(wanted):
        raise LabkitError(
            f"each must leave room for the landslides, instead got each={each}: {len(sites)} of {len(wanted)} found "
            "some. Take a larger scene, fewer rates or shorter landslides"
        )
    return sites


def plant(ifgs: xr.Dataset, sites: Sequence[Site], course: Motion) -> xr.Dataset:
    """Let the sites move in every pair.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.
    sites : sequence of Site
        Where, and how fast.
    course : Motion
        The course in time of all of them; ``course.between`` is in years of a site's rate.

    Returns
    -------
    xarray.Dataset
        The same interferograms, lazy; a pair is changed when it is read.

    Notes
    -----
    phase + phase_sign · 4π/λ · rate · share · (s(t₂) − s(t₁)), wrapped again into [−π, π). Speckle is left as it is: a
    phase that is added before the noise or after it gives the same.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.simulate.motion import Motion
    >>> from labkit.studies import choose_sites, plant
    >>> scene = lk.simulate.scene("tiny")
    >>> ifgs, frame = scene.interferograms["ascending"], scene.frames["ascending"]
    >>> sites = choose_sites(ifgs, frame, scene.truth, rates=[-40.0], each=1, length_m=400)
    >>> steady = Motion("linear", ifgs["reference"].values.min(), ifgs["secondary"].values.max())
    >>> added = plant(ifgs, sites, steady)["phase"] - ifgs["phase"]
    >>> changed = np.abs(added.isel(pair=0).values) > 1e-4
    >>> int(changed.sum()), int(changed[sites[0].rows, sites[0].cols].sum())
    (55, 55)
    """
    per_mm = ifgs.attrs["phase_sign"] * 4 * np.pi / (float(ifgs.attrs["wavelength"]) * 1000.0)
    years = course.between(ifgs["reference"].values, ifgs["secondary"].values)
    phase = da.asarray(ifgs["phase"].data).rechunk({0: 1, 1: -1, 2: -1})

    def moved(block: Image, block_info: dict) -> Image:
        shown = block.copy()
        index = block_info[0]["chunk-location"][0]
        for site in sites:
            window = shown[0, site.rows, site.cols]
            turned = window + np.float32(per_mm * years[index] * site.rate) * site.share
            window[:] = wrap(turned)
        return shown

    return ifgs.assign(phase=(("pair", "y", "x"), da.map_blocks(moved, phase, dtype=np.float32), ifgs["phase"].attrs))


def site_boxes(sites: Sequence[Site], scene: xr.Dataset) -> gpd.GeoDataFrame:
    """Give the boxes of the sites in both directions, around where the rate is above a tenth of the greatest.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.studies import choose_sites, site_boxes
    >>> scene = lk.simulate.scene("tiny")
    >>> ifgs, frame = scene.interferograms["ascending"], scene.frames["ascending"]
    >>> sites = choose_sites(ifgs, frame, scene.truth, rates=[-40.0], each=1, length_m=400)
    >>> site_boxes(sites, ifgs)[["direction", "landslide_id", "xmin", "ymin", "xmax", "ymax"]]
      direction landslide_id  xmin  ymin  xmax  ymax
    0   azimuth   planted-01  60.0  55.0  69.0  62.0
    1     range   planted-01  60.0  55.0  69.0  62.0
    """
    columns: dict[str, list[object]] = {
        name: [] for name in ("direction", "landslide_id", "xmin", "ymin", "xmax", "ymax")
    }
    for direction in schema.DIRECTIONS:
        for site in sites:
            rows, cols = np.nonzero(site.share > 0.1)
            edges = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
            corner = (site.cols.start, site.rows.start) * 2
            values = (direction, site.name, *(float(a + b) for a, b in zip(edges, corner, strict=True)))
            for name, value in zip(columns, values, strict=True):
                columns[name].append(value)
    return geo.with_geometry(schema.boxes_table({"scene": scene.attrs["scene"], **columns}), scene)


def shown_rates(
    gradients: xr.Dataset, sites: Sequence[Site], occupied: gpd.GeoDataFrame, *, seed: int = 0
) -> tuple[Array, Array]:
    """Measure how much of each site's rate a stack shows, and over what noise.

    Parameters
    ----------
    gradients : xarray.Dataset
        gradients, lag 1, in radar geometry.
    sites : sequence of Site
        Where to look, and for what shape.
    occupied : geopandas.GeoDataFrame
        Boxes of whatever moves, the sites included: noise is measured elsewhere.
    seed : int
        Of the places where noise is measured.

    Returns
    -------
    shown, snr : numpy.ndarray (site,)
        Share of the site's rate, of its sign: 1 where it moved at its rate all the time, negative where it went the
        other way. And that share over its spread where nothing moves, infinite without noise. NaN without data.

    Notes
    -----
    shown = Σ w g t / Σ w t² over both directions and the pixels with data, w = 1 / standard error², t the gradient that
    the site's rate makes in this stack: phase_sign · 4π/λ · Σ temporal baseline · (rate(p + 1) − rate(p)). The spread
    is 1.48 times the median absolute deviation of the same sum over 80 random places.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.simulate.motion import Motion
    >>> from labkit.studies import choose_sites, plant, shown_rates
    >>> scene = lk.simulate.scene("tiny")
    >>> ifgs, frame = scene.interferograms["ascending"], scene.frames["ascending"]
    >>> sites = choose_sites(ifgs, frame, scene.truth, rates=[-40.0], each=1, length_m=400)
    >>> steady = Motion("linear", ifgs["reference"].values.min(), ifgs["secondary"].values.max())
    >>> gradients = lk.stack_gradients(plant(ifgs, sites, steady), progress=False)
    >>> shown, snr = shown_rates(gradients, sites, scene.truth)
    >>> shown.round(1), snr.round()
    (array([0.4]), array([32.]))
    """
    values = gradients["gradient"].values.astype(float)
    weights = np.nan_to_num(1 / gradients["standard_error"].values.astype(float) ** 2, posinf=0.0)
    weights[~np.isfinite(values)] = 0.0
    values = np.nan_to_num(values)
    years = float(gradients.attrs["sum_temporal_baseline"])
    scale = gradients.attrs["phase_sign"] * 4 * np.pi / (float(gradients.attrs["wavelength"]) * 1000.0) * years
    free = weights.sum(axis=0) > 0
    for box in occupied.itertuples():
        _close(free, box.ymin, box.xmin, box.ymax, box.xmax)
    random = np.random.default_rng((seed, 8))
    shown, snr = np.full(len(sites), np.nan), np.full(len(sites), np.nan)
    corners = {shape: _quiet_corners(free, shape) for shape in {site.share.shape for site in sites}}
    for i, site in enumerate(sites):
        template = scale * site.rate * _differences(site.share)
        shown[i] = _amplitude(values, weights, template, site.rows.start, site.cols.start)
        quiet = corners[site.share.shape]
        elsewhere = quiet[random.choice(len(quiet), min(_PLACES, len(quiet)), replace=False)]
        noise = np.array([_amplitude(values, weights, template, int(top), int(left)) for top, left in elsewhere])
        noise = noise[np.isfinite(noise)]
        if len(noise):
            spread = float(_MAD * np.median(np.abs(noise - np.median(noise))))
            snr[i] = shown[i] / spread if spread > 0 else np.copysign(np.inf, shown[i])
    return shown, snr


def _shape(
    frame: Frame, centre: tuple[int, int], rows: slice, cols: slice, length_m: float, random: np.random.Generator
) -> Image:
    east, north = frame.ground(centre[0] + 0.5, centre[1] + 0.5)
    orders = np.arange(2, 2 + _HARMONICS)[:, None]
    slide = Landslide(
        "", float(east), float(north), length_m, 0.7 * length_m, float(random.uniform(0, 360)), 25.0, 1.0, 0.7,
        random.normal(0.0, 0.12, (_HARMONICS, 2)) / orders,
    )  # fmt: skip
    y, x = np.mgrid[rows, cols] + 0.5
    return np.asarray(slide.share(*frame.ground(y, x)), np.float32)


def _close(free: npt.NDArray[np.bool_], top: float, left: float, bottom: float, right: float) -> None:
    free[max(int(top), 0) : max(int(np.ceil(bottom)), 0), max(int(left), 0) : max(int(np.ceil(right)), 0)] = False


def _differences(share: Image) -> Array:
    """The next pixel minus this one along both directions, (2, y, x); the share is none beyond its window."""
    after = np.pad(share.astype(float), ((0, 1), (0, 1)))
    return np.stack([np.diff(after, axis=0)[:, :-1], np.diff(after, axis=1)[:-1]])


def _amplitude(values: Array, weights: Array, template: Array, top: int, left: int) -> float:
    window = np.s_[:, top : top + template.shape[1], left : left + template.shape[2]]
    w, g = weights[window], values[window]
    information = float((w * template**2).sum())
    return float((w * g * template).sum()) / information if information > 0 else float("nan")


def _quiet_corners(free: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Corners (place, 2) of windows of a shape within which nothing moves, most of them with data."""
    total = np.pad(free.astype(int).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    height, width = shape
    inside = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    return np.argwhere(inside >= 0.9 * height * width)
