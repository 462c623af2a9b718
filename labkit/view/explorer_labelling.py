"""From the explorer to labels: boxes drawn on what is shown, in the notebook or in Label Studio."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import xarray as xr

from labkit import chip, geo, label, schema
from labkit.errors import LabkitError
from labkit.view.background import Background
from labkit.view.box_editor import BoxEditor, box_editor
from labkit.view.explorer_boxes import ExplorerBoxes
from labkit.view.explorer_settings import Settings
from labkit.view.explorer_widgets import FOCUS
from labkit.view.restacking import Picture

if TYPE_CHECKING:
    import panel as pn


class ExplorerLabelling:
    """The widgets that lead to labels.

    Parameters
    ----------
    ifgs : xarray.Dataset
        The scene.
    boxes : ExplorerBoxes
        Its boxes; the box editor writes to their store.
    shown : callable
        Gives the stack that is shown, at full resolution, and its settings.
    saved : callable
        Called when the box editor has saved.
    """

    def __init__(
        self,
        ifgs: xr.Dataset,
        boxes: ExplorerBoxes,
        shown: Callable[[], tuple[Picture, Settings]],
        saved: Callable[[], None],
    ) -> None:
        import panel as pn

        self._ifgs, self._boxes, self._shown, self._saved = ifgs, boxes, shown, saved
        self._background = Background("labkit-sending")
        look: dict[str, Any] = {"stylesheets": [FOCUS]}
        self.project: Any = pn.widgets.TextInput(label="Project", value="labkit", width=150, **look)
        self.button = pn.widgets.Button(label="Send view to Label Studio", align="end", **look)
        self.said = pn.widgets.StaticText(sizing_mode="stretch_width")
        self.button.on_click(partial(self._pressed, self.send))

    def panel(self) -> pn.Column:
        """Give the widgets."""
        import panel as pn

        return pn.Column(pn.Row(self.project, self.button), self.said)

    def edit(self, annotator: str) -> BoxEditor:
        """Give a box editor on the stack that is shown, with the part in view in front.

        Raises
        ------
        LabkitError
            There is no store of labels, or no name.
        """
        if self._boxes.store is None:
            raise LabkitError(
                "labels must be a store to draw boxes into, instead there is none. "
                'Give one: explore(ifgs, labels="labels")'
            )
        picture, settings = self._shown()
        height, width = self._ifgs.sizes["y"], self._ifgs.sizes["x"]
        rows, cols = settings.rows or (0.0, float(height)), settings.cols or (0.0, float(width))
        editor = box_editor(
            on_scene(picture, self._ifgs), self._boxes.store, annotator, detections=self._boxes.detections,
            limit=settings.limit, view=(cols[0], rows[0], cols[1], rows[1]),
        )  # fmt: skip
        editor.said.param.watch(lambda _: self._saved(), "value")
        return editor

    def send(self) -> None:
        """Make a task of the part in view in Label Studio, with the detections on it to correct."""
        picture, settings = self._shown()
        project, detections = self.project.value, self._boxes.detections
        whole = on_scene(picture, self._ifgs)
        one = chip_of_view(whole, settings)
        self._say("Sending …")

        def work() -> str:
            studio = label.connect()
            with tempfile.TemporaryDirectory(prefix="labkit-view-") as folder:
                images = chip.write_images(one, whole, folder, settings.limit, progress=False)
                report = studio.push(one, images, project, predictions=detections)
            what = "a new task" if report.new else "a task that was there already"
            return f"{one['chip_id'].iloc[0]} is {what} of {project!r}: {report.url}"

        self._background.begin(work, self._say, self._alert)

    def _pressed(self, do: Callable[[], None], _: Any) -> None:
        try:
            do()
        except LabkitError as error:
            self._alert(error)

    def _alert(self, error: LabkitError) -> None:
        self.said.value = f"<p role='alert' style='margin:0;color:#b00020'>{html.escape(str(error))}</p>"

    def _say(self, words: str) -> None:
        self.said.value = f"<p role='status' style='margin:0;color:#1b5e20'>{html.escape(words)}</p>" if words else ""


def on_scene(picture: Picture, ifgs: xr.Dataset) -> xr.Dataset:
    """Give an exact stack on the grid of the whole scene, no data beyond its part: boxes count pixels of the scene."""
    stack = picture.stack
    height, width = ifgs.sizes["y"], ifgs.sizes["x"]
    if (stack.sizes["y"], stack.sizes["x"]) == (height, width):
        return stack
    rows = slice(picture.top, picture.top + stack.sizes["y"])
    cols = slice(picture.left, picture.left + stack.sizes["x"])
    whole = {}
    for name, image in stack.data_vars.items():
        values = np.full((*image.shape[:-2], height, width), np.nan, np.float32)
        values[..., rows, cols] = image.values
        whole[name] = (image.dims, values, image.attrs)
    coordinates = {name: ifgs.coords[name] for name in ("lon", "lat", "y", "x") if name in ifgs.coords}
    return xr.Dataset(whole, {"direction": stack["direction"]} | coordinates, stack.attrs)


def chip_of_view(data: xr.Dataset, settings: Settings) -> gpd.GeoDataFrame:
    """Give the square chip that holds what is in view, on the grid of the scene.

    Raises
    ------
    LabkitError
        There is no data in view.
    """
    height, width = next(iter(schema.layers(data).values())).shape
    rows, cols = settings.rows or (0.0, float(height)), settings.cols or (0.0, float(width))
    top, left = (int(np.clip(np.floor(span[0]), 0, n - 1)) for span, n in ((rows, height), (cols, width)))
    bottom, right = (int(np.clip(np.ceil(span[1]), 1, n)) for span, n in ((rows, height), (cols, width)))
    size = max(bottom - top, right - left)
    # as far up and to the left as it takes to lie on the scene
    top, left = max(0, min(top, height - size)), max(0, min(left, width - size))
    seen = [np.isfinite(geo.read_window(layer, top, left, size)) for layer in schema.layers(data).values()]
    share = float(np.any(seen, axis=0).mean())
    if not share:
        raise LabkitError("the view must hold data to be labelled, instead there is none in it. Zoom out")
    scene = str(data.attrs.get("scene", ""))
    table = {
        "chip_id": [f"{scene}-r{top}-c{left}-s{size}"], "scene": scene, "row": [top], "col": [left], "size": size,
        "valid_fraction": [share], "split": "",
    }  # fmt: skip
    square = geo.box_polygons(data, [(left, top, left + size, top + size)])
    return schema.check_chips(gpd.GeoDataFrame(table, geometry=square, crs=geo.WGS84))
