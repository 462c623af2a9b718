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
from labkit.errors import LabkitError


class LandslideDetector(Protocol):
    """What a detector has to offer, however it works inside.

    ``kind`` is "gradients" or "rates", ``size`` the edge of its tiles in px, ``name`` the word for the column
    ``model``. ``predict`` takes images (n, size, size), float32, gradients in rad at the reference or rates in mm/yr,
    NaN = no data, and gives for each an (k, 5) array: xmin, ymin, xmax, ymax in px of the image, score; without
    duplicates. A detector that also has ``directions`` = 2 gets images (n, 2, size, size) instead: the direction that
    is searched, and the other one. Its boxes are those of the first.
    """

    name: str
    kind: str
    size: int

    def predict(self, images: npt.NDArray[np.float32], score: float = 0.5) -> list[npt.NDArray[np.float64]]:
        """Give the boxes of each image."""
        ...


def detect_landslides(
    data: xr.Dataset, detector: LandslideDetector, score: float = 0.5, *, overlap: float = 0.25, batch_size: int = 8
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
        Share that neighbouring tiles have in common, in [0, 1). Landslides up to this share of a tile are seen whole
        by some tile; larger ones are put together from their parts.
    batch_size : int
        Tiles for each call of the detector.

    Returns
    -------
    geopandas.GeoDataFrame
        detections, best first within each direction, with the further columns ``orbit_direction`` and ``track`` of the
        scene. Empty where nothing was found.

    Raises
    ------
    LabkitError
        The detector is for the other kind of data, or what it gives breaks the protocol.

    Notes
    -----
    Gradients reach the detector at the reference of 40 m and 20 years (:func:`labkit.schema.at_reference`), so that
    one detector serves stacks of any length. It knows landslides by their size in pixels, too: multilook to about the
    spacing that it was trained at. Tiles without a valid pixel are not looked at; boxes end at the scene's edge.
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
    factor = np.float32(schema.reference_factor(data) if kind == "gradients" else 1.0)
    searched = _searched(data, getattr(detector, "directions", 1))
    shape = (data.sizes["y"], data.sizes["x"])
    windows = np.array(list(geo.windows(shape, detector.size, overlap)), np.int64)
    found = []
    with tqdm(total=len(windows) * len(searched), desc="detecting", unit="tile") as bar:
        for direction, layers in searched.items():
            boxes, tiles = _search(layers, factor, windows, detector, score, batch_size, bar)
            joined = join_tiles(boxes, tiles, windows, detector.size, shape)
            found.append(_table(_inside(joined, shape), direction, data, detector.name))
    return geo.with_geometry(gpd.GeoDataFrame(pd.concat(found, ignore_index=True), crs=geo.WGS84), data)


def _searched(data: xr.Dataset, directions: int) -> dict[str, list[xr.DataArray]]:
    """Give for each direction the layers that the detector sees: it, and the other one for a detector of two."""
    layers = schema.layers(data)
    if directions not in (1, len(layers)):
        raise LabkitError(
            f"detector must be one for {' and '.join(layers)}, instead got detector.directions={directions}. "
            "Give it gradients of azimuth and range, or train one with directions=1"
        )
    if directions == 1:
        return {direction: [layer] for direction, layer in layers.items()}
    return {name: [layers[name], *(layers[other] for other in layers if other != name)] for name in layers}


def _search(
    layers: list[xr.DataArray],
    factor: np.float32,
    windows: npt.NDArray[np.int64],
    detector: LandslideDetector,
    score: float,
    batch_size: int,
    bar: tqdm,
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Give the boxes of all tiles in px of the scene (n, 5), and the tile of each."""
    boxes, tiles = [np.zeros((0, 5))], [np.zeros(0, np.int64)]
    corners = [(int(row), int(col)) for row, col in windows]
    for start in range(0, len(windows), batch_size):
        numbers = range(start, min(start + batch_size, len(windows)))
        cut = {i: [geo.read_window(layer, *corners[i], detector.size) * factor for layer in layers] for i in numbers}
        images = {i: seen for i, seen in cut.items() if np.isfinite(seen[0]).any()}
        if images:
            stacked = np.stack([np.stack(seen) if len(layers) > 1 else seen[0] for seen in images.values()])
            answers = detector.predict(stacked, score)
            _check_answers(answers, len(images), detector)
            for i, answer in zip(images, answers, strict=True):
                row, col = corners[i]
                boxes.append(answer + np.array([col, row, col, row, 0.0]))
                tiles.append(np.full(len(answer), i, np.int64))
        bar.update(len(numbers))
    return np.concatenate(boxes), np.concatenate(tiles)


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
