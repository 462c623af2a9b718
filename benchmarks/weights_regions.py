"""Make the simulated regions that the weights that ship learn from and are measured on.

    nice python benchmarks/weights_regions.py FOLDER --split train --count 40 [--first 0] [--empty]
        [--turbulence 0.4 1.6] [--most-pairs 100] [--spacings 25 30 36 42] [--mountains]
        [--without-rates]

Every region has settings of its own, drawn by split and number: ground spacing, relief, coherence, weather, dates. Both
tracks are stacked, each with all of its pairs and with a part of them, so that a simulated pair serves twice. FOLDER
holds for each stack ``NAME.nc`` and ``NAME.gpkg`` (landslides that show, "unsure" ones that do not), and for each
region ``REGION.json``, written last: a region whose JSON is there is left alone, so that the command may be stopped and
called again.

``--turbulence``, ``--most-pairs``, ``--spacings`` and ``--mountains`` draw from another range than the split's own; the
rest of a region stays.

The three splits share no seed. Held-out regions differ from the others in settings, too: their mountains are made by
other rules, and their ground spacings lie between those that are trained on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

import labkit as lk
from labkit import files, schema
from labkit.errors import LabkitError
from labkit.simulate import Calendar, Effects
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.interferometry import Pair
from labkit.simulate.observing import Observer
from labkit.simulate.rate_maps import measured_rates
from labkit.simulate.relief import Region, make_mountains
from labkit.simulate.scenes import extent
from labkit.simulate.terrain import Terrain, make_terrain
from labkit.simulate.tracks import interferograms_of, lonlat_of, rate_field
from labkit.simulate.visible import LEAST_PIXELS, LEAST_RATIO, gradient_error, truth_of_frame
from labkit.simulate.world import World, make_world, observe

SHAPE = (416, 544)
HEADINGS = {"ascending": 348.0, "descending": 192.0}

#: Split → first seed.
SEEDS = {"train": 10_000, "validation": 20_000, "heldout": 30_000}

#: Ground spacings of a split, m: all from 15 to 60, but none in common.
SPACINGS = {
    "train": (15.0, 18.0, 21.0, 25.0, 30.0, 36.0, 42.0, 50.0, 60.0),
    "validation": (17.0, 23.0, 32.0, 40.0, 56.0),
    "heldout": (16.0, 20.0, 27.0, 34.0, 39.0, 46.0, 54.0),
}

#: Landslides per km², where they find room.
DENSITY = 0.12

FEWEST_PAIRS, MOST_PAIRS, MAX_DAYS = 50, 350, 36

#: Rates vary on the ground within so many metres by noise and air; what is smoother is no landslide.
LOCAL_M = 1000.0


@dataclass(frozen=True)
class Ranges:
    """What regions are drawn from: ``turbulence_mm`` at 1 km, most pairs of a track, ``spacings_m`` on the ground.

    None, or no spacings: as the split has it. ``mountains``: in every region, not in a third of them.
    """

    turbulence_mm: tuple[float, float] | None = None
    most_pairs: int = MOST_PAIRS
    spacings_m: tuple[float, ...] = ()
    mountains: bool = False


@dataclass(frozen=True)
class Recipe:
    """Settings of a region, each drawn by split and number. ``effects`` are those of the simulator."""

    split: str
    number: int
    seed: int
    spacing_m: float
    tributaries: int
    trunks_km2: tuple[float, ...]
    landslides: int
    pairs: dict[str, int]
    start: dict[str, str]
    missed: float
    effects: dict[str, float | bool]

    @property
    def name(self) -> str:
        """Name of the region."""
        return f"{self.split}-{'' if self.landslides else 'empty-'}{self.number:03d}"


def recipe(split: str, number: int, empty: bool, ranges: Ranges = Ranges()) -> Recipe:
    """Draw the settings of a region."""
    seed = SEEDS[split] + number + (5_000 if empty else 0)
    rng = np.random.default_rng(seed)
    spacings = ranges.spacings_m or SPACINGS[split]
    spacing = float(rng.permutation(spacings)[0]) if split == "train" else spacings[number % len(spacings)]
    held_out = split == "heldout"
    mountains = held_out or rng.random() < 0.35 or ranges.mountains
    area = SHAPE[0] * SHAPE[1] * (spacing / 1000) ** 2
    weather = ranges.turbulence_mm or ((0.7, 1.6) if held_out else (0.4, 1.5))
    effects: dict[str, float | bool] = {
        "turbulence_mm": float(rng.uniform(*weather)),
        "stratified_mm_per_km": float(rng.uniform(2.0, 8.0)),
        "dem_error_m": float(rng.uniform(2.0, 9.0)),
        "looks": max(2.0, 24.0 * (spacing / 40.0) ** 2),
        "season": float(rng.uniform(0.2, 0.9) if held_out else rng.uniform(0.3, 0.8)),
        "summer_decay": float(rng.uniform(0.0, 12.0)) if rng.random() < 0.5 else 0.0,
        "snow_share": float(rng.uniform(0.0, 0.08)),
        "coherence_window": int(rng.choice([0, 5])),
        "creep_mm": 0.0,
        "subsidence_mm": 0.0,
    }
    return Recipe(
        split=split,
        number=number,
        seed=seed,
        spacing_m=spacing,
        tributaries=int(rng.integers(2, 7)),
        trunks_km2=((14_000.0, 40_000.0) if held_out else (float(rng.choice([2000.0, 6000.0])),)) if mountains else (),
        landslides=0 if empty else max(6, round(DENSITY * area)),
        pairs={track: int(np.exp(rng.uniform(np.log(FEWEST_PAIRS), np.log(ranges.most_pairs)))) for track in HEADINGS},
        start={track: str(np.datetime64("2015-01-04") + int(rng.integers(1500))) for track in HEADINGS},
        missed=float(rng.uniform(0.0, 0.3)),
        effects=effects,
    )


def dates_for(pairs: int, start: str, missed: float, rng: np.random.Generator) -> npt.NDArray[np.datetime64]:
    """Give the shortest run of dates, 12 days apart and some of them missed, that has so many pairs."""
    passes = np.cumsum(1 + (rng.random(MOST_PAIRS) < missed))
    dates = np.datetime64(start, "D") + (12 * passes).astype("timedelta64[D]")
    counts = [sum((dates[i] - dates[:i]) <= np.timedelta64(MAX_DAYS, "D")) for i in range(len(dates))]
    last = int(np.searchsorted(np.cumsum(counts), pairs))
    return dates[: last + 1]


def make_ground(chosen: Recipe, frames: list[Frame]) -> World:
    """Make relief, cover and landslides; fewer landslides where the relief has no room for all."""
    place = Place(101.95, 30.85)
    terrain = _relief(chosen, frames, place)
    rng = np.random.default_rng([chosen.seed, 1])
    calendar = Calendar(
        chosen.name,
        {t: dates_for(chosen.pairs[t], chosen.start[t], chosen.missed, rng) for t in HEADINGS},
        MAX_DAYS,
    )
    effects = Effects(**chosen.effects)
    count = chosen.landslides
    while True:
        try:
            return make_world(terrain, frames, count, calendar, effects, chosen.seed)
        except LabkitError:
            if count <= 3:
                raise
            count = int(0.8 * count)


def _relief(chosen: Recipe, frames: list[Frame], place: Place) -> Terrain:
    width, height = extent(frames)
    spacing = chosen.spacing_m
    if not chosen.trunks_km2:
        return make_terrain(place, width, height, spacing, chosen.tributaries, chosen.seed)
    return make_mountains(place, Region(width, height, spacing, 2 * spacing, chosen.trunks_km2, 3.0), chosen.seed)


def make_region(chosen: Recipe, folder: Path, with_rates: bool = True) -> None:
    """Simulate both tracks of a region, stack them, and write stacks, rates and truth."""
    frames = [
        Frame(track, heading, {"ascending": 38.6, "descending": 37.3}[track], SHAPE, chosen.spacing_m)
        for track, heading in HEADINGS.items()
    ]
    world = make_ground(chosen, frames)
    written = []
    for frame in frames:
        for data, truth in observe_track(chosen, world, frame, with_rates):
            name = str(data.attrs["scene"])
            with files.whole(folder / f"{name}.nc") as beside:
                data.to_netcdf(beside, engine="h5netcdf")
            with files.whole(folder / f"{name}.gpkg") as beside:
                truth.to_file(beside, driver="GPKG", engine="pyogrio")
            written.append(name)
    with files.whole(folder / f"{chosen.name}.json") as beside:
        beside.write_text(json.dumps(asdict(chosen) | {"stacks": written, "found_room": len(world.slides)}, indent=1))


def observe_track(
    chosen: Recipe, world: World, frame: Frame, with_rates: bool
) -> Iterator[tuple[xr.Dataset, gpd.GeoDataFrame]]:
    """Give the stacks and the rate maps of a track with their truth."""
    observer = observe(world, frame)
    phase = np.empty((len(observer.series.pairs), *frame.shape), np.float32)
    coherence = np.empty_like(phase)
    for k in range(len(phase)):
        phase[k], coherence[k] = observer.pair(k)
    rng = np.random.default_rng([chosen.seed, 2, list(HEADINGS).index(frame.track)])
    rate = rate_field(observer.movers, frame)
    for part, pairs in enumerate(subsets(len(phase), rng)):
        whole = part == 0
        seen_by = _with_pairs(observer, [observer.series.pairs[k] for k in pairs])
        images = (phase, coherence) if whole else (phase[pairs], coherence[pairs])
        ifgs = interferograms_of(chosen.name, frame, seen_by.series, images, lonlat_of(frame, world.terrain.place))
        gradients = lk.stack_gradients(ifgs, threads=1, progress=False)
        gradients.attrs["scene"] = f"{chosen.name}-{frame.track}-{len(pairs)}-gradients"
        error = gradient_error(seen_by)
        water = seen_by.cover.ground.water
        seen, unseen, on_rates = truth_of_frame(world.slides, frame, seen_by.series, error, water, ifgs)
        yield _bare(gradients), _truth(seen, unseen, gradients)
        if not with_rates:
            continue
        maps = {
            "integrated": lk.integrate_rate(lk.stack_gradients(ifgs, window=3, threads=1, progress=False), threads=1)
        }
        if whole:
            maps["sbas"] = measured_rates(ifgs, rate, seen_by)
        for kind, rates in maps.items():
            rates.attrs["scene"] = f"{chosen.name}-{frame.track}-{len(pairs)}-{kind}"
            shown, faint = rates_that_show(on_rates, rates, rate, frame.spacing_m)
            yield _bare(rates), _truth(shown, faint, rates)


def subsets(count: int, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Choose pairs: all, and a part of them, either by lot or a run in time."""
    every = np.arange(count)
    if count < 1.3 * FEWEST_PAIRS:
        return [every]
    size = int(rng.integers(FEWEST_PAIRS, max(FEWEST_PAIRS + 1, int(0.7 * count))))
    if rng.random() < 0.5:
        return [every, np.sort(rng.choice(every, size, replace=False))]
    start = int(rng.integers(0, count - size))
    return [every, every[start : start + size]]


