"""Checking detections by eye in the notebook: one at a time, a key for each answer, saved after each."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from shapely.geometry.base import BaseGeometry

from labkit.detect.reviewing import Review, check_outline, check_reviewer, open_review, sample_detections
from labkit.errors import FileError, LabkitError
from labkit.view import notebook, review_script
from labkit.view.review_layers import Layers, Scenes, Window, footprints
from labkit.view.review_panels import ReviewPanels
from labkit.view.review_widgets import ANSWER_BUTTONS, BOX, CLEAR, DRAW, HOW, KEYS, NEXT, OPEN, PREVIOUS, ReviewWidgets

if TYPE_CHECKING:
    import panel as pn

_MERGED = ("azimuth", "range", "ascending", "descending")


def review(
    detections: gpd.GeoDataFrame | None,
    store: Review | str | Path,
    reviewer: str,
    *,
    gradients: Scenes | None = None,
    rates: Scenes | None = None,
    ground: xr.DataArray | None = None,
    n: int | None = 100,
    seed: int = 0,
) -> ReviewDesk:
    """Check a random sample of detections by eye, one at a time: is it a landslide?

    Parameters
    ----------
    detections : geopandas.GeoDataFrame or None
        Detections or merged landslides; all of them are shown as neighbours. None goes on with the sample in the file.
    store : Review or path
        A ``.gpkg`` (:func:`labkit.detect.open_review`). Each answer is on the disk before the next detection is shown.
        Several reviewers may share it, or each take a file of his own with the same detections, n and seed
        (:func:`labkit.detect.gather_answers`). Nobody sees what the others say.
    reviewer : str
        Who looks.
    gradients, rates : Dataset, or iterable or dict of Datasets, optional
        Stacks of the scenes in which the detections lie, found by their attribute ``scene``; rates on a grid of their
        own are found by their place. The coherence comes from the gradients.
    ground : xarray.DataArray, optional
        An optical image (band, y, x) with red, green and blue, or shaded relief (y, x), with a CRS or lon/lat. At
        least one of gradients, rates and ground.
    n : int or None
        How many detections, 100 as in the first paper; None for all, in their own order.
    seed : int
        Of the lot.

    Returns
    -------
    ReviewDesk
        Shown by the notebook as the last line of a cell; live as long as the kernel runs. ``desk.review`` has the
        results: ``shares()``, ``agreement()``, ``inventory()``, ``write_csv(path)``.

    Raises
    ------
    LabkitError
        An argument breaks its rule, or a detection lies on nothing that is given.

    Notes
    -----
    A person sees the gradients at ±4 rad, the rate, the coherence and the ground around the box, about three times as
    wide as the box (less on a scene that is smaller), and where the detection lies among the others. Boxes of
    neighbours are dashed. An outline that is drawn on one panel is shown on all, and is kept in lon/lat with the
    answer; drawn or changed later, it is saved at once. A new kernel begins at the first detection that this person has
    not answered.

    References
    ----------
    Fu et al. (2022), section 5.1: 100 detections drawn by lot, checked on optical images.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> stack = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = scene.truth[scene.truth["scene"] == stack.attrs["scene"]]
    ...     desk = review(found, folder + "/review.gpkg", "ann", gradients=stack, ground=scene.hillshade, n=3)
    ...     desk.answer("landslide")
    ...     desk.review.shares().head(1)[["reviewer", "answer", "count", "of"]]
      reviewer     answer  count  of
    0      ann  landslide      1   1
    """
    kept = store if isinstance(store, Review) else open_review(store, detections, n=n, seed=seed)
    everything = kept.sample if detections is None else sample_detections(detections, None)
    layers = Layers(everything, gradients, rates, ground)
    return ReviewDesk(
        kept, check_reviewer(reviewer), everything, layers, footprints(rates if gradients is None else gradients)
    )


class ReviewDesk:
    """The panels and widgets of a review (:func:`review`).

    Attributes
    ----------
    review : Review
        The sample, what was answered, and the results.
    place : int
        Which of the sample is shown, from 0.
    """

    def __init__(
        self, kept: Review, reviewer: str, everything: gpd.GeoDataFrame, layers: Layers, scenes: gpd.GeoSeries
    ) -> None:
        notebook.ready()
        self.review, self.reviewer = kept, reviewer
        rows = pd.Series(np.arange(len(everything)), index=everything["detection_id"])
        lost = set(kept.sample["detection_id"]) - set(rows.index)
        if lost:
            raise LabkitError(
                f"detections must hold the sample of {kept.path}, instead {len(lost)} are not among them. "
                "Give those that the review was begun with, or None"
            )
        self._rows = [int(rows[name]) for name in kept.sample["detection_id"]]
        self._drafts: dict[str, tuple[str, BaseGeometry | None]] = {}
        self.panels = ReviewPanels(layers, everything, scenes, drew=self._drew)
        self.widgets = ReviewWidgets(len(kept.sample))
        self._read()
        self.place = self._next_open(0) or 0
        self._connect()
        self._show()

    def answer(self, answer: str) -> None:
        """Answer the detection that is shown, save that, and go on to the next that is not answered."""
        try:
            self._save(answer)
        except FileError as error:
            self._say(f"Not saved: {error}.", alert=True)
            self.panels.tell()
            return
        self._drafts.pop(self._name, None)
        number = self.place + 1
        following = self._next_open(self.place + 1)
        self.place = self.place if following is None else following
        self._show()
        self._say(f"Saved {number}: {answer}." + (" All are answered." if following is None else ""))

    def go(self, place: int) -> None:
        """Show another detection by its place in the sample, from 0."""
        inside = 0 <= place < len(self._rows)
        self.place = min(max(place, 0), len(self._rows) - 1)
        self._show()
        self._say("" if inside else "There is none beyond this one.")

    def panel(self) -> pn.Column:
        """Give the whole desk: where one is, the answers, the panels, the note."""
        import panel as pn

        words = pn.pane.HTML(f"<p style='margin:0'>{HOW}</p>", sizing_mode="stretch_width")
        return pn.Column(words, *self.widgets.above(), self.panels.pane(), *self.widgets.below())

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.panel())

    def _connect(self) -> None:
        does: dict[str, Callable[[], None]] = {
            PREVIOUS: lambda: self.go(self.place - 1), NEXT: lambda: self.go(self.place + 1), OPEN: self._go_to_open,
            BOX: self._outline_by_box, CLEAR: lambda: self._set_outline(None),
        }  # fmt: skip
        presses = [(self.widgets.buttons[word], do) for word, do in does.items()]
        presses += [(button, partial(self.answer, answer)) for answer, button in self.widgets.answers.items()]
        for button, do in presses:
            button.on_click(partial(self._press, do))
        drawable, first = self.panels.drawable, self.panels.first
        if drawable:
            button, wire = self.widgets.buttons[DRAW], self.panels.wire
            review_script.let_draw(button, first, drawable, wire, self.panels.hovers)
        for word in (DRAW, BOX, CLEAR):
            self.widgets.buttons[word].disabled = not drawable
        review_script.listen(first, KEYS, list(ANSWER_BUTTONS.values()))
        self.widgets.when(noted=self._noted, picked=self.go)

    @staticmethod
    def _press(do: Callable[[], None], _: Any) -> None:
        do()

    @property
    def _name(self) -> str:
        return str(self.review.sample["detection_id"].iloc[self.place])

    def _read(self) -> None:
        """Read what this person has answered."""
        mine = self.review.answers(self.reviewer)
        self._given = {row.detection_id: (row.answer, row.note, row.geometry) for row in mine.itertuples(index=False)}

    def _state(self) -> tuple[str, str, BaseGeometry | None]:
        """Answer, note and outline of the detection that is shown, as they stand here."""
        answer, note, outline = self._given.get(self._name, ("", "", None))
        return answer, *self._drafts.get(self._name, (note, outline))

    def _next_open(self, start: int) -> int | None:
        """The next place without an answer, from a place on and then from the beginning."""
        names = list(self.review.sample["detection_id"])
        order = [*range(start, len(names)), *range(min(start, len(names)))]
        return next((place for place in order if names[place] not in self._given), None)

    def _go_to_open(self) -> None:
        place = self._next_open(self.place + 1)
        self.go(self.place if place is None else place)
        self._say("All are answered." if place is None else "")

    def _save(self, answer: str) -> None:
        _, note, outline = self._state()
        self.review.answer(self._name, answer, reviewer=self.reviewer, note=note, outline=outline)
        self._given[self._name] = (answer, note, outline)

    def _keep(self, note: str, outline: BaseGeometry | None) -> None:
        """Keep a note or an outline: with the answer on the disk where there is one, else until there is."""
        self._drafts[self._name] = (note, outline)
        answer = self._given.get(self._name, ("", "", None))[0]
        if not answer:
            self._say("Note and outline are saved with the answer.")
            return
        try:
            self._save(answer)
        except FileError as error:
            self._say(f"Not saved: {error}.", alert=True)
            return
        self._drafts.pop(self._name)
        self._say("Saved.")

    def _noted(self, note: str) -> None:
        self._keep(note, self._state()[2])

    def _drew(self, outline: BaseGeometry) -> None:
        """Add what was drawn to the outline: a landslide may have several parts."""
        before = self._state()[2]
        try:
            drawn = check_outline(outline)
        except LabkitError as error:
            self._say(f"{error}.", alert=True)
            return
        self._set_outline(drawn if before is None else check_outline(drawn.union(before)))

    def _outline_by_box(self) -> None:
        shape = self.review.sample.geometry.iloc[self.place]
        if shape is None or shape.is_empty:
            self._say("This detection has no place on the Earth, and so no outline.", alert=True)
            return
        self._set_outline(check_outline(shape))

    def _set_outline(self, outline: BaseGeometry | None) -> None:
        self._keep(self._state()[1], outline)
        self.panels.outline(outline)
        self.panels.push()

    def _show(self) -> None:
        answer, note, outline = self._state()
        given = [self._given.get(name, ("", "", None))[0] for name in self.review.sample["detection_id"]]
        windows = self.panels.show(self._rows[self.place], dict(zip(self._rows, given, strict=True)), outline)
        self.widgets.fill(self.place, note, given)
        done = sum(map(bool, given))
        state = f"answered: {answer}" if answer else "not answered"
        self.widgets.where.value = (
            f"<h3 style='margin:0'>Detection {self.place + 1} of {len(given)}, {html.escape(state)}</h3>"
            f"{done} answered by {html.escape(self.reviewer)}"
        )
        self.widgets.facts.value = html.escape(self._facts(windows))
        self._say()

    def _facts(self, windows: dict[str, Window]) -> str:
        """Say in words what the panels show, also for those who do not see them."""
        row = self.review.sample.iloc[self.place]
        words = [str(row["scene"]), f"score {row['score']:.2f}"]
        seen = [word for word in _MERGED if isinstance(row.get(word), bool | np.bool_) and row[word]]
        words.insert(1, "seen in " + ", ".join(seen) if seen else f"seen in {row['direction']}")
        for kind, window in windows.items():
            inside = self.panels.inside(window, self._rows[self.place])
            if inside.size and kind in ("azimuth", "range"):
                words.append(f"gradient along {kind} {inside.min():.1f} to {inside.max():.1f} rad")
            elif inside.size and kind == "rate":
                words.append(f"rate {inside.min():.0f} to {inside.max():.0f} mm/yr")
            elif inside.size and kind == "coherence":
                words.append(f"coherence {inside.mean():.2f}")
        shape = self.review.sample.geometry.iloc[self.place]
        if shape is not None and not shape.is_empty:
            words.append(f"{shape.centroid.y:.4f}° N, {shape.centroid.x:.4f}° E")
        return " · ".join(words)

    def _say(self, words: str = "", *, alert: bool = False) -> None:
        role, colour = ("alert", "#b00020") if alert else ("status", "#1b5e20")
        self.widgets.said.value = f"<p role='{role}' style='margin:0;color:{colour}'>{html.escape(words)}</p>"
