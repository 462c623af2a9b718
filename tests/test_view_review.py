"""The review desk without a page: what is shown of each detection, and that answers, notes and outlines are kept."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import holoviews as hv
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from bokeh.models import Whisker
from couplet_scene import couplet_boxes, couplet_gradients
from shapely.geometry import Polygon, box

import labkit as lk
from labkit import LabkitError, geo
from labkit.view.review_layers import Layers


@pytest.fixture(scope="module")
def stack() -> xr.Dataset:
    gradients = couplet_gradients(240, 320)
    coherence = np.random.default_rng(0).uniform(0.3, 0.9, (240, 320)).astype(np.float32)
    return gradients.assign(coherence=(("y", "x"), coherence))


@pytest.fixture(scope="module")
def boxes(stack) -> gpd.GeoDataFrame:
    return couplet_boxes(stack)


def ground_map() -> xr.DataArray:
    """A map in degrees whose brightness is the longitude."""
    lat, lon = np.linspace(31.02, 30.88, 281), np.linspace(101.98, 102.16, 361)
    return xr.DataArray(
        np.broadcast_to(lon, (281, 361)), coords={"y": lat, "x": lon}, dims=("y", "x"), attrs={"crs": "EPSG:4326"}
    )


def of(rates: xr.Dataset, **attributes: object) -> xr.Dataset:
    return rates.assign_attrs(attributes)


def draw(desk: Any, kind: str, stack: xr.Dataset, shape: Polygon, late: bool = False) -> None:
    """Say what a page says when somebody has drawn a shape (lon/lat) on a panel."""
    lon, lat = np.asarray(shape.exterior.coords)[:-1].T
    y, x = geo.lonlat_to_pixel(stack, lon, lat)
    shown = desk.panels.first.tags[0] - late
    desk.panels.wire.data = {"kind": [kind], "shown": [shown], "xs": [x.tolist()], "ys": [y.tolist()]}


def test_each_panel_shows_the_same_ground_around_the_box_on_its_own_grid(stack, boxes):
    layers = Layers(boxes, stack, None, ground_map())
    assert layers.kinds == ["azimuth", "range", "coherence", "ground"]
    for row in range(len(boxes)):
        windows = layers.windows(row, layers.extent_m(row))
        assert list(windows) == layers.kinds
        places = {}
        for kind, window in windows.items():
            corners = layers.corners(window)[row]
            lonlat = window.to_lonlat(box(*corners))
            # the box lies in the middle of the window, and at one place on the Earth whatever the grid
            assert (window.left + window.right) / 2 == pytest.approx((corners[0] + corners[2]) / 2, abs=1)
            assert (window.top + window.bottom) / 2 == pytest.approx((corners[1] + corners[3]) / 2, abs=1)
            assert shapely.equals_exact(window.to_pixels(lonlat), box(*corners), 1e-4)
            places[kind] = lonlat.bounds
            edges = window.to_lonlat(box(window.left, window.top, window.right, window.bottom)).bounds
            metres = (edges[2] - edges[0]) * 111_319 * np.cos(np.radians(31)), (edges[3] - edges[1]) * 111_319
            assert metres == pytest.approx([layers.extent_m(row)] * 2, rel=0.04)
        np.testing.assert_allclose(places["ground"], boxes.geometry[row].bounds, atol=1e-6)
        np.testing.assert_allclose(places["azimuth"], boxes.geometry[row].bounds, atol=1e-6)


def test_a_scene_smaller_than_three_boxes_fills_its_panels(stack, boxes):
    """Three times the box would be a frame of no data around it."""
    left, top = (int(boxes[name].iloc[0]) - 9 for name in ("xmin", "ymin"))
    right, bottom = (int(boxes[name].iloc[0]) + 9 for name in ("xmax", "ymax"))
    small = stack.isel(y=slice(top, bottom), x=slice(left, right))
    one = boxes.iloc[:1].assign(xmin=9.0, ymin=9.0, xmax=right - left - 9.0, ymax=bottom - top - 9.0)
    layers = Layers(one, small, None, None)
    along, across = layers.layers[0].spacing
    assert layers.extent_m(0) == pytest.approx(max((bottom - top) * along, (right - left) * across))
    window = layers.windows(0, layers.extent_m(0))["azimuth"]
    assert np.isfinite(window.values).mean() > 0.6
    whole = one.assign(xmin=0.0, ymin=0.0, xmax=float(right - left), ymax=float(bottom - top))
    assert Layers(whole, small, None, None).extent_m(0) > layers.extent_m(0), "a margin around a box of the whole scene"


def test_an_optical_image_is_shown_in_its_colours_where_it_lies(stack, boxes, tmp_path):
    lon, lat = ground_map()["x"].values, ground_map()["y"].values
    share = {"red": (lon - lon[0]) / (lon[-1] - lon[0]), "green": ((lat - lat[-1]) / (lat[0] - lat[-1]))[:, None]}
    bands = np.stack([np.broadcast_to(share.get(name, 0.5), (281, 361)) for name in ("red", "green", "blue")])
    optical = xr.DataArray(bands, coords={"y": lat, "x": lon}, dims=("band", "y", "x"), attrs={"crs": "EPSG:4326"})
    optical[:, :, :40] = np.nan  # a strip without data
    desk = lk.view.review(boxes, tmp_path / "review.gpkg", "ann", gradients=stack, ground=optical, n=None)
    (source,) = [
        r.data_source for r in desk.panels.figures["ground"].renderers if r.glyph.__class__.__name__ == "ImageRGBA"
    ]
    image, left, top = (source.data[name][0] for name in ("image", "x", "y"))
    red, green, blue, alpha = (image.view(np.uint8).reshape(*image.shape, 4)[..., k].astype(float) for k in range(4))
    low, high = np.nanpercentile(bands, [2, 98])
    rows, cols = np.indices(image.shape)
    for shown, name in ((red, "red"), (green, "green")):
        true = np.broadcast_to(share[name], (281, 361))[rows + top, cols + left]
        np.testing.assert_allclose(shown, 255 * np.clip((true - low) / (high - low), 0, 1), atol=1.5)
    assert np.ptp(blue) == 0 and (alpha == 255).all()


def test_windows_hold_the_pixels_of_the_scene_and_no_data_beyond_it(stack, boxes):
    layers = Layers(boxes, stack, None, ground_map())
    window = layers.windows(0, 20_000.0)["azimuth"]
    y, x = (
        index + edge for index, edge in zip(np.indices(window.values.shape), (window.top, window.left), strict=True)
    )
    inside = (y >= 0) & (y < 240) & (x >= 0) & (x < 320)
    assert inside.any() and not inside.all() and np.isnan(window.values[~inside]).all()
    np.testing.assert_array_equal(window.values[inside], stack["gradient"].values[0][y[inside], x[inside]])
    # the map's brightness is its longitude: what is cut is what lies there
    window = layers.windows(1, layers.extent_m(1))["ground"]
    row, col = 5, 9
    lon, _ = geo.pixel_to_lonlat(ground_map(), window.top + row + 0.5, window.left + col + 0.5)
    assert window.values[row, col] == pytest.approx(float(lon), abs=1e-5)


def test_rates_are_found_by_their_scene_or_by_their_place(stack, boxes):
    radar = xr.Dataset({"rate": stack["gradient"].sel(direction="range", drop=True) * 10}, attrs=stack.attrs)
    on_map = xr.Dataset({"rate": ground_map()}, attrs=ground_map().attrs | {"scene": "elsewhere"})
    for rates in (radar, on_map):
        layers = Layers(boxes, stack, rates, None)
        window = layers.windows(2, layers.extent_m(2))["rate"]
        lonlat = window.to_lonlat(box(*layers.corners(window)[2]))
        np.testing.assert_allclose(lonlat.bounds, boxes.geometry[2].bounds, atol=1e-6)
    alone = Layers(boxes, None, [on_map], None)
    assert list(alone.windows(0, 3000.0)) == ["rate"]


def test_a_detection_on_nothing_that_is_given_is_named(stack, boxes):
    with pytest.raises(LabkitError, match="gradients, rates or ground must be given to look at"):
        Layers(boxes, None, None, None)
    elsewhere = boxes.assign(scene="b", geometry=None)
    with pytest.raises(LabkitError, match="instead 4 lie on none of them, the first of scene='b'"):
        Layers(elsewhere, stack, None, None)
    with pytest.raises(LabkitError, match=r"ground must be a DataArray \(y, x\), or \(band, y, x\)"):
        Layers(boxes, stack, None, ground_map().expand_dims(band=2))
    with pytest.raises(LabkitError, match="ground must have 1-D y and x with a CRS"):
        Layers(boxes, stack, None, xr.DataArray(np.zeros((3, 4)), dims=("y", "x")))


def test_answers_notes_and_outlines_are_kept_and_taken_up(stack, boxes, tmp_path):
    path = tmp_path / "review.gpkg"
    desk = lk.view.review(boxes, path, "ann", gradients=stack, n=None)
    shape = Polygon([(102.03, 30.97), (102.05, 30.97), (102.05, 30.98)])
    desk.widgets.note.value = "a scarp"
    draw(desk, "azimuth", stack, shape)
    assert len(desk.review.answers()) == 0, "nothing is said before the answer"
    desk.answer("landslide")
    assert desk.place == 1 and desk.widgets.note.value == ""
    assert desk.panels._sources["azimuth"]["outline"].data["xs"] == []
    desk.answer("unsure")
    desk.go(0)
    assert desk.widgets.note.value == "a scarp" and "answered: landslide" in desk.widgets.where.value
    xs, ys = (np.array(desk.panels._sources["range"]["outline"].data[axis][0]) for axis in ("xs", "ys"))
    lon, lat = geo.pixel_to_lonlat(stack, ys, xs)
    assert Polygon(zip(lon, lat, strict=True)).symmetric_difference(shape).area < 1e-3 * shape.area
    # later changes of an answered one are saved at once
    desk.widgets.note.value = "two scarps"
    desk.widgets.buttons["Clear outline (C)"].clicks += 1
    (row,) = desk.review.answers().query("note == 'two scarps'").itertuples()
    assert row.answer == "landslide" and row.geometry is None
    # a new kernel goes on where this person stopped, and another person begins at the beginning
    again = lk.view.review(None, path, "ann", gradients=stack)
    assert again.place == 2
    other = lk.view.review(boxes, path, "ben", gradients=stack, n=None)
    assert other.place == 0 and "not answered" in other.widgets.where.value
    for answer in ("landslide", "landslide", "landslide", "human activity"):
        other.answer(answer)
    assert "All are answered." in other.widgets.said.value and other.place == 3
    assert desk.review.agreement()[["detections", "agree"]].values.tolist() == [[2, 1]]


def test_several_parts_are_one_outline_and_what_was_drawn_on_the_one_before_is_not_taken(stack, boxes, tmp_path):
    desk = lk.view.review(boxes, tmp_path / "review.gpkg", "ann", gradients=stack, n=None)
    first, second = box(102.03, 30.97, 102.035, 30.975), box(102.05, 30.97, 102.055, 30.975)
    draw(desk, "azimuth", stack, first)
    draw(desk, "range", stack, second)
    assert len(desk.panels._sources["azimuth"]["outline"].data["xs"]) == 2
    desk.answer("landslide")
    draw(desk, "azimuth", stack, first, late=True)
    desk.answer("landslide")
    assert len(desk.review.inventory()) == 2 and len(desk.review.history()) == 2
    (line,) = desk.review.answers()[:1].geometry
    assert line.symmetric_difference(first.union(second)).area < 1e-3 * line.area
    draw(desk, "azimuth", stack, Polygon([(102.03, 30.97), (102.04, 30.97), (102.05, 30.97)]))
    assert "outline must be a polygon that encloses ground" in desk.widgets.said.value


def test_the_buttons_do_what_their_words_say(stack, boxes, tmp_path):
    desk = lk.view.review(boxes, tmp_path / "review.gpkg", "ann", gradients=stack, n=None)

    def press(word: str) -> None:
        button = {**desk.widgets.buttons, **{b.label: b for b in desk.widgets.answers.values()}}[word]
        button.clicks += 1

    press("Next (→)")
    press("Next (→)")
    press("Human activity (H)")
    assert desk.place == 3
    press("Next (→)")
    assert desk.place == 3 and "none beyond" in desk.widgets.said.value
    press("Previous (←)")
    assert desk.place == 2 and "answered: human activity" in desk.widgets.where.value
    press("Box as outline (B)")
    (row,) = desk.review.answers().itertuples()
    assert row.geometry.symmetric_difference(boxes.geometry[2]).area < 1e-12
    press("Next unanswered (O)")
    assert desk.place == 3
    desk.widgets.case.value = 0
    assert desk.place == 0


def test_what_cannot_be_saved_is_said_and_nothing_goes_on(stack, boxes, tmp_path):
    desk = lk.view.review(boxes, tmp_path / "review.gpkg", "ann", gradients=stack, n=None)
    kept = desk.review.path.rename(tmp_path / "moved.gpkg")
    desk.answer("landslide")
    assert desk.place == 0 and "Not saved" in desk.widgets.said.value and "role='alert'" in desk.widgets.said.value
    kept.rename(desk.review.path)
    desk.answer("landslide")
    assert desk.place == 1 and len(desk.review.answers()) == 1


def test_the_words_say_what_the_panels_show_and_names_from_files_are_escaped(stack, boxes, tmp_path):
    named = stack.assign_attrs(scene="<b>&")
    told = boxes.assign(scene="<b>&")
    desk = lk.view.review(told, tmp_path / "review.gpkg", "<i>", gradients=named, n=None)
    inside = stack["gradient"].values[0][45:99, 69:123]
    words = desk.widgets.facts.value
    assert f"gradient along azimuth {inside.min():.1f} to {inside.max():.1f} rad" in words
    assert "&lt;b&gt;&amp;" in words and "<b>" not in words and "seen in azimuth" in words
    assert "&lt;i&gt;" in desk.widgets.where.value and "<i>" not in desk.widgets.where.value


def test_neighbours_are_those_of_the_panels_direction(stack, boxes, tmp_path):
    near = pd.concat([boxes, boxes.iloc[[0]].assign(xmin=130.0, xmax=150.0, ymin=60.0, ymax=80.0)], ignore_index=True)
    desk = lk.view.review(near, tmp_path / "review.gpkg", "ann", gradients=stack, n=None)
    sources = desk.panels._sources
    assert len(sources["azimuth"]["near"].data["xs"]) == 1 and len(sources["range"]["near"].data["xs"]) == 1
    assert sorted(set(sources["azimuth"]["near"].data["xs"][0])) == [130.0, 150.0]
    assert len(sources["coherence"]["near"].data["xs"]) == 2


def test_a_sample_of_other_detections_is_refused(stack, boxes, tmp_path):
    lk.view.review(boxes, tmp_path / "review.gpkg", "ann", gradients=stack, n=2)
    review = lk.detect.open_review(tmp_path / "review.gpkg")
    with pytest.raises(LabkitError, match="detections must hold the sample of .*, instead 1 are not among them"):
        lk.view.review(boxes[boxes["xmin"] != review.sample["xmin"][0]], review, "ann", gradients=stack)
    with pytest.raises(LabkitError, match="reviewer must be a name"):
        lk.view.review(None, review, " ", gradients=stack)


def test_the_figure_of_a_review_draws_each_share_with_its_interval(stack, boxes, tmp_path):
    desk = lk.view.review(boxes, tmp_path / "review.gpkg", "ann", gradients=stack, n=None)
    with pytest.raises(LabkitError, match="review must hold at least one answer"):
        lk.view.reviewed(desk.review)
    for answer in ("landslide", "landslide", "human activity", "not a landslide"):
        desk.answer(answer)
    drawn = lk.view.reviewed(desk.review)
    assert len(drawn) == 1
    tops = [rectangle.data["y1"].item() for rectangle in drawn.traverse(lambda x: x, ["Rectangles"])]
    assert tops == [0.5, 0.25, 0.25, 0.0, 0.5]
    (bars,) = drawn.traverse(lambda x: x, ["ErrorBars"])
    shares = desk.review.shares()
    np.testing.assert_allclose(bars.dimension_values(1) + bars.dimension_values(3), shares["high"])
    np.testing.assert_allclose(bars.dimension_values(1) - bars.dimension_values(2), shares["low"])
    (whisker,) = hv.render(drawn).select({"type": Whisker})
    assert whisker.level == "annotation", "bars must not hide the lower half of an interval"
    desk.review.answer(desk.review.sample["detection_id"][0], "unsure", reviewer="ben")
    assert len(lk.view.reviewed(desk.review)) == 3
