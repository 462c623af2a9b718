"""Run a detector over a whole scene, tile by tile."""

from __future__ import annotations

from typing import Protocol

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from labkit import geo, schema
from labkit.detect.overlaps import Array
from labkit.detect.seams import join_tiles
from labkit.detect.tiles import Batch, batches_of
from labkit.errors import LabkitError


class LandslideDetector(Protocol):
    """What a detector has to offer, however it works inside.

    ``kind`` is "gradients" or "rates", ``size`` the edge of its tiles in px, ``name`` the word for the column
    ``model``. ``predict`` takes images (n, size, size), float32, gradients in rad at the reference or rates in mm/yr,
    NaN = no data, and gives for each an (k, 5) array: xmin, ymin, xmax, ymax in px of the image, score; without
    duplicates. A detector that also has ``directions`` = 2 gets images (n, 2, size, size) instead: the direction that
    is searched, and the other one. Its boxes are those of the first. One that has ``standard_error`` = True gets the
    standard errors of these after them, in the same unit.

    Examples
    --------
    >>> import labkit as lk
    >>> class Threshold:
    ...     name, kind, size = "threshold", "rates", 64
    ...     def predict(self, images, score=0.5):
    ...         boxes = []
    ...         for image in images:
    ...             rows, cols = np.nonzero(np.abs(np.nan_to_num(image)) > 20)
    ...             edges = [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1, 0.9] if rows.size else []
    ...             boxes.append(np.array(edges, float).reshape(-1, 5))
    ...         return boxes
    >>> rates = lk.simulate.scene("tiny").rates["ascending"]
    >>> lk.detect_landslides(rates, Threshold(), progress=False)[["direction", "score", "model"]].head(1)
      direction  score      model
    0      rate    0.9  threshold
    """

    name: str
    kind: str
    size: int

    def predict(self, images: npt.NDArray[np.float32], score: float = 0.5) -> list[npt.NDArray[np.float64]]:
        """Give the boxes of each image."""
        ...


def detect_landslides(
    data: xr.Dataset,
    detector: LandslideDetector,
    score: float = 0.5,
    *,
    overlap: float = 0.25,
    batch_size: int = 8,
    progress: bool = True,
) -> gpd.GeoDataFrame:
    """Find the landslides of a scene.

    Parameters
    ----------
    data : xarray.Dataset
        gradients (azimuth and range are searched one after the other; a detector of two directions looks at both each
        time) or rates.
    detector : object
        A :class:`labkit.train.Detector`, or anything that keeps to :class:`LandslideDetector`.
    score : float
        Least score of a detection, in [0, 1]. Average precision needs low ones too: take 0.05 before
        :func:`labkit.evaluate`.
    overlap : float
        Share that neighbouring tiles have in common, in [0, 1). Landslides up to this share of a tile, less 6 px, are
        seen whole by some tile; larger ones are put together from their parts.
    batch_size : int
        Tiles for each call of the detector.
    progress : bool
        Show a bar over the tiles.

    Returns
    -------
    geopandas.GeoDataFrame
        detections, best first within each direction, with the further columns ``orbit_direction`` and ``track`` of the
        scene. Empty where nothing was found.

    Raises
    ------
    LabkitError
        The detector is for the other kind of data, it sees standard errors and the data have none (rate maps get an
        estimate by :func:`labkit.estimate_standard_error`), or what it gives breaks the protocol.

    Notes
    -----
    Gradients reach the detector at the reference of 40 m and 20 years (:func:`labkit.schema.at_reference`), so that
    one detector serves stacks of any length. It knows landslides by their size in pixels, too: multilook to about the
    spacing that it was trained at. Tiles without a valid pixel are not looked at; boxes end at the scene's edge.

    A lazy scene is read from top to bottom, each row once for all directions, and no more of it is held than a row of
    tiles and the rows of chunks that it reaches into.

    Neighbouring tiles share at least s = size − round(size · (1 − overlap)) px, so that a box with both edges shorter
    than s − 6 px lies in some tile with more than 3 px (:data:`~labkit.detect.seams.EDGE_PX`) around it. The same
    detections come out for every tile size, overlap, batch size and order of tiles, bit for bit, where

    - all landslides are as short; of those whose boxes have an IoU above 0.4, or share more than 0.7 of the smaller
      one, also the box around both;
    - the detector is *local*: its box and score follow from the pixels within 3 px of the box alone, wherever in a tile
      it lies, and of a landslide that the tile's edge cuts it gives boxes that lie within the whole one's and reach to
      within 3 px of that edge.

    A larger landslide comes back as the envelope of its parts. A network is not local: what lies far from a landslide
    moves its answer a little, and each tile is scaled by its own noise where ``spread`` is set, so that boxes and
    scores differ in their last digits, and some at the limit of ``score`` come or go.

    Examples
    --------
    >>> import labkit as lk
    >>> gradients = lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)
    >>> found = detect_landslides(gradients, lk.load_detector("gradients-small"), score=0.3, progress=False)
    >>> found[["direction", "score", "xmin", "ymin", "xmax", "ymax"]].round(2)
      direction  score    xmin    ymin    xmax    ymax
    0   azimuth   0.90   93.44   17.95  117.30   47.90
    1   azimuth   0.89   54.79   97.12   66.67  111.42
    2   azimuth   0.87  137.68  100.59  163.15  120.38
    3   azimuth   0.83   97.41   93.00  114.02  107.93
    4     range   0.93   53.18   97.99   69.00  110.85
    5     range   0.92   92.89   20.44  118.78   46.53
    6     range   0.74  135.36   99.86  165.50  118.49
    7     range   0.66   95.90   92.91  116.82  107.39
    """
    kind = "gradients" if schema.is_gradients(data) else "rates"
    if detector.kind != kind:
        raise LabkitError(
            f"detector must be one for {kind}, as data is, instead got detector.kind={detector.kind!r}. "
            f"Train one on {kind}, or give it {detector.kind}"
        )
    if not 0 <= score <= 1:
        raise LabkitError(f"score must be in [0, 1], instead got score={score}")
    if batch_size < 1:
        raise LabkitError(f"batch_size must be at least 1, instead got batch_size={batch_size}")
    directions = getattr(detector, "directions", 1)
    layers = schema.layers(data)
    if directions not in (1, len(layers)):
        raise LabkitError(
            f"detector must be one for {' and '.join(layers)}, instead got detector.directions={directions}. "
            "Give it gradients of azimuth and range, or train one with directions=1"
        )
    factor = schema.reference_factor(data) if kind == "gradients" else 1.0
    shape = (data.sizes["y"], data.sizes["x"])
    windows = np.array(list(geo.windows(shape, detector.size, overlap)), np.int64)
    found = {direction: [np.zeros((0, 6))] for direction in layers}
    with_errors = getattr(detector, "standard_error", False)
    batches = batches_of(
        data, factor, windows, detector.size, directions, batch_size=batch_size, standard_error=with_errors
    )
    with tqdm(total=len(windows) * len(layers), desc="detecting", unit="tile", disable=not progress) as bar:
        for batch in batches:
            for tile, boxes in zip(batch.tiles, _answers(batch, detector, score), strict=True):
                numbers = np.full((len(boxes), 1), float(tile.number))
                found[tile.direction].append(np.concatenate([boxes, numbers], axis=1))
            bar.update(batch.passed)
    tables = []
    for direction, parts in found.items():
        boxes = np.concatenate(parts)
        joined = join_tiles(boxes[:, :5], boxes[:, 5].astype(np.int64), windows, detector.size, shape)
        tables.append(_table(_inside(joined, shape), direction, data, detector.name))
    return geo.with_geometry(gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=geo.WGS84), data)


