"""The switchboard: what is switched is what is simulated, shown, and said in a line that makes the same scene."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labkit as lk
from labkit import LabkitError
from labkit.simulate import Effects
from labkit.view.switchboard import Switchboard, switchboard
from labkit.view.switches import ROWS, Switches, call_of

ALL_ROWS = [row for group in ROWS.values() for row in group]


@pytest.fixture
def board() -> Switchboard:
    """The tiny scene on its preset's few dates, everything off."""
    return switchboard(calendar=None)


def standing_figures(board: Switchboard):
    """The bokeh figures of a board, in their order; they change as the board does."""
    import holoviews as hv
    from bokeh.models import Plot

    plot = hv.renderer("bokeh").get_plot(board.figure())
    by_title = {figure.title.text.split(",")[0]: figure for figure in plot.state.select({"type": Plot})}
    names = ("Wrapped phase", "Coherence", "Phase gradient along azimuth", "Phase gradient along range")
    return [by_title[name] for name in names]


def image_in(figure) -> np.ndarray:
    from bokeh.models import GlyphRenderer, Image

    renderers = figure.select({"type": GlyphRenderer})
    return np.array(next(r for r in renderers if isinstance(r.glyph, Image)).data_source.data["image"][0])


def boxes_in(figure) -> dict[str, int]:
    """How many rectangles each line of the legend stands for."""
    from bokeh.models import Legend

    lines = {item.label.value: item.renderers[-1] for item in figure.select_one({"type": Legend}).items}
    return {words: len(renderer.data_source.data["left"]) for words, renderer in lines.items()}


def again(call: str) -> Effects:
    return eval(call, {"Effects": Effects})


def test_every_effect_has_a_row_whose_range_holds_its_default():
    assert sorted(row.field for row in ALL_ROWS) == sorted(field.name for field in fields(Effects))
    for row in ALL_ROWS:
        usual = getattr(Effects(), row.field)
        assert isinstance(usual, bool) == (not row.unit), "what is a number has a strength"
        if row.unit:
            assert row.low <= usual <= row.high
            assert [getattr(Effects(**{row.field: v}), row.field) for v in (row.low, row.high)] == [row.low, row.high]


@pytest.mark.parametrize(
    "effects",
    [Effects(), Effects.none(), Effects.only(turbulence_mm=9.5), Effects.only(dem_blur_m=60.0, baseline_m=200.0)],
)
def test_the_widgets_stand_at_the_effects_that_are_given(effects):
    assert Switches(effects).effects == effects


def switched() -> st.SearchStrategy[dict[str, tuple[bool, float]]]:
    """For every row: on or off, and a strength on the slider's steps."""
    steps = {row.field: round((row.high - row.low) / row.step) if row.unit else 0 for row in ALL_ROWS}
    return st.fixed_dictionaries({f: st.tuples(st.booleans(), st.integers(0, n)) for f, n in steps.items()})


@settings(max_examples=40)
@given(switched())
def test_the_call_makes_the_same_effects_whatever_is_switched(chosen):
    switches = Switches(Effects.none())
    for row in ALL_ROWS:
        on, steps = chosen[row.field]
        if row.field in switches.on:
            switches.on[row.field].value = on
        if row.unit:
            switches.strength[row.field].value = row.low + steps * row.step
    switches.enable()
    made = again(call_of(switches.effects))
    assert made == switches.effects
    for row in ALL_ROWS:
        on = row.field not in switches.on or switches.on[row.field].value
        if not row.of:
            assert bool(getattr(made, row.field)) == on
            assert row.field not in switches.strength or switches.strength[row.field].disabled != on


