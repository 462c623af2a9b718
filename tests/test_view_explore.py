"""The explorer: what the hand chooses is stacked and shown, kept in a state, and said in code that runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from bokeh.events import SelectionGeometry
from bokeh.models import BoxSelectTool, ColorBar, HoverTool, Image, Plot, Segment

import labkit as lk
from labkit import LabkitError
from labkit.errors import FileError
from labkit.view.explore import Explorer, explore
from labkit.view.explorer_settings import Settings, differences, from_table, to_table
from labkit.view.restacking import Restacker


@pytest.fixture(scope="module")
def ifgs() -> xr.Dataset:
    return lk.simulate.scene("tiny", seed=0).interferograms["ascending"].compute()


@pytest.fixture
def explorer(ifgs) -> Explorer:
    return explore(ifgs)


def run(explorer: Explorer, ifgs: xr.Dataset) -> xr.Dataset:
    """Run the code as a cell, and give its gradients."""
    names: dict = {"ifgs": ifgs}
    exec(compile(explorer.code(), "cell", "exec"), names)
    return names["gradients"]


def figures_of(explorer: Explorer) -> list[Plot]:
    """The figures as they stand on a page: the network, azimuth, range, and the third."""
    root = explorer.panel().get_root()
    figures = list(root.select({"type": Plot}))
    return [next(f for f in figures if f.name == name) for name in ("network", "azimuth", "range", "third")]


def image_in(figure: Plot) -> np.ndarray:
    """The values that a panel shows, first row first."""
    drawn = next(r for r in figure.renderers if isinstance(r.glyph, Image))
    return np.array(drawn.data_source.data["image"][0])[::-1]


def same(shown: np.ndarray, expected: np.ndarray) -> bool:
    """Equal in every bit; holoviews may hand an image on with its last row first."""
    return any(np.array_equal(shown[::step], expected, equal_nan=True) for step in (1, -1))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_days": 24.0, "window": 7, "estimator": "circular"},
        {"min_coherence": 0.3, "estimator": "sum", "lag": 2, "start": "2018-03-10", "months": [3, 4, 5, 6]},
        {"third": "rate", "window": 3, "limit": 1.5},
        {"line": [20.0, 80.0, 60.0, 110.0], "place": [70.0, 75.0, 90.0, 95.0]},
    ],
)
def test_the_code_makes_the_stack_that_is_shown(ifgs, explorer, fields):
    explorer.change(**fields)
    xr.testing.assert_identical(run(explorer, ifgs), explorer.stack)


def test_the_panels_show_the_stack_and_follow_a_slider_while_it_is_dragged(ifgs, explorer):
    _, azimuth, along_range, third = figures_of(explorer)
    before = image_in(azimuth)
    explorer.widgets.window.value = 9
    expected = lk.stack_gradients(ifgs, window=9, progress=False)
    for figure, direction in ((azimuth, "azimuth"), (along_range, "range")):
        assert same(image_in(figure), expected["gradient"].sel(direction=direction).values)
    assert not same(image_in(azimuth), before)
    assert same(image_in(third), expected["coherence"].values)
    assert explorer.changed == [], "a drag that goes on is no change yet"
    explorer.widgets.window.param.trigger("value_throttled")
    assert explorer.changed == ["window, px: 5 → 9"]


def test_the_colours_and_the_third_panel_are_chosen(ifgs, explorer):
    _, azimuth, _, third = figures_of(explorer)
    (bar,) = (item for item in azimuth.below if isinstance(item, ColorBar))
    assert "red: it grows" in bar.title and bar.ticker.ticks == [-4.0, 0.0, 4.0]
    explorer.change(limit=2.0, palette="orange-purple", third="pair", pair=str(ifgs["pair"].values[3]))
    assert "orange: it grows" in bar.title and bar.ticker.ticks == [-2.0, 0.0, 2.0]
    mapper = bar.color_mapper
    assert (mapper.low, mapper.high) == (-2.0, 2.0)
    reds = [int(colour[1:3], 16) - int(colour[5:7], 16) for colour in (mapper.palette[0], mapper.palette[-1])]
    assert reds[0] < 0 < reds[1], "low is purple, high is orange"
    assert same(image_in(third), ifgs["phase"].values[3])
    assert third.title.text == f"Wrapped phase {ifgs['pair'].values[3]}"
    pointer, _ = (tool for tool in third.toolbar.tools if isinstance(tool, HoverTool))
    assert [name for name, _ in pointer.tooltips] == ["phase", "coherence", "lon, lat"]


def test_a_drag_over_dates_stacks_the_pairs_between_them(ifgs, explorer):
    network, *_ = figures_of(explorer)
    first, last = "2018-03-20", "2018-05-20"
    ends = [np.datetime64(day, "ms").astype(float) for day in (first, last)]

    def drag(x1: float, final: bool) -> None:
        geometry = {"type": "rect", "x0": ends[0], "x1": x1, "y0": 0.0, "y1": 1.0}
        network._trigger_event(SelectionGeometry(network, geometry=geometry, final=final))

    drag(ends[1], final=False)
    chosen = lk.select_pairs(ifgs, max_days=None, start=first, end=last)
    assert 0 < chosen.sizes["pair"] < ifgs.sizes["pair"]
    assert explorer.stack.attrs["n_pairs"] == chosen.sizes["pair"]
    taken = [r for r in network.renderers if isinstance(r.glyph, Segment)]
    assert sorted(len(r.data_source.data["time"]) // 2 for r in taken) == [chosen.sizes["pair"], ifgs.sizes["pair"]]
    assert not explorer.changed
    drag(ends[1], final=True)
    assert explorer.changed == [f"from: any → {first}", f"to: any → {last}"]
    assert explorer.widgets.fields()["start"] == first and explorer.widgets.fields()["end"] == last
    drag(ends[0] + 1000.0, final=True)
    assert explorer.settings.end == last, "a slip of the hand is no drag"
    assert isinstance(network.toolbar.active_drag, BoxSelectTool), "the next drag is one over dates, too"


def test_what_is_said_in_the_middle_of_a_drag_stands_until_something_changes(explorer, tmp_path):
    network, *_ = figures_of(explorer)
    ends = [np.datetime64(day, "ms").astype(float) for day in ("2018-03-20", "2018-05-20")]
    geometry = {"type": "rect", "x0": ends[0], "x1": ends[1], "y0": 0.0, "y1": 1.0}
    network._trigger_event(SelectionGeometry(network, geometry=geometry, final=False))
    explorer.widgets.state_file.value = str(tmp_path / "explorer.json")
    explorer.widgets.buttons["Save state"].param.trigger("clicks")
    network._trigger_event(SelectionGeometry(network, geometry=geometry, final=True))
    assert "Saved" in explorer.widgets.said.value, "the end of a drag that changes nothing more"
    assert explorer.changed and explorer.changed[0] in explorer.widgets.said.value
    explorer.change(window=9)
    assert "Saved" not in explorer.widgets.said.value


def test_undo_goes_back_step_by_step(explorer):
    begin, stack = explorer.settings, explorer.stack
    explorer.change(window=9)
    explorer.change(max_days=12)
    assert explorer.undo() and (explorer.settings.window, explorer.settings.max_days) == (9, None)
    assert explorer.widgets.max_days.value == np.inf
    explorer.widgets.buttons["Undo"].param.trigger("clicks")
    assert explorer.settings == begin
    xr.testing.assert_identical(explorer.stack, stack)
    assert not explorer.undo()


def test_what_cannot_be_stacked_is_said_and_the_picture_stays(explorer):
    before, shown = explorer.state, explorer.picture
    with pytest.raises(LabkitError, match="pairs must fit every criterion"):
        explorer.change(start="2019-01-01")
    explorer.widgets.min_coherence.value = 0.95
    assert "role='alert'" in explorer.widgets.said.value and "min_coherence" in explorer.widgets.said.value
    assert explorer.state == before and explorer.picture is shown
    explorer.widgets.min_coherence.value = 0.0
    assert "role='status'" in explorer.widgets.said.value


def test_the_state_is_saved_and_restored(ifgs, explorer, tmp_path):
    explorer.change(max_days=24, months=[3, 4, 5], limit=2.5, rows=(10.0, 60.5), cols=(20.0, 90.0))
    saved = explorer.save(tmp_path / "shared" / "explorer.json")
    again = explore(ifgs, state=saved)
    assert again.state == explorer.state == json.loads(saved.read_text())
    xr.testing.assert_identical(again.stack, explorer.stack)
    figure = figures_of(again)[1]
    assert (figure.x_range.start, figure.x_range.end, figure.y_range.start, figure.y_range.end) == (20, 90, 60.5, 10)
    other = explore(ifgs)
    other.restore(explorer.state)
    assert other.state == explorer.state and other.widgets.fields()["months"] == (3, 4, 5)


def test_a_state_that_does_not_fit_is_refused(ifgs, explorer, tmp_path):
    with pytest.raises(LabkitError, match="must be of the scene 'tiny-ascending', instead got scene='elsewhere'"):
        explorer.restore(explorer.state | {"scene": "elsewhere"})
    with pytest.raises(LabkitError, match=r"settings must have known fields, instead got \['fog'\]"):
        explorer.restore(explorer.state | {"settings": {"fog": 1}})
    with pytest.raises(FileError, match=r"gone\.json must be a file of Explorer\.save"):
        explore(ifgs, state=tmp_path / "gone.json")
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(LabkitError, match="must be a state of an explorer"):
        explorer.restore(tmp_path / "list.json")
    with pytest.raises(LabkitError, match="live_pixel_pairs must be at least the number of pairs"):
        explore(ifgs, live_pixel_pairs=3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window", 4), ("lag", 0), ("limit", 0.0), ("limit", float("nan")), ("estimator", "mean"), ("months", [13]),
        ("months", []), ("min_coherence", 1.5), ("max_days", -1), ("start", "yesterday"), ("rows", [5.0, 5.0]),
        ("palette", "jet"), ("third", "fog"), ("window", True),
    ],
)  # fmt: skip
def test_settings_name_the_field_that_breaks_its_rule(field, value):
    with pytest.raises(LabkitError, match=f"^{field} must be .*instead got {field}="):
        from_table({field: value})


def test_settings_survive_json_and_say_how_they_differ():
    settings = Settings(12.0, "2018-01-05", None, (12, 1), 0.3, "sum", 7, 2, 2.5, "orange-purple", "rate", "", (0, 64))
    assert from_table(json.loads(json.dumps(to_table(settings)))) == settings
    assert settings.months == (1, 12)
    assert differences(settings, settings) == []
    assert differences(Settings(), Settings(months=(6, 7), lag=3)) == ["months: any → 6, 7", "lag, px: 1 → 3"]


def ramp(shape: tuple[int, int] = (96, 120)) -> tuple[xr.Dataset, tuple[float, float]]:
    """Pairs of a tilting plane, and its gradients (rad per pixel and year along y and x)."""
    scene = lk.simulate.scene("tiny", seed=0).interferograms["ascending"].compute()
    part = scene.isel(y=slice(0, shape[0]), x=slice(0, shape[1]))
    slopes = (1.5, -0.8)
    y, x = np.mgrid[: shape[0], : shape[1]]
    years = part["temporal_baseline"].values / 365.25
    phase = np.angle(np.exp(1j * years[:, None, None] * (slopes[0] * y + slopes[1] * x))).astype(np.float32)
    phase[phase >= np.float32(np.pi)] = -np.float32(np.pi)
    dims = ("pair", "y", "x")
    return part.assign(phase=(dims, phase), coherence=(dims, np.full(phase.shape, 0.9, np.float32))), slopes


@pytest.mark.parametrize("lag", [1, 2, 6])
def test_a_preview_of_less_resolution_gives_the_gradients_of_the_scenes_own_pixels(lag):
    pairs, slopes = ramp()
    restacker = Restacker(pairs, pairs.sizes["pair"] * 96 * 120 // 9)
    preview = restacker.quick(Settings(window=1, lag=lag))
    assert not preview.exact and preview.step == 3
    years = float(pairs["temporal_baseline"].sum()) / 365.25
    for direction, slope in zip(("azimuth", "range"), slopes, strict=True):
        shown = preview.stack["gradient"].sel(direction=direction).values * preview.gradient_share
        np.testing.assert_allclose(shown[np.isfinite(shown)], slope * years * lag, rtol=2e-3)


def test_zooming_into_a_large_scene_stacks_the_part_in_view_at_full_resolution(ifgs):
    explorer = explore(ifgs, live_pixel_pairs=ifgs.sizes["pair"] * 130 * 130)
    assert explorer.picture.exact, "sharp when nothing moves"
    xr.testing.assert_identical(explorer.stack, run(explorer, ifgs))
    explorer.widgets.window.value = 3
    assert not explorer.picture.exact and "preview" in explorer.widgets.said.value
    explorer.widgets.window.param.trigger("value_throttled")
    assert explorer.picture.exact and explorer.stack.sizes["y"] == ifgs.sizes["y"]
    explorer.panels._moved(x_range=(70.0, 120.0), y_range=(120.0, 66.0))
    assert (explorer.picture.top, explorer.picture.left, dict(explorer.stack.sizes)) == (
        64,
        64,
        {"direction": 2, "y": 64, "x": 64},
    )
    assert "isel(y=slice(64, 128), x=slice(64, 128))" in explorer.code()
    xr.testing.assert_identical(explorer.stack, run(explorer, ifgs))
    explorer.widgets.window.value = 7
    assert explorer.picture.exact, "small enough to follow at full resolution"
    whole = lk.stack_gradients(ifgs, window=7, progress=False)["gradient"]
    inside = {"y": slice(10, 50), "x": slice(10, 50)}
    np.testing.assert_allclose(
        explorer.stack["gradient"].isel(inside).values, whole.isel(y=slice(74, 114), x=slice(74, 114)).values, atol=1e-4
    )
    explorer.panels._moved(x_range=(0.0, 192.0), y_range=(160.0, 0.0))
    assert explorer.settings.rows is None and explorer.stack.sizes["y"] == ifgs.sizes["y"]


def test_every_control_says_what_it_is(explorer):
    import panel as pn

    rows = [part for row in explorer.panel() for part in (row if isinstance(row, pn.Row | pn.FlexBox) else [row])]
    live = [w for w in rows if isinstance(w, pn.widgets.Widget) and not isinstance(w, pn.widgets.StaticText)]
    assert len(live) == 24
    assert all(w.label for w in live)


def test_the_picture_is_saved_as_a_file(explorer, tmp_path):
    explorer.widgets.picture_file.value = str(tmp_path / "couplets.png")
    explorer.widgets.buttons["Save picture"].param.trigger("clicks")
    assert (tmp_path / "couplets.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    explorer.change(line=[20.0, 80.0, 60.0, 110.0], place=[70.0, 75.0, 90.0, 95.0])
    words = explorer.save_figure(tmp_path / "couplets.svg").read_text()
    assert words.startswith("<?xml") and words.count("<image") >= 3
    assert explorer.save_figure(tmp_path / "couplets.pdf").read_bytes()[:5] == b"%PDF-"
    explorer.widgets.picture_file.value = str(tmp_path / "couplets.bmp")
    explorer.widgets.buttons["Save picture"].param.trigger("clicks")
    assert "alert" in explorer.widgets.said.value
    explorer.widgets.buttons["Show code"].param.trigger("clicks")
    assert "lk.stack_gradients(pairs" in explorer.widgets.code.value


def test_a_line_that_is_drawn_gives_the_profile_of_what_is_shown(explorer, ifgs):
    explorer.panel().get_root()
    (copy,) = explorer.panels.copies
    copy.wires["line"].data = {"x": [20.0, 60.0], "y": [80.0, 110.0]}
    assert explorer.settings.line == (20.0, 80.0, 60.0, 110.0) and explorer.changed == ["line: any → 20, 80, 60, 110"]
    assert explorer.widgets.line.value == "20, 80, 60, 110"
    assert dict(copy.line.data) == {"x": [20.0, 60.0], "y": [80.0, 110.0]}
    expected = lk.view.line_profile.read_profile(
        explorer.stack, explorer.settings.line, rates=lk.integrate_rate(explorer.stack)
    )
    np.testing.assert_allclose(explorer.profile.table[expected.columns], expected, equal_nan=True)
    ((figures, pane),) = explorer.profile.copies
    assert pane.visible
    before = figures.source.data["azimuth"]
    explorer.widgets.window.value = 9
    assert not np.array_equal(figures.source.data["azimuth"], before, equal_nan=True), "it follows the slider"
    explorer.widgets.line.value = ""
    assert explorer.settings.line is None and not pane.visible
    explorer.widgets.line.value = "1, 2, 3"
    assert "line must be 4 numbers" in explorer.widgets.said.value


def test_the_profile_of_a_preview_is_that_of_the_scenes_own_pixels():
    pairs, slopes = ramp()
    explorer = explore(pairs, live_pixel_pairs=pairs.sizes["pair"] * 96 * 120 // 9)
    explorer.change(line=[30.0, 20.0, 60.0, 60.0])
    explorer.widgets.window.value = 1
    assert not explorer.picture.exact
    years = float(pairs["temporal_baseline"].sum()) / 365.25
    table = explorer.profile.table
    for direction, slope in zip(("azimuth", "range"), slopes, strict=True):
        np.testing.assert_allclose(table[direction], slope * years, rtol=2e-3)
    assert (table["x"].iloc[0], table["y"].iloc[-1]) == (30.0, 60.0)
    across = pairs.attrs["x_spacing"] / np.sin(np.radians(pairs.attrs["incidence_angle"]))
    assert table["distance"].iloc[-1] == pytest.approx(np.hypot(30 * across, 40 * pairs.attrs["y_spacing"]), rel=1e-6)


def test_a_click_gives_the_history_of_that_place(explorer, ifgs):
    explorer.panel().get_root()
    (copy,) = explorer.panels.copies
    copy.wires["place"].data = {"x": [80.2], "y": [84.9]}
    assert explorer.settings.place == (70.0, 75.0, 90.0, 95.0)
    assert {name: column[0] for name, column in copy.place.data.items()} == {
        "left": 70.0, "right": 90.0, "top": 75.0, "bottom": 95.0,
    }  # fmt: skip
    expected = lk.displacement_series(ifgs, (70, 75, 90, 95), progress=False)
    xr.testing.assert_identical(explorer.history.displacement, expected)
    explorer.change(max_days=24)
    fewer = lk.displacement_series(lk.select_pairs(ifgs, max_days=24), (70, 75, 90, 95), progress=False)
    xr.testing.assert_identical(explorer.history.displacement, fewer)
    explorer.widgets.place.value = ""
    assert explorer.settings.place is None and explorer.history.displacement is None


def test_the_ground_lies_under_the_panels_and_the_pointer_reads_heights(ifgs):
    scene = lk.simulate.scene("tiny", seed=0)
    explorer = explore(ifgs, dem=scene.dem, ground=scene.hillshade)
    explorer.change(third="hillshade")
    _, azimuth, _, third = figures_of(explorer)
    y, x = np.mgrid[:160, :192] + 0.5
    lon, lat = lk.geo.pixel_to_lonlat(ifgs, y, x)
    expected = scene.dem.interp(y=xr.DataArray(lat), x=xr.DataArray(lon)).values
    (copy,) = explorer.panels.copies
    np.testing.assert_allclose(copy.places.data["height"][0].reshape(160, 192), expected, atol=0.05)
    table = np.asarray(ifgs["lon"])
    np.testing.assert_allclose(copy.places.data["lon"][0].reshape(160, 192), table, atol=1e-5)
    shade = image_in(third)[::-1]
    lit = lk.view.relief.hillshade(scene.dem.values, *lk.view.explorer_ground._steps_m(scene.dem))
    nearest = scene.dem.copy(data=lit).interp(y=xr.DataArray(lat), x=xr.DataArray(lon)).values
    np.testing.assert_allclose(shade, nearest, atol=0.02)
    pointer, _ = (tool for tool in azimuth.toolbar.tools if isinstance(tool, HoverTool))
    assert [name for name, _ in pointer.tooltips] == [
        "gradient along azimuth", "standard error", "lon, lat", "height",
    ]  # fmt: skip
    explorer.change(third="optical")
    assert third.title.text == "Optical image"
    without = explore(ifgs)
    with pytest.raises(LabkitError, match="hillshade wants heights"):
        without.change(third="hillshade")
    with pytest.raises(LabkitError, match="no image was given"):
        without.change(third="optical")


def test_an_explorer_that_is_shown_twice_follows_on_both_pages(explorer):
    pages = [figures_of(explorer)[1] for _ in range(2)]
    explorer.widgets.window.value = 9
    shown = [image_in(page) for page in pages]
    np.testing.assert_array_equal(shown[0], shown[1])
