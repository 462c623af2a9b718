"""The papers' tables of detectors made again on a simulated region: the same chips, splits and measures for every row.

    nice python benchmarks/detectors.py make FOLDER [--tables gradients rates ablations] [--seeds 0 1 2]
    python benchmarks/detectors.py table FOLDER
    python benchmarks/detectors.py csv FOLDER > notebooks/tables/detectors.csv

``make`` simulates and stacks the region once (minutes), and then trains and measures one row after another, each kept
in ``FOLDER/rows`` when it is done: a row that is there is left alone, so that the command may be stopped and called
again, with more tables or seeds. ``table`` prints what stands as Markdown, a row that was not run says so; ``csv``
prints one line for each run, which notebook 51 shows.

"gradients" has the networks of Fu et al. (2022), Table 2, on stacked gradients, chips split 8:1:1; "rates" those of
Zhang et al. (2025), Tables 2 and 3, on rate maps, split 7:3. Split by blocks of ground that both tracks share. All
networks have the width "nano", begin with fresh weights, and see as many windows as the others of their table. All are
trained by labkit's own recipe, since the published ones want 300 epochs, or begin with weights from photographs.
What is measured: boxes on the test chips, which no training saw; those too faint are left aside (on gradients
|gradient| / standard error < 5), or too small (on rates < 6 px).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")

import geopandas as gpd
import numpy as np
import pandas as pd
import torch
import xarray as xr

import labkit as lk
from labkit import files, schema
from labkit.train import FitSettings, RunSettings, recipe

#: Edge of the chips as both papers have about; overlap; edge of the windows that are cut from them for training, px.
CHIP, OVERLAP, CROP = 416, 0.25, 160

#: Average precision looks at all boxes of at least this score; the papers' precision and recall at those of 0.8.
LEAST_SCORE, SURE = 0.02, 0.8

BOOTSTRAP = 200

#: What a rate map shows of a landslide on less than so many px is neither taught nor asked for: half of the boxes are
#: smaller than the smallest cells of these networks can tell from each other.
LEAST_EDGE = 6

#: Rounds through the data, and windows from each chip and direction in one.
EPOCHS, DRAWS = 30, 2

#: Kind of images → precision of the training: mixed where it saves time on a processor.
PRECISION = {"gradients": "bf16-mixed", "rates": "32-true"}


@dataclass(frozen=True)
class Row:
    """One row of a table: a network, and in what it differs from the way it is published."""

    title: str
    network: str
    differs: dict[str, Any] = field(default_factory=dict)
    recipe: str = "labkit"

    def name(self, table: str, seed: int) -> str:
        """Name of its file; what an ablation is compared with is the row of the table of gradients."""
        table = table if self.differs or table != "ablations" else "gradients"
        words = "-".join(f"{key}-{value}" for key, value in self.differs.items())
        return f"{table}-{self.network}{'-' + words if words else ''}-{seed}"


#: Table → its rows.
TABLES = {
    "gradients": (
        Row("YOLOv3", "yolov3"),
        Row("Attention-YOLOv3", "attention-yolov3"),
        Row("A-YOLOv3-R", "a-yolov3-r"),
        Row("A-YOLOv3-T", "a-yolov3-t"),
        Row("labkit's tiny", "tiny"),
    ),
    "rates": (
        Row("Faster R-CNN, ResNet-34", "faster-rcnn"),
        Row("Faster R-CNN, FPN", "faster-rcnn-fpn"),
        Row("Faster R-CNN, FPN and CBAM", "faster-rcnn-fpn-cbam"),
        Row("labkit's tiny", "tiny"),
    ),
    "ablations": (
        Row("A-YOLOv3-R", "a-yolov3-r"),
        Row("without CBAM", "a-yolov3-r", {"attention": False}),
        Row("without DropBlock", "a-yolov3-r", {"dropblock": 0.0}),
        Row("squared errors instead of CIoU", "a-yolov3-r", {"box_loss": "mse"}),
        Row("without label smoothing", "a-yolov3-r", {"smoothing": 0.0}),
        Row("stacked by sum instead of lsq", "a-yolov3-r", {"estimator": "sum"}),
        Row("A-YOLOv3-T", "a-yolov3-t"),
        Row("A-YOLOv3-T, twice as many windows", "a-yolov3-t", {"draws": 4}),
        Row("A-YOLOv3-T without CBAM", "a-yolov3-t", {"attention": False}),
        Row("A-YOLOv3-T stacked by sum instead of lsq", "a-yolov3-t", {"estimator": "sum"}),
        Row("half of the windows mosaics", "a-yolov3-r", {"mosaic": 0.5}),
        Row("azimuth and range as two channels", "a-yolov3-r", {"directions": 2}),
    ),
}


# --- the region -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ground:
    """Images of one kind from the region, with the boxes that show, those that are too faint or small, and chips.

    ``taught`` are the boxes that show and, as "unsure", those that are too small.
    """

    images: list[xr.Dataset]
    truth: gpd.GeoDataFrame
    faint: gpd.GeoDataFrame
    taught: gpd.GeoDataFrame
    chips: gpd.GeoDataFrame

    @property
    def test(self) -> gpd.GeoDataFrame:
        """The chips that no training sees."""
        return self.chips[self.chips["split"] == "test"]

    @property
    def kind(self) -> str:
        """ "gradients" or "rates"."""
        return "gradients" if schema.is_gradients(self.images[0]) else "rates"

    @property
    def samples(self) -> int:
        """Images that the training sees windows of: each direction of each of its chips."""
        return int((self.chips["split"] == "train").sum()) * len(schema.layers(self.images[0]))


def simulate(folder: Path) -> None:
    """Make the region's stacks, rate maps and truth, once."""
    if (folder / "truth.gpkg").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    region = lk.simulate.scene("region", seed=0)
    for track, ifgs in region.interferograms.items():
        pairs = lk.select_pairs(ifgs)
        images = {name: lk.stack_gradients(pairs, estimator=name, progress=False) for name in ("lsq", "sum")}
        images["rates"] = region.rates[track]
        for name, data in images.items():
            with files.whole(folder / f"{name}-{track}.nc") as beside:
                data.drop_vars([v for v in data.variables if data[v].dtype == object]).to_netcdf(
                    beside, engine="h5netcdf"
                )
    for name, table in (("unseen", region.unseen), ("rates", region.rate_truth), ("truth", region.truth)):
        with files.whole(folder / f"{name}.gpkg") as beside:
            table.to_file(beside, driver="GPKG", engine="pyogrio")