def test_what_is_shown_is_what_the_call_makes(board):
    figures = standing_figures(board)
    before = [image_in(figure) for figure in figures]
    board.switches.on["turbulence_mm"].value = True
    board.switches.strength["turbulence_mm"].value = 3.0
    assert board.call == 'lk.simulate.scene("tiny", seed=0, effects=lk.simulate.Effects.only(turbulence_mm=3.0))'
    same = eval(board.call, {"lk": lk})
    pair = same.interferograms["ascending"].sel(pair=board.pair.value)
    stack = lk.stack_gradients(same.interferograms["ascending"], progress=False)
    truth = [pair["phase"], pair["coherence"], *(stack["gradient"].sel(direction=d) for d in ("azimuth", "range"))]
    for figure, expected, old in zip(figures, truth, before, strict=True):
        # holoviews hands an image on with its last row first
        shown = image_in(figure)
        match = min(np.nanmax(np.abs(shown[:: (-1) ** k] - expected.values)) for k in (0, 1))
        assert match == 0
        assert (shown == old).all() == (expected.name == "coherence"), "turbulence takes no coherence"


def test_the_truth_follows_what_can_be_seen(board):
    figures = standing_figures(board)[2:]
    count = len(board.scene.landslides)
    assert [boxes_in(figure) for figure in figures] == [{"true, too faint": 0, "true, to be seen": count}] * 2
    board._set_all(True)
    assert board.scene.effects == Effects() == board.effects
    for figure, direction in zip(figures, ("azimuth", "range"), strict=True):
        seen, unseen = (
            int(((table["track"] == "ascending") & (table["direction"] == direction)).sum())
            for table in (board.scene.truth, board.scene.unseen)
        )
        assert unseen > 0
        assert boxes_in(figure) == {"true, too faint": unseen, "true, to be seen": seen}
    assert "can be seen" in board.said.value


def test_another_pair_and_another_track_are_shown(board):
    phase, _, azimuth, _ = standing_figures(board)
    stack_before = image_in(azimuth)
    board.pair.value = board.pair.options[0]
    first = board.scene.interferograms["ascending"]["phase"][0].values
    assert np.nanmax(np.abs(image_in(phase)[::-1] - first)) * np.nanmax(np.abs(image_in(phase) - first)) == 0
    np.testing.assert_array_equal(image_in(azimuth), stack_before)
    board.track.value = "descending"
    names = [str(name) for name in board.scene.interferograms["descending"]["pair"].values]
    assert list(board.pair.options) == names and board.pair.value in names
    assert board.stack.attrs["scene"] == "tiny-descending"
    assert (image_in(azimuth) != stack_before).any()


def test_what_finds_no_room_is_said_and_the_last_scene_stays(board):
    before = board.scene
    board.switches.strength["subsidence_radius_m"].max = 5000.0
    board.switches.strength["subsidence_radius_m"].value = 5000.0
    assert board.scene.effects == before.effects, "nothing is dug before the bowl is switched on"
    before = board.scene
    board.switches.on["subsidence_mm"].value = True
    assert 'role="alert"' in board.said.value and "Take a smaller radius" in board.said.value
    assert board.scene is before
    board.switches.on["subsidence_mm"].value = False
    assert 'role="status"' in board.said.value


def test_every_control_says_what_it_is(board):
    import ipywidgets

    def parts(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from parts(child)

    shown = list(parts(board.controls()))
    live = [w for w in shown if isinstance(w, ipywidgets.ValueWidget | ipywidgets.Button)]
    assert len(live) > len(ALL_ROWS)
    assert all(w.description for w in live if not isinstance(w, ipywidgets.HTML))
    assert {id(w) for w in (*board.switches.on.values(), *board.switches.strength.values())} <= {id(w) for w in live}


def test_wrong_arguments_are_named():
    with pytest.raises(LabkitError, match="limit must be a number > 0, instead got limit=-1"):
        switchboard(limit=-1)
    with pytest.raises(LabkitError, match="name must be one of"):
        switchboard("atlantis")
    with pytest.raises(LabkitError, match="strengths must be among .* instead got strengths=\\['fog'\\]"):
        Effects.only(fog=1.0)
    assert asdict(Effects.only()) == asdict(Effects.none())
