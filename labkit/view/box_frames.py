"""Where boxes may lie while they are edited: on the whole image of a scene, or on one chip of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from labkit.errors import LabkitError
from labkit.schema import CORNERS

#: A box with a shorter edge is a slip of the hand, px.
LEAST_EDGE_PX = 1.0

#: A proposal belongs to each chip that holds this share of its area, as in Label Studio.
_SHARE = 0.5


@dataclass(frozen=True)
class Chip:
    """A square of a scene that somebody looks at: its upper left pixel and its edge, px."""

    chip_id: str
    row: int
    col: int
    size: int


@dataclass(frozen=True)
class Frame:
    """A part of an image, its edges in px of the image; ``what`` names it, "the image" or "the chip"."""

    left: float
    top: float
    right: float
    bottom: float
    what: str

    @classmethod
    def of(cls, shape: tuple[int, ...], chip: Chip | None) -> Frame:
        """Give the frame of a chip, or of the whole image of (rows, columns).

        Raises
        ------
        LabkitError
            The chip does not begin on the image.
        """
        height, width = shape
        if chip is None:
            return cls(0, 0, width, height, "the image")
        if not (0 <= chip.row < height and 0 <= chip.col < width):
            raise LabkitError(
                f"chips must begin on the scene of {width} × {height} px, instead got chip {chip.chip_id!r} at row "
                f"{chip.row}, col {chip.col}. Make them of this stack: lk.make_chips(data)"
            )
        right, bottom = min(chip.col + chip.size, width), min(chip.row + chip.size, height)
        return cls(chip.col, chip.row, right, bottom, "the chip")

    @property
    def middle(self) -> list[float]:
        """Corners of a box in the middle, a quarter as wide and high, at whole pixels."""
        x, y = (self.left + self.right) // 2, (self.top + self.bottom) // 2
        half_x, half_y = (max((b - a) // 8, 1.0) for a, b in ((self.left, self.right), (self.top, self.bottom)))
        return [x - half_x, y - half_y, x + half_x, y + half_y]

    def inside(self, box: np.ndarray) -> np.ndarray | None:
        """The part of a box that lies here, its corners in order; None where that is nothing."""
        if not np.isfinite(box).all():
            return None
        x = np.clip(np.sort(box[[0, 2]]), self.left, self.right)
        y = np.clip(np.sort(box[[1, 3]]), self.top, self.bottom)
        if min(x[1] - x[0], y[1] - y[0]) < LEAST_EDGE_PX:
            return None
        return np.array([x[0], y[0], x[1], y[1]])

    def cut(self, corners: Sequence[float]) -> np.ndarray:
        """The part of a box that lies here.

        Raises
        ------
        LabkitError
            That is nothing.
        """
        inside = self.inside(np.asarray(corners, float))
        if inside is None:
            raise LabkitError(
                f"corners must enclose at least {LEAST_EDGE_PX:g} px each way on {self.what}, x {self.left:g} to "
                f"{self.right:g} and y {self.top:g} to {self.bottom:g} px, instead got "
                f"corners={[float(corner) for corner in corners]}"
            )
        return inside

    def of_boxes(self, boxes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """The boxes with at least half of their area here, cut at the edges."""
        corners = boxes[CORNERS].to_numpy(float)
        inside = corners.clip([self.left, self.top] * 2, [self.right, self.bottom] * 2)
        whole, part = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (corners, inside))
        kept = part >= _SHARE * whole
        return gpd.GeoDataFrame(boxes[kept].assign(**dict(zip(CORNERS, inside[kept].T, strict=True))))
