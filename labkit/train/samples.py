"""From chips, scenes and labels to single samples: one direction of one chip, with the boxes that lie on it.

Nothing here needs torch. Pixels stay in the scenes and are read when a sample is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.schema import CORNERS
from labkit.train.augment import Boxes, Image
from labkit.train.channels import over_error
from labkit.train.keeping import DISK_BYTES, MEMORY_BYTES, Kept

Scenes = xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset]


class LabelSource(Protocol):
    """What holds labels and gives them when asked, such as :class:`labkit.label.LabelStore`."""

    def labels(self) -> gpd.GeoDataFrame:
        """Give the labels that stand."""
        ...


#: A table of labels, or what gives one.
Labels: TypeAlias = gpd.GeoDataFrame | LabelSource


#: The word of a box about which people could not agree: no landslide to learn, and no background either.
UNSURE = "unsure"


@dataclass(frozen=True)
class Sample:
    """One direction of one chip. ``boxes`` are the labels clipped to it, in px of the chip; ``ignored`` likewise.

    ``lag`` is the distance of the pixels whose differences the image holds, px; 0 for rates. ``context`` is the other
    direction where the image shows that, too; the boxes are those of ``direction`` alone. With ``standard_error`` the
    image shows each direction once more, over its standard error.
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
    context: str = ""
    standard_error: bool = False

    @property
    def seen(self) -> tuple[str, ...]:
        """The directions that its image shows."""
        return (self.direction, self.context) if self.context else (self.direction,)

    @property
    def directions(self) -> tuple[str, ...]:
        """What the layers of its image hold; a direction over its standard error turns and mirrors as it does."""
        return self.seen * (2 if self.standard_error else 1)

    @property
    def words(self) -> str:
        """How an error names it."""
        return f"{self.chip_id}/{self.direction}"


def labels_table(labels: Labels) -> gpd.GeoDataFrame:
    """Give the table of labels, whatever holds it."""
    return labels if isinstance(labels, pd.DataFrame) else labels.labels()


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


def make_samples(
    chips: gpd.GeoDataFrame,
    scenes: Scenes,
    labels: gpd.GeoDataFrame,
    min_inside: float,
    *,
    directions: int = 1,
    standard_error: bool = False,
) -> list[Sample]:
    """Give a sample for each chip and direction, with the labels of that direction.

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
    directions : int
        1: the image shows that direction alone, as published; 2: it shows the other one, too, as a second layer. The
        labels of the other one are not taught with it, so that a detection has one direction either way.
    standard_error : bool
        The image shows each direction over its standard error, too.

    Raises
    ------
    LabkitError
        A chip's scene is not among the scenes, a table breaks its schema, or two directions are asked of a scene that
        has only one, or a standard error of one that has none.
    """
    schema.check_chips(chips)
    schema.check_boxes(labels, "labels")
    table = by_scene(scenes)
    unknown = sorted(set(chips["scene"]) - set(table))
    if unknown:
        raise LabkitError(f"scenes must hold the scene of each chip, instead these are missing: {unknown[:3]}")
    others = {name: _others(data, directions) for name, data in table.items()}
    if standard_error:
        for data in table.values():
            schema.standard_errors(data)
    samples = []
    for chip in chips.itertuples():
        for direction, context in others[chip.scene].items():
            here = labels[(labels["scene"] == chip.scene) & (labels["direction"] == direction)]
            corners = here[CORNERS].to_numpy(float) - np.array([chip.col, chip.row, chip.col, chip.row], float)
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
                    context,
                    standard_error,
                )
            )
    return samples


def _others(data: xr.Dataset, directions: int) -> dict[str, str]:
    """Give for each direction of a scene the one that is shown beside it, "" for none."""
    there = list(schema.layers(data))
    if directions == 1:
        return dict.fromkeys(there, "")
    if len(there) != 2:
        raise LabkitError(
            f"scenes must have azimuth and range for directions=2, instead {data.attrs['scene']!r} has {there}. "
            "Take directions=1"
        )
    return {there[0]: there[1], there[1]: there[0]}


def _lag(data: xr.Dataset) -> int:
    return int(data.attrs.get("lag", 1)) if schema.is_gradients(data) else 0


