"""The history of the place that somebody clicked on, worked out while the explorer goes on."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import xarray as xr

from labkit.errors import LabkitError
from labkit.stack import displacement_series
from labkit.view.background import Background
from labkit.view.explorer_settings import Settings
from labkit.view.place_history import history, series

if TYPE_CHECKING:
    import holoviews as hv
    import panel as pn


class ExplorerHistory:
    """What is shown of one place: its displacement in time, and its gradients by season and by year.

    Attributes
    ----------
    displacement : xarray.Dataset or None
        Of :func:`labkit.displacement_series`, as it is shown.
    """

    def __init__(self) -> None:
        import panel as pn

        self.displacement: xr.Dataset | None = None
        self.said = pn.widgets.StaticText(sizing_mode="stretch_width")
        self._figures = pn.Column()
        self._background = Background("labkit-history")
        self._shown: tuple[Any, ...] = ()

    def panel(self) -> pn.Column:
        """Give the figures for a page; empty until somebody clicks."""
        import panel as pn

        return pn.Column(self.said, self._figures)

    def show(self, pairs: xr.Dataset, settings: Settings) -> None:
        """Show the place of these settings as these pairs tell of it; none without a place."""
        wanted = (settings.place, tuple(pairs["pair"].values), settings.window)
        if settings.place is None:
            self._background.drop()
            self._fill("", None, [])
            self._shown = ()
            return
        if wanted == self._shown:
            return
        self._shown = wanted
        self.said.value = "<p role='status' style='margin:0'>The history of this place is being worked out …</p>"
        box, window = settings.place, settings.window

        def work() -> tuple[xr.Dataset | None, list[hv.Layout], str]:
            figures, said, moved = [], "", None
            try:
                moved = displacement_series(pairs, box, progress=False)
                figures.append(series(moved))
            except LabkitError as error:
                # the gradients may be known where no displacement is
                said = f"No displacement: {error}. "
            figures.append(history(pairs, box, window=window, progress=False))
            return moved, figures, said

        self._background.begin(work, lambda done: self._fill(done[2], done[0], done[1]), self._refused)

    def _refused(self, error: LabkitError) -> None:
        self._fill(str(error), None, [])

    def _fill(self, said: str, moved: xr.Dataset | None, figures: list[Any]) -> None:
        import panel as pn

        self.displacement = moved
        if figures:
            said += "Displacement of the place against the ground around it, and its gradients by season and year."
        self.said.value = f"<p role='status' style='margin:0'>{html.escape(said)}</p>" if said else ""
        self._figures.objects = [pn.pane.HoloViews(figure, linked_axes=False) for figure in figures]