def rates_that_show(
    boxes: gpd.GeoDataFrame, rates: xr.Dataset, rate: npt.NDArray[np.float32], spacing_m: float
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Part the boxes on a rate map into those that show above its local noise and those too faint.

    Notes
    -----
    A landslide shows where |true rate| is at least 5 times the local noise and 10 mm/yr over at least 12 pixels. Local
    noise: the spread of measured − true rate, less its mean within 1 km, over ground without motion.
    """
    difference = rates["rate"].values - rate
    valid = np.isfinite(difference)
    filled, weight = np.where(valid, difference, 0.0), valid.astype(float)
    sigma = LOCAL_M / 2 / spacing_m
    smooth = gaussian_filter(filled, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-3)
    local = (difference - smooth)[valid & (np.abs(rate) < 0.1)]
    noise = 1.4826 * float(np.median(np.abs(local)))
    show = []
    for box in boxes.itertuples():
        inside = slice(int(box.ymin), int(box.ymax)), slice(int(box.xmin), int(box.xmax))
        strong = (np.abs(rate[inside]) >= max(LEAST_RATIO * noise, 10.0)) & valid[inside]
        show.append(int(strong.sum()) >= LEAST_PIXELS)
    mask = np.array(show, bool)
    rates.attrs["local_noise"] = noise
    return boxes[mask], boxes[~mask]


def _with_pairs(observer: Observer, pairs: list[Pair]) -> Observer:
    return replace(observer, series=replace(observer.series, pairs=pairs))


def _bare(data: xr.Dataset) -> xr.Dataset:
    """Without longitude and latitude, which nobody looks at here."""
    return data.drop_vars([name for name in ("lon", "lat") if name in data.coords])


def _truth(seen: gpd.GeoDataFrame, unseen: gpd.GeoDataFrame, data: xr.Dataset) -> gpd.GeoDataFrame:
    """One table: what shows as landslides, the rest as "unsure"."""
    tables = [seen.assign(label=schema.LANDSLIDE), unseen.assign(label="unsure")]
    filled = [table for table in tables if len(table)]
    if not filled:
        return schema.boxes_table({"landslide_id": []})
    table = gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), crs="EPSG:4326")
    return table.assign(scene=data.attrs["scene"])


def main() -> None:
    """Make the regions that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=sorted(SEEDS), required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--empty", action="store_true", help="without any deformation")
    parser.add_argument("--turbulence", type=float, nargs=2, metavar=("LOW", "HIGH"), help="mm at 1 km")
    parser.add_argument("--most-pairs", type=int, default=MOST_PAIRS, help="of a track")
    parser.add_argument("--spacings", type=float, nargs="+", default=[], help="m on the ground")
    parser.add_argument("--mountains", action="store_true", help="in every region")
    parser.add_argument("--without-rates", action="store_true", help="gradient stacks alone, in half the time")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    weather = tuple(chosen.turbulence) if chosen.turbulence else None
    ranges = Ranges(weather, chosen.most_pairs, tuple(chosen.spacings), chosen.mountains)
    for number in tqdm(range(chosen.first, chosen.first + chosen.count), desc=chosen.split, unit="region"):
        region = recipe(chosen.split, number, chosen.empty, ranges)
        if not (chosen.folder / f"{region.name}.json").is_file():
            make_region(region, chosen.folder, not chosen.without_rates)


if __name__ == "__main__":
    main()
