"""Scenes with known truth: what two Sentinel-1 tracks see of a mountain valley in which slopes creep."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from html import escape

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from shapely import MultiPoint, box, voronoi_polygons
from tqdm.auto import tqdm

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.simulate.calendars import Calendar, named_calendar
from labkit.simulate.dem import fitted, terrain_of_dem
from labkit.simulate.effects import Effects
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import WAVELENGTH_M, Frame, Place
from labkit.simulate.interferometry import (
    PHASE_SIGN,
    Ground,
    Pair,
    atmosphere,
    interferogram,
    make_ground,
    pairs_within,
    vegetation,
)
from labkit.simulate.interferometry import calendar as draw_dates
from labkit.simulate.landslides import los_rates, outlines, place_landslides
from labkit.simulate.presets import Preset, preset_named
from labkit.simulate.shading import hillshade, layover_and_shadow, radar_lookup
from labkit.simulate.terrain import Terrain, make_terrain
from labkit.simulate.truth import truth_tables
from labkit.wording import counted

MAX_DAYS = 36

_HEADINGS = {"ascending": 348.0, "descending": 192.0}
_INCIDENCE = {"ascending": 38.6, "descending": 37.3}
#: Name of the calendar whose dates the seed draws.
_SEEDED = "preset"

_COUNTY_NAMES = ("Upper Valley", "East Ridge", "Stone Bridge", "Lower Valley", "West Meadows", "Two Rivers")


@dataclass(frozen=True)
class Scene:
    """A simulated region with everything that is known about it.

    Attributes
    ----------
    name, seed
        What it was made from.
    interferograms, rates : dict
        By track, "ascending" and "descending" (:mod:`labkit.schema`).
    truth : geopandas.GeoDataFrame
        Labels on the gradients: one row for each landslide, track and direction (azimuth, range) in which it is
        visible (:func:`labkit.simulate.truth.truth_tables`).
    rate_truth : geopandas.GeoDataFrame
        Labels on the rates (direction "rate").
    landslides : geopandas.GeoDataFrame
        Every landslide, visible or not, with its outline in lon/lat.
    dem : xarray.DataArray
        Heights (y, x), m, in lon/lat.
    counties, rivers : geopandas.GeoDataFrame
        Polygons and lines in lon/lat with ``name``.
    true_rates : dict
        By track: the LOS rate without noise, (y, x), mm/yr.
    frames : dict
        By track: the radar frame, which ties pixels to the ground.
    place : Place
        The centre of the scene.
    unseen : geopandas.GeoDataFrame, optional
        Of scenes with effects: boxes of landslides that the pairs of a track cannot show in a direction
        (:func:`labkit.simulate.visible.truth_of_track`).
    effects : Effects, optional
        What was switched on; None: the simple scene.
    calendar : str
        Name of the calendar of a scene with effects.
    bursts : dict
        Of scenes with effects, by track: the interferograms of each burst, named by the attribute ``burst``, in order
        along azimuth and then range. Neighbours overlap; ``interferograms`` is their mosaic. One image where the scene
        has no bursts.
    burst_frames : dict
        Of scenes in bursts, by track: the radar frame of each burst.
    burst_truth : geopandas.GeoDataFrame, optional
        Of scenes with effects: ``truth`` on the arrays of the bursts, one row for each burst in which it is visible.

    Examples
    --------
    >>> import labkit as lk
    >>> lk.simulate.scene("tiny")
    Scene 'tiny', seed 0 (simulated)
      ascending: 21 pairs of 160 × 192 pixels
      descending: 21 pairs of 160 × 192 pixels
      5 landslides: 13 boxes on gradients, 5 on rates
      4 counties, 3 rivers
    """

    name: str
    seed: int
    interferograms: dict[str, xr.Dataset]
    rates: dict[str, xr.Dataset]
    truth: gpd.GeoDataFrame
    rate_truth: gpd.GeoDataFrame
    landslides: gpd.GeoDataFrame
    dem: xr.DataArray
    counties: gpd.GeoDataFrame
    rivers: gpd.GeoDataFrame
    true_rates: dict[str, xr.DataArray] = field(repr=False)
    frames: dict[str, Frame] = field(repr=False)
    place: Place = field(repr=False)
    unseen: gpd.GeoDataFrame | None = field(default=None, repr=False)
    effects: Effects | None = None
    calendar: str = ""
    bursts: dict[str, list[xr.Dataset]] = field(default_factory=dict, repr=False)
    burst_frames: dict[str, list[Frame]] = field(default_factory=dict, repr=False)
    burst_truth: gpd.GeoDataFrame | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        """Say what the scene holds, in a few lines."""
        lines = [f"Scene {self.name!r}, seed {self.seed} (simulated)"]
        for track, pairs in self.interferograms.items():
            size = " × ".join(str(pairs.sizes[dim]) for dim in ("y", "x"))
            lines.append(f"  {track}: {counted(pairs.sizes['pair'], 'pair')} of {size} pixels")
        truth = [f"{counted(len(self.truth), 'box')} on gradients", f"{len(self.rate_truth)} on rates"]
        lines.append(f"  {counted(len(self.landslides), 'landslide')}: {', '.join(truth)}")
        lines.append(f"  {counted(len(self.counties), 'county')}, {counted(len(self.rivers), 'river')}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Say the same as a table: what each track has, and what is true of all."""
        rows = {
            track: {
                "pairs": pairs.sizes["pair"],
                "dates": len(set(pairs["reference"].values) | set(pairs["secondary"].values)),
                "lines × samples, px": f"{pairs.sizes['y']} × {pairs.sizes['x']}",
                "boxes on gradients": int((self.truth["track"] == track).sum()),
                "boxes on rates": int((self.rate_truth["track"] == track).sum()),
            }
            for track, pairs in self.interferograms.items()
        }
        first, last = f"<b>Scene {escape(self.name)!r}</b>, seed {self.seed}, simulated", repr(self).splitlines()[-1]
        slides = counted(len(self.landslides), "landslide")
        return f"<p>{first}: {slides}, {last.strip()}</p>{pd.DataFrame(rows).T.to_html(border=0)}"

    @property
    def hillshade(self) -> xr.DataArray:
        """The relief under a low sun in the north-west, (y, x) 0..1 (:func:`labkit.simulate.hillshade`)."""
        return hillshade(self.dem)

    def masks(self, track: str) -> xr.Dataset:
        """Give layover and shadow of a track, (y, x) bool (:func:`labkit.simulate.layover_and_shadow`)."""
        return layover_and_shadow(self.dem, self.frames[track], self.place)

    def lookup(self, track: str) -> xr.Dataset:
        """Give the way from the map to a track's image and back (:func:`labkit.simulate.radar_lookup`)."""
        return radar_lookup(self.dem, self.frames[track], self.place)


