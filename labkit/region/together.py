"""The bursts of a region put together: landslides merged over directions, bursts and tracks, and their maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely
import xarray as xr

import labkit
from labkit import detect, geo, maps, read, view
from labkit.errors import LabkitError
from labkit.ground import metric_crs
from labkit.region import records
from labkit.region.burst import DETECTIONS, STACK, Outcome
from labkit.region.masks import mask_files, observed_pixels, read_masks, read_polygons
from labkit.region.plan import Plan

RECORD = "region.json"
LANDSLIDES, DENSITY, COUNTIES = "landslides", "density.tif", "counties.gpkg"


def put_together(plan: Plan, outcomes: Sequence[Outcome]) -> str:
    """Merge the detections of the bursts that stand and make the maps, where they do not stand already.

    Parameters
    ----------
    plan : Plan
        How.
    outcomes : sequence of Outcome
        Of this run, none of them failed.

    Returns
    -------
    str
        Why the maps were made; "" where they stood.

    Raises
    ------
    FileError
        A table of detections has changed since its burst was made, or the counties cannot be read.
    """
    home = plan.results
    made_from: dict[str, Any] = {
        "labkit": labkit.__version__,
        "detections": {o.scene: o.detections_sha256 for o in sorted(outcomes, key=lambda o: o.scene)},
        "formats": list(plan.formats),
        "merge": dict(plan.merge),
        "density": dict(plan.density),
        "masks": {name: records.sha256(path) for name, path in mask_files(plan).items()},
        "counties": records.sha256(plan.folder / plan.counties) if plan.counties else "",
    }
    why = records.why_again(home / RECORD, made_from)
    if not why:
        return ""
    (home / RECORD).unlink(missing_ok=True)
    tables = [gpd.read_parquet(_detections_of(home, outcome)) for outcome in outcomes]
    landslides = detect.merge_detections(tables, **plan.merge)
    grounds = gpd.GeoSeries(shapely.from_wkt([o.footprint for o in outcomes if o.footprint]), crs=geo.WGS84)
    if not len(grounds):
        raise LabkitError("bursts must see some ground, instead no pixel of any has data in its stack")
    density = maps.density(landslides, **plan.density, extent=grounds, observed=_observed(plan, outcomes))
    pictures = [view.ground_picture(density)] if "kmz" in plan.formats else []
    outputs = [
        maps.write_detections(landslides, home / f"{LANDSLIDES}.{form}", pictures=pictures if form == "kmz" else ())
        for form in plan.formats
    ]
    outputs.append(maps.write_density(density, home / DENSITY))
    if plan.counties:
        ranked = maps.by_polygons(landslides, read_polygons(plan.folder / plan.counties))
        outputs.append(maps.write_detections(ranked, home / COUNTIES))
    summary = {
        "bursts": len(outcomes),
        "landslides": len(landslides),
        "ground_km2": round(_area_km2(grounds), 3),
        "observed_km2": round(density.attrs["observed_km2"], 3),
    }
    records.write_record(home / RECORD, made_from, outputs, summary, versions=records.versions("geopandas", "shapely"))
    return why


def burst_home(plan: Plan, scene: str) -> Path:
    """Give the folder of the results of a burst."""
    return plan.results / "bursts" / scene


def _detections_of(home: Path, outcome: Outcome) -> Path:
    return records.same_file(home / "bursts" / outcome.scene / DETECTIONS, outcome.detections_sha256)


def _observed(plan: Plan, outcomes: Sequence[Outcome]) -> Iterator[xr.DataArray]:
    """Where each burst was looked at, one burst after the other."""
    for outcome in outcomes:
        if outcome.footprint:
            stack = read.load_scene(burst_home(plan, outcome.scene) / STACK)
            yield observed_pixels(stack, read_masks(plan, stack))


def _area_km2(grounds: gpd.GeoSeries) -> float:
    """The ground that the bursts cover together, what several see counted once."""
    return float(grounds.to_crs(metric_crs(grounds)).union_all().area) / 1e6
