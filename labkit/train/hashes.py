"""Which data a detector learned from: hashes of scenes, chips and labels. Nothing here needs torch."""

from __future__ import annotations

import hashlib
from typing import Any

import geopandas as gpd
import numpy as np
import xarray as xr

from labkit import schema
from labkit.train.samples import Scenes, by_scene

#: Rows of a scene that are read at a time.
_ROWS = 256

_CHIP_FIELDS = ["chip_id", "scene", "row", "col", "size", "valid_fraction", "split"]


def data_hashes(
    chips: gpd.GeoDataFrame,
    scenes: Scenes,
    labels: gpd.GeoDataFrame,
    noise: Scenes | None = None,
    *,
    standard_error: bool = False,
) -> dict[str, Any]:
    """Give the SHA-256 of everything that teaches.

    Parameters
    ----------
    chips, scenes, labels, noise
        As for :func:`labkit.train.fit`. Scenes without a chip are left out. Each is read once, in bands of rows.
    standard_error : bool
        The standard errors of the scenes teach, too.

    Returns
    -------
    dict
        "scenes": by scene, of every value of its layers and of what brings them to the reference; "chips"; "labels"
        (:func:`labkit.schema.boxes_hash`); "annotated", the chips that people have finished; "noise", as "scenes". The
        order of rows in the tables does not matter.
    """
    annotated = sorted(map(str, labels.attrs.get("annotated_chips", [])))
    used = set(map(str, chips["scene"]))
    rows = sorted(repr(row) for row in chips[_CHIP_FIELDS].astype({"row": int, "col": int}).to_numpy().tolist())
    return {
        "scenes": {
            name: _scene_hash(data, standard_error) for name, data in sorted(by_scene(scenes).items()) if name in used
        },
        "chips": hashlib.sha256("\n".join(rows).encode()).hexdigest(),
        "labels": schema.boxes_hash(labels),
        "annotated": hashlib.sha256("\n".join(annotated).encode()).hexdigest(),
        "noise": {name: _scene_hash(data, standard_error) for name, data in sorted(by_scene(noise).items())}
        if noise is not None
        else {},
    }


def _scene_hash(data: xr.Dataset, standard_error: bool) -> str:
    gradients = schema.is_gradients(data)
    factor = float(schema.reference_factor(data)) if gradients else 1.0
    digest = hashlib.sha256(repr((factor, data.attrs.get("lag", 1) if gradients else 0)).encode())
    images = list(schema.layers(data).items())
    for name, layer in images + (list(schema.standard_errors(data).items()) if standard_error else []):
        digest.update(repr((name, layer.shape)).encode())
        for row in range(0, layer.shape[0], _ROWS):
            digest.update(np.ascontiguousarray(layer[row : row + _ROWS].values, np.float32).tobytes())
    return digest.hexdigest()
