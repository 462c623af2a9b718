"""Loss curves: every part at its value, renewed in place, and a line of text where there is no page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from browser import run_notebook_in_browser

from labkit import LabkitError
from labkit.view import live_losses, losses

ROOT = Path(__file__).resolve().parents[1]

HISTORY = pd.DataFrame(
    {
        "epoch": [0, 1, 2],
        "train_loss": [4.0, 2.0, 1.0],
        "train_box": [3.0, 1.5, 0.0],
        "train_objectness": [1.0, 0.5, 1.0],
        "val_loss": [5.0, 3.0, 2.5],
        "learning_rate": [1e-3, 1e-3, 1e-4],
    }
)


def lines_of(figure: Any) -> dict[str, list[float]]:
    """By the words of the legend, the values of the line in the page's figure."""
    from bokeh.models import Legend

    items = figure.select_one({"type": Legend}).items
    return {item.label.value: list(item.renderers[0].data_source.data["loss"]) for item in items}


def test_every_part_has_its_line_at_its_values():
    import holoviews as hv

    figure = hv.render(losses(HISTORY), backend="bokeh")
    lines = lines_of(figure)
    assert list(lines) == ["box", "objectness", "training", "validation"]
    assert lines["training"] == [4, 2, 1] and lines["validation"] == [5, 3, 2.5]
    assert lines["box"][:2] == [3, 1.5] and np.isnan(lines["box"][2]), "a loss of 0 has no place on a logarithmic axis"
    assert figure.x_range.start < 1 and figure.x_range.end > 3
    assert figure.y_range.start < 0.5 and figure.y_range.end > 5
    assert figure.title.text == "Losses after 3 epochs, learning rate 0.0001"


def test_a_standing_figure_takes_up_each_epoch():
    import holoviews as hv

    live = live_losses()
    plot = hv.renderer("bokeh").get_plot(live.draw(HISTORY[:1]))
    assert lines_of(plot.state)["training"] == [4]
    live._pipe.send(HISTORY)
    assert lines_of(plot.state)["training"] == [4, 2, 1]
    assert plot.state.x_range.end > 3


def test_a_script_says_each_epoch_in_a_line(capsys):
    watch = live_losses()
    for count in (1, 2):
        watch(HISTORY[:count])
    watch(HISTORY.assign(val_loss=np.nan)[:1])
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1: training 4 (box 3, objectness 1), validation 5",
        "epoch 2: training 2 (box 1.5, objectness 0.5), validation 3",
        "epoch 1: training 4 (box 3, objectness 1)",
    ]


def test_a_table_of_something_else_is_refused():
    with pytest.raises(LabkitError, match="history must be that of a training, .* lacks \\['val_loss'\\]"):
        losses(HISTORY.drop(columns="val_loss"))
    with pytest.raises(LabkitError, match="instead it has 0 rows"):
        losses(HISTORY[:0])


CELL = """
import time
import pandas as pd
import labkit as lk

watch = lk.view.live_losses()
rows = []
for epoch in range(8):
    loss = 4 * 0.7 ** epoch
    rows.append({"epoch": epoch, "train_loss": loss, "train_box": 0.7 * loss, "train_objectness": 0.3 * loss,
                 "val_loss": 1.2 * loss, "learning_rate": 1e-3})
    watch(pd.DataFrame(rows))
    time.sleep(1.5)
"""


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_shows_every_epoch_in_one_figure_while_the_cell_runs(tmp_path):
    """Slow: a JupyterLab and a browser for one figure."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "live.ipynb"
    nbformat.write(book, path)
    titles: list[str] = []

    def look(page: Any) -> None:
        found = page.evaluate(
            "() => { const all = []; for (const d of Bokeh.documents) for (const m of d._all_models.values()) "
            "if (m.type === 'Figure') all.push(m.title.text); return all; }"
        )
        titles.extend(found)

    seen = run_notebook_in_browser(path, ROOT / "test-output" / "losses", 180, then=look)
    assert seen.errors == [] and seen.outside_requests == []
    assert seen.figures == 1
    assert titles == ["Losses after 8 epochs, learning rate 0.001"]
