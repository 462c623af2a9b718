"""The profile below the panels of an explorer: it follows the line and the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from labkit.errors import LabkitError
from labkit.view.explorer_copies import Copies
from labkit.view.explorer_ground import Ground
from labkit.view.explorer_settings import Settings
from labkit.view.line_profile import ProfileFigures, read_profile
from labkit.view.restacking import Picture
from labkit.view.review_layers import spacing_m

if TYPE_CHECKING:
    import panel as pn

#: A stack of more pixels is integrated to rates for the profile only where they are shown anyway.
_RATE_PIXELS = 600_000


class ExplorerProfile:
    """The profile along the line of an explorer.

    Attributes
    ----------
    table : pandas.DataFrame or None
        What is drawn (:func:`labkit.view.line_profile.read_profile`), x and y in pixels of the scene; None: no line.
    """

    def __init__(self, ifgs: xr.Dataset, ground: Ground) -> None:
        self._ground = ground
        self._metres = spacing_m(ifgs) != (1.0, 1.0)
        self.table: pd.DataFrame | None = None
        self.copies: Copies[tuple[ProfileFigures, pn.Column]] = Copies()

    def show(self, picture: Picture, settings: Settings) -> None:
        """Draw the profile of this stack along the line of these settings."""
        before, self.table = self.table, self._read(picture, settings)
        if before is None and self.table is None:
            return
        for figures, place in self.copies:
            figures.fill(self.table)
            place.visible = self.table is not None
        self.copies.push()

    def pane(self) -> pn.Column:
        """Give the figures for one place on a page; they are seen where there is a line."""
        import panel as pn

        figures = ProfileFigures(metres=self._metres)
        figures.fill(self.table)
        pane = pn.pane.Bokeh(figures.row())
        # a pane of figures keeps its frames on the page when it is not visible; what holds it does not
        place = pn.Column(pane, visible=self.table is not None)
        self.copies.add(pane, (figures, place))
        return place

    def _read(self, picture: Picture, settings: Settings) -> pd.DataFrame | None:
        if settings.line is None:
            return None
        stack = picture.stack
        x0, y0, x1, y1 = settings.line
        step, left, top = picture.step, picture.left, picture.top
        line = [(x0 - left) / step, (y0 - top) / step, (x1 - left) / step, (y1 - top) / step]
        table = read_profile(stack, line, rates=_rates(picture, settings))
        table = table.assign(x=table["x"] * step + left, y=table["y"] * step + top)
        for name in ("azimuth", "azimuth_error", "range", "range_error"):
            table[name] *= picture.gradient_share
        return table.assign(height=self._ground.heights(table["y"].to_numpy(), table["x"].to_numpy()))


def _rates(picture: Picture, settings: Settings) -> xr.Dataset | None:
    """The rates of a stack, where they are shown or soon made."""
    stack = picture.stack
    soon = picture.exact and stack.sizes["y"] * stack.sizes["x"] <= _RATE_PIXELS
    if settings.third != "rate" and not soon:
        return None
    try:
        return picture.rates
    except LabkitError:
        # "sum" and "rewrapped" have no rate, nor has a stack of unknown spacing
        return None