def ground_of(folder: Path, kind: str) -> Ground:
    """Open the region's images of a kind ("lsq", "sum" or "rates") and cut chips."""
    images = [xr.open_dataset(path, engine="h5netcdf", cache=False) for path in sorted(folder.glob(f"{kind}-*.nc"))]
    boxes, faint = (gpd.read_file(folder / f"{name}.gpkg", engine="pyogrio") for name in _tables(kind))
    taught = boxes[boxes["label"] == schema.LANDSLIDE]
    edges = np.minimum(taught["xmax"] - taught["xmin"], taught["ymax"] - taught["ymin"])
    small = edges < (LEAST_EDGE if kind == "rates" else 0)
    faint = gpd.GeoDataFrame(pd.concat([faint, taught[small]], ignore_index=True), crs=taught.crs)
    truth, taught = taught[~small], taught.assign(label=np.where(small, "unsure", schema.LANDSLIDE))
    chips = pd.concat([lk.make_chips(data, CHIP, OVERLAP) for data in images], ignore_index=True)
    split = lk.split_chips(gpd.GeoDataFrame(chips), (7, 0, 3) if kind == "rates" else (8, 1, 1), seed=0)
    return Ground(images, truth, faint, taught, split)


def _tables(kind: str) -> tuple[str, str]:
    return ("rates", "unseen") if kind == "rates" else ("truth", "unseen")


# --- one row ----------------------------------------------------------------------------------------------------------


def make_row(folder: Path, table: str, row: Row, seed: int) -> None:
    """Train a network, measure it on the test chips, and keep what came out."""
    target = folder / "rows" / f"{row.name(table, seed)}.json"
    if target.is_file():
        return
    own = dict(row.differs)
    kind = "rates" if table == "rates" else str(own.pop("estimator", "lsq"))
    ground = ground_of(folder / "region", kind)
    of_training = {name: own.pop(name) for name in [f.name for f in fields(FitSettings)] if name in own}
    of_training |= {"batch_size": 4} if kind == "rates" else {}
    length = {"draws": DRAWS, "epochs": EPOCHS} | of_training
    tuning = recipe(row.recipe, width="nano", crop=CROP, **length)
    run = RunSettings(precision=PRECISION[ground.kind])
    began, worked = time.perf_counter(), time.process_time()
    detector = lk.train.fit(
        ground.chips,
        ground.images,
        ground.taught,
        network=row.network,
        out=folder / "detectors" / row.name(table, seed),
        seed=seed,
        settings=tuning,
        run=run,
        **own,
    )
    trained, trained_cpu = time.perf_counter() - began, time.process_time() - worked
    found = [lk.detect_landslides(data, detector, LEAST_SCORE) for data in ground.images]
    detections = gpd.GeoDataFrame(pd.concat(found, ignore_index=True), crs="EPSG:4326")
    measured = lk.evaluate(
        detections, ground.truth, score=SURE, ignore=ground.faint, chips=ground.test, bootstrap=BOOTSTRAP
    )
    kept = {
        "table": "gradients" if table == "ablations" and not row.differs else table,
        "title": row.title,
        "network": row.network,
        "differs": row.differs,
        "seed": seed,
        "recipe": row.recipe,
        "epochs": EPOCHS,
        "windows": EPOCHS * tuning.draws * ground.samples,
        "crop": CROP,
        "precision": run.precision,
        "width": detector.settings.width,
        "parameters": sum(p.numel() for p in detector.network.parameters()),
        "chips": ground.chips["split"].value_counts().to_dict(),
        "minutes": trained / 60,
        "cpu_minutes": trained_cpu / 60,
        "machine": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads",
        "version": lk.__version__,
        "measures": {name: _plain(value) for name, value in vars(measured).items()},
    }
    with files.whole(target) as beside:
        beside.write_text(json.dumps(kept, indent=1))
    with files.whole(target.with_suffix(".gpkg")) as beside:
        detections.to_file(beside, driver="GPKG", engine="pyogrio")
    print(f"{row.name(table, seed)}: {measured}", flush=True)


