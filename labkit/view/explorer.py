"""The explorer as it stands on a page: what the hand moves is stacked, drawn, remembered and said."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.view import notebook
from labkit.view.background import Background
from labkit.view.box_editor import BoxEditor
from labkit.view.explorer_box_layer import Gesture
from labkit.view.explorer_boxes import ExplorerBoxes
from labkit.view.explorer_editing import ChosenOnPanels, ExplorerEditing
from labkit.view.explorer_export import save_figure
from labkit.view.explorer_faces import Face, gradient_face, third_face
from labkit.view.explorer_ground import Ground
from labkit.view.explorer_history import ExplorerHistory
from labkit.view.explorer_labelling import ExplorerLabelling
from labkit.view.explorer_masks import ExplorerMasks, masks_table
from labkit.view.explorer_network import ExplorerNetwork
from labkit.view.explorer_panels import ExplorerPanels, Hand
from labkit.view.explorer_past import Past
from labkit.view.explorer_profile import ExplorerProfile
from labkit.view.explorer_settings import Mask, Settings, code_of, from_table, to_table
from labkit.view.explorer_state import State, as_table, read_state, write_state
from labkit.view.explorer_swipe import ExplorerSwipe
from labkit.view.explorer_widgets import ExplorerWidgets, numbers_typed
from labkit.view.explorer_words import said
from labkit.view.panels import headline
from labkit.view.restacking import LIVE_PIXEL_PAIRS, Picture, Restacker

if TYPE_CHECKING:
    import panel as pn

#: A drag over dates has ended when nothing moves for so long, s.
_REST_S = 0.6


class Explorer:
    """The figures and widgets of an explorer (:func:`explore`).

    Attributes
    ----------
    settings : Settings
        What is shown.
    picture : Picture
        The stack that is shown, with where it lies in the scene and how long it took.
    """

    def __init__(
        self,
        ifgs: xr.Dataset,
        state: str | Path | Mapping[str, Any] | None,
        ground: Ground,
        boxes: ExplorerBoxes,
        other: xr.Dataset | None = None,
        live_pixel_pairs: int = LIVE_PIXEL_PAIRS,
        annotator: str = "",
    ) -> None:
        notebook.ready()
        self._ifgs, self._ground, self._boxes = ifgs, ground, boxes
        self._shape = (ifgs.sizes["y"], ifgs.sizes["x"])
        self._scene = str(ifgs.attrs.get("scene", ""))
        self._restacker = Restacker(ifgs, live_pixel_pairs)
        self._past = Past()
        self._began: Settings | None = None
        self._number = 0
        self._words: tuple[int, str, bool] = (0, "", False)
        self._sharpening = Background("labkit-sharpening")
        hand = Hand(self._viewed, self._drew, self._clicked, self._edited, self._outlined)
        self.panels = ExplorerPanels(ifgs, ground, boxes, hand)
        self.network = ExplorerNetwork(ifgs, self._dragged)
        self.widgets = ExplorerWidgets(ifgs, self._moved, self._typed)
        self.profile, self.history = ExplorerProfile(ifgs, ground), ExplorerHistory()
        self.labelling = ExplorerLabelling(ifgs, boxes, self._shown, lambda: self.panels.draw(self.settings))
        self.swipe = ExplorerSwipe(ifgs, self._restacker, other, self._redraw, lambda: self.settings)
        chosen = ChosenOnPanels(boxes, self._redraw_boxes, self.panels.choose)
        self.editing = ExplorerEditing(
            ifgs, boxes, annotator, lambda: self.picture.stack, lambda: self.settings.score, chosen
        )
        self.outlining = ExplorerMasks(lambda: self.settings.masks, lambda masks: self._try(self._mask, masks))
        begin = State(Settings()) if state is None else read_state(state, self._scene)
        self.settings = begin.settings
        self.picture = self._restacker.quick(self.settings)
        self.swipe.restore(begin.kept, begin.swipe)
        self._draw(self._faces(self.settings, self.picture), self.settings)
        self.widgets.fill(self.settings)
        self._connect()
        self._end()

    @property
    def state(self) -> dict[str, Any]:
        """The picture as a small table that JSON can hold."""
        return as_table(State(self.settings, self.swipe.kept, self.swipe.share.value), self._scene)

    @property
    def stack(self) -> xr.Dataset:
        """The gradients that are shown; at full resolution when nothing moves any more."""
        return self.picture.stack

    @property
    def changed(self) -> list[str]:
        """What the last change changed, one line for each setting."""
        return self._past.changed(self.settings)

    @property
    def masks(self) -> gpd.GeoDataFrame:
        """The ground that is left out, as polygons in lon/lat with their ``reason`` and ``scene``.

        Raises
        ------
        LabkitError
            The scene has no lon/lat.
        """
        return masks_table(self.settings.masks, self._ifgs)

    def code(self, name: str = "ifgs") -> str:
        """Give a cell that makes the picture again, from interferograms of this name."""
        return code_of(self.settings, self._restacker.part(self.settings), name)

    def change(self, **fields: Any) -> None:
        """Change settings by their names (:class:`labkit.view.explorer_settings.Settings`).

        Raises
        ------
        LabkitError
            A setting breaks its rule, or no pair fits; the picture stays as it was.
        """
        new = from_table(to_table(self.settings) | fields)
        self._apply(new)
        self._past.remember(self.settings)
        self.settings = new
        self.widgets.fill(new)
        self.panels.look_at(new)
        self._end()

    def undo(self) -> bool:
        """Take back the last change; False where there is none. What is in view stays."""
        if not self._past.back(self.editing.undo, self._go_back):
            return False
        self._end()
        return True

    def save(self, path: str | Path) -> Path:
        """Write the state as JSON, whole or not at all, and give the file's name."""
        return write_state(self.state, path)

    def restore(self, state: str | Path | Mapping[str, Any]) -> None:
        """Show a state that was saved.

        Raises
        ------
        LabkitError
            The file is none of :meth:`save`, or of another scene; the picture stays as it was.
        """
        read = read_state(state, self._scene)
        self.change(**to_table(read.settings))
        self.swipe.restore(read.kept, read.swipe)
        self._redraw()

    def box_editor(self, annotator: str) -> BoxEditor:
        """Give a box editor on what is shown (:func:`labkit.view.box_editor`), for a cell of its own.

        It writes to the store given as ``labels``; what is saved appears on the explorer's panels.

        Raises
        ------
        LabkitError
            No store was given, or the annotator has no name.
        """
        return self.labelling.edit(annotator)

    def save_figure(self, path: str | Path) -> Path:
        """Save the panels with boxes, line and profile, at full resolution, as ``.png``, ``.svg`` or ``.pdf``."""
        picture, settings = self._exact(), self.settings
        return save_figure(
            path, self._faces(settings, picture), self._ifgs, settings, self.panels.boxes_over(settings),
            self.profile.table, headline(picture.stack),
        )  # fmt: skip

    def panel(self) -> pn.Column:
        """Give the whole explorer: widgets, network, panels, and what they say."""
        import panel as pn

        network, drawn = self.network.pane(), self.panels.pane(self.settings)
        hands = (self.editing.panel(), self.outlining.panel())
        below = (*hands, self.profile.pane(), *self.widgets.below(), self.labelling.panel(), self.history.panel())
        scored = [self.widgets.score] if self._boxes.detections is not None else []
        compared = pn.Row(*self.swipe.panel(), *scored)
        return pn.Column(*self.widgets.above(), compared, network, drawn, *below)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.panel())

    def _connect(self) -> None:
        does: dict[str, Callable[[], None]] = {
            "Undo": self._undo_or_say,
            "Show code": self._show_code,
            "Save state": lambda: self._say(f"Saved {self.save(self.widgets.state_file.value)}."),
            "Restore state": lambda: self.restore(self.widgets.state_file.value),
            "Save picture": lambda: self._say(f"Saved {self.save_figure(self.widgets.picture_file.value)}."),
        }
        self.widgets.hand.param.watch(lambda event: self._take(event.new), "value")
        for word, button in self.widgets.buttons.items():
            button.on_click(partial(self._pressed, does[word]))

    def _pressed(self, do: Callable[[], None], _: Any) -> None:
        self._try(do)

    def _undo_or_say(self) -> None:
        if not self.undo():
            self._say("Nothing to undo.")

    def _take(self, mode: str) -> None:
        """Let the hand zoom, draw a line, boxes, or the outline of a mask."""
        self.panels.take(mode)
        self.editing.take(mode == "boxes")
        self.outlining.take(mode == "mask")

    def _edited(self, gesture: Gesture) -> None:
        """Somebody did something to a box on a panel."""
        self.editing.did(gesture)

    def _outlined(self, corners: list[tuple[float, float]]) -> None:
        """Somebody outlined ground on a panel."""
        self.outlining.outlined(corners)

    def _mask(self, masks: Callable[[], tuple[Mask, ...]]) -> None:
        """Leave this ground out."""
        self._point(masks=masks())

    def _redraw_boxes(self) -> None:
        """Boxes have changed: each step can be taken back in its turn."""
        self._past.count_boxes(self.editing.steps)
        self.panels.draw(self.settings)
        self._say("")

    def _try(self, do: Callable[..., None], *what: Any) -> None:
        """Do what a person asked for on the page; what goes wrong is said there."""
        try:
            do(*what)
        except LabkitError as error:
            self._alert(error)

    def _alert(self, error: LabkitError) -> None:
        self._say(str(error), alert=True)

    def _show_code(self) -> None:
        self.widgets.code.value = f'<pre style="user-select:all">{html.escape(self.code())}</pre>'

    def _moved(self, let_go: bool) -> None:
        """A widget was moved."""
        self._try(lambda: self._follow(replace(self.settings, **self.widgets.fields()), let_go))

    def _dragged(self, start: str, end: str, let_go: bool) -> None:
        """Somebody drags over dates in the network."""

        def follow() -> None:
            self._follow(replace(self.settings, start=start, end=end), let_go)
            self.widgets.fill(self.settings)

        self._try(follow)
        if notebook.in_kernel() and not let_go:
            # a page does not always say when the hand lets go of the network: at rest, it has
            notebook.kernel_loop().call_later(_REST_S, self._rested, self._number)

    def _rested(self, number: int) -> None:
        """Take a drag for ended when nothing has moved since."""
        if number == self._number and self._began is not None:
            self._try(lambda: self._follow(self.settings, True))

    def _viewed(self, rows: tuple[float, float], cols: tuple[float, float]) -> None:
        """Somebody zoomed or panned."""
        new = replace(self.settings, rows=rows, cols=cols)
        if rows[0] <= 0 and cols[0] <= 0 and rows[1] >= self._shape[0] and cols[1] >= self._shape[1]:
            new = replace(new, rows=None, cols=None)
        if new == self.settings:
            return

        def follow() -> None:
            self._apply(new)
            self.settings = new
            self._end()

        self._try(follow)

    def _drew(self, line: tuple[float, ...]) -> None:
        """Somebody drew a line on a panel."""
        self._try(lambda: self._point(line=line))

    def _clicked(self, at: tuple[float, ...]) -> None:
        """Somebody clicked on a panel."""
        self._try(lambda: self._point(place=self._box_at(at)))

    def _typed(self, name: str, words: str) -> None:
        """Somebody typed the ends of a line, or a place."""

        def point() -> None:
            numbers = numbers_typed(words, (4,) if name == "line" else (2, 4), name)
            if numbers is not None and len(numbers) == 2:
                numbers = self._box_at(numbers)
            self._point(**{name: numbers})

        self._try(point)

    def _box_at(self, at: tuple[float, ...]) -> tuple[float, ...]:
        return self._boxes.around(at[0], at[1], self.settings.score, self.widgets.edge.value)

    def _point(self, **what: Any) -> None:
        """Take a line or a place."""
        self._follow(replace(self.settings, **what), True)
        self.widgets.fill(self.settings)

    def _follow(self, new: Settings, let_go: bool) -> None:
        """Go along with the hand; the change counts, and is sharpened, when it lets go."""
        if new != self.settings:
            self._apply(new)
            self._began = self._began or self.settings
            self.settings = new
        if not let_go:
            self._say("")
            return
        before, self._began = self._began, None
        if before is not None:
            self._past.remember(before)
        self._end()

    def _go_back(self, before: Settings) -> None:
        """Show settings again; what is in view stays."""
        before = replace(before, rows=self.settings.rows, cols=self.settings.cols)
        self._apply(before)
        self.settings = before
        self.widgets.fill(before)

    def _apply(self, new: Settings) -> None:
        """Stack and draw what differs; on an error nothing has changed."""
        picture = self.picture
        restacked = new.stacking != self.settings.stacking
        if picture.exact:
            restacked |= self._restacker.part(new) != self._restacker.part(self.settings)
        else:
            restacked |= self._restacker.is_live(new)
        if restacked:
            picture = self._restacker.quick(new)
        faces = self._faces(new, picture)
        self._number += 1
        self.picture = picture
        self._draw(faces, new)

    def _faces(self, settings: Settings, picture: Picture) -> dict[str, Face]:
        drawn = {d: gradient_face(picture, settings, d) for d in schema.DIRECTIONS}
        return self.swipe.laid(drawn, settings) | {"third": third_face(picture, settings, self._ifgs, self._ground)}

    def _redraw(self) -> None:
        """Draw what is shown once more: the swipe has moved."""
        self._try(lambda: self.panels.show(self._faces(self.settings, self.picture)))

    def _draw(self, faces: dict[str, Face], settings: Settings) -> None:
        self.panels.show(faces)
        self.panels.draw(settings)
        self.profile.show(self.picture, settings)
        self.network.show(self._restacker.chosen(settings))
        self.outlining.fill(settings.masks)

    def _end(self) -> None:
        """The hand has let go: say what stands, and sharpen it."""
        self._say_again()
        self.editing.refresh()
        if self.widgets.code.value:
            self._show_code()
        self._sharpen()
        # chosen pairs are copied where they lie in memory: only where a place asks for them
        pairs = self._ifgs
        if self.settings.place is not None:
            pairs = pairs.isel(pair=self._restacker.chosen(self.settings))
        self.history.show(pairs, self.settings)

    def _sharpen(self) -> None:
        """Stack at full resolution what is not: beside the kernel's work where there is a page, at once without."""
        self._sharpening.drop()
        if self.picture.exact:
            return
        number, settings = self._number, self.settings
        self._sharpening.begin(
            partial(self._restacker.sharp, settings), partial(self._sharpened, number, settings), self._alert
        )

    def _sharpened(self, number: int, settings: Settings, picture: Picture) -> None:
        if number == self._number:
            self.picture = picture
            self._draw(self._faces(settings, picture), settings)
            self._say_again()

    def _shown(self) -> tuple[Picture, Settings]:
        return self._exact(), self.settings

    def _exact(self) -> Picture:
        return self.picture if self.picture.exact else self._restacker.sharp(self.settings)

    def _say_again(self) -> None:
        """Say what stands; words that were said of it, such as where it was saved, stay."""
        number, first, alert = self._words
        self._say(first if number == self._number else "", alert=alert and number == self._number)

    def _say(self, first: str, *, alert: bool = False) -> None:
        self._words = (self._number, first, alert)
        self.widgets.said.value = said(
            first, self.picture, self.settings, self._scene, self._ifgs.sizes["pair"], self.changed, alert=alert
        )
