"""Scenes composed of chosen effects and a calendar; their pairs are made when they are computed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labkit import schema
from labkit.simulate.blocks import BlockSlide, block_outlines, place_block_slides
from labkit.simulate.calendars import Calendar
from labkit.simulate.cover import make_cover, summer_snow_line
from labkit.simulate.delays import dem_error, layered_path, place_first_seam, seam_cycles, stratified_slopes
from labkit.simulate.effects import Effects
from labkit.simulate.fields import stream
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.interferometry import vegetation
from labkit.simulate.landslides import surroundings
from labkit.simulate.motion import Motion
from labkit.simulate.movers import Bowl, Mover, creep_rate, place_bowl
from labkit.simulate.observing import Layers, Observer, Series, lazy_images
from labkit.simulate.rate_maps import measured_rates
from labkit.simulate.scenes import Preset, Scene, compact, counties, extent, joined, scene_attributes
from labkit.simulate.terrain import Terrain, make_terrain
from labkit.simulate.visible import truth_of_track


def compose(
    name: str, preset: Preset, frames: list[Frame], place: Place, calendar: Calendar, effects: Effects, seed: int
) -> Scene:
    """Build a scene in which the effects are switched on as asked, over the dates of a calendar.

    Parameters
    ----------
    name, preset, frames, place
        Which scene, and where its tracks look.
    calendar : Calendar
        Dates of the tracks.
    effects : Effects
        What is switched on.
    seed : int
        Another number, another region.

    Returns
    -------
    Scene
        Its interferograms are lazy: a pair is made when it is computed, always the same.
    """
    width, height = extent(frames)
    terrain = make_terrain(place, width, height, preset.spacing_m, preset.tributaries, seed)
    forest = vegetation(terrain, seed)
    every = np.concatenate([calendar.dates[frame.track] for frame in frames])
    span = every.min(), every.max()
    slides = place_block_slides(terrain, frames, preset.landslides, span, seed)
    bowl = place_bowl(terrain, frames, list(slides), effects, seed)
    missed = dem_error(terrain, effects, seed)
    snow_line = summer_snow_line(terrain, effects)
    tracks, rates, true_rates, truths, rate_truths, unseen = {}, {}, {}, [], [], []
    for frame in frames:
        observer = Observer(
            frame=frame,
            cover=make_cover(frame, terrain, forest, effects),
            movers=_movers(frame, terrain, slides, bowl, creep_rate(terrain, frame, effects, snow_line, seed), span),
            layers=_layers(frame, terrain, missed, seed),
            series=_series(frame, calendar, effects, seed),
            effects=effects,
            seed=seed,
        )
        ifgs = _interferograms(name, observer, place)
        rate = _rate_field(observer.movers, frame)
        seen, hidden, on_rates = truth_of_track(slides, observer, ifgs)
        tracks[frame.track] = ifgs
        rates[frame.track] = measured_rates(ifgs, rate, observer)
        true_rates[frame.track] = xr.DataArray(rate, dims=("y", "x"), name="rate", attrs={"units": "mm/yr"})
        truths.append(seen)
        unseen.append(hidden)
        rate_truths.append(on_rates)
    truth = joined(truths)
    outlines = block_outlines(slides, frames, place)
    outlines["visible"] = outlines["landslide_id"].isin(truth["landslide_id"])
    return Scene(
        name=name,
        seed=seed,
        interferograms=tracks,
        rates=rates,
        truth=truth,
        rate_truth=joined(rate_truths),
        landslides=outlines,
        dem=terrain.dem(),
        counties=counties(terrain, preset.counties, seed),
        rivers=terrain.rivers,
        true_rates=true_rates,
        frames={frame.track: frame for frame in frames},
        place=place,
        unseen=joined(unseen),
        effects=effects,
        calendar=calendar.name,
    )


def _movers(
    frame: Frame,
    terrain: Terrain,
    slides: list[BlockSlide],
    bowl: Bowl | None,
    creep: np.ndarray,
    span: tuple[np.datetime64, np.datetime64],
) -> list[Mover]:
    """Everything that moves in a frame."""
    east, north = frame.pixel_centres()
    movers = []
    for slide in slides:
        rows, cols = surroundings(slide, frame)
        rate = slide.los_rate(frame) * slide.share(east[rows, cols], north[rows, cols])
        movers.append(Mover(rows, cols, rate.astype(np.float32), slide.course))
    steady = Motion("linear", *span)
    if creep.any():
        whole = slice(0, frame.shape[0]), slice(0, frame.shape[1])
        movers.append(Mover(*whole, terrain.at(creep, east, north).astype(np.float32), steady))
    if bowl is not None:
        rows, cols = bowl.window(frame)
        rate = bowl.rate(frame, east[rows, cols], north[rows, cols])
        movers.append(Mover(rows, cols, rate.astype(np.float32), steady))
    return movers


def _layers(frame: Frame, terrain: Terrain, missed: np.ndarray, seed: int) -> Layers:
    east, north = frame.pixel_centres()
    height = terrain.at(terrain.height, east, north)
    seam = place_first_seam(frame, stream(seed, frame.track, "seams"))
    return Layers(
        path=layered_path(height, frame.incidence_angle).astype(np.float32),
        dem_error=terrain.at(missed, east, north).astype(np.float32),
        seams=seam_cycles(frame, seam),
    )


def _series(frame: Frame, calendar: Calendar, effects: Effects, seed: int) -> Series:
    dates = calendar.dates[frame.track]
    return Series(
        dates=dates,
        pairs=calendar.pairs(frame.track),
        across_track_m=stream(seed, frame.track, "orbits").normal(0.0, effects.baseline_m, len(dates)),
        slopes=stratified_slopes(dates, effects.stratified_mm_per_km, stream(seed, frame.track, "stratified")),
        shifts_mm=stream(seed, frame.track, "shifts").normal(0.0, effects.seam_mm, len(dates)),
    )


def _rate_field(movers: list[Mover], frame: Frame) -> np.ndarray:
    """Mean LOS rate of everything that moves, (y, x) mm/yr."""
    rate = np.zeros(frame.shape, np.float32)
    for mover in movers:
        rate[mover.rows, mover.cols] += mover.rate
    return rate


def _interferograms(name: str, observer: Observer, place: Place) -> xr.Dataset:
    """The lazy dataset of a track."""
    series, frame = observer.series, observer.frame
    phase, coherence = lazy_images(observer)
    first = np.array([series.dates[pair.reference] for pair in series.pairs], "datetime64[D]")
    second = np.array([series.dates[pair.secondary] for pair in series.pairs], "datetime64[D]")
    lon, lat = place.to_lonlat(*frame.pixel_centres())
    coords = {
        "pair": [f"{compact(a)}_{compact(b)}" for a, b in zip(first, second, strict=True)],
        "reference": ("pair", first.astype("datetime64[ns]")),
        "secondary": ("pair", second.astype("datetime64[ns]")),
        "temporal_baseline": ("pair", [pair.days for pair in series.pairs], {"units": "days"}),
        "perpendicular_baseline": ("pair", [series.baseline_m(pair) for pair in series.pairs], {"units": "m"}),
        "lon": (("y", "x"), lon, {"units": "degrees_east"}),
        "lat": (("y", "x"), lat, {"units": "degrees_north"}),
    }
    images = {
        "phase": (("pair", "y", "x"), phase, {"units": "rad"}),
        "coherence": (("pair", "y", "x"), coherence, {"units": "1"}),
    }
    return schema.check_interferograms(xr.Dataset(images, coords, scene_attributes(name, frame)))
