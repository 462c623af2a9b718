"""The figure of an explorer as a file: its panels with boxes and line, and the profile, for print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from labkit.errors import LabkitError
from labkit.files import whole
from labkit.view import marks, panels
from labkit.view.explorer_faces import Face
from labkit.view.explorer_settings import Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")

#: Inches of the figure, and of one row of it.
_WIDE, _PROFILE = 13.0, 2.4

_COLOURS = {"azimuth": "#0072b2", "range": "#d55e00", "rate": "#009e73", "height": "#444444"}

Boxes = Mapping[str, Mapping[str, Mapping[str, list[Any]]]]


def save_figure(
    path: str | Path,
    faces: Mapping[str, Face],
    ifgs: xr.Dataset,
    settings: Settings,
    boxes: Boxes,
    profile: pd.DataFrame | None,
    headline: str,
) -> Path:
    """Write the panels as they are shown, and the profile where there is one, whole or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        Ends with .png, .svg or .pdf, which says how it is written; its folder is made.
    faces : mapping
        By panel.
    ifgs, settings
        The scene, and what is in view.
    boxes : mapping
        By panel and kind, as :meth:`labkit.view.explorer_boxes.ExplorerBoxes.on` gives them.
    profile : pandas.DataFrame, optional
        Along the line.
    headline : str
        Over all.

    Raises
    ------
    LabkitError
        The file's name ends otherwise.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise LabkitError(f"path must end with one of {FORMATS}, instead got path={path.name!r}")
    rows, cols = settings.rows or (0.0, float(ifgs.sizes["y"])), settings.cols or (0.0, float(ifgs.sizes["x"]))
    across, along = cols[1] - cols[0], rows[1] - rows[0]
    stretch = panels.frame_height(ifgs, (1, 1), 300) / 300
    tall = float(np.clip(_WIDE / 3.4 * along / across * stretch, 1.5, 8.0))
    figure = Figure(
        figsize=(_WIDE, tall + 1.5 + (_PROFILE if profile is not None else 0)), dpi=110, layout="constrained"
    )
    FigureCanvasAgg(figure)
    heights = [tall, 0.12] + ([_PROFILE] if profile is not None else [])
    grid = figure.add_gridspec(len(heights), 3, height_ratios=heights)
    radar = ifgs.attrs["geometry"] == "radar"
    for column, (name, face) in enumerate(faces.items()):
        axis = figure.add_subplot(grid[0, column])
        image = _draw_face(axis, face)
        bar = figure.colorbar(image, cax=figure.add_subplot(grid[1, column]), orientation="horizontal")
        bar.set_label(face.words, fontsize=8)
        _draw_over(axis, settings, boxes[name])
        axis.set(xlim=cols, ylim=rows[::-1], aspect="auto", xlabel="range, px" if radar else "column, px")
        axis.set_title(face.title, fontsize=10)
        if not column:
            axis.set_ylabel("azimuth, px" if radar else "row, px")
    if profile is not None:
        _draw_profile([figure.add_subplot(grid[2, column]) for column in range(3)], profile)
    figure.suptitle(headline, fontsize=12, parse_math=False)
    with whole(path) as partial:
        figure.savefig(partial, format=path.suffix.lower()[1:])
    return path


def _draw_face(axis: Axes, face: Face) -> Any:
    from labkit.view import colours

    left, top, right, bottom = face.part.bounds
    values = face.part.arrays["value"]
    axis.set_facecolor(colours.NO_DATA)
    shown = values if values.ndim == 3 else np.ma.masked_invalid(values)
    return axis.imshow(
        shown, cmap=face.colours, vmin=face.low, vmax=face.high, extent=(left, right, bottom, top),
        interpolation="nearest",
    )  # fmt: skip


def _draw_over(axis: Axes, settings: Settings, boxes: Mapping[str, Mapping[str, list[Any]]]) -> None:
    from matplotlib.patches import Polygon, Rectangle

    for mask in settings.masks:
        axis.add_patch(
            Polygon(mask.outline, fill=False, hatch="//", edgecolor=marks.LINES["truth"].colour, linewidth=1.0)
        )
    frames = [
        (box, marks.LINES[kind])
        for kind, columns in boxes.items()
        for box in zip(*(columns[edge] for edge in ("left", "top", "right", "bottom")), strict=True)
    ]
    if settings.place is not None:
        frames.append((settings.place, marks.LINES["truth"]))
    for (xmin, ymin, xmax, ymax), line in frames:
        for width, colour in ((line.width + 1.5, line.casing), (line.width, line.colour)):
            axis.add_patch(
                Rectangle((xmin, ymin), xmax - xmin, ymax - ymin, fill=False, edgecolor=colour, linewidth=width)
            )
    if settings.line is not None:
        for width, colour in ((4.0, "white"), (2.0, "black")):
            axis.plot(settings.line[::2], settings.line[1::2], color=colour, linewidth=width)


def _draw_profile(axes: list[Axes], profile: pd.DataFrame) -> None:
    figures = ((("azimuth", "range"), "gradient, rad"), (("rate",), "LOS rate, mm/yr"), (("height",), "height, m"))
    for axis, (columns, words) in zip(axes, figures, strict=True):
        for column in columns:
            shade, error = _COLOURS[column], profile.get(f"{column}_error")
            axis.plot(profile["distance"], profile[column], color=shade, linewidth=1.5, label=column)
            if error is not None:
                axis.fill_between(
                    profile["distance"], profile[column] - error, profile[column] + error, color=shade, alpha=0.25,
                    linewidth=0,
                )  # fmt: skip
        axis.set(xlabel="m along the line", ylabel=words)
        axis.grid(alpha=0.3)
        if len(columns) > 1:
            axis.legend(fontsize=8, ncols=2, frameon=False)
