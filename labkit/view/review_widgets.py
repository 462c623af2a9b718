"""The widgets of a review: the answers, the way through the sample, the note, and what the panels say in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labkit.view.box_widgets import FOCUS

if TYPE_CHECKING:
    pass

#: Answer → the words on its button; the letter in brackets is its key.
ANSWER_BUTTONS = {
    "landslide": "Landslide (L)",
    "human activity": "Human activity (H)",
    "not a landslide": "Not a landslide (N)",
    "unsure": "Unsure (U)",
}

#: Colours of the answers on the map of places, apart in hue and lightness (Okabe and Ito); white: not answered.
ANSWER_COLOURS = {
    "landslide": "#d55e00",
    "human activity": "#56b4e9",
    "not a landslide": "#000000",
    "unsure": "#cc79a7",
    "": "#ffffff",
}

PREVIOUS, NEXT, OPEN = "Previous (←)", "Next (→)", "Next unanswered (O)"
DRAW, BOX, CLEAR = "Draw outline (D)", "Box as outline (B)", "Clear outline (C)"

#: A key as the page names it → the button that it presses.
KEYS = {
    "l": ANSWER_BUTTONS["landslide"], "1": ANSWER_BUTTONS["landslide"],
    "h": ANSWER_BUTTONS["human activity"], "2": ANSWER_BUTTONS["human activity"],
    "n": ANSWER_BUTTONS["not a landslide"], "3": ANSWER_BUTTONS["not a landslide"],
    "u": ANSWER_BUTTONS["unsure"], "4": ANSWER_BUTTONS["unsure"],
    "arrowleft": PREVIOUS, "arrowright": NEXT, "o": OPEN, "d": DRAW, "b": BOX, "c": CLEAR,
}  # fmt: skip

HOW = (
    "Click into the panels once, then <b>one key</b> answers and goes on: <b>L</b> landslide, <b>H</b> human activity, "
    "<b>N</b> not a landslide, <b>U</b> unsure (or 1 to 4); <b>←</b> <b>→</b> go back and forth. <b>Outline</b>: press "
    "<b>D</b>, click around the landslide on any panel, double-click to end (or D again, or answer); it is kept with "
    "the answer. A <b>note</b> is kept with the answer too; Enter leaves it."
)


class ReviewWidgets:
    """The widgets of a review of so many detections."""

    def __init__(self, count: int) -> None:
        import panel as pn

        look: dict[str, Any] = {"stylesheets": [FOCUS]}
        self.answers = {
            answer: pn.widgets.Button(label=words, align="end", **look) for answer, words in ANSWER_BUTTONS.items()
        }
        words = (PREVIOUS, NEXT, OPEN, DRAW, BOX, CLEAR)
        self.buttons = {word: pn.widgets.Button(label=word, align="end", **look) for word in words}
        self.note = pn.widgets.TextInput(label="Note", width=420, **look)
        self.case = pn.widgets.Select(
            label="Detection", options={str(place + 1): place for place in range(count)}, width=220, **look
        )
        # a pane of HTML would fetch its style sheets from the network at every change
        self.where = pn.widgets.StaticText(sizing_mode="stretch_width")
        self.facts = pn.widgets.StaticText(sizing_mode="stretch_width")
        marks = (f"<span style='color:{ANSWER_COLOURS[answer]}'>⬤</span> {answer}" for answer in ANSWER_BUTTONS)
        self.key = pn.widgets.StaticText(value="Where the sample lies: " + " ".join(marks) + " ◯ not answered")
        self.said = pn.widgets.StaticText(sizing_mode="stretch_width")
        self._filling = False

    def above(self) -> list[Any]:
        """Give what stands above the panels."""
        import panel as pn

        steps = [self.buttons[word] for word in (PREVIOUS, NEXT, OPEN)]
        return [self.where, pn.Row(*self.answers.values(), *steps), self.facts]

    def below(self) -> list[Any]:
        """Give what stands below the panels."""
        import panel as pn

        return [pn.Row(self.note, self.case, *[self.buttons[word] for word in (DRAW, BOX, CLEAR)]), self.said, self.key]

    def when(self, noted: Callable[[str], None], picked: Callable[[int], None]) -> None:
        """Call these with the note, or the place in the sample, that somebody has written or picked."""

        def hear(do: Callable[[Any], None], event: Any) -> None:
            if not self._filling:
                do(event.new)

        self.note.param.watch(lambda event: hear(noted, event), "value")
        self.case.param.watch(lambda event: hear(picked, event), "value")

    def fill(self, place: int, note: str, given: Sequence[str]) -> None:
        """Show a detection's note, its place, and which are answered, without that being taken for an edit.

        Parameters
        ----------
        place : int
            In the sample, from 0.
        note : str
            Its note.
        given : sequence of str
            The answer of each of the sample, "" for none.
        """
        named = {f"{i + 1}: {answer or 'open'}": i for i, answer in enumerate(given)}
        self._filling = True
        self.note.value = note
        self.case.param.update(options=named, value=place)
        self._filling = False