def clip_boxes(
    boxes: npt.ArrayLike, size: int | tuple[int, int], min_inside: float, min_edge: float = 0.0
) -> tuple[Boxes, Boxes]:
    """Cut boxes at the edges of a window.

    Parameters
    ----------
    boxes : array_like, shape (k, 4)
        xmin, ymin, xmax, ymax in px of the window; may reach outside.
    size : int or (int, int)
        Edge of the window, or its height and width, px.
    min_inside : float
        Share of a box's area that has to lie inside.
    min_edge : float
        Both edges of what lies inside have to be this long, px.

    Returns
    -------
    kept, cut : numpy.ndarray
        Clipped boxes of which enough lies inside, and the others; boxes wholly outside are in neither.

    Examples
    --------
    >>> kept, cut = clip_boxes([[-2, 0, 8, 4], [-8, 0, 2, 4], [-9, 0, -1, 4]], 10, 0.3)
    >>> kept.tolist(), cut.tolist()
    ([[0.0, 0.0, 8.0, 4.0]], [[0.0, 0.0, 2.0, 4.0]])
    """
    height, width = (size, size) if isinstance(size, int) else size
    whole = np.asarray(boxes, float).reshape(-1, 4)
    if not len(whole):
        return whole, whole
    clipped = np.maximum(np.minimum(whole, (width, height, width, height)), 0)
    edges = clipped[:, 2:] - clipped[:, :2]
    area = (whole[:, 2:] - whole[:, :2]).prod(axis=1)
    inside = edges.prod(axis=1)
    touches, enough = inside > 0, (inside >= min_inside * area) & (edges >= min_edge).all(axis=1)
    return clipped[touches & enough], clipped[touches & ~enough]


class Reader:
    """Reads the image of a sample: gradients in rad at the reference, rates in mm/yr; NaN = no data.

    Parameters
    ----------
    scenes : Dataset, or iterable or dict of Datasets
        All gradients or all rates; may be lazy.
    memory_bytes, disk_bytes : int
        Chips that were read stay in memory up to this size in all, and further ones of lazy scenes in a temporary file
        up to this size (:class:`~labkit.train.keeping.Kept`); of the rest each window is read from the scene again.
    """

    def __init__(self, scenes: Scenes, memory_bytes: int = MEMORY_BYTES, disk_bytes: int = DISK_BYTES) -> None:
        self._scenes = by_scene(scenes)
        self._layers = {name: schema.layers(data) for name, data in self._scenes.items()}
        self._errors = {
            name: schema.standard_errors(data) for name, data in self._scenes.items() if "standard_error" in data
        }
        self._factors = {
            name: np.float32(schema.reference_factor(data) if self.kind == "gradients" else 1.0)
            for name, data in self._scenes.items()
        }
        self._kept = Kept(memory_bytes, disk_bytes)

    @property
    def kind(self) -> str:
        """ "gradients" or "rates"."""
        return "gradients" if schema.is_gradients(next(iter(self._scenes.values()))) else "rates"

    @property
    def scenes(self) -> dict[str, xr.Dataset]:
        """The scenes by their id."""
        return self._scenes

    def read(self, sample: Sample, row: int = 0, col: int = 0, size: int | tuple[int, int] | None = None) -> Image:
        """Give a window of the sample.

        Parameters
        ----------
        sample : Sample
            One of these scenes.
        row, col : int
            Upper left corner of the window on the chip, px.
        size : int or (int, int), optional
            Edge of the window, or its height and width, px; the whole chip when left out.

        Returns
        -------
        numpy.ndarray
            (layers, height, width) float32, a new array; NaN beyond the chip, whose labels end there. With
            ``standard_error`` each direction comes again as a multiple of its standard error.
        """
        size = sample.size if size is None else size
        height, width = (size, size) if isinstance(size, int) else size
        out = np.empty((len(sample.directions), height, width), np.float32)
        high, wide = min(height, sample.size - row), min(width, sample.size - col)
        out[:, high:], out[:, :high, wide:] = np.nan, np.nan
        for place, (layer, direction) in enumerate(zip(out, sample.directions, strict=True)):
            layer[:high, :wide] = self._window(sample, direction, place >= len(sample.seen), (row, col, high, wide))
        return out

    def _window(self, sample: Sample, direction: str, by_error: bool, part: tuple[int, int, int, int]) -> Image:
        """Give a part (row, col, height, width) of one layer of a chip; the whole chip is read where it can be kept."""
        key = (sample.scene, direction, by_error, sample.row, sample.col, sample.size)
        row, col, high, wide = part
        kept = self._kept.window(key, *part)
        if kept is not None:
            return kept
        # what lies in memory as a scene need not lie on a disk, too
        lazy = not self._layers[sample.scene][direction].variable._in_memory
        if self._kept.has_room(4 * sample.size**2, in_file=lazy):
            chip = self._cut(*key)
            self._kept.keep(key, chip, in_file=lazy)
            return chip[row : row + high, col : col + wide]
        read = self._cut(sample.scene, direction, by_error, sample.row + row, sample.col + col, max(high, wide))
        return read[:high, :wide]

    def _cut(self, scene: str, direction: str, by_error: bool, row: int, col: int, size: int) -> Image:
        image = geo.read_window(self._layers[scene][direction], row, col, size)
        if by_error:
            return over_error(image, geo.read_window(self._errors[scene][direction], row, col, size))
        return image * self._factors[scene]
