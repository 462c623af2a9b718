"""Figures of labelling together: how far people are, how far they agree, and what each of them drew on a chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.view import colours, notebook, panels

if TYPE_CHECKING:
    import holoviews as hv

#: Colours of people: apart from each other and from red, blue and white ground. Classes take the first ones too.
PEOPLE_COLOURS = ("#009e73", "#cc00cc", "#e69f00", "#00b7eb", "#6a3d9a", "#8c564b", "#333333", "#7fff00")

_MEASURES = {
    "kappa": "presence: Cohen's kappa",
    "iou": "IoU of the boxes both drew",
    # last, beside the legend: wherever a class occurs at all this one is defined
    "found": "boxes the other drew too",
}
_WIDTH, _HEIGHT = 250, 260

#: Of the figure of progress: px for each person, what is to be done, what is done, and the two scores.
_LANE, _TODO, _DONE = 26, "#dddddd", "#009e73"
_SCORES = {"recall": "#6a3d9a", "precision": "#e69f00"}


def agreement(table: pd.DataFrame) -> hv.Layout:
    """Draw how far each two people agree, with intervals, class by class.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`labkit.label.agreement`.

    Returns
    -------
    holoviews.Layout
        Three panels: kappa of presence, the mean IoU of matched boxes, and the share of boxes that are matched. A dot
        for each pair of people and class, with its interval; none where it is undefined.

    Raises
    ------
    LabkitError
        A column is missing, or there is no row.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> chips = lk.make_chips(scene.rates["ascending"], size=96, overlap=0)
    >>> people = {"ann": lk.simulate.Annotator(misses=0), "bob": lk.simulate.Annotator(misses=0.5)}
    >>> labels, looks = lk.simulate.annotate(scene.rate_truth, chips, people)
    >>> len(agreement(lk.label.agreement(labels, looks)))
    3
    """
    wanted = ["label", "first", "second", *(f"{name}{end}" for name in _MEASURES for end in ("", "_low", "_high"))]
    missing = [name for name in wanted if name not in table]
    if missing or not len(table):
        raise LabkitError(f"table must be one of label.agreement, instead it has {len(table)} rows and lacks {missing}")
    notebook.ready()
    import holoviews as hv

    pairs = {pair: place for place, pair in enumerate(dict.fromkeys(zip(table["first"], table["second"], strict=True)))}
    ticks = [(place, f"{first} & {second}") for (first, second), place in pairs.items()]
    words = list(dict.fromkeys(table["label"]))
    drawn: list[hv.Overlay] = []
    for name, title in _MEASURES.items():
        marks: list[hv.Element] = [hv.HLine(0).opts(color="#999999", line_width=1)] if name == "kappa" else []
        for number, word in enumerate(words):
            rows = table[(table["label"] == word) & table[name].notna()]
            shift = 0.22 * (number - (len(words) - 1) / 2)
            x = [pairs[pair] + shift for pair in zip(rows["first"], rows["second"], strict=True)]
            y = rows[name].to_numpy(float)
            limits = (y - rows[f"{name}_low"].to_numpy(float), rows[f"{name}_high"].to_numpy(float) - y)
            colour = PEOPLE_COLOURS[number % len(PEOPLE_COLOURS)]
            marks.append(hv.ErrorBars((x, y, *limits), "pair", [name, "below", "above"]).opts(line_color=colour))
            marks.append(hv.Scatter((x, y), "pair", name, label=word).opts(color=colour, size=9, tools=["hover"]))
        low = min(0.0, float(table["kappa_low"].min())) if name == "kappa" else 0.0
        drawn.append(
            hv.Overlay(marks).opts(
                title=title, xlabel="", ylabel="", xticks=ticks, xrotation=40, xlim=(-0.5, len(pairs) - 0.5),
                ylim=(low - 0.05, 1.05), frame_width=_WIDTH, frame_height=_HEIGHT, show_grid=True,
                legend_position="right", show_legend=name == "found" and len(words) > 1,
            )
        )  # fmt: skip
    return hv.Layout(drawn).cols(len(drawn)).opts(shared_axes=False)


def progress(
    table: pd.DataFrame, assignment: pd.DataFrame | None = None, looks: pd.DataFrame | None = None
) -> hv.Layout:
    """Draw how far each person is, how well each finds what is known, and how many people have looked at each chip.

    Parameters
    ----------
    table : pandas.DataFrame
        By person ``assigned`` and ``finished`` (:func:`labkit.label.gather`, :func:`labkit.label.count_progress`); with
        the columns of :func:`labkit.label.calibration_scores`, where there are hidden chips.
    assignment, looks : pandas.DataFrame, optional
        Which chips went to whom (:func:`labkit.label.assign_chips`), and every finished annotation with ``chip_id`` and
        ``annotator`` (``store.looks()``).

    Returns
    -------
    holoviews.Layout
        A bar for each person, finished of assigned chips. Beside it, where they are known, recall and precision on the
        hidden chips with their intervals; and where assignment and looks are given, how many chips how many people
        have finished, the overlap that is wanted in the title.

    Raises
    ------
    LabkitError
        A column is missing, there is no row, or only one of assignment and looks is given.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.Index(["ann", "bob"], name="annotator")
    >>> table = pd.DataFrame({"assigned": [20, 20], "finished": [20, 7]}, index=people)
    >>> len(progress(table))
    1
    """
    missing = [name for name in ("assigned", "finished") if name not in table]
    if missing or not len(table):
        raise LabkitError(
            f"table must be one of label.gather or label.count_progress, instead it has {len(table)} rows and lacks "
            f"{missing}"
        )
    if (assignment is None) != (looks is None):
        raise LabkitError("assignment and looks must be given both or neither, instead one is missing")
    notebook.ready()
    import holoviews as hv

    drawn = [_finished(table)]
    if {f"{name}{end}" for name in _SCORES for end in ("", "_low", "_high")} <= set(table):
        drawn.append(_scores(table))
    if assignment is not None and looks is not None:
        drawn.append(_overlap(assignment, looks))
    return hv.Layout(drawn).cols(len(drawn)).opts(shared_axes=False)


def _lanes(table: pd.DataFrame, **options: object) -> dict[str, object]:
    """A lane for each person, from the top."""
    names = [(place, str(who)) for place, who in enumerate(table.index)]
    return {
        "ylabel": "", "yticks": names, "ylim": (len(table) - 0.4, -0.6), "frame_height": max(140, _LANE * len(table)),
        **options,
    }  # fmt: skip


def _finished(table: pd.DataFrame) -> hv.Overlay:
    import holoviews as hv

    done, todo = table["finished"].to_numpy(int), table["assigned"].to_numpy(int)
    marks: list[hv.Element] = []
    for ends, colour in ((todo, _TODO), (done, _DONE)):
        bars = [(0, place - 0.36, end, place + 0.36) for place, end in enumerate(ends.tolist())]
        marks.append(hv.Rectangles(bars).opts(color=colour, line_width=0))
    # beyond the longest bar, where no bar hides them
    words = [(1.03 * todo.max(), place, f"{d} of {t}") for place, (d, t) in enumerate(zip(done, todo, strict=True))]
    text = hv.Labels(words, ["chips", "person"], "text").opts(
        text_align="left", text_font_size="9pt", text_color="#333333"
    )
    return hv.Overlay([*marks, text]).opts(
        title="chips finished", xlabel="chips", xlim=(0, 1.45 * todo.max()), frame_width=_WIDTH + 50, **_lanes(table)
    )


def _scores(table: pd.DataFrame) -> hv.Overlay:
    import holoviews as hv

    marks: list[hv.Element] = []
    for (name, colour), shift in zip(_SCORES.items(), (-0.16, 0.16), strict=True):
        known = table[name].notna().to_numpy()
        y = [place + shift for place in range(len(table)) if known[place]]
        x, low, high = (table[f"{name}{end}"].to_numpy(float)[known] for end in ("", "_low", "_high"))
        marks.append(hv.Segments((low, y, high, y)).opts(color=colour, line_width=1.5))
        marks.append(hv.Scatter((x, y), "share", "person", label=name).opts(color=colour, size=9))
    return hv.Overlay(marks).opts(
        title="on the hidden chips", xlabel="found of known; right of drawn", xlim=(-0.03, 1.03),
        frame_width=_WIDTH, show_grid=True, legend_position="bottom", legend_cols=2, **_lanes(table),
    )  # fmt: skip


def _overlap(assignment: pd.DataFrame, looks: pd.DataFrame) -> hv.Bars:
    import holoviews as hv

    wanted = int(assignment.groupby("chip_id")["annotator"].nunique().max())
    people = looks.groupby("chip_id")["annotator"].nunique()
    counts = people.reindex(assignment["chip_id"].unique(), fill_value=0).value_counts()
    bars = [(str(number), int(counts.get(number, 0))) for number in range(max(wanted, int(counts.index.max())) + 1)]
    return hv.Bars(bars, "people who finished it", "chips").opts(
        title=f"overlap: {wanted} wanted", color=_DONE, line_width=0, frame_width=200, frame_height=140,
        tools=["hover"],
    )  # fmt: skip


def voices(
    data: xr.Dataset, chip: pd.Series, labels: gpd.GeoDataFrame, consensus: gpd.GeoDataFrame | None = None
) -> hv.Layout:
    """Show one chip with what each person drew on it, and what they make of it together.

    Parameters
    ----------
    data : xarray.Dataset
        gradients or rates, the scene of the chip.
    chip : pandas.Series
        A row of the table of chips.
    labels : geopandas.GeoDataFrame
        Labels with ``chip_id`` and ``annotator``; those of this chip are drawn, a colour for each person.
    consensus : geopandas.GeoDataFrame, optional
        Of :func:`labkit.label.consensus`: thick black boxes on white.

    Returns
    -------
    holoviews.Layout
        A panel for each direction; a click in the legend hides a person.

    Raises
    ------
    LabkitError
        The chip is of another scene.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.make_chips(rates, size=96, overlap=0)
    >>> people = {"ann": lk.simulate.Annotator(misses=0), "bob": lk.simulate.Annotator(misses=0.5)}
    >>> labels, _ = lk.simulate.annotate(scene.rate_truth, chips, people)
    >>> len(voices(rates, chips.iloc[0], labels))
    1
    """
    scene = str(data.attrs.get("scene", ""))
    if str(chip["scene"]) != scene:
        raise LabkitError(f"chip must be of the scene of data, {scene!r}, instead got scene={chip['scene']!r}")
    notebook.ready()
    import holoviews as hv

    colour = dict(zip(sorted(set(labels["annotator"])), PEOPLE_COLOURS * len(labels), strict=False))
    row, col, size = int(chip["row"]), int(chip["col"]), int(chip["size"])
    drawn = []
    for direction, layer in schema.layers(data).items():
        image = hv.Image(
            geo.read_window(layer, row, col, size)[::-1], ["x", "y"], "value",
            bounds=(col, row, col + size, row + size),
        )  # fmt: skip
        parts: list[hv.Element] = [image.opts(**_image_options(layer, direction))]
        for who, own in _on(labels, chip, direction).groupby("annotator"):
            parts += _boxes(own, str(who), colour[who], 2.0)
        if consensus is not None:
            parts += _boxes(_on(consensus, chip, direction), "consensus", colours.TRUTH, 4.0)
        drawn.append(
            hv.Overlay(parts).opts(
                title=direction, xlabel="x, px", ylabel="y, px", invert_yaxis=True, xlim=(col, col + size),
                ylim=(row, row + size), frame_width=380, frame_height=380, legend_position="bottom", legend_cols=3,
                legend_opts={"click_policy": "hide"},
            )
        )  # fmt: skip
    return hv.Layout(drawn).cols(len(drawn)).opts(title=str(chip["chip_id"]))


def _image_options(layer: xr.DataArray, direction: str) -> dict[str, object]:
    rate = direction == "rate"
    limit = panels.rate_limit(layer.to_numpy()) if rate else schema.DISPLAY_LIMIT_RAD
    return {
        "cmap": colours.RATE_COLOURS if rate else colours.GRADIENT_COLOURS, "clim": (-limit, limit), "colorbar": True,
        "clipping_colors": {"NaN": colours.NO_DATA}, "clabel": "LOS rate, mm/yr" if rate else "gradient, rad",
    }  # fmt: skip


def _on(boxes: gpd.GeoDataFrame, chip: pd.Series, direction: str) -> gpd.GeoDataFrame:
    return boxes[(boxes["chip_id"] == chip["chip_id"]) & (boxes["direction"] == direction)]


def _boxes(own: gpd.GeoDataFrame, name: str, colour: str, width: float) -> list[hv.Element]:
    import holoviews as hv

    if not len(own):
        return []
    corners = own[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float).tolist()
    base = {"fill_alpha": 0.0}
    casing = hv.Rectangles(corners, label=name).opts(line_color=colours.CASING, line_width=width + 2, **base)
    return [casing, hv.Rectangles(corners, label=name).opts(line_color=colour, line_width=width, **base)]
