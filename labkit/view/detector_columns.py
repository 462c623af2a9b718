"""The same chips, one column for each detector: truth, detections, and mistakes with numbers to speak of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import geo, schema
from labkit.detect.matching import Boxes, Matcher
from labkit.errors import LabkitError
from labkit.files import whole
from labkit.schema import CORNERS
from labkit.view import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


#: A panel is so many inches wide; the bar and the words below need so much more.
_PANEL_INCHES, _BELOW_INCHES = 3.0, 1.2


def compare_detectors(
    scenes: Mapping[str, xr.Dataset],
    chips: gpd.GeoDataFrame,
    labels: gpd.GeoDataFrame,
    detections: Mapping[str, gpd.GeoDataFrame],
    *,
    direction: str | None = None,
    score: float = 0.5,
    iou: float = 0.5,
    ignore: gpd.GeoDataFrame | None = None,
    limit: float | None = None,
    path: str | Path | None = None,
) -> Figure:
    """Draw what several detectors make of the same chips, side by side.

    Parameters
    ----------
    scenes : mapping
        Scene → gradients or rates that the chips were cut from.
    chips : geopandas.GeoDataFrame
        One row of panels for each; a handful.
    labels : geopandas.GeoDataFrame
        The truth, red.
    detections : mapping
        Name of the detector → its detections, blue; one column for each.
    direction : str, optional
        "azimuth" or "range"; azimuth when left out. Rates have none.
    score : float
        Least score of a detection to be drawn, in [0, 1].
    iou : float
        Least IoU of a detection with its label, in (0, 1].
    ignore : geopandas.GeoDataFrame, optional
        Boxes that need not be found, grey: a detection that takes one is no mistake.
    limit : float, optional
        Ends of the colours, rad or mm/yr, above 0; ±4 rad and ±50 mm/yr when left out.
    path : path-like, optional
        A ``.png`` to save the picture in.

    Returns
    -------
    matplotlib.figure.Figure
        With :func:`mistakes` numbered in each panel: false boxes with a number in blue, missed ones in red with a
        dashed line. Boxes whose centre lies outside the chip belong to another one and are not drawn.

    Raises
    ------
    LabkitError
        There is no chip or no detector, a chip's scene is missing, or a number is out of its range.

    References
    ----------
    Fu et al. (2022), Figure 6; Zhang et al. (2025), Figure 6.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> stack = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> chips = lk.make_chips(stack, size=96, overlap=0)
    >>> found = {"couplets": lk.couplets(stack)}
    >>> scenes = {stack.attrs["scene"]: stack}
    >>> drawn = lk.view.compare_detectors(scenes, chips[:2], scene.truth, found, direction="azimuth")
    >>> len(drawn.axes)
    3
    """
    from matplotlib.figure import Figure

    schema.check_chips(chips)
    if not len(chips) or not detections:
        raise LabkitError(
            f"chips and detections must hold at least one each, instead got {len(chips)} chips and "
            f"{len(detections)} detectors"
        )
    if limit is not None and not (np.isfinite(limit) and limit > 0):
        raise LabkitError(f"limit must be a number above 0, instead got limit={limit}")
    rows, columns = len(chips), len(detections)
    figure = Figure(figsize=(_PANEL_INCHES * columns + 0.6, _PANEL_INCHES * rows + _BELOW_INCHES), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for across, (name, found) in zip(axes.T, detections.items(), strict=True):
        for axis, (_, chip) in zip(across, chips.iterrows(), strict=True):
            layer = _layer(scenes, chip, direction)
            image = _image(axis, chip, layer, limit)
            table = mistakes(chip, str(layer.name), labels, found, score=score, iou=iou, ignore=ignore)
            _draw(axis, table)
        across[0].set_title(name, fontsize=10)
    unit = "mm/yr" if "rate" in str(layer.name) else "rad"
    what = "rate" if unit == "mm/yr" else f"phase gradient along {layer.name}"
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.5, aspect=40, pad=0.02)
    # two lines, since a picture of one column is narrow
    bar.set_label(f"{what}, {unit}\nred: truth, dashed where missed; blue: detections; numbers: mistakes")
    if path is not None:
        with whole(path) as partial:
            figure.savefig(partial, format="png", dpi=130)
    return figure


def mistakes(
    chip: pd.Series,
    direction: str,
    labels: gpd.GeoDataFrame,
    detections: gpd.GeoDataFrame,
    *,
    score: float = 0.5,
    iou: float = 0.5,
    ignore: gpd.GeoDataFrame | None = None,
) -> pd.DataFrame:
    """Say of each box on a chip what it is.

    Returns
    -------
    pandas.DataFrame
        ``xmin ymin xmax ymax`` (px of the scene), ``score`` (NaN for labels) and ``what``: of labels "found", "missed"
        or "ignored", of detections "right", "false" or "ignored"; ``number`` of the mistakes, from 1, the false ones
        first, best score first, and then the missed ones, largest first; 0 for the others.

    Raises
    ------
    LabkitError
        ``score`` or ``iou`` is out of its range.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> stack = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> chip = lk.make_chips(stack, size=160, overlap=0).iloc[0]
    >>> found = lk.view.mistakes(chip, "azimuth", scene.truth, lk.couplets(stack))
    >>> found[["xmin", "ymin", "what"]].round(0)
        xmin  ymin   what
    0   55.0  97.0  right
    1   95.0  20.0  right
    2  100.0  92.0  right
    3  138.0  98.0  right
    4   54.0  97.0  found
    5  135.0  98.0  found
    6   95.0  92.0  found
    7   92.0  18.0  found
    """
    if not 0 <= score <= 1:
        raise LabkitError(f"score must be in [0, 1], instead got score={score}")
    if not 0 < iou <= 1:
        raise LabkitError(f"iou must be in (0, 1], instead got iou={iou}")
    found = _on(chip, direction, detections)
    found = found[found["score"] >= score]
    true = [_on(chip, direction, table) for table in (labels, ignore) if table is not None]
    needless = np.concatenate([np.full(len(table), place == 1) for place, table in enumerate(true)])
    boxes = [table[CORNERS].to_numpy(float) for table in (found, pd.concat(true))]
    scores = found["score"].to_numpy(float)
    sides = [Boxes(b, np.zeros(len(b), np.int64), np.ones(len(b), bool)) for b in boxes]
    matcher = Matcher(sides[0], scores, sides[1], needless, np.zeros(len(needless), bool), iou)
    matches = matcher.match(iou)
    of_found = np.where(matches.right, "right", np.where(matches.wrong, "false", "ignored"))
    taken = np.zeros(len(needless), bool)
    taken[matches.label[matches.label >= 0]] = True
    of_true = np.where(needless, "ignored", np.where(taken, "found", "missed"))
    parts = [
        pd.DataFrame(boxes[0][matcher.order], columns=CORNERS).assign(score=scores[matcher.order], what=of_found),
        pd.DataFrame(boxes[1], columns=CORNERS).assign(score=np.nan, what=of_true),
    ]
    table = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    area = (table["xmax"] - table["xmin"]) * (table["ymax"] - table["ymin"])
    order = [
        *table.index[table["what"] == "false"],
        *area[table["what"] == "missed"].sort_values(ascending=False, kind="stable").index,
    ]
    table["number"] = 0
    table.loc[order, "number"] = np.arange(1, len(order) + 1)
    return table


def _on(chip: pd.Series, direction: str, table: gpd.GeoDataFrame) -> pd.DataFrame:
    """Boxes of a direction whose centres lie on a chip."""
    x, y = (table["xmin"] + table["xmax"]) / 2, (table["ymin"] + table["ymax"]) / 2
    across = (x >= chip["col"]) & (x < chip["col"] + chip["size"])
    down = (y >= chip["row"]) & (y < chip["row"] + chip["size"])
    same = (table["scene"] == chip["scene"]) & (table["direction"] == direction)
    return pd.DataFrame(table[across & down & same])


def _layer(scenes: Mapping[str, xr.Dataset], chip: pd.Series, direction: str | None) -> xr.DataArray:
    """The image of a chip's scene, named by its direction."""
    if chip["scene"] not in scenes:
        raise LabkitError(
            f"scenes must hold the scene of each chip, instead {chip['scene']!r} is not in {list(scenes)}"
        )
    data = scenes[chip["scene"]]
    layers = schema.layers(data)
    wanted = direction or next(iter(layers))
    if wanted not in layers:
        raise LabkitError(f"direction must be among {tuple(layers)}, instead got direction={direction!r}")
    return layers[wanted].rename(wanted)


