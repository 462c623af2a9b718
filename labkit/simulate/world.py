"""The ground of a scene with effects, which all its images share, and what one image sees of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from labkit.simulate.blocks import BlockSlide, place_block_slides
from labkit.simulate.calendars import Calendar
from labkit.simulate.cover import make_cover, summer_snow_line
from labkit.simulate.delays import (
    BURST_M,
    SCALE_HEIGHT_M,
    dem_error,
    layered_path,
    place_first_seam,
    seam_cycles,
    stratified_slopes,
)
from labkit.simulate.effects import Effects
from labkit.simulate.fields import stream
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import vegetation
from labkit.simulate.landslides import surroundings
from labkit.simulate.motion import Motion
from labkit.simulate.movers import Bowl, Mover, creep_rate, place_bowl
from labkit.simulate.observing import Layers, Observer, Series
from labkit.simulate.terrain import Terrain

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class World:
    """The ground, what moves on it, and when the satellites come by.

    Attributes
    ----------
    terrain, forest, missed
        The relief; on its grid the share of forest (0..1) and what the DEM in use misses (m).
    slides, bowl
        What moves: landslides, and a mining bowl or None.
    snow_line_m : float
        Of midsummer; infinite without snow.
    calendar, effects, seed
        What the scene was made from.
    """

    terrain: Terrain
    forest: Array
    missed: Array
    slides: list[BlockSlide]
    bowl: Bowl | None
    snow_line_m: float
    calendar: Calendar
    effects: Effects
    seed: int
    _creep: dict[str, Array] = field(default_factory=dict, repr=False)

    @property
    def span(self) -> tuple[np.datetime64, np.datetime64]:
        """First and last date of all tracks."""
        return _span(self.calendar)

    def creep(self, frame: Frame) -> Array:
        """Give the LOS rate of creeping ice in the direction of a frame's track, on the terrain's grid, mm/yr."""
        if frame.track not in self._creep:
            self._creep[frame.track] = creep_rate(self.terrain, frame, self.effects, self.snow_line_m, self.seed)
        return self._creep[frame.track]


def make_world(
    terrain: Terrain, frames: list[Frame], landslides: int, calendar: Calendar, effects: Effects, seed: int
) -> World:
    """Put onto a terrain what moves and what covers it.

    Parameters
    ----------
    terrain, frames
        The relief, and the tracks' images that look at it.
    landslides : int
        How many.
    calendar, effects, seed
        When, what is switched on, and which scene.
    """
    slides = place_block_slides(terrain, frames, landslides, _span(calendar), seed)
    return World(
        terrain=terrain,
        forest=vegetation(terrain, seed),
        missed=dem_error(terrain, effects, seed),
        slides=slides,
        bowl=place_bowl(terrain, frames, list(slides), effects, seed),
        snow_line_m=summer_snow_line(terrain, effects),
        calendar=calendar,
        effects=effects,
        seed=seed,
    )


def observe(world: World, frame: Frame) -> Observer:
    """Give what makes the pairs of an image.

    Notes
    -----
    Only the part of the terrain below the image is read, however large the scene is.
    """
    part = _below(world.terrain, frame)
    terrain = _cut(world.terrain, part)
    cover = make_cover(frame, terrain, world.forest[part], world.effects)
    return Observer(
        frame=frame,
        cover=replace(cover, snow_line_m=world.snow_line_m),
        movers=_movers(world, frame, part),
        layers=_layers(world, frame, terrain, part),
        series=series_of(world, frame.track),
        effects=world.effects,
        seed=world.seed,
    )


def series_of(world: World, track: str) -> Series:
    """Give what differs from date to date of a track: the same for all its bursts."""
    effects, seed = world.effects, world.seed
    dates = world.calendar.dates[track]
    return Series(
        dates=dates,
        pairs=world.calendar.pairs(track),
        across_track_m=stream(seed, track, "orbits").normal(0.0, effects.baseline_m, len(dates)),
        slopes=stratified_slopes(dates, effects.stratified_mm_per_km, stream(seed, track, "stratified")),
        shifts_mm=stream(seed, track, "shifts").normal(0.0, effects.seam_mm, len(dates)),
    )


def _span(calendar: Calendar) -> tuple[np.datetime64, np.datetime64]:
    every = np.concatenate(list(calendar.dates.values()))
    return every.min(), every.max()


def _below(terrain: Terrain, frame: Frame) -> tuple[slice, slice]:
    """Rows and columns of the terrain that hold a frame, with a cell to spare on each side."""
    east, north = frame.ground([0, 0, frame.shape[0], frame.shape[0]], [0, frame.shape[1]] * 2)
    spacing = terrain.spacing_m
    rows = (terrain.north[0] - north.max()) / spacing, (terrain.north[0] - north.min()) / spacing
    cols = (east.min() - terrain.east[0]) / spacing, (east.max() - terrain.east[0]) / spacing
    first, last = (slice(max(int(a) - 2, 0), int(np.ceil(b)) + 3) for a, b in (rows, cols))
    return first, last


def _cut(terrain: Terrain, part: tuple[slice, slice]) -> Terrain:
    """A part of a terrain, without copying it."""
    rows, cols = part
    images = {name: getattr(terrain, name)[part] for name in ("height", "slope", "aspect", "river_distance", "water")}
    return replace(terrain, east=terrain.east[cols], north=terrain.north[rows], **images)


def _movers(world: World, frame: Frame, part: tuple[slice, slice]) -> list[Mover]:
    """Everything that moves in a frame."""
    movers = []
    for slide in world.slides:
        window = surroundings(slide, frame)
        if window[0].stop <= window[0].start or window[1].stop <= window[1].start:
            continue
        east, north = frame.ground(*(axis + 0.5 for axis in np.mgrid[window]))
        rate = slide.los_rate(frame) * slide.share(east, north)
        movers.append(Mover(*window, rate.astype(np.float32), slide.course))
    steady = Motion("linear", *world.span)
    creep = world.creep(frame)[part]
    if creep.any():
        whole = slice(0, frame.shape[0]), slice(0, frame.shape[1])
        rate = _cut(world.terrain, part).at(creep, *frame.pixel_centres())
        movers.append(Mover(*whole, rate.astype(np.float32), steady))
    if world.bowl is not None:
        window = world.bowl.window(frame)
        if window[0].stop > window[0].start and window[1].stop > window[1].start:
            east, north = frame.ground(*(axis + 0.5 for axis in np.mgrid[window]))
            movers.append(Mover(*window, world.bowl.rate(frame, east, north).astype(np.float32), steady))
    return movers


def _layers(world: World, frame: Frame, terrain: Terrain, part: tuple[slice, slice]) -> Layers:
    east, north = frame.pixel_centres()
    height = terrain.at(terrain.height, east, north)
    path = layered_path(height, frame.incidence_angle)
    if frame.burst:
        # neighbouring bursts share one reference level: that of the whole terrain instead of their own
        path *= np.exp((float(world.terrain.height.mean()) - float(height.mean())) / SCALE_HEIGHT_M)
        seam = (frame.shape[0] - BURST_M / frame.spacing_m) / 2
    else:
        seam = place_first_seam(frame, stream(world.seed, frame.track, "seams"))
    return Layers(
        path=path.astype(np.float32),
        dem_error=terrain.at(world.missed[part], east, north).astype(np.float32),
        seams=seam_cycles(frame, seam),
    )