def _plain(value: Any) -> Any:
    """Turn a measure into what JSON holds; what is no number there (a table, a curve) is left out."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, float):
        return number if np.isfinite(number) else None
    return number if isinstance(number, (int, str)) else None


# --- the tables -------------------------------------------------------------------------------------------------------

#: Column → measure.
COLUMNS = {
    "gradients": {
        "MAP": "map_confidences",
        "P(0.8)": "precision",
        "R(0.8)": "recall",
        "AP50": "ap50",
        "AP50:95": "ap",
        "mIoU": "mean_iou",
    },
    "rates": {
        "P(0.8)": "precision",
        "R(0.8)": "recall",
        "F1": "f1",
        "mIoU": "mean_iou",
        "AP50": "ap50",
        "AP75": "ap75",
        "AP50:95": "ap",
        "AP small": "ap_small",
        "AP medium": "ap_medium",
        "AP large": "ap_large",
    },
    "ablations": {"AP50": "ap50", "AP50:95": "ap", "P(0.8)": "precision", "R(0.8)": "recall"},
}

#: What else is said of each run: column → what it is called where it is kept.
RUN_COLUMNS = {
    "network": "network",
    "seed": "seed",
    "recipe": "recipe",
    "epochs": "epochs",
    "windows": "windows",
    "crop": "crop",
    "arithmetic": "precision",
    "parameters": "parameters",
    "cpu_minutes": "cpu_minutes",
}


def show(folder: Path) -> None:
    """Print the tables of the rows that stand, as Markdown; of several seeds the mean, and the least and most."""
    rows = _rows(folder)
    for table, wanted in TABLES.items():
        columns = COLUMNS[table]
        print(f"\n### {table}\n\n| network | weights | {' | '.join(columns)} | seeds | CPU min |")
        print("|---" * (len(columns) + 4) + "|")
        for row in wanted:
            same = _runs(rows, table, row)
            if not same:
                print(f"| {row.title} | {'| ' * len(columns)}| not run | |")
                continue
            cells = [_cell([r["measures"] for r in same], measure) for measure in columns.values()]
            minutes = sum(r["cpu_minutes"] for r in same)
            print(
                f"| {row.title} | {same[0]['parameters']:,} | {' | '.join(cells)} | "
                f"{', '.join(str(r['seed']) for r in same)} | {minutes:.0f} |"
            )
    if rows:
        hours = sum(r["cpu_minutes"] for r in rows) / 60
        print(f"\n{len(rows)} rows, {hours:.1f} hours of processor time; {rows[-1]['machine']}.")


def _runs(rows: list[dict[str, Any]], table: str, row: Row) -> list[dict[str, Any]]:
    """The runs of a row, by seed; ablations are compared seed by seed, and only the first seed is run of them."""
    names = {row.name(table, seed) for seed in ((0,) if table == "ablations" else range(10))}
    made = [r for r in rows if Row("", r["network"], r["differs"]).name(r["table"], r["seed"]) in names]
    return sorted(made, key=lambda r: r["seed"])


def list_runs(folder: Path) -> None:
    """Print one line of CSV for each run, with the ends of the intervals where there are some."""
    lines = []
    for table, wanted in TABLES.items():
        for row in wanted:
            for run in _runs(_rows(folder), table, row):
                line = {"table": table, "title": row.title, **{name: run[key] for name, key in RUN_COLUMNS.items()}}
                for measure in COLUMNS[table].values():
                    low, high = (run["measures"]["intervals"].get(measure) or (None, None))[:2]
                    line |= {measure: run["measures"][measure], f"{measure}_low": low, f"{measure}_high": high}
                lines.append(line)
    print(pd.DataFrame(lines).to_csv(index=False, float_format="%.4f"), end="")


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "rows").glob("*.json"))]


def _cell(measures: Sequence[dict[str, Any]], name: str) -> str:
    """The mean over the seeds that have it; of one its interval over blocks, of several the least and most."""
    known = [m for m in measures if m.get(name) is not None and np.isfinite(m[name])]
    values = [m[name] for m in known]
    if not values:
        return "—"
    between = (min(values), max(values)) if len(values) > 1 else (known[0].get("intervals") or {}).get(name)
    spread = f" ({between[0]:.2f}–{between[1]:.2f})" if between and None not in between else ""
    return f"{np.mean(values):.2f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "table", "csv"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=("gradients", "rates"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--networks", nargs="+", help="only these")
    asked = parser.parse_args()
    if asked.what == "table":
        show(asked.folder)
        return
    if asked.what == "csv":
        list_runs(asked.folder)
        return
    simulate(asked.folder / "region")
    for seed in asked.seeds:
        for table in asked.tables:
            for row in TABLES[table]:
                if not asked.networks or row.network in asked.networks:
                    make_row(asked.folder, table, row, seed)


if __name__ == "__main__":
    main()
