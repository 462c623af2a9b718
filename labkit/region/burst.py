"""One burst of a region: read, stacked and searched, its results in a folder of their own. Runs in any process."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

import labkit
from labkit import detect, geo, read, stack
from labkit.errors import FileError, LabkitError
from labkit.files import whole
from labkit.region import records
from labkit.region.masks import mask_files, read_masks
from labkit.region.plan import COUPLETS, Burst, Plan

STACK, DETECTIONS, DROPPED = "gradients.nc", "detections.parquet", "dropped.csv"
#: Of a table of dropped detections without a row.
_DROPPED_COLUMNS = ["index", "scene", "direction", "reason"]
STACK_RECORD, DETECTIONS_RECORD = "gradients.json", "detections.json"


@dataclass(frozen=True)
class Task:
    """All that a process needs to know to make a burst.

    Attributes
    ----------
    burst : Burst
        What to make.
    home : Path
        The folder of its results.
    plan : Plan
        How.
    detector_sha256 : str
        Of the description of the detector, which names the SHA-256 of its weights; "" for couplets.
    version : str
        Of labkit where the region was started.
    """

    burst: Burst
    home: Path
    plan: Plan
    detector_sha256: str
    version: str = labkit.__version__


@dataclass(frozen=True)
class Outcome:
    """What became of a burst.

    Attributes
    ----------
    scene, track : str
        Which burst.
    state : str
        "made", "there" (it stood, and was as it had been written) or "failed".
    reason : str
        Why it was made, or why it failed; "" for one that stood.
    seconds : float
        Wall time, s.
    pairs, skipped_pairs, detections, dropped : int
        Pairs stacked, damaged pairs left out, detections that the filter kept, and those that it dropped.
    valid_pixels : int
        Pixels with a gradient in some direction.
    detections_sha256 : str
        Of the table of detections.
    footprint : str
        The ground of the burst, a lon/lat polygon as WKT.
    trace : str
        Of a failure that is a bug: where.
    """

    scene: str
    track: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    pairs: int = 0
    skipped_pairs: int = 0
    detections: int = 0
    dropped: int = 0
    valid_pixels: int = 0
    detections_sha256: str = ""
    footprint: str = ""
    trace: str = ""


def make_burst(task: Task) -> Outcome:
    """Make what is missing of a burst, and say what became of it; an error is an outcome too.

    Notes
    -----
    The stack and the detections each have a record with what they were made from and the SHA-256 of their files. What
    stands is left alone; another detector leaves the stack as it is. A record is removed before its files are written
    again and is written last, so that a process may die at any moment.
    """
    burst, begun = task.burst, time.perf_counter()
    try:
        if task.version != labkit.__version__:
            raise LabkitError(
                f"labkit must be of one version on all machines, instead the region was started by {task.version} and "
                f"this worker has {labkit.__version__}. Install the same one"
            )
        with threadpool_limits(task.plan.threads):
            why, told = _make(task)
    except LabkitError as error:
        return Outcome(burst.scene, burst.track, "failed", str(error), time.perf_counter() - begun)
    # whatever stops one burst, the others of the region go on; the report and the exit status tell of it
    except Exception as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        where = traceback.format_exc()
        return Outcome(burst.scene, burst.track, "failed", reason, time.perf_counter() - begun, trace=where)
    state = "made" if why else "there"
    return Outcome(burst.scene, burst.track, state, why, time.perf_counter() - begun, **told)


def _make(task: Task) -> tuple[str, dict[str, Any]]:
    """Make the stack and the detections where they do not stand; why, and their summaries."""
    home = task.home
    stacked_from, reasons = _stack_inputs(task), []
    gradients = None
    why = records.why_again(home / STACK_RECORD, stacked_from)
    if why:
        reasons.append(f"stacked: {why}")
        gradients = _stack(task, stacked_from)
    stack_record = _record(home / STACK_RECORD)
    detected_from = _detection_inputs(task, stack_record["summary"].pop("contents_sha256"))
    why = records.why_again(home / DETECTIONS_RECORD, detected_from)
    if why:
        reasons.append(f"searched: {why}")
        _search(task, read.load_scene(home / STACK) if gradients is None else gradients, detected_from)
    detection_record = _record(home / DETECTIONS_RECORD)
    digest = detection_record["outputs"][DETECTIONS]["sha256"]
    return "; ".join(reasons), stack_record["summary"] | detection_record["summary"] | {"detections_sha256": digest}


def _record(path: Path) -> dict[str, Any]:
    record = records.read_record(path)
    if record is None:
        raise FileError(f"{path} must be there, instead it has just gone. Leave the results alone while a region runs")
    return record


def _stack_inputs(task: Task) -> dict[str, Any]:
    plan, burst = task.plan, task.burst
    if not burst.folder.is_dir():
        raise FileError(f"{burst.folder} must be a folder that this process can read, instead there is none")
    settings = {name: dict(getattr(plan, name)) for name in ("read", "pairs", "looks", "stack")}
    return {
        "labkit": task.version,
        "scene": burst.scene,
        "track": burst.track,
        "inputs": records.files_of(burst.folder, contents=plan.identity == "contents"),
        **settings,
    }


def _detection_inputs(task: Task, contents_sha256: str) -> dict[str, Any]:
    plan = task.plan
    return {
        "labkit": task.version,
        "gradients": contents_sha256,
        "detector": COUPLETS if plan.detector == COUPLETS else Path(plan.detector).name,
        "detector_sha256": task.detector_sha256,
        "detect": dict(plan.detect),
        "filter": dict(plan.filter),
        "masks": {name: records.sha256(path) for name, path in mask_files(plan).items()},
    }


def _stack(task: Task, made_from: Mapping[str, Any]) -> xr.Dataset:
    plan, burst, begun = task.plan, task.burst, time.perf_counter()
    (task.home / STACK_RECORD).unlink(missing_ok=True)
    stated = {"scene": burst.scene, "track": burst.track}
    ifgs = read.open_interferograms(burst.folder, progress=False, **plan.read, **stated)
    if not geo.has_lonlat(ifgs):
        raise LabkitError(
            f"burst {burst.scene} must have lon/lat, so that it has a place on the map, instead got none. "
            "Put the lookup table beside the interferograms"
        )
    chosen = stack.multilook(stack.select_pairs(ifgs, **plan.pairs), **plan.looks)
    gradients = stack.stack_gradients(chosen, **plan.stack, threads=plan.threads, progress=False)
    known = np.isfinite(gradients["gradient"].values).any(axis=0)
    ground = geo.footprint(gradients, known)
    summary = {
        "pairs": int(gradients.attrs["n_pairs"]),
        "skipped_pairs": len(str(ifgs.attrs.get("skipped_pairs", "")).splitlines()),
        "valid_pixels": int(known.sum()),
        "footprint": "" if ground.is_empty else ground.wkt,
        "contents_sha256": _contents_sha256(gradients),
    }
    output = read.save_scene(gradients, task.home / STACK)
    _finish(task, STACK_RECORD, made_from, [output], summary, begun)
    return gradients


def _search(task: Task, gradients: xr.Dataset, made_from: Mapping[str, Any]) -> None:
    plan, begun = task.plan, time.perf_counter()
    (task.home / DETECTIONS_RECORD).unlink(missing_ok=True)
    if plan.detector == COUPLETS:
        found = detect.couplets(gradients, progress=False, **plan.detect)
    else:
        detector = _detector(plan.detector, task.detector_sha256, plan.device)
        found = detect.detect_landslides(gradients, detector, progress=False, **plan.detect)
    kept = detect.filter_detections(found, gradients, **plan.filter, masks=read_masks(plan, gradients))
    dropped = pd.DataFrame(kept.attrs["dropped"], columns=None if len(kept.attrs["dropped"]) else _DROPPED_COLUMNS)
    outputs = [_write_detections(kept, task.home / DETECTIONS), _write_dropped(dropped, task.home / DROPPED)]
    summary = {"detections": len(kept), "dropped": len(dropped)}
    _finish(task, DETECTIONS_RECORD, made_from, outputs, summary, begun)


def _finish(
    task: Task, name: str, made_from: Mapping[str, Any], outputs: list[Path], summary: dict[str, Any], begun: float
) -> None:
    packages = ["numpy", "scipy", "numba", "xarray"]
    if name == DETECTIONS_RECORD and task.plan.detector != COUPLETS:
        packages.append("torch")
    told = {"versions": records.versions(*packages), "seconds": round(time.perf_counter() - begun, 3)}
    records.write_record(task.home / name, made_from, outputs, summary, **told)


def _contents_sha256(data: xr.Dataset) -> str:
    """Hash what a stack holds: files of the same contents differ, because HDF5 leaves gaps in them unwritten."""
    digest = hashlib.sha256(json.dumps(data.attrs, sort_keys=True, default=str).encode())
    for name, variable in sorted(data.variables.items()):
        values = np.ascontiguousarray(variable.values)
        digest.update(repr((name, variable.dims, values.shape, values.dtype.kind)).encode())
        digest.update(values.tobytes() if values.dtype.kind in "fiub" else repr(values.tolist()).encode())
    return digest.hexdigest()


def _write_detections(detections: gpd.GeoDataFrame, path: Path) -> Path:
    """Write the table as GeoParquet with the index that the filter left, and nothing beside it."""
    plain = detections.copy()
    plain.attrs = {}
    with whole(path) as partial:
        plain.to_parquet(partial)
    return path


def _write_dropped(dropped: pd.DataFrame, path: Path) -> Path:
    with whole(path) as partial:
        dropped.to_csv(partial, index=False)
    return path


@lru_cache(maxsize=1)
def _detector(folder: str, digest: str, device: str) -> detect.LandslideDetector:
    """Load a detector once in each process, the same as where the region was started."""
    from labkit.train import load_detector
    from labkit.train.checkpoint import DESCRIPTION
    from labkit.train.processes import best_device

    records.same_file(Path(folder) / DESCRIPTION, digest)
    best = best_device()
    if device == "cuda" and best != "cuda":
        raise LabkitError("device must be one that each worker has, instead got device='cuda' and no GPU. Take 'auto'")
    return load_detector(folder).to(best if device == "auto" else device)
