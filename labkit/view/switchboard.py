"""A small scene on a switchboard: switch each effect on and off and see one pair, the stack and the truth change."""

from __future__ import annotations

import html
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.simulate import Calendar, Effects, Scene, scene
from labkit.stack import stack_gradients
from labkit.view import interferogram, marks, notebook, panels, pixels
from labkit.view.switches import Switches, call_of
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv
    import ipywidgets

#: Kind of true boxes → its words in the legend; what can be seen lies over what cannot.
_LEGENDS = {"unseen": "true, too faint", "truth": "true, to be seen"}


def switchboard(
    name: str = "tiny",
    seed: int = 0,
    *,
    effects: Effects | None = None,
    calendar: str | Calendar | None = "two-years",
    limit: float = 2.0,
) -> Switchboard:
    """Show a simulated scene with a switch for each effect; what is seen follows in about a second.

    Parameters
    ----------
    name, seed, calendar
        Which scene (:func:`labkit.simulate.scene`). "tiny" follows at once; a larger scene takes its time.
    effects : Effects, optional
        What is on to begin with; None: nothing, motion alone.
    limit : float
        The ends of the gradients' colour bar, rad, > 0.

    Returns
    -------
    Switchboard
        Shown by the notebook as the last line of a cell; live as long as the kernel runs. ``effects`` is what is on,
        ``call`` the line that makes the same scene again, ``scene`` and ``stack`` are what is shown.

    Raises
    ------
    LabkitError
        There is no such scene or calendar, or an argument breaks its rule.

    Examples
    --------
    >>> board = switchboard(calendar=None)
    >>> board.switches.on["turbulence_mm"].value = True
    >>> board.call
    'lk.simulate.scene("tiny", seed=0, effects=lk.simulate.Effects.only(turbulence_mm=1.0))'
    """
    panels.check_limit(limit)
    return Switchboard(name, seed, effects or Effects.none(), calendar, limit)


