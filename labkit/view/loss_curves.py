"""How a training goes: the losses by part and by epoch, drawn when it has ended or while it runs."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from labkit.errors import LabkitError
from labkit.view import notebook
from labkit.wording import counted

if TYPE_CHECKING:
    import holoviews as hv

#: Total and validation are thick; parts take the other colours in their order.
_TOTALS = {"train_loss": ("training", "#0072b2"), "val_loss": ("validation", "#d55e00")}
_PART_COLOURS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6a3d9a", "#8c564b")
_WIDTH, _HEIGHT = 640, 280


def losses(history: pd.DataFrame) -> hv.Overlay:
    """Draw the losses of a training, as Figure 5 of the second paper does, with those of validation.

    Parameters
    ----------
    history : pandas.DataFrame
        ``detector.history``: ``epoch``, ``train_loss``, its parts ``train_…``, ``val_loss`` (NaN where unknown).

    Returns
    -------
    holoviews.Overlay
        A line for each, over the number of epochs that had ended, on a logarithmic axis; a loss of 0 has no point.

    Raises
    ------
    LabkitError
        A column is missing, or there is no row.

    References
    ----------
    Zhang et al. (2025), Figure 5.

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [2.0, 0.7, 0.3], "val_loss": [2.2, 0.9, 0.6]})
    >>> drawn = losses(history)
    >>> len(drawn)
    4
    """
    missing = [name for name in ("epoch", *_TOTALS) if name not in history]
    if missing or not len(history):
        raise LabkitError(
            f"history must be that of a training, instead it has {len(history)} rows and lacks {missing}. Take "
            "detector.history"
        )
    notebook.ready()
    import holoviews as hv

    epochs = history["epoch"].to_numpy() + 1
    parts = [name for name in history if name.startswith("train_") and name not in _TOTALS]
    styles = {
        name: (name.removeprefix("train_"), _PART_COLOURS[i % len(_PART_COLOURS)]) for i, name in enumerate(parts)
    }
    drawn: list[hv.Element] = []
    for name, (label, colour) in (styles | _TOTALS).items():
        values = history[name].where(history[name] > 0).to_numpy(float)
        table = pd.DataFrame({"epochs": epochs, "loss": values, "of": label})
        width = 3 if name in _TOTALS else 1.5
        drawn.append(hv.Curve(table, "epochs", ["loss", "of"], label=label).opts(color=colour, line_width=width))
        drawn.append(
            hv.Scatter(table, "epochs", ["loss", "of"], label=label).opts(
                color=colour, size=5 if name in _TOTALS else 3, tools=["hover"]
            )
        )
    last = history.iloc[-1]
    rate = f", learning rate {last['learning_rate']:.2g}" if "learning_rate" in history else ""
    after = counted(len(history), "epoch", "epochs")
    return hv.Overlay(drawn).opts(
        title=f"Losses after {after}{rate}", xlabel="epochs", ylabel="loss", logy=True, show_grid=True,
        frame_width=_WIDTH, frame_height=_HEIGHT, legend_position="right", framewise=True,
        hooks=[partial(_set_ends, ends=_ends(history, epochs))],
    )  # fmt: skip


def live_losses() -> LiveLosses:
    """Watch a training: its losses are drawn after each epoch, in the figure that stands.

    Returns
    -------
    LiveLosses
        For ``lk.train.fit(…, watch=lk.view.live_losses())``. In a notebook the figure appears with the first epoch;
        in a script each epoch is a line of text.

    Examples
    --------
    >>> watch = live_losses()
    >>> watch(pd.DataFrame({"epoch": [0], "train_box": [1.0], "train_loss": [2.5], "val_loss": [3.0]}))
    epoch 1: training 2.5 (box 1), validation 3
    """
    return LiveLosses()


class LiveLosses:
    """The figure of a running training (:func:`live_losses`); give it the records of all epochs so far.

    Attributes
    ----------
    figure : holoviews.DynamicMap or None
        What is shown, once there is an epoch; None in a script.
    """

    def __init__(self) -> None:
        self.figure: hv.DynamicMap | None = None
        self._pipe: Any = None

    def __call__(self, history: pd.DataFrame) -> None:
        if not notebook.in_kernel():
            from tqdm import tqdm

            # between the bar's own lines
            tqdm.write(words(history.iloc[-1]))
        elif self.figure is None:
            self.figure = self.draw(history)
            from IPython.display import display

            display(self.figure)
        else:
            self._pipe.send(history)

    def draw(self, history: pd.DataFrame) -> hv.DynamicMap:
        """Give the figure that later records renew."""
        notebook.ready()
        import holoviews as hv

        self._pipe = hv.streams.Pipe(data=history)
        return hv.DynamicMap(lambda data: losses(data), streams=[self._pipe])


def words(row: pd.Series[Any]) -> str:
    """Say the losses of an epoch in a line."""
    parts = [n for n in row.index if str(n).startswith("train_") and n not in _TOTALS]
    of_them = ", ".join(f"{n.removeprefix('train_')} {row[n]:.3g}" for n in parts)
    validation = "" if math.isnan(row["val_loss"]) else f", validation {row['val_loss']:.3g}"
    return f"epoch {int(row['epoch']) + 1}: training {row['train_loss']:.3g}{of_them and f' ({of_them})'}{validation}"


def _set_ends(plot: Any, _: Any, *, ends: dict[str, tuple[float, float]]) -> None:
    """Set the ends of both axes: holoviews keeps limits as they were when the figure was first drawn."""
    for name, (start, end) in ends.items():
        plot.handles[name].update(start=start, end=end)


def _ends(history: pd.DataFrame, epochs: Any) -> dict[str, tuple[float, float]]:
    """Ends between which every point lies, a single one too."""
    shown = history[[name for name in history if name.startswith("train_") or name == "val_loss"]].to_numpy(float)
    shown = shown[shown > 0]
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.1, 1.0)
    return {"x_range": (0.5, max(float(epochs[-1]), 2.0) + 0.5), "y_range": (low / 1.2, high * 1.2)}
