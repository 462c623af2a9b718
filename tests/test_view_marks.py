"""Truth over gradients: boxes in their direction, outlines at their pixels, a legend, words under the pointer."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from shapely.geometry import LineString, MultiPolygon, Polygon

import labkit as lk
from labkit import LabkitError
from labkit.simulate import Effects, Scene
from labkit.view import colours
from labkit.view.marks import LINES, boxes_of, outlines_of

CORNERS = ["xmin", "ymin", "xmax", "ymax"]


@pytest.fixture(scope="module")
def hv():
    """holoviews with its drawing back end."""
    from labkit.view import notebook

    notebook.ready()
    import holoviews

    return holoviews


@pytest.fixture(scope="module")
def known() -> Scene:
    """A tiny scene in which some landslides are too faint for the pairs."""
    return lk.simulate.scene("tiny", seed=0, effects=Effects())


@pytest.fixture(scope="module")
def stacks(known: Scene) -> dict[str, xr.Dataset]:
    return {track: lk.stack_gradients(pairs, progress=False) for track, pairs in known.interferograms.items()}


def figures(hv, layout):
    """The bokeh figures of a layout, azimuth before range."""
    from bokeh.models import Plot

    return sorted(hv.render(layout, backend="bokeh").select({"type": Plot}), key=lambda figure: figure.title.text)


def legend_of(figure):
    """What the legend says, and how many strokes hang on each line."""
    from bokeh.models import Legend

    legend = figure.select_one({"type": Legend})
    return {item.label.value: len(item.renderers) for item in legend.items}, legend.click_policy


def strokes(figure, words):
    """The renderers of one line of the legend: casing, stroke."""
    from bokeh.models import Legend

    return next(i.renderers for i in figure.select_one({"type": Legend}).items if i.label.value.endswith(words))


def test_truth_lies_on_the_panel_of_its_direction_whole_where_it_shows_and_dashed_where_not(hv, known, stacks):
    assert len(known.unseen) > 0, "a scene in which everything shows tests nothing"
    for track, stack in stacks.items():
        drawn = figures(hv, lk.view.gradients(stack, truth=known.truth, unseen=known.unseen))
        for figure, direction in zip(drawn, ("azimuth", "range"), strict=True):
            for table, words, dash in ((known.truth, "to be seen", "solid"), (known.unseen, "too faint", "4 3")):
                expected = table[(table["track"] == track) & (table["direction"] == direction)]
                casing, stroke = strokes(figure, words)
                for renderer in (casing, stroke):
                    data = renderer.data_source.data
                    got = np.column_stack([data[k] for k in (renderer.glyph.left, renderer.glyph.bottom)])
                    np.testing.assert_allclose(np.sort(got, axis=0), np.sort(expected[CORNERS[:2]], axis=0))
                assert stroke.glyph.line_dash == dash
                assert casing.glyph.line_width > stroke.glyph.line_width
            assert figure.output_backend == "canvas", "the graphics card draws no dashed boxes"


def test_the_legend_counts_and_hides(hv, known, stacks):
    stack = stacks["ascending"]
    found = known.truth.assign(score=0.75, model="m")
    drawn = figures(hv, lk.view.gradients(stack, truth=known.truth, outlines=known.landslides, detections=found))
    here = int(((known.truth["track"] == "ascending") & (known.truth["direction"] == "azimuth")).sum())
    lines, policy = legend_of(drawn[0])
    assert lines == {f"{len(known.landslides)} outlines": 2, f"{here} true, to be seen": 2, f"{here} detections": 2}
    assert policy == "hide"
    first, second = drawn
    assert first.x_range is second.x_range and first.y_range is second.y_range, "panels still zoom together"


def test_scores_stand_beside_detections(hv, known, stacks):
    found = known.truth.assign(score=np.linspace(0.5, 1, len(known.truth)))
    layout = lk.view.gradients(stacks["descending"], detections=found)
    azimuth, along_range = (panel.traverse(lambda x: x, [hv.Labels])[0] for panel in layout)
    for labels, direction in ((azimuth, "azimuth"), (along_range, "range")):
        here = found[(found["track"] == "descending") & (found["direction"] == direction)]
        assert list(labels.dimension_values("score")) == [f"{score:.2f}" for score in here["score"]]
    crowd = pd.concat([found] * 41, ignore_index=True)
    crowded = lk.view.gradients(stacks["descending"], detections=crowd)
    assert not any(panel.traverse(lambda x: x, [hv.Labels]) for panel in crowded), "numbers would hide the couplets"


def test_the_pointer_reads_landslide_rate_and_pixels(hv, known, stacks):
    from bokeh.models import HoverTool

    figure = figures(hv, lk.view.gradients(stacks["ascending"], truth=known.truth, outlines=known.landslides))[0]
    _, box = strokes(figure, "to be seen")
    _, outline = strokes(figure, "outlines")
    words = {
        renderer.id: {line[0] for line in tool.tooltips}
        for tool in figure.select({"type": HoverTool})
        for renderer in tool.renderers
    }
    assert words[box.id] == {"box", "landslide", "course", "LOS rate", "pixels that show", "gradient / its error"}
    assert words[outline.id] == {"landslide", "course", "LOS rate", "downslope"}
    here = known.truth[(known.truth["track"] == "ascending") & (known.truth["direction"] == "azimuth")]
    data = box.data_source.data
    for column in ("landslide_id", "rate", "pixels"):
        assert list(data[column]) == list(here[column])
    assert list(outline.data_source.data["los_ascending"]) == list(known.landslides["los_ascending"])


def test_outlines_are_placed_as_the_simulation_placed_them(known, stacks):
    for track, stack in stacks.items():
        shape = stack["gradient"].shape[1:]
        on_image = outlines_of(known.landslides, stack, shape)
        assert list(on_image["landslide_id"]) == list(known.landslides["landslide_id"])
        for polygon, outline in zip(on_image.geometry, known.landslides.geometry, strict=True):
            lon, lat = np.asarray(outline.exterior.coords).T
            y, x = known.frames[track].pixel(*known.place.to_ground(lon, lat))
            np.testing.assert_allclose(np.asarray(polygon.exterior.coords), np.column_stack([x, y]), atol=0.02)


def test_outlines_on_a_map_grid_follow_its_transform(hv):
    grid = Affine(80.0, 0.0, 500_000.0, 0.0, -80.0, 3_400_000.0)
    y, x = (np.arange(60) + 0.5), (np.arange(90) + 0.5)
    values = np.zeros((2, 60, 90), np.float32)
    attributes = {"crs": "EPSG:32647", "geometry": "map", "scene": "grid"}
    attributes |= {"ground_spacing": 80.0, "sum_temporal_baseline": 9.0, "wavelength": 0.0555}
    stack = xr.Dataset(
        {"gradient": (("direction", "y", "x"), values)},
        {"direction": ["azimuth", "range"], "y": 3_400_000.0 - 80 * y, "x": 500_000.0 + 80 * x},
        attributes,
    )
    inside = Polygon([(10, 10), (30, 12), (20, 40)], [[(18, 15), (22, 15), (20, 20)]])
    apart = MultiPolygon([Polygon([(50, 5), (55, 5), (55, 9)]), Polygon([(200, 5), (205, 5), (205, 9)])])
    metres = gpd.GeoSeries([inside, apart]).affine_transform(grid.to_shapely())
    table = gpd.GeoDataFrame({"landslide_id": ["A", "B"]}, geometry=metres, crs="EPSG:32647")
    on_image = outlines_of(table, stack, (60, 90))
    assert list(on_image["landslide_id"]) == ["A", "B"], "the part outside the image is left out"
    assert on_image.geometry.iloc[0].symmetric_difference(inside).area < 1e-6
    assert on_image.geometry.iloc[1].symmetric_difference(apart.geoms[0]).area < 1e-6
    boxes = lk.schema.boxes_table(
        {"scene": ["grid"], "direction": ["range"], "xmin": [9.0], "ymin": [9.0], "xmax": [31.0], "ymax": [41.0]}
    )
    azimuth, along_range = figures(hv, lk.view.gradients(stack, truth=boxes, outlines=table))
    assert set(legend_of(azimuth)[0]) == {"2 outlines"}
    assert set(legend_of(along_range)[0]) == {"2 outlines", "1 true, to be seen"}


def test_nothing_to_draw_is_said_in_words(hv, known, stacks):
    nothing = known.truth.iloc[:0]
    figure = figures(hv, lk.view.gradients(stacks["ascending"], truth=nothing, detections=nothing))[0]
    words = [title.text for title in figure.above if hasattr(title, "text")]
    assert "0 true, to be seen" in words and "0 detections" in words
    here, said = boxes_of(known.truth, "labels", stacks["ascending"], "azimuth")
    other = int((known.truth["track"] != "ascending").sum())
    assert said == f"{len(here)} labels ({other} of other scenes not shown)"


def test_wrong_tables_are_named(known, stacks):
    stack = stacks["ascending"]
    with pytest.raises(LabkitError, match="truth must have the columns"):
        lk.view.gradients(stack, truth=known.truth.drop(columns="scene"))
    with pytest.raises(LabkitError, match="outlines must be a GeoDataFrame with a CRS"):
        lk.view.gradients(stack, outlines=gpd.GeoDataFrame(geometry=[Polygon()]))
    lines = gpd.GeoDataFrame(geometry=[LineString([(101.9, 30.8), (102, 30.9)])], crs="EPSG:4326")
    with pytest.raises(LabkitError, match="outlines must be polygons, instead got \\['LineString'\\]"):
        lk.view.gradients(stack, outlines=lines)
    with pytest.raises(LabkitError, match="lon"):
        lk.view.gradients(stack.drop_vars(["lon", "lat"]), outlines=known.landslides)


def lightness(colour: str) -> float:
    """Relative luminance of a colour (WCAG 2.1), which eyes that confuse red and green see as well."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((lightness(one), lightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", ["truth", "unseen", "outlines"])
def test_a_line_or_its_casing_stands_out_from_every_colour_of_the_ground(hv, kind):
    palette = hv.plotting.util.process_cmap(colours.GRADIENT_COLOURS, 256, provider="bokeh")
    line = LINES[kind]
    weakest = min(max(contrast(line.colour, c), contrast(line.casing, c)) for c in [*palette, colours.NO_DATA])
    assert weakest > 3, "WCAG 2.1, 1.4.11: graphical objects"
    assert contrast(line.colour, line.casing) > 7
