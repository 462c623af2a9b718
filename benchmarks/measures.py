"""How fast detections are measured, with and without draws of blocks, and against pycocotools on a tenth of them.

    python benchmarks/measures.py

100,000 detections of 20,000 labels on 400 images; pycocotools measures a tenth of that, with 1000 detections an image
allowed, and has to give the same measures. Takes some minutes, most of them pycocotools'.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import time

import geopandas as gpd
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import labkit as lk
from labkit.detect.measures import IOUS, RECALLS

#: Edge of an image, px, and pycocotools' limits of detections, the last for average precision.
IMAGE_PX, MOST = 2000, [1, 10, 100, 1000]

NAMES = ("ap50", "ap75", "ap", "ap_small", "ap_medium", "ap_large", "ar1", "ar10", "ar100")


def tables(detections: int, labels: int, images: int, seed: int = 0) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """A third of the detections near labels, with higher scores; the others anywhere."""
    rng = np.random.default_rng(seed)
    near = detections // 3
    scenes = np.array([f"scene{number:04d}" for number in range(images)])

    def boxes(count: int) -> np.ndarray:
        corner = rng.uniform(0, IMAGE_PX, (count, 2))
        return np.hstack([corner, corner + rng.uniform(10, 120, (count, 2))])

    def table(corners: np.ndarray, scene: np.ndarray, score: np.ndarray) -> gpd.GeoDataFrame:
        columns = dict(zip(("xmin", "ymin", "xmax", "ymax"), corners.T, strict=True))
        return lk.schema.boxes_table(columns | {"scene": scenes[scene], "direction": "rate", "score": score})

    true, true_scene = boxes(labels), rng.integers(0, images, labels)
    chosen = rng.integers(0, labels, near)
    found = np.concatenate([true[chosen] + rng.normal(0, 2, (near, 4)), boxes(detections - near)])
    scene = np.concatenate([true_scene[chosen], rng.integers(0, images, detections - near)])
    score = np.concatenate([rng.beta(4, 2, near), rng.beta(2, 4, detections - near)])
    return table(found, scene, score), table(true, true_scene, np.ones(labels))


def by_pycocotools(found: gpd.GeoDataFrame, true: gpd.GeoDataFrame) -> dict[str, float]:
    """Measure with pycocotools, its tables of boxes included."""
    image = {name: number for number, name in enumerate(sorted(true["scene"].unique()), 1)}
    loaded = []
    for table in (true, found):
        corners = table[["xmin", "ymin", "xmax", "ymax"]].to_numpy()
        size = corners[:, 2:] - corners[:, :2]
        rows = zip(
            table["scene"], np.hstack([corners[:, :2], size]).tolist(), table["score"], size.prod(axis=1), strict=True
        )
        one = COCO()
        one.dataset = {"images": [{"id": number} for number in image.values()], "categories": [{"id": 1}]}
        one.dataset["annotations"] = [
            {
                "id": number,
                "image_id": image[scene],
                "category_id": 1,
                "bbox": box,
                "score": score,
                "area": area,
                "iscrowd": 0,
            }
            for number, (scene, box, score, area) in enumerate(rows, 1)
        ]
        one.createIndex()
        loaded.append(one)
    run = COCOeval(*loaded, "bbox")
    run.params.maxDets, run.params.iouThrs, run.params.recThrs = MOST, np.array(IOUS), RECALLS
    run.evaluate()
    run.accumulate()
    precision, recall = run.eval["precision"][:, :, 0], run.eval["recall"][:, 0, 0]
    every = precision[:, :, 0, 3]
    values = [every[0], every[5], every, *(precision[:, :, area, 3] for area in (1, 2, 3)), *recall.T[:3]]
    return {name: float(value.mean()) for name, value in zip(NAMES, values, strict=True)}


def timed(work) -> tuple[object, float]:
    """Give what a call gives, and its process time, s."""
    start = time.process_time()
    answer = work()
    return answer, time.process_time() - start


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--detections", type=int, default=100_000)
    arguments.add_argument("--labels", type=int, default=20_000)
    arguments.add_argument("--images", type=int, default=400)
    arguments.add_argument("--draws", type=int, default=200)
    asked = arguments.parse_args()
    lk.evaluate(*tables(100, 50, 2), bootstrap=2)  # compiles
    found, true = tables(asked.detections, asked.labels, asked.images)
    _, plain = timed(lambda: lk.evaluate(found, true))
    drawn, with_draws = timed(lambda: lk.evaluate(found, true, bootstrap=asked.draws))
    part = tables(asked.detections // 10, asked.labels // 10, asked.images // 10)
    ours, quick = timed(lambda: lk.evaluate(*part))
    with contextlib.redirect_stdout(io.StringIO()):
        theirs, slow = timed(lambda: by_pycocotools(*part))
    worst = max(abs(getattr(ours, name) - value) for name, value in theirs.items())
    assert worst < 1e-6, f"the measures must be those of pycocotools, instead they differ by {worst}"
    print(
        f"process time, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}; largest "
        f"difference from pycocotools {worst:.1e}\n"
    )
    print("| what | detections | labels | seconds |\n|---|---|---|---|")
    print(f"| pycocotools | {len(part[0])} | {len(part[1])} | {slow:.1f} |")
    print(f"| `evaluate` ({slow / quick:.0f} times as fast) | {len(part[0])} | {len(part[1])} | {quick:.2f} |")
    print(f"| `evaluate` | {len(found)} | {len(true)} | {plain:.2f} |")
    print(
        f"| `evaluate`, {asked.draws} draws of {drawn.blocks} blocks | {len(found)} | {len(true)} | {with_draws:.1f} |"
    )


if __name__ == "__main__":
    main()
