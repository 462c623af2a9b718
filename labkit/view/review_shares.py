"""The result of a review as a figure: what share of the detections is what, with intervals, by reviewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from labkit.detect.review_tally import ANSWERS, FALSE_ALARM, review_shares
from labkit.detect.reviewing import Review
from labkit.errors import LabkitError
from labkit.view import notebook
from labkit.view.review_widgets import ANSWER_COLOURS
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv

_FALSE_COLOUR = "#7f7f7f"


def reviewed(review: Review | pd.DataFrame) -> hv.Layout:
    """Draw what reviewers say of a sample: a bar for each answer with its 95 % interval, and the false-alarm rate.

    Parameters
    ----------
    review : Review or pandas.DataFrame
        A review (:func:`labkit.detect.open_review`), or answers (:func:`labkit.detect.gather_answers`).

    Returns
    -------
    holoviews.Layout
        A panel for each reviewer, and one for all of them together where there are several. The words above a bar are
        the count; the last bar, human activity and not a landslide together, is the false-alarm rate as the first paper
        counts it.

    Raises
    ------
    LabkitError
        Nothing is answered yet.

    Examples
    --------
    >>> import pandas as pd
    >>> given = [("d1", "ann", "landslide"), ("d2", "ann", "landslide"), ("d3", "ann", "human activity")]
    >>> drawn = reviewed(pd.DataFrame(given, columns=["detection_id", "reviewer", "answer"]))
    >>> len(drawn)
    1
    """
    answers = review.answers() if isinstance(review, Review) else review
    shares = review_shares(answers)
    if not len(shares):
        raise LabkitError("review must hold at least one answer, instead there is none yet")
    notebook.ready()
    import holoviews as hv

    bars = (*ANSWERS, FALSE_ALARM)
    shade = ANSWER_COLOURS | {FALSE_ALARM: _FALSE_COLOUR}
    panels = []
    for reviewer, own in shares.groupby("reviewer", sort=False):
        table = own.set_index("answer").loc[list(bars)]
        drawn: list[hv.Element] = []
        for place, (answer, row) in enumerate(table.iterrows()):
            colour = shade[str(answer)]
            drawn.append(
                hv.Rectangles([(place - 0.35, 0, place + 0.35, row["share"])]).opts(
                    color=colour, fill_alpha=0.65, line_width=0
                )
            )
        limits = (table["share"] - table["low"], table["high"] - table["share"])
        places = list(range(len(bars)))
        drawn.append(
            hv.ErrorBars((places, table["share"], *limits), "answer", ["share", "below", "above"]).opts(
                line_color="#222222", line_width=1.5, hooks=[_before_the_bars]
            )
        )
        words = [(place, row["high"] + 0.03, f"{row['count']:.0f}") for place, (_, row) in enumerate(table.iterrows())]
        drawn.append(hv.Labels(words).opts(text_font_size="9pt", text_color="#222222", text_baseline="bottom"))
        title = f"{reviewer}: {counted(int(table['of'].iloc[0]), 'detection')}"
        panels.append(
            hv.Overlay(drawn).opts(
                title=title, xticks=list(enumerate(bars)), xrotation=35,
                xlim=(-0.6, len(bars) - 0.4), ylim=(0, 1.12), xlabel="", ylabel="share", frame_width=280,
                frame_height=240, show_legend=False, toolbar=None,
            )
        )  # fmt: skip
    return hv.Layout(panels).cols(3).opts(shared_axes=False)


def _before_the_bars(plot: Any, _: Any) -> None:
    """Draw intervals over the bars, which would hide their lower half."""
    plot.handles["glyph"].level = "annotation"