def scene(
    name: str = "tiny",
    seed: int = 0,
    *,
    effects: Effects | None = None,
    calendar: str | Calendar | None = None,
    dem: xr.DataArray | str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Scene:
    """Make a scene with known landslides; the same name and seed give the same scene, bit for bit.

    Parameters
    ----------
    name : str
        "tiny" (160 × 192 pixels, 5 landslides, about 2 × 24 pairs; in a second), "demo" (480 × 720 pixels, 24
        landslides, about 100 pairs; in some seconds), "workshop" (750 × 1500 pixels, 25 landslides, 120 ascending and
        80 descending pairs with everything that fools people, made when they are computed), or "region" (8 bursts for
        each track, 1816 × 2952 pixels together, 300 landslides, the dates of the workshop; half a minute and 2 GB).
    seed : int
        Another number, another region.
    effects : Effects, optional
        Which effects are on and how strong: ``Effects()`` has everything that fools people, ``Effects.none()`` motion
        alone. The landslides then have blocks, sharp and soft edges and courses of five kinds, there is ice and a
        mining bowl, and the pairs are lazy: made when they are computed, always the same. None: the simple scene, with
        turbulence and decorrelation, in memory; of "workshop" ``Effects()``.
    calendar : str or Calendar, optional
        When the satellites came by: "fu2022" (the first paper's 145 and 97 dates, 348 and 191 pairs), "two-years", or
        "workshop", or your own (:class:`labkit.simulate.Calendar`). None: the preset's dates. With a calendar alone,
        all effects are on.
    dem : xarray.DataArray or path, optional
        A DEM of your own (:func:`labkit.simulate.dem.terrain_of_dem`), in lon/lat or projected: terrain, rivers, snow,
        cover and everything that moves follow from it. The tracks are as large as the preset's, or as fits on it; the
        number of landslides falls with the area.
    progress : bool
        Show a bar over the pairs of a simple scene.

    Raises
    ------
    LabkitError
        There is no scene or calendar of that name, a calendar lacks a track, or the DEM breaks its rules.

    Examples
    --------
    >>> tiny = scene("tiny", seed=0)
    >>> sorted(tiny.interferograms), tiny.interferograms["ascending"].sizes["y"]
    (['ascending', 'descending'], 160)
    """
    preset = preset_named(name)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise LabkitError(f"seed must be a whole number of at least 0, instead got seed={seed!r}")
    place = Place(lon=101.95, lat=30.85)
    frames = [Frame(track, _HEADINGS[track], _INCIDENCE[track], preset.shape, preset.spacing_m) for track in _HEADINGS]
    own: Terrain | None = None
    if dem is not None:
        own = terrain_of_dem(dem, spacing_m=preset.terrain_m, river_km2=preset.river_km2)
        place = own.place
        preset, frames = fitted(preset, frames, own)
    calendar = calendar or preset.calendar or None
    chosen_effects = resolved(name, effects, calendar)[0]
    if chosen_effects is not None:
        from labkit.simulate.composed import compose  # it stands on this module

        chosen = _calendar(calendar, preset, seed)
        return compose(name, preset, frames, place, chosen, chosen_effects, seed, own)
    terrain = own or make_terrain(place, *extent(frames), preset.spacing_m, preset.tributaries, seed)
    slides = place_landslides(terrain, frames, preset.landslides, preset.rate_range, seed)
    forest = vegetation(terrain, seed)
    tracks, rates, true_rates, truths, rate_truths = {}, {}, {}, [], []
    for frame in frames:
        ground = make_ground(frame, terrain, forest)
        rate = los_rates(slides, frame)
        ifgs = _interferograms(name, preset, frame, place, rate, ground, seed, progress)
        truth, rate_truth = truth_tables(slides, frame, ifgs, ifgs["coherence"].mean("pair").values)
        tracks[frame.track] = ifgs
        rates[frame.track] = _rates(ifgs, rate, ground, frame, seed)
        true_rates[frame.track] = xr.DataArray(rate, dims=("y", "x"), name="rate", attrs={"units": "mm/yr"})
        truths.append(truth)
        rate_truths.append(rate_truth)
    return Scene(
        name=name,
        seed=seed,
        interferograms=tracks,
        rates=rates,
        truth=joined(truths),
        rate_truth=joined(rate_truths),
        landslides=outlines(slides, place),
        dem=terrain.dem(),
        counties=counties(terrain, preset.counties, seed),
        rivers=terrain.rivers,
        true_rates=true_rates,
        frames={frame.track: frame for frame in frames},
        place=place,
    )


def resolved(name: str, effects: Effects | None, calendar: str | Calendar | None) -> tuple[Effects | None, str]:
    """Give the effects (None: the simple scene) and the calendar's name that a scene has where these are asked for."""
    dates = calendar or preset_named(name).calendar
    if effects is None and not dates:
        return None, ""
    return effects or Effects(), dates.name if isinstance(dates, Calendar) else dates or _SEEDED


def joined(tables: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Put the tables of the tracks into one."""
    filled = [table for table in tables if len(table)]
    return gpd.GeoDataFrame(pd.concat(filled, ignore_index=True)) if filled else tables[0]


def extent(frames: list[Frame]) -> tuple[float, float]:
    """Width and height (m) of ground that covers every frame, with a margin."""
    corners = [frame.ground([0, 0, frame.shape[0], frame.shape[0]], [0, frame.shape[1]] * 2) for frame in frames]
    east = max(float(np.abs(e).max()) for e, _ in corners)
    north = max(float(np.abs(n).max()) for _, n in corners)
    return 2 * east + 400.0, 2 * north + 400.0


def _interferograms(
    name: str,
    preset: Preset,
    frame: Frame,
    place: Place,
    rate: npt.NDArray[np.float32],
    ground: Ground,
    seed: int,
    progress: bool,
) -> xr.Dataset:
    dates, random = _dates(frame.track, preset, seed)
    across_track = random.normal(0.0, 55.0, len(dates))
    pairs = pairs_within(dates, MAX_DAYS)
    delay = atmosphere(frame, len(dates), preset.atmosphere_mm, seed)
    phase = np.empty((len(pairs), *frame.shape), np.float32)
    coherence = np.empty_like(phase)
    for k, pair in enumerate(tqdm(pairs, desc=f"{frame.track} pairs", unit="pair", disable=not progress)):
        difference = delay[pair.secondary] - delay[pair.reference]
        speckle = stream(seed, frame.track, "speckle", dates[pair.reference], dates[pair.secondary])
        phase[k], coherence[k] = interferogram(rate, pair.days, difference, ground, speckle)
    lon, lat = place.to_lonlat(*frame.pixel_centres())
    first, second = ([dates[getattr(p, end)] for p in pairs] for end in ("reference", "secondary"))
    coords = {
        "pair": [f"{compact(a)}_{compact(b)}" for a, b in zip(first, second, strict=True)],
        "reference": ("pair", np.array(first, "datetime64[ns]")),
        "secondary": ("pair", np.array(second, "datetime64[ns]")),
        "temporal_baseline": ("pair", [p.days for p in pairs], {"units": "days"}),
        "perpendicular_baseline": ("pair", _baselines(pairs, across_track), {"units": "m"}),
        "lon": (("y", "x"), lat * 0 + lon, {"units": "degrees_east"}),
        "lat": (("y", "x"), lat, {"units": "degrees_north"}),
    }
    images = {
        "phase": (("pair", "y", "x"), phase, {"units": "rad"}),
        "coherence": (("pair", "y", "x"), coherence, {"units": "1"}),
    }
    return schema.check_interferograms(xr.Dataset(images, coords, scene_attributes(name, frame)))


def _dates(track: str, preset: Preset, seed: int) -> tuple[npt.NDArray[np.datetime64], np.random.Generator]:
    """The preset's acquisitions, and the random numbers that come after them."""
    start = "2018-03-05" if track == "ascending" else "2018-03-10"
    random = stream(seed, track, "calendar")
    return draw_dates(start, preset.acquisitions[track], 0.1, random), random


def _calendar(calendar: str | Calendar | None, preset: Preset, seed: int) -> Calendar:
    if calendar is None:
        return Calendar(_SEEDED, {track: _dates(track, preset, seed)[0] for track in _HEADINGS}, MAX_DAYS)
    chosen = named_calendar(calendar) if isinstance(calendar, str) else calendar
    missing = set(_HEADINGS) - set(chosen.dates)
    if missing:
        raise LabkitError(f"calendar must have the tracks {tuple(_HEADINGS)}, instead these are missing: {missing}")
    return chosen


def _baselines(pairs: list[Pair], across_track: npt.NDArray[np.float64]) -> list[float]:
    return [round(float(across_track[p.secondary] - across_track[p.reference]), 4) for p in pairs]


def compact(date: np.datetime64) -> str:
    """Write a date as YYYYMMDD."""
    return str(date).replace("-", "")


def scene_attributes(name: str, frame: Frame) -> dict[str, object]:
    """Give the attributes of a track's interferograms (:data:`labkit.schema.SCENE_ATTRIBUTES`)."""
    slant = frame.slant_spacing_m
    return {
        "scene": "-".join(part for part in (name, frame.track, frame.burst) if part),
        "geometry": "radar",
        "wavelength": WAVELENGTH_M,
        "orbit_direction": frame.track,
        "heading": frame.heading,
        "incidence_angle": frame.incidence_angle,
        "y_spacing": frame.spacing_m,
        "x_spacing": slant,
        "ground_spacing": geo.ground_spacing(frame.spacing_m, slant, frame.incidence_angle),
        "track": frame.track,
        "burst": frame.burst,
        "processor": "simulated",
        "phase_sign": PHASE_SIGN,
    }


def _rates(ifgs: xr.Dataset, rate: npt.NDArray[np.float32], ground: Ground, frame: Frame, seed: int) -> xr.Dataset:
    """A rate map as time-series analysis would give it: the truth, slow atmospheric remains and pixel noise."""
    random = stream(seed, frame.track, "rates")
    slow = power_law_field(
        frame.shape, frame.spacing_m, random, exponent=11 / 3, break_m=3000.0, outer_exponent=8 / 3,
        lag_m=1000.0, rms_difference=0.6,
    )  # fmt: skip
    coherence = np.clip(ground.coherence(24.0), 0.05, 1.0)
    error = (0.8 * np.sqrt(1 - coherence**2) / coherence).clip(0.3, 12.0).astype(np.float32)
    measured = (rate + slow - slow.mean() + error * random.standard_normal(frame.shape)).astype(np.float32)
    measured[ground.water] = np.nan
    error[ground.water] = np.nan
    images = {
        "rate": (("y", "x"), measured, {"units": "mm/yr"}),
        "standard_error": (("y", "x"), error, {"units": "mm/yr"}),
    }
    coords = {name: ifgs.coords[name] for name in ("lon", "lat")}
    return schema.check_rates(xr.Dataset(images, coords, dict(ifgs.attrs)))


def counties(terrain: Terrain, count: int, seed: int) -> gpd.GeoDataFrame:
    """Share the region among counties: each owns what lies nearest to its seat."""
    half_width, half_height = float(terrain.east[-1]), float(terrain.north[0])
    random = stream(seed, "counties")
    # one seat in each cell of a coarse grid, so that no county is a sliver
    cols = int(np.ceil(count / 2))
    cells = [(i, j) for i in range(2) for j in range(cols)][:count]
    seats = [
        (half_width * (2 * (j + random.uniform(0.3, 0.7)) / cols - 1), half_height * (i + random.uniform(0.3, 0.7) - 1))
        for i, j in cells
    ]
    region = box(-half_width, -half_height, half_width, half_height)
    shapes = [shape.intersection(region) for shape in voronoi_polygons(MultiPoint(seats), extend_to=region).geoms]
    table = gpd.GeoDataFrame({"name": _COUNTY_NAMES[:count]}, geometry=shapes)
    place = terrain.place
    return table.set_geometry(
        table.geometry.transform(lambda points: np.column_stack(place.to_lonlat(points[:, 0], points[:, 1])))
    ).set_crs("EPSG:4326")
