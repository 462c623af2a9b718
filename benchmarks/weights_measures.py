"""What the weights that ship do on stacks that they never saw: simulated ones with known truth, and a real one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

import labkit as lk
from labkit import schema
from labkit.detect.overlaps import iou
from labkit.simulate.visible import LEAST_PIXELS, LEAST_RATIO
from labkit.studies.detection import overlapping
from labkit.train.detector import Detector

CORNERS = ["xmin", "ymin", "xmax", "ymax"]

#: Boxes of Danba drawn by eye, on the array as it comes (xmin, ymin, xmax, ymax).
DANBA = {"azimuth": (62, 16, 161, 72), "range": (60, 25, 158, 68)}

#: Rates that count, mm/yr.
LEAST_RATE = 10.0

#: Held-out regions below this number have been looked at before: with those of validation they serve to choose.
FIRST_UNSEEN = 7

#: Edge of the blocks that are drawn again for intervals, px.
BLOCK = 416


def stacks(folder: Path, split: str, kind: str) -> list[Path]:
    """List the stacks of finished regions.

    Parameters
    ----------
    folder : Path
        Holds the regions.
    split : str
        "train", "validation", "development" (the held-out regions that have been looked at before) or "heldout" (the
        others).
    kind : str
        "gradients" or "rates" (integrated and small-baseline maps).
    """
    words = ("gradients",) if kind == "gradients" else ("integrated", "sbas")
    made_as = "heldout" if split == "development" else split
    regions = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{made_as}-*.json"))]
    if made_as == "heldout":
        regions = [region for region in regions if (region["number"] >= FIRST_UNSEEN) == (split == "heldout")]
    return [folder / f"{name}.nc" for region in regions for name in region["stacks"] if name.endswith(words)]


def opened(path: Path) -> tuple[xr.Dataset, gpd.GeoDataFrame]:
    """Open a stack and its boxes."""
    with xr.open_dataset(path, engine="h5netcdf") as data:
        data = data.load()
    boxes = gpd.read_file(path.with_suffix(".gpkg"), engine="pyogrio")
    if not len(boxes):
        return data, schema.boxes_table({"landslide_id": []})
    return data, shown_by(data, boxes)


def shown_by(data: xr.Dataset, boxes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Call "unsure" what this very image does not show: |image| / standard error ≥ 5 over fewer than 12 pixels.

    The simulator knows the error that is to be expected of speckle and turbulence; the stack's own also holds what
    layered air, changing coherence and unsteady motion add. Rates have to be 10 mm/yr there, too.
    """
    errors, least = schema.standard_errors(data), 0.0 if schema.is_gradients(data) else LEAST_RATE
    clear = {
        name: np.abs(image.values) >= np.maximum(LEAST_RATIO * errors[name].values, least)
        for name, image in schema.layers(data).items()
    }
    strong = []
    for box in boxes.itertuples():
        inside = slice(int(box.ymin), int(box.ymax)), slice(int(box.xmin), int(box.xmax))
        strong.append(int(clear[str(box.direction)][inside].sum()) >= LEAST_PIXELS)
    expected = boxes["label"] == schema.LANDSLIDE
    return boxes.assign(expected=expected, label=np.where(expected & np.array(strong), schema.LANDSLIDE, "unsure"))


def ignored(found: gpd.GeoDataFrame, boxes: gpd.GeoDataFrame) -> np.ndarray:
    """Tell which detections lie on a landslide that is too faint, and match no label: they are left aside."""
    labels, faint = (boxes[boxes["label"] == word] for word in (schema.LANDSLIDE, "unsure"))
    on_faint = overlapping(found, faint, ["scene", "direction"]).any(axis=1)
    for place, box in enumerate(found.itertuples()):
        if on_faint[place]:
            same = labels[(labels["scene"] == box.scene) & (labels["direction"] == box.direction)]
            corners = np.array([box.xmin, box.ymin, box.xmax, box.ymax])
            if len(same) and iou(same[CORNERS].to_numpy(float), corners).max() >= 0.5:
                on_faint[place] = False
    return np.asarray(on_faint)


