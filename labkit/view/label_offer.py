"""An offer to label a scene: a button that makes its project in a running Label Studio, and nothing before it."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import xarray as xr

from labkit import chip, label, schema
from labkit.errors import LabkitError
from labkit.label.connection import URL_VARIABLE
from labkit.label.server import find_server
from labkit.wording import counted

if TYPE_CHECKING:
    from labkit.label.studio import PushReport

#: Usual edges of a chip of gradients and of rates; a smaller scene is one chip. Images are drawn at least this large.
_GRADIENT_CHIP, _RATE_CHIP = 416, 512

_NO_SERVER = (
    "No Label Studio of this bench is running. Start one with <code>labkit lab</code> in a terminal, or with "
    "<code>lk.label.start_server()</code> in a cell, then press the button."
)


def label_offer(
    scene: xr.Dataset,
    detections: gpd.GeoDataFrame | None = None,
    project: str | None = None,
    *,
    folder: str | Path = "results/chips",
) -> LabelOffer:
    """Offer to make a project in Label Studio of a scene, with a model's boxes to correct.

    Parameters
    ----------
    scene : xarray.Dataset
        gradients or rates.
    detections : geopandas.GeoDataFrame, optional
        Boxes that people find on the chips.
    project : str, optional
        Title of the project; the scene's name without it. It can be changed on the page.
    folder : path
        Where the chips' pictures are written when the button is pressed.

    Returns
    -------
    LabelOffer
        Shows itself in a notebook: a title, a button, and what would be sent. ``offer.push()`` does the same from code.
        Nothing is written, sent or started before.

    Raises
    ------
    LabkitError
        The scene holds no data, or the detections break the schema.

    Examples
    --------
    >>> import labkit as lk
    >>> track = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> lk.view.label_offer(lk.stack_gradients(track, progress=False))
    LabelOffer: 1 chip of 192 px with 0 proposed boxes for the project 'tiny-ascending'
    """
    if detections is not None:
        schema.check_boxes(detections)
    return LabelOffer(scene, detections, project, Path(folder))


class LabelOffer:
    """What would be labelled, and the button that makes a project of it. Made by :func:`label_offer`."""

    def __init__(
        self, scene: xr.Dataset, detections: gpd.GeoDataFrame | None, project: str | None, folder: Path
    ) -> None:
        usual = _GRADIENT_CHIP if schema.is_gradients(scene) else _RATE_CHIP
        self._scene, self._detections, self._folder = scene, detections, folder
        self.size = min(usual, max(int(scene.sizes["y"]), int(scene.sizes["x"])))
        self._scale = max(1, usual // self.size)
        self.chips = chip.make_chips(scene, self.size)
        self.project = project or str(scene.attrs.get("scene", "")) or "my data"
        self._panel: Any = None

    def __repr__(self) -> str:
        return f"LabelOffer: {self._words()} for the project {self.project!r}"

    def push(self) -> PushReport:
        """Write the chips' pictures and put them into the project on the running server.

        Returns
        -------
        PushReport
            With the project's address; pushed again, it adds what is new and keeps what people did.

        Raises
        ------
        ServerError
            No Label Studio runs, or it does not answer; none is started.
        """
        studio = label.connect()
        images = chip.write_images(self.chips, self._scene, self._folder, scale=self._scale, progress=False)
        return studio.push(self.chips, images, self.project, predictions=self._detections)

    @property
    def panel(self) -> Any:
        """The widgets (ipywidgets.VBox): the title, the button, and what became of it."""
        if self._panel is None:
            self._panel = self._draw()
        return self._panel

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.panel._repr_mimebundle_(**kwargs)

    def _draw(self) -> Any:
        import ipywidgets

        title = ipywidgets.Text(value=self.project, description="Project", layout={"width": "360px"})
        button = ipywidgets.Button(
            description="Make the project", button_style="primary", icon="tags", layout={"width": "auto"}
        )
        said = ipywidgets.HTML(f"{self._offered()}<br>{_server_words()}")

        def pressed(_: Any) -> None:
            self.project = title.value.strip() or self.project
            button.disabled = True
            said.value = f"Sending {html.escape(self._words())} …"
            try:
                said.value = _done(self.push())
            except LabkitError as error:
                reason = html.escape(str(error))
                said.value = f'<span style="color:#d4001a">Nothing was made: {reason}</span>'
            finally:
                button.disabled = False

        button.on_click(pressed)
        row = ipywidgets.HBox([title, button], layout={"flex_flow": "row wrap", "align_items": "center"})
        return ipywidgets.VBox([row, said])

    def _offered(self) -> str:
        return f"{html.escape(self._words())} would be sent; nothing is, before the button is pressed."

    def _words(self) -> str:
        boxes = 0 if self._detections is None else len(self._detections)
        chips = f"{counted(len(self.chips), 'chip')} of {self.size} px"
        return f"{chips} with {counted(boxes, 'proposed box')}"


def _server_words() -> str:
    """Whether a server stands ready; of one that was named by its address, that it will be asked."""
    named = os.environ.get(URL_VARIABLE)
    if named:
        return f"The Label Studio at {html.escape(named)} ({URL_VARIABLE}) will be asked."
    server = find_server()
    return _NO_SERVER if server is None else f"A Label Studio answers at {html.escape(server.url)}."


def _done(report: PushReport) -> str:
    address = html.escape(report.url, quote=True)
    known = f", {report.known} were there already" if report.known else ""
    return (
        f"{report.new} {'chip is' if report.new == 1 else 'chips are'} new in the project{known}. "
        f'<a href="{address}" target="_blank" style="text-decoration:underline">Open it in Label Studio</a> '
        "and press <b>Label All Tasks</b>."
    )
