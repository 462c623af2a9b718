"""The widgets of an explorer that outline ground to be left out, and what they have outlined as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr

from labkit import geo
from labkit.errors import LabkitError
from labkit.stack.drawn import as_area
from labkit.view.explorer_settings import REASONS, Mask
from labkit.view.explorer_widgets import FOCUS, numbers_typed

if TYPE_CHECKING:
    import panel as pn

_HOW = (
    "<b>Outline</b>: click its corners on any panel; a double click, a click on the first corner, or Enter closes it, "
    "Backspace takes a corner away, Escape all. Or type them."
)

_NONE = "none"

#: A straight edge on the image is a bent one on the ground: it gets a corner at least every so many px.
_STEP_PX = 1.0


class ExplorerMasks:
    """The widgets; they are seen while masks are outlined.

    Parameters
    ----------
    masks : callable
        Gives the masks that stand.
    changed : callable
        Called with the masks that are to stand; it says what is wrong with them.
    """

    def __init__(
        self, masks: Callable[[], tuple[Mask, ...]], changed: Callable[[Callable[[], tuple[Mask, ...]]], None]
    ) -> None:
        import panel as pn

        look: dict[str, Any] = {"stylesheets": [FOCUS]}
        self._masks, self._changed, self._filling = masks, changed, False
        self.reason = pn.widgets.Select(label="Reason", options=list(REASONS), width=120, **look)
        self.corners: Any = pn.widgets.TextInput(label="Corners: x, y, x, y, …, px", width=330, **look)
        self.mask = pn.widgets.Select(label="Mask", options={_NONE: -1}, value=-1, width=260, **look)
        self.button = pn.widgets.Button(label="Delete mask", align="end", **look)
        self.corners.param.watch(lambda event: self._typed(event.new), "value")
        self.button.on_click(lambda _: self._delete())
        words = f"<p style='margin:0;max-width:1060px'>{_HOW}</p>"
        row = pn.Row(self.reason, self.corners, self.mask, self.button)
        self._place = pn.Column(pn.widgets.StaticText(value=words), row, visible=False)

    def panel(self) -> pn.Column:
        """Give the widgets."""
        return self._place

    def take(self, drawing: bool) -> None:
        """Show the widgets, or not."""
        self._place.visible = drawing

    def outlined(self, corners: Sequence[Sequence[float]]) -> None:
        """Take an outline, with the reason that is chosen."""
        drawn = tuple((float(x), float(y)) for x, y in corners)
        self._changed(lambda: (*self._masks(), Mask(self.reason.value, drawn)))

    def fill(self, masks: Sequence[Mask]) -> None:
        """Offer these masks to be deleted."""
        named = {_NONE: -1}
        for number, mask in enumerate(masks):
            left, top, right, bottom = as_area(mask.outline, mask.reason).bounds
            named[f"{number + 1}: {mask.reason}, x {left:.0f}–{right:.0f}, y {top:.0f}–{bottom:.0f}"] = number
        if dict(self.mask.options) != named:
            self.mask.param.update(options=named, value=len(masks) - 1)

    def _typed(self, words: str) -> None:
        if self._filling or not words.strip():
            return

        def read() -> tuple[Mask, ...]:
            count = len(words.replace(",", " ").split())
            if count < 6 or count % 2:
                raise LabkitError(f"corners must be at least three pairs x, y, instead got corners={words!r}")
            numbers = numbers_typed(words, (count,), "corners") or ()
            mask = Mask(self.reason.value, tuple(zip(numbers[::2], numbers[1::2], strict=True)))
            self._filling = True
            self.corners.value = ""
            self._filling = False
            return (*self._masks(), mask)

        self._changed(read)

    def _delete(self) -> None:
        number = self.mask.value
        if number >= 0:
            self._changed(lambda: tuple(mask for k, mask in enumerate(self._masks()) if k != number))


def masks_table(masks: Sequence[Mask], ifgs: xr.Dataset) -> gpd.GeoDataFrame:
    """Give masks as polygons in lon/lat with their ``reason`` and ``scene``.

    Raises
    ------
    LabkitError
        The scene has no lon/lat.
    """
    if not geo.has_lonlat(ifgs):
        raise LabkitError(
            "masks must lie on the Earth to be a table of polygons, instead the scene has no lon/lat. "
            "lk.stack.mask_outlines takes them in pixels: see explorer.code()"
        )
    shapes = [
        shapely.transform(
            as_area(mask.outline, mask.reason).segmentize(_STEP_PX),
            lambda at: np.column_stack(geo.pixel_to_lonlat(ifgs, at[:, 1], at[:, 0])),
        )
        for mask in masks
    ]
    table = {"reason": [mask.reason for mask in masks], "scene": str(ifgs.attrs.get("scene", ""))}
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(shapes, crs=geo.WGS84))