def searched(
    paths: list[Path], search: Callable[[xr.Dataset], gpd.GeoDataFrame]
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, float]:
    """Give all detections, told which are ``on_faint`` landslides; all boxes of the truth; the area in km²."""
    found, truth, area = [], [], 0.0
    for path in tqdm(paths, desc="searching", unit="stack"):
        data, boxes = opened(path)
        here = search(data)
        found.append(here.assign(on_faint=ignored(here, boxes)))
        truth.append(boxes)
        valid = np.isfinite(next(iter(schema.layers(data).values())).values)
        area += valid.sum() * (data.attrs["ground_spacing"] / 1000) ** 2
    tables = [gpd.GeoDataFrame(pd.concat(some, ignore_index=True), crs="EPSG:4326") for some in (found, truth)]
    return tables[0], tables[1], float(area)


def labels_of(truth: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """What counts."""
    return truth[truth["label"] == schema.LANDSLIDE].reset_index(drop=True)


def curve(found: gpd.GeoDataFrame, labels: gpd.GeoDataFrame) -> pd.DataFrame:
    """Give precision, recall and F1 at IoU ≥ 0.5 for each score, from the highest; a label is found once."""
    ordered = found.sort_values("score", ascending=False, kind="stable")
    right = np.zeros(len(ordered), bool)
    boxes = {key: part[CORNERS].to_numpy(float) for key, part in labels.groupby(["scene", "direction"])}
    free = {key: np.ones(len(part), bool) for key, part in boxes.items()}
    for place, box in enumerate(ordered.itertuples()):
        key = (box.scene, box.direction)
        if key in boxes:
            shared = iou(boxes[key], np.array([box.xmin, box.ymin, box.xmax, box.ymax])) * free[key]
            best = int(shared.argmax())
            if shared[best] >= 0.5:
                right[place], free[key][best] = True, False
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    recall = right.cumsum() / max(1, len(labels))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return pd.DataFrame({"score": ordered["score"].to_numpy(), "precision": precision, "recall": recall, "f1": f1})


def recall_at(found: gpd.GeoDataFrame, labels: gpd.GeoDataFrame, precision: float) -> dict[str, float]:
    """Give the greatest recall at which the precision still is so much, and the score there; empty if at none."""
    measured = curve(found, labels)
    enough = measured[measured["precision"] >= precision]
    return {name: float(enough.iloc[-1][name]) for name in ("score", "precision", "recall")} if len(enough) else {}


def held_out(folder: Path, detector: Detector) -> dict[str, Any]:
    """Measure on the held-out regions: in all, by ground spacing and by number of pairs."""
    paths = stacks(folder, "heldout", detector.kind)
    paths = [path for path in paths if "-empty-" not in path.name]
    every, truth, area = searched(paths, lambda data: lk.detect_landslides(data, detector, 0.05))
    labels, faint = labels_of(truth), truth[truth["label"] == "unsure"].reset_index(drop=True)
    found = every[~every["on_faint"]].reset_index(drop=True)
    measured: dict[str, Any] = {"stacks": len(paths), "area_km2": area, "labels": len(labels), "too_faint": len(faint)}
    whole = lk.evaluate(found, labels, bootstrap=100, block_px=BLOCK)
    measured["all"] = _told(whole) | {"recall_at_precision_0.9": recall_at(found, labels, 0.9)}
    measured["boxes_on_too_faint"] = int((every["on_faint"] & (every["score"] >= 0.5)).sum())
    measured["ignored_as_coco_does"] = _told(lk.evaluate(every, labels, ignore=faint))
    if "expected" in truth:
        asked = truth[truth["expected"].astype(bool)].reset_index(drop=True)
        rest = truth[~truth["expected"].astype(bool)].reset_index(drop=True)
        measured["by_expected_error"] = _told(lk.evaluate(every, asked, ignore=rest)) | {"labels": len(asked)}
    spacing = {path.stem: _spacing(path) for path in paths}
    pairs = {path.stem: int(path.stem.split("-")[-2]) for path in paths}
    for word, values, edges in (("spacing_m", spacing, (0, 25, 42, 99)), ("pairs", pairs, (0, 100, 200, 999))):
        for low, high in pairwise(edges):
            names = [name for name, value in values.items() if low <= value < high]
            some, there = (table[table["scene"].isin(names)] for table in (found, labels))
            if len(there):
                measured[f"{word} {low}–{high}"] = _told(lk.evaluate(some, there)) | {"labels": len(there)}
    if detector.kind == "gradients":
        by_filter, _, _ = searched(paths, lambda data: lk.couplets(data, progress=False))
        by_filter = by_filter[~by_filter["on_faint"]].reset_index(drop=True)
        measured["couplet_filter"] = _told(lk.evaluate(by_filter, labels, score=0.0))
        for name, boxes in (("couplet_filter", by_filter), ("all", found[found["score"] >= 0.5])):
            measured[name] |= _by_centres(boxes, labels)
    return measured


def _spacing(path: Path) -> float:
    with xr.open_dataset(path, engine="h5netcdf") as data:
        return float(data.attrs["ground_spacing"])


def _told(measured: Any) -> dict[str, Any]:
    names = ("ap50", "ap", "precision", "recall", "f1", "true_positives", "false_positives", "false_negatives")
    return {name: getattr(measured, name) for name in names} | {
        "intervals": {name: measured.intervals[name] for name in ("ap50", "precision", "recall") if measured.intervals}
    }


def _by_centres(found: gpd.GeoDataFrame, labels: gpd.GeoDataFrame) -> dict[str, float]:
    """Precision and recall where a box need only lie on a landslide: the centre of the one within the other."""
    on = overlapping(found, labels, ["scene", "direction"])
    return {"precision_by_centres": float(on.any(axis=1).mean()), "recall_by_centres": float(on.any(axis=0).mean())}


def without_deformation(folder: Path, detector: Detector) -> dict[str, Any]:
    """Count boxes on held-out stacks in which nothing moves."""
    paths = [path for path in stacks(folder, "heldout", detector.kind) if "-empty-" in path.name]
    found, _, area = searched(paths, lambda data: lk.detect_landslides(data, detector, 0.5))
    measured = {"stacks": len(paths), "area_km2": area, "boxes": len(found), "per_1000_km2": 1000 * len(found) / area}
    if detector.kind == "gradients":
        by_filter, _, _ = searched(paths, lambda data: lk.couplets(data, progress=False))
        measured["boxes_of_couplet_filter"] = len(by_filter)
    return measured


def danba(search: Callable[[xr.Dataset], gpd.GeoDataFrame], score: float) -> dict[str, Any]:
    """Look for the landslide of Danba at its own spacing and at about 40 m."""
    place = os.environ.get("LABKIT_REAL_DATA")
    if not place:
        return {}
    pairs = lk.select_pairs(lk.open_interferograms(Path(place) / "danba_gamma"))
    measured: dict[str, Any] = {}
    for word, ifgs in (("own spacing", pairs), ("40 m", lk.multilook(pairs, ground_m=40))):
        gradients = lk.stack_gradients(ifgs, threads=1, progress=False)
        found = search(gradients)
        rows, cols = (gradients.sizes[axis] / pairs.sizes[axis] for axis in ("y", "x"))
        for direction, box in DANBA.items():
            here = found[found["direction"] == direction]
            wanted = np.array(box) * np.array([cols, rows, cols, rows])
            overlap = iou(here[CORNERS].to_numpy(float), wanted)
            table = sorted(zip(overlap, here["score"], strict=True), reverse=True)
            at_half = here["score"].to_numpy() >= score
            measured[f"{word}, {direction}"] = {
                "ground_spacing": float(gradients.attrs["ground_spacing"]),
                "best_iou": float(overlap[at_half].max()) if at_half.any() else 0.0,
                "boxes": int(at_half.sum()),
                "best_three_iou_score": [(round(float(a), 3), round(float(b), 3)) for a, b in table[:3]],
            }
    return measured