def _image(axis: Axes, chip: pd.Series, layer: xr.DataArray, limit: float | None) -> AxesImage:
    import matplotlib as mpl

    rate = layer.name == "rate"
    end = limit or (50.0 if rate else schema.DISPLAY_LIMIT_RAD)
    ground = mpl.colormaps[colours.RATE_COLOURS if rate else colours.GRADIENT_COLOURS].with_extremes(
        bad=colours.NO_DATA
    )
    row, col, size = int(chip["row"]), int(chip["col"]), int(chip["size"])
    image = axis.imshow(
        geo.read_window(layer, row, col, size),
        cmap=ground,
        vmin=-end,
        vmax=end,
        extent=(col, col + size, row + size, row),
        interpolation="nearest",
    )
    axis.set(xticks=[], yticks=[])
    return image


def _draw(axis: Axes, table: pd.DataFrame) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    # the truth is wide and lies below, so that both are seen where they lie on each other
    pens = {
        "ignored": ("#777777", "-", 1.0),
        "found": (colours.LABEL, "-", 2.4),
        "missed": (colours.LABEL, (0, (2, 1)), 1.8),
        "right": (colours.DETECTION, "-", 1.0),
        "false": (colours.DETECTION, "-", 1.4),
    }
    casing = [withStroke(linewidth=2.6, foreground=colours.CASING)]
    for box in table.sort_values("what", key=lambda what: what.isin(["right", "false"])).itertuples():
        colour, line, width = pens[box.what]
        shape = (box.xmin, box.ymin), box.xmax - box.xmin, box.ymax - box.ymin
        axis.add_patch(Rectangle(*shape, fill=False, color=colour, lw=width, ls=line))
        if box.number:
            # apart, where a false box lies on a missed one
            y, rise = (box.ymax, "top") if box.what == "missed" else (box.ymin, "bottom")
            at = {"x": box.xmax, "y": y, "s": str(box.number), "ha": "left", "va": rise}
            axis.text(**at, color=colour, fontsize=9, weight="bold", path_effects=casing, clip_on=True)
