"""Figures of labelling together show the numbers of their tables and each person's boxes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import labkit as lk
from labkit.errors import LabkitError
from labkit.view import notebook


@pytest.fixture(scope="module")
def drawn():
    """A scene of nine chips with a landslide on each, and what three simulated people drew."""
    notebook.ready()
    field = np.random.default_rng(0).normal(0, 1, (2, 192, 192)).astype(np.float32)
    attributes = {"scene": "s", "ground_spacing": 40.0, "sum_temporal_baseline": 20.0, "wavelength": 0.055}
    gradients = xr.Dataset(
        {"gradient": (("direction", "y", "x"), field)}, coords={"direction": ["azimuth", "range"]}, attrs=attributes
    )
    chips = lk.make_chips(gradients, size=64, overlap=0)
    low_x, low_y = (np.repeat(chips[name] + 20.0, 2) for name in ("col", "row"))
    truth = lk.schema.boxes_table(
        {"scene": ["s"] * 18, "direction": ["azimuth", "range"] * 9, "xmin": low_x, "ymin": low_y,
         "xmax": low_x + 20, "ymax": low_y + 24}
    )  # fmt: skip
    people = {name: lk.simulate.Annotator(unsure=0.3) for name in ("ann", "bo", "cy")}
    return gradients, chips, *lk.simulate.annotate(truth, chips, people)


def test_each_pair_and_class_has_its_dot_at_its_value(drawn):
    import holoviews as hv

    *_, labels, looks = drawn
    table = lk.label.agreement(labels, looks, resamples=50)
    layout = lk.view.agreement(table)
    panels = list(layout)
    assert len(panels) == 3
    for panel, name in zip(panels, ("kappa", "iou", "found"), strict=True):
        dots = np.concatenate([s.dimension_values(name) for s in panel.traverse(lambda x: x, [hv.Scatter])])
        np.testing.assert_allclose(sorted(dots), sorted(table[name].dropna()))
    hv.render(layout, backend="bokeh")


def test_a_chip_shows_the_boxes_of_each_person_and_of_all(drawn):
    import holoviews as hv

    gradients, chips, labels, looks = drawn
    together = lk.label.consensus(labels, looks)
    chip = chips.set_index("chip_id", drop=False).loc[together["chip_id"].iloc[0]]
    layout = lk.view.voices(gradients, chip, labels, together)
    for panel, direction in zip(layout, ("azimuth", "range"), strict=True):
        on = labels[(labels["chip_id"] == chip["chip_id"]) & (labels["direction"] == direction)]
        shown = {}
        for boxes in panel.traverse(lambda x: x, [hv.Rectangles]):
            shown[boxes.label] = np.column_stack([boxes.dimension_values(axis) for axis in range(4)])
        assert set(shown) - {"consensus"} == set(on["annotator"])
        for who, own in on.groupby("annotator"):
            np.testing.assert_allclose(shown[who], own[["xmin", "ymin", "xmax", "ymax"]].to_numpy())
    hv.render(layout, backend="bokeh")


def test_progress_shows_what_is_finished_how_well_and_by_how_many(drawn):
    import holoviews as hv

    _, chips, _, looks = drawn
    shares = lk.label.assign_chips(chips, ("ann", "bo", "cy"), overlap=2)
    given = set(shares.itertuples(index=False, name=None))
    done = looks[[pair in given for pair in looks[["chip_id", "annotator"]].itertuples(index=False, name=None)]].iloc[
        :11
    ]
    table = lk.label.count_progress(shares, done)
    scores = {"recall": [0.5, 1.0, np.nan], "precision": [0.8, 0.9, np.nan]}
    ends = {f"{name}{end}": 0.4 if end == "_low" else 1.0 for name in scores for end in ("_low", "_high")}
    layout = lk.view.progress(table.assign(**scores, **ends), shares, done)
    bars, dots, overlap = layout
    todo, finished = bars.traverse(lambda x: x, [hv.Rectangles])
    assert todo.dimension_values(2).tolist() == table["assigned"].tolist() == [6, 6, 6]
    assert finished.dimension_values(2).tolist() == table["finished"].tolist() and table["finished"].sum() == 11
    for mark, name in zip(dots.traverse(lambda x: x, [hv.Scatter]), scores, strict=True):
        assert mark.label == name and mark.dimension_values("share").tolist() == scores[name][:2]
    assert sum(count * int(people) for people, count in overlap.data.itertuples(index=False)) == 11
    assert overlap.data["chips"].sum() == len(chips)
    hv.render(layout, backend="bokeh")
    assert len(lk.view.progress(table)) == 1
    with pytest.raises(LabkitError, match="assignment and looks must be given both"):
        lk.view.progress(table, shares)
    with pytest.raises(LabkitError, match=r"one of label\.gather"):
        lk.view.progress(pd.DataFrame())


def test_what_breaks_a_rule_is_refused(drawn):
    gradients, chips, labels, _ = drawn
    with pytest.raises(LabkitError, match=r"one of label\.agreement"):
        lk.view.agreement(pd.DataFrame())
    with pytest.raises(LabkitError, match="chip must be of the scene"):
        lk.view.voices(gradients, chips.iloc[0].replace({gradients.attrs["scene"]: "other"}), labels)
