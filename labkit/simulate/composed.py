"""Scenes composed of chosen effects and a calendar; their pairs are made when they are computed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labkit.simulate.blocks import block_outlines
from labkit.simulate.bursts import in_bursts
from labkit.simulate.calendars import Calendar
from labkit.simulate.counties import ridge_counties
from labkit.simulate.effects import Effects
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.observing import lazy_images
from labkit.simulate.presets import Preset
from labkit.simulate.rate_maps import measured_rates
from labkit.simulate.relief import Region, make_mountains
from labkit.simulate.scenes import Scene, counties, extent, joined
from labkit.simulate.terrain import Terrain, make_terrain
from labkit.simulate.tracks import Track, interferograms_of, lonlat_of, rate_field
from labkit.simulate.visible import truth_of_track
from labkit.simulate.world import World, make_world, observe


def compose(
    name: str,
    preset: Preset,
    frames: list[Frame],
    place: Place,
    calendar: Calendar,
    effects: Effects,
    seed: int,
    terrain: Terrain | None = None,
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
    terrain : Terrain, optional
        Of a real place; None: the preset's.

    Returns
    -------
    Scene
        Its interferograms are lazy: a pair is made when it is computed, always the same.
    """
    if terrain is None:
        terrain = _relief(preset, frames, place, seed)
    world = make_world(terrain, frames, preset.landslides, calendar, effects, seed)
    tracks = {
        frame.track: in_bursts(name, world, frame, preset.bursts) if preset.bursts else _whole(name, world, frame)
        for frame in frames
    }
    truth = joined([track.truth for track in tracks.values()])
    outlines = block_outlines(world.slides, frames, place)
    outlines["visible"] = outlines["landslide_id"].isin(truth["landslide_id"])
    borders = ridge_counties if "order" in terrain.rivers else counties
    return Scene(
        name=name,
        seed=seed,
        interferograms={name: track.interferograms for name, track in tracks.items()},
        rates={name: track.rates for name, track in tracks.items()},
        truth=truth,
        rate_truth=joined([track.rate_truth for track in tracks.values()]),
        landslides=outlines,
        dem=terrain.dem(),
        counties=borders(terrain, preset.counties, seed),
        rivers=terrain.rivers,
        true_rates={name: track.true_rates for name, track in tracks.items()},
        frames={frame.track: frame for frame in frames},
        place=place,
        unseen=joined([track.unseen for track in tracks.values()]),
        effects=effects,
        calendar=calendar.name,
        bursts={name: track.bursts for name, track in tracks.items()},
        burst_frames={name: track.burst_frames for name, track in tracks.items() if track.burst_frames},
        burst_truth=joined([track.burst_truth for track in tracks.values()]),
    )


def _relief(preset: Preset, frames: list[Frame], place: Place, seed: int) -> Terrain:
    width, height = extent(frames)
    if not preset.trunks_km2:
        return make_terrain(place, width, height, preset.spacing_m, preset.tributaries, seed)
    region = Region(width, height, preset.terrain_m, preset.drainage_m, preset.trunks_km2, preset.river_km2)
    return make_mountains(place, region, seed)


def _whole(name: str, world: World, frame: Frame) -> Track:
    """A track in one image."""
    observer = observe(world, frame)
    ifgs = interferograms_of(name, frame, observer.series, lazy_images(observer), lonlat_of(frame, world.terrain.place))
    rate = rate_field(observer.movers, frame)
    seen, hidden, on_rates = truth_of_track(world.slides, observer, ifgs)
    return Track(
        interferograms=ifgs,
        rates=measured_rates(ifgs, rate, observer),
        true_rates=xr.DataArray(np.asarray(rate), dims=("y", "x"), name="rate", attrs={"units": "mm/yr"}),
        truth=seen,
        unseen=hidden,
        rate_truth=on_rates,
        bursts=[ifgs],
        burst_frames=[],
        burst_truth=seen,
    )
