"""Figures of one place's history: they hold the numbers of the series and of the stacks that they draw."""

from __future__ import annotations

import numpy as np
import pytest
from moving_scenes import moving_scene

import labkit as lk
from labkit.errors import LabkitError


def drawn(figure, kind):
    import holoviews as hv

    return [e for e in figure.traverse(lambda x: x, [getattr(hv, kind)]) if type(e) is getattr(hv, kind)]


def test_the_series_is_drawn_with_its_errors_gaps_and_pairs() -> None:
    import holoviews as hv

    scene = moving_scene("stopped", -80.0, dates=10, coherence_12=0.5)
    ifgs = scene.interferograms
    gap = np.datetime64("2018-04-28")
    apart = ifgs.isel(pair=np.flatnonzero((ifgs["reference"] > gap) | (ifgs["secondary"] < gap)))
    displacement = lk.displacement_series(apart, scene.box, progress=False)
    figure = lk.view.series(displacement)
    (bars,) = drawn(figure, "ErrorBars")
    np.testing.assert_allclose(bars.dimension_values("displacement"), displacement["displacement"])
    np.testing.assert_allclose(bars.dimension_values("standard_error"), displacement["standard_error"])
    steady, *parts = drawn(figure, "Curve")
    assert len(parts) == 2 and sum(len(part) for part in parts) == displacement.sizes["date"]
    assert np.ptp(steady.dimension_values("mm")) == pytest.approx(
        abs(float(displacement["rate"])) * np.ptp(displacement["date"].values) / np.timedelta64(1, "D") / 365.25
    )
    assert sum(len(lines) for lines in drawn(figure, "Segments")) == displacement.sizes["pair"]
    assert "2 parts that no pair joins" in str(figure.traverse(lambda x: x.opts.get("plot").kwargs.get("title", "")))
    assert hv.render(figure, backend="bokeh") is not None


def test_a_pair_that_contradicts_the_others_is_drawn_apart() -> None:
    scene = moving_scene("linear", -50.0, dates=8, coherence_12=0.6)
    displacement = lk.displacement_series(scene.interferograms, scene.box, progress=False)
    misfit = np.full(displacement.sizes["pair"], 1.0)
    misfit[4] = 9.0
    _, contradicting = drawn(lk.view.series(displacement.assign(misfit=("pair", misfit))), "Segments")
    assert contradicting.dimension_values("date").tolist() == [displacement["reference"].values[4].astype(int)]


def test_the_history_shows_when_it_moved_on_one_scale() -> None:
    import holoviews as hv

    scene = moving_scene("linear", -60.0, dates=12, coherence_12=None, air_mm=0.0)
    figure = lk.view.history(
        scene.interferograms, scene.box, by=({"March": [3], "April and May": [4, 5]},), window=1, progress=False
    )
    pictures = drawn(figure, "Image")
    assert [p.opts.get("plot").kwargs["title"] for p in pictures] == ["March · 3 pairs", "April and May · 9 pairs"]
    true = np.diff(scene.rate, axis=0)
    for picture in pictures:
        values = picture.dimension_values(2, flat=False)
        assert np.nanmax(np.abs(values)) == pytest.approx(np.abs(true).max(), rel=0.02), "mm/yr per px"
    assert hv.render(figure, backend="bokeh") is not None


def test_what_cannot_be_drawn_is_refused() -> None:
    scene = moving_scene("linear", -60.0, dates=4, coherence_12=None, air_mm=0.0)
    with pytest.raises(LabkitError, match="must be what lk.displacement_series gives"):
        lk.view.series(scene.interferograms)
    with pytest.raises(LabkitError, match="direction must be among"):
        lk.view.history(scene.interferograms, scene.box, direction="up", progress=False)
    with pytest.raises(LabkitError, match="box must lie on the scene"):
        lk.view.history(scene.interferograms, (900, 900, 920, 920), progress=False)