class Switchboard:
    """The widgets of a switchboard and what they have made (:func:`switchboard`).

    Attributes
    ----------
    switches : Switches
        The check boxes ``on`` and sliders ``strength``, by field of :class:`labkit.simulate.Effects`.
    track, pair : ipywidgets.Widget
        Which track and which of its pairs is shown.
    scene : Scene
        What the switches say.
    stack : xarray.Dataset
        The stacked gradients of the track.
    seconds : float
        What the last change took to make, without drawing.
    """

    def __init__(self, name: str, seed: int, effects: Effects, calendar: str | Calendar | None, limit: float) -> None:
        import holoviews as hv
        import ipywidgets

        notebook.ready()
        self._recipe = name, seed, calendar
        self._limit = limit
        self.switches = Switches(effects)
        self._make(effects, "ascending")
        pairs = _pair_names(self.scene, "ascending")
        self.track = ipywidgets.Dropdown(options=sorted(self.scene.interferograms), description="Track")
        self.pair = ipywidgets.SelectionSlider(
            options=pairs, value=pairs[len(pairs) // 2], description="Pair", continuous_update=False,
            layout={"width": "460px"},
        )  # fmt: skip
        self.said = ipywidgets.HTML()
        self._redraw_pair, self._redraw_stack = (hv.streams.Stream.define("Redraw", number=0)() for _ in range(2))
        self._drawn_pair = self._draw_pair()
        self._held = False
        self._say()
        self._listen()

    @property
    def effects(self) -> Effects:
        """What is on."""
        return self.switches.effects

    @property
    def call(self) -> str:
        """The line that makes the same scene again."""
        name, seed, calendar = self._recipe
        dates = "" if calendar is None else f", calendar={calendar!r}"
        return f'lk.simulate.scene("{name}", seed={seed}, effects=lk.simulate.{call_of(self.effects)}{dates})'

    def figure(self) -> hv.Layout:
        """Give the four panels: phase and coherence of the pair, both gradients with the truth over them."""
        import holoviews as hv

        pair = [hv.DynamicMap(partial(self._of_pair, s), streams=[self._redraw_pair]) for s in ("phase", "coherence")]
        stack = [hv.DynamicMap(partial(self._of_stack, d), streams=[self._redraw_stack]) for d in schema.DIRECTIONS]
        return panels.lay_out(pair + stack, "", columns=2)

    def controls(self) -> ipywidgets.VBox:
        """Give the widgets above the panels."""
        import ipywidgets

        every = ipywidgets.Button(description="All on", layout={"width": "90px"})
        none = ipywidgets.Button(description="All off", layout={"width": "90px"})
        every.on_click(lambda _: self._set_all(True))
        none.on_click(lambda _: self._set_all(False))
        first = ipywidgets.HBox([self.track, self.pair, every, none], layout={"flex_flow": "row wrap"})
        return ipywidgets.VBox([self.switches.panel(), first, self.said])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.controls(), self.figure())

    def _listen(self) -> None:
        for widget in (*self.switches.on.values(), *self.switches.strength.values()):
            widget.observe(self._changed, "value")
        self.track.observe(self._track_changed, "value")
        self.pair.observe(self._pair_changed, "value")

    def _changed(self, _: Any) -> None:
        if self._held:
            return
        self.switches.enable()
        self.said.value = '<p role="status">Making the scene …</p>'
        try:
            self._make(self.effects, self.track.value)
        except LabkitError as error:
            # such as a bowl that finds no room: people read why, and the last scene stays
            self.said.value = f'<p role="alert" style="color:#b00020">{html.escape(str(error))}</p>'
            return
        self._draw()

    def _track_changed(self, _: Any) -> None:
        self._held = True
        names = _pair_names(self.scene, self.track.value)
        self.pair.options, self.pair.value = names, names[len(names) // 2]
        self._held = False
        self._changed(None)

    def _set_all(self, on: bool) -> None:
        """One new scene for all switches, not one for each."""
        self._held = True
        self.switches.set(on)
        self._held = False
        self._changed(None)

    def _make(self, effects: Effects, track: str) -> None:
        name, seed, calendar = self._recipe
        began = time.perf_counter()
        made = scene(name, seed, effects=effects, calendar=calendar)
        self.stack: xr.Dataset = stack_gradients(made.interferograms[track], progress=False)
        self.scene: Scene = made
        unseen = schema.boxes_table() if made.unseen is None else made.unseen
        tables = {"truth": made.truth, "unseen": unseen}
        # an empty table takes the columns of the other one, which the pointer reads
        other = {"truth": unseen, "unseen": made.truth}
        self._truth = {k: table if len(table) else other[k].iloc[:0] for k, table in tables.items()}
        self._outlines = marks.outlines_of(made.landslides, self.stack, self.stack["gradient"].shape[1:])
        self.seconds = time.perf_counter() - began

    def _pair_changed(self, _: Any) -> None:
        if not self._held:
            self._draw(stack=False)

    def _draw(self, *, stack: bool = True) -> None:
        self._drawn_pair = self._draw_pair()
        self._redraw_pair.event(number=self._redraw_pair.number + 1)
        if stack:
            self._redraw_stack.event(number=self._redraw_stack.number + 1)
            self._say()

    def _draw_pair(self) -> dict[str, hv.Image]:
        pairs = self.scene.interferograms[self.track.value]
        return interferogram.draw_pair(pairs, self.pair.value, pixels.MAX_PIXELS)

    def _of_pair(self, shown: str, number: int) -> hv.Image:
        return self._drawn_pair[shown]

    def _of_stack(self, direction: str, number: int) -> hv.Overlay:
        import holoviews as hv

        stack = self.stack
        layers = panels.layers_shown(stack, direction)
        shape = layers["value"].shape
        style = panels.gradient_style(direction, self._limit, "error" in layers)
        drawn: Any = panels.draw_image(pixels.shown(stack, layers), stack, shape, style)
        drawn = drawn * marks.draw_outlines(self._outlines, self.track.value, legend="")
        # every kind on every drawing, also where it has no box: holoviews fills the figure that stands
        for name, words in _LEGENDS.items():
            here, _ = marks.boxes_of(self._truth[name], name, stack, direction)
            drawn = drawn * marks.draw_boxes(here, name, words)
        return drawn.opts(hv.opts.Overlay(hooks=[marks.keep_dashes], **marks.LEGEND_OPTIONS))

    def _say(self) -> None:
        stack, track = self.stack, self.track.value
        seen, unseen = (int((self._truth[name]["track"] == track).sum()) for name in ("truth", "unseen"))
        words = (
            f"{track}: {counted(stack.attrs['n_pairs'], 'pair')}, "
            f"{stack.attrs['sum_temporal_baseline']:.1f} years in sum. "
            f"{seen} of {seen + unseen} true boxes can be seen; yellow lines are the landslides. "
            f"Made in {self.seconds:.1f} s."
        )
        self.said.value = (
            f'<p role="status">{words}</p><p>The same scene again:</p>'
            f'<pre style="white-space:pre-wrap;user-select:all">{html.escape(self.call)}</pre>'
        )


def _pair_names(made: Scene, track: str) -> list[str]:
    return [str(name) for name in made.interferograms[track]["pair"].values]