def _answers(batch: Batch, detector: LandslideDetector, score: float) -> list[Array]:
    """Give the boxes of each tile in px of the scene, (k, 5)."""
    if not batch.tiles:
        return []
    answers = detector.predict(batch.images, score)
    _check_answers(answers, len(batch.tiles), detector)
    return [
        np.asarray(answer, float) + np.array([tile.col, tile.row, tile.col, tile.row, 0.0])
        for tile, answer in zip(batch.tiles, answers, strict=True)
    ]


def _inside(found: Array, shape: tuple[int, int]) -> Array:
    """Cut boxes at the scene's edge, beyond which a tile is only padding."""
    clipped = found.copy()
    clipped[:, [0, 2]] = found[:, [0, 2]].clip(0, shape[1])
    clipped[:, [1, 3]] = found[:, [1, 3]].clip(0, shape[0])
    return clipped[(clipped[:, 0] < clipped[:, 2]) & (clipped[:, 1] < clipped[:, 3])]


def _check_answers(answers: list[npt.NDArray[np.float64]], count: int, detector: LandslideDetector) -> None:
    shapes = [np.shape(answer) for answer in answers]
    if len(shapes) != count or any(len(s) != 2 or s[1] != 5 for s in shapes):
        raise LabkitError(
            f"detector.predict must give an array (k, 5) for each of the {count} images, instead {detector.name!r} "
            f"gave shapes={shapes[:4]}"
        )


def _table(found: Array, direction: str, data: xr.Dataset, model: str) -> gpd.GeoDataFrame:
    rows = len(found)
    columns: dict[str, object] = dict(zip(("xmin", "ymin", "xmax", "ymax", "score"), found.T, strict=True))
    words = {"scene": data.attrs.get("scene", ""), "direction": direction, "model": model}
    words |= {"orbit_direction": data.attrs.get("orbit_direction", ""), "track": data.attrs.get("track", "")}
    columns |= {name: [str(word)] * rows for name, word in words.items()}
    return schema.boxes_table(columns)
