"""From chips, scenes and labels to single samples: one direction of one chip, with the boxes that lie on it.

Nothing here needs torch. Pixels stay in the scenes and are read when a sample is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.train.augment import Boxes, Image
from labkit.train.settings import LIMITS

Scenes = xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset]

_CORNERS = ["xmin", "ymin", "xmax", "ymax"]

#: The word of a box about which people could not agree: no landslide to learn, and no background either.
UNSURE = "unsure"

#: Windows stay in memory, so that an epoch does not read them again, up to this many bytes in all.
MEMORY_BYTES = 1 << 30


@dataclass(frozen=True)
class Sample:
    """One direction of one chip. ``boxes`` are the labels clipped to it, in px of the chip; ``ignored`` likewise.

    ``lag`` is the distance of the pixels whose differences the image holds, px; 0 for rates.
    """

    chip_id: str
    scene: str
    direction: str
    row: int
    col: int
    size: int
    boxes: Boxes
    ignored: Boxes
    lag: int = 0

    @property
    def words(self) -> str:
        """How an error names it."""
        return f"{self.chip_id}/{self.direction}"


def by_scene(scenes: Scenes) -> dict[str, xr.Dataset]:
    """Give the scenes by their id, the attribute ``scene``, whichever way they came; all of one kind.

    Raises
    ------
    LabkitError
        There is none, one has no id, two share an id, or gradients and rates are mixed.
    """
    if isinstance(scenes, xr.Dataset):
        scenes = [scenes]
    given = list(scenes.values() if isinstance(scenes, Mapping) else scenes)
    if not given:
        raise LabkitError("scenes must hold at least one gradients or rates Dataset, instead got none")
    if len({schema.is_gradients(data) for data in given}) > 1:
        raise LabkitError("scenes must be all gradients or all rates, instead got both. Train one detector for each")
    table: dict[str, xr.Dataset] = {}
    for data in given:
        schema.layers(data)
        name = str(data.attrs.get("scene", ""))
        if not name or name in table:
            raise LabkitError(
                f"scenes must each have an attribute 'scene' of their own, instead got scene={name!r}. "
                "Set data.attrs['scene']"
            )
        table[name] = data
    return table


def make_samples(chips: gpd.GeoDataFrame, scenes: Scenes, labels: gpd.GeoDataFrame, min_inside: float) -> list[Sample]:
    """Give a sample for each chip and direction, azimuth and range apart as published.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        :data:`labkit.schema.CHIP_COLUMNS`.
    scenes : Dataset, or iterable or dict of Datasets
        All gradients or all rates.
    labels : geopandas.GeoDataFrame
        :data:`labkit.schema.BOX_COLUMNS`. Rows labelled "landslide" are taught; "unsure" ones neither teach nor count
        as background; any other word ("not a landslide") is background.
    min_inside : float
        A label is taught on a chip that holds at least this share of its area; one that is cut further is ignored.

    Raises
    ------
    LabkitError
        A chip's scene is not among the scenes, or a table breaks its schema.
    """
    schema.check_chips(chips)
    schema.check_boxes(labels, "labels")
    table = by_scene(scenes)
    unknown = sorted(set(chips["scene"]) - set(table))
    if unknown:
        raise LabkitError(f"scenes must hold the scene of each chip, instead these are missing: {unknown[:3]}")
    samples = []
    for chip in chips.itertuples():
        for direction in schema.layers(table[chip.scene]):
            here = labels[(labels["scene"] == chip.scene) & (labels["direction"] == direction)]
            corners = here[_CORNERS].to_numpy(float) - np.array([chip.col, chip.row, chip.col, chip.row], float)
            word = here["label"].to_numpy()
            taught, cut = clip_boxes(corners[word == schema.LANDSLIDE], int(chip.size), min_inside)
            unsure, _ = clip_boxes(corners[word == UNSURE], int(chip.size), 0.0)
            samples.append(
                Sample(
                    str(chip.chip_id),
                    str(chip.scene),
                    direction,
                    int(chip.row),
                    int(chip.col),
                    int(chip.size),
                    taught,
                    np.concatenate([cut, unsure]),
                    _lag(table[chip.scene]),
                )
            )
    return samples


def _lag(data: xr.Dataset) -> int:
    return int(data.attrs.get("lag", 1)) if schema.is_gradients(data) else 0


def clip_boxes(boxes: npt.ArrayLike, size: int, min_inside: float) -> tuple[Boxes, Boxes]:
    """Cut boxes at the edges of a square window.

    Parameters
    ----------
    boxes : array_like, shape (k, 4)
        xmin, ymin, xmax, ymax in px of the window; may reach outside.
    size : int
        Edge of the window, px.
    min_inside : float
        Share of a box's area that has to lie inside.

    Returns
    -------
    kept, cut : numpy.ndarray
        Clipped boxes with at least that share inside, and those with less; boxes wholly outside are in neither.

    Examples
    --------
    >>> kept, cut = clip_boxes([[-2, 0, 8, 4], [-8, 0, 2, 4], [-9, 0, -1, 4]], 10, 0.3)
    >>> kept.tolist(), cut.tolist()
    ([[0.0, 0.0, 8.0, 4.0]], [[0.0, 0.0, 2.0, 4.0]])
    """
    whole = np.asarray(boxes, float).reshape(-1, 4)
    clipped = whole.clip(0, size)
    area = (whole[:, 2:] - whole[:, :2]).prod(axis=1)
    inside = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1)
    touches, enough = inside > 0, inside >= min_inside * area
    return clipped[touches & enough], clipped[touches & ~enough]


class Reader:
    """Reads the image of a sample: gradients in rad at the reference, rates in mm/yr; NaN = no data."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = by_scene(scenes)
        self._kept: dict[tuple[str, str, int, int, int], Image] = {}
        self._bytes = 0

    @property
    def kind(self) -> str:
        """ "gradients" or "rates"."""
        return "gradients" if schema.is_gradients(next(iter(self._scenes.values()))) else "rates"

    def read(self, sample: Sample) -> Image:
        """Give the (size, size) float32 window of the sample; only that window is read from the scene, once."""
        key = (sample.scene, sample.direction, sample.row, sample.col, sample.size)
        if key in self._kept:
            return self._kept[key]
        data = self._scenes[sample.scene]
        window = geo.read_window(schema.layers(data)[sample.direction], sample.row, sample.col, sample.size)
        if self.kind == "gradients":
            window *= np.float32(schema.reference_factor(data))
        if self._bytes + window.nbytes <= MEMORY_BYTES:
            self._kept[key] = window
            self._bytes += window.nbytes
        return window


def scale(images: npt.ArrayLike, kind: str) -> Image:
    """Bring images into the range of a network: ±4 rad (or ±50 mm/yr) to ±1, clipped; no data becomes 0.

    Examples
    --------
    >>> scale([[2.0, np.nan, -9.0]], "gradients")
    array([[ 0.5,  0. , -1. ]], dtype=float32)
    """
    values = np.asarray(images, np.float32) / np.float32(LIMITS[kind])
    return np.nan_to_num(np.clip(values, -1, 1), nan=0.0)
