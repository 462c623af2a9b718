"""Two settings, or two tracks, on the same panels: a swipe parts what was kept from what is chosen now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.view import pixels
from labkit.view.explorer_faces import Face, cell_centres
from labkit.view.explorer_settings import Settings
from labkit.view.explorer_state import State
from labkit.view.explorer_widgets import FOCUS
from labkit.view.restacking import Picture, Restacker

if TYPE_CHECKING:
    import panel as pn

Array = npt.NDArray[np.float64]


class ExplorerSwipe:
    """What lies left of the swipe, and its widgets.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The scene.
    restacker : Restacker
        Stacks the settings that were kept.
    other : xarray.Dataset, optional
        gradients of another track or stack, laid onto this scene by lon/lat, pixel by nearest pixel.
    moved : callable
        Called when the panels have to be drawn anew.
    now : callable
        Gives the settings that are shown.

    Raises
    ------
    LabkitError
        ``other`` is no gradients object, or one of both scenes has no lon/lat.

    Attributes
    ----------
    kept : Settings or None
        What was kept; None: ``other``, where it was given.
    """

    def __init__(
        self,
        ifgs: xr.Dataset,
        restacker: Restacker,
        other: xr.Dataset | None,
        moved: Callable[[], None],
        now: Callable[[], Settings],
    ) -> None:
        import panel as pn

        if other is not None:
            schema.check_gradients(other)
            if not (geo.has_lonlat(ifgs) and geo.has_lonlat(other)):
                raise LabkitError("other must have lon/lat, as the scene must, to lie on it, instead one has neither")
        self._ifgs, self._restacker, self._other = ifgs, restacker, other
        self.kept: Settings | None = None
        self._picture: tuple[Settings, Picture] | None = None
        self._seen: tuple[Any, tuple[Array, Array]] | None = None
        self._moved, self._now = moved, now
        look: dict[str, Any] = {"stylesheets": [FOCUS]}
        self.keep = pn.widgets.Button(label="Keep for comparing", align="end", **look)
        self.share: Any = pn.widgets.FloatSlider(
            label="Swipe: kept to the left, per cent of the view", start=0, end=100, step=1, value=round(State.swipe),
            width=300, disabled=other is None, **look,
        )  # fmt: skip
        self.keep.on_click(lambda _: self.take(now()))
        self.share.param.watch(lambda _: self._moved(), "value")

    def panel(self) -> pn.Row:
        """Give the widgets."""
        import panel as pn

        return pn.Row(self.keep, self.share)

    def take(self, settings: Settings) -> None:
        """Keep these settings to compare with."""
        self.kept = settings
        self._picture = None
        self.share.disabled = False
        self._moved()

    def restore(self, kept: Settings | None, share: float) -> None:
        """Put the swipe where it was, with what was kept then."""
        self._picture = None
        self.kept = kept
        self.share.disabled = kept is None and self._other is None
        self.share.value = share

    def laid(self, faces: dict[str, Face], settings: Settings) -> dict[str, Face]:
        """Put what was kept on the left share of the gradients' panels."""
        share = self.share.value / 100
        if share == 0 or (self.kept is None and self._other is None):
            return faces
        left, right = settings.cols or (0.0, float(self._ifgs.sizes["x"]))
        return {name: self._beside(name, face, left + share * (right - left), settings) for name, face in faces.items()}

    def _beside(self, direction: str, face: Face, cut: float, settings: Settings) -> Face:
        y, x = np.meshgrid(*cell_centres(face.part), indexing="ij")
        stack, row, col, factor = self._cells(face.part, y, x, settings)
        arrays = dict(face.part.arrays)
        kept = x < cut
        for array, name in (("value", "gradient"), ("other", "standard_error")):
            image = stack[name].sel(direction=direction).values
            inside = (row >= 0) & (col >= 0) & (row < image.shape[0]) & (col < image.shape[1])
            at = np.where(inside, row, 0).astype(int), np.where(inside, col, 0).astype(int)
            there = np.where(inside, image[at] * np.float32(factor), np.nan)
            arrays[array] = np.where(kept, there, arrays[array]).astype(np.float32)
        what = str(stack.attrs["scene"]) if self.kept is None else "kept"
        return replace(
            face, part=pixels.Shown(arrays, face.part.bounds, face.part.step), title=f"{face.title}: {what} | now"
        )

    def _cells(
        self, part: pixels.Shown, y: Array, x: Array, settings: Settings
    ) -> tuple[xr.Dataset, Array, Array, float]:
        """The stack to the left, which of its pixels each cell sees, and what its gradients are multiplied by."""
        if self.kept is None:
            assert self._other is not None
            where = (part.bounds, part.step)
            if self._seen is None or self._seen[0] != where:
                at = geo.lonlat_to_pixel(self._other, *geo.pixel_to_lonlat(self._ifgs, y, x))
                self._seen = where, (np.floor(at[0]), np.floor(at[1]))
            return self._other, *self._seen[1], 1.0
        wanted = replace(self.kept, rows=settings.rows, cols=settings.cols)
        if self._picture is None or self._picture[0] != wanted:
            self._picture = wanted, self._restacker.quick(wanted)
        picture = self._picture[1]
        row, col = (np.floor((at - first) / picture.step) for at, first in ((y, picture.top), (x, picture.left)))
        return picture.stack, row, col, picture.gradient_share
