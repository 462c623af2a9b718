"""Several stacks of one scene side by side, on one scale, so that the eye can judge between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import geopandas as gpd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.view import panels, pixels
from labkit.view.marks import Marks

if TYPE_CHECKING:
    import holoviews as hv


def compare(
    scenes: Mapping[str, xr.Dataset],
    *,
    directions: Sequence[str] = ("azimuth",),
    limit: float = schema.DISPLAY_LIMIT_RAD,
    rate_limit: float | None = None,
    columns: int = 2,
    labels: gpd.GeoDataFrame | None = None,
    truth: gpd.GeoDataFrame | None = None,
    outlines: gpd.GeoDataFrame | None = None,
) -> hv.Layout:
    """Show stacks of one scene side by side: estimators, seasons, or gradients beside stacked unwrapped phase.

    Parameters
    ----------
    scenes : mapping of str to xarray.Dataset
        Name → gradients or rates, all of one shape, in the order of the panels.
    directions : sequence of str
        Which gradients of each stack to show, "azimuth", "range" or both; rates have one panel each.
    limit : float
        The ends of the colour bars of all gradients, rad, > 0.
    rate_limit : float, optional
        The ends of the colour bars of all rates, mm/yr, > 0; without it what the largest of them needs.
    columns : int
        Panels in a row, at least 1.
    labels : geopandas.GeoDataFrame, optional
        Boxes of people (red), each on the panels of its direction.
    truth, outlines : geopandas.GeoDataFrame, optional
        As for :func:`labkit.view.gradients`.

    Returns
    -------
    holoviews.Layout
        Panels that zoom and move together; each is titled with its name.

    Raises
    ------
    LabkitError
        There is nothing to compare, the shapes differ, or an argument breaks its rule.

    References
    ----------
    Fu et al. (2022), Figure 4: stacked gradients (a, b) and stacked unwrapped phase (c).

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> stacks = {name: lk.stack_gradients(ifgs, estimator=name, progress=False) for name in ("sum", "lsq")}
    >>> len(lk.view.compare(stacks))
    2
    """
    _check(scenes, directions, columns)
    panels.check_limit(limit)
    rates = [panels.rate_limit(data["rate"].values) for data in scenes.values() if not schema.is_gradients(data)]
    widest = max(rates, default=1.0) if rate_limit is None else rate_limit
    panels.check_limit(widest)
    # Three and more in a row share the width of two, which is what a notebook shows without scrolling.
    width = round(panels.PANEL_WIDTH * min(1.0, 2 / columns))
    over = Marks(labels=labels, truth=truth, outlines=outlines)
    drawn = []
    for name, data in scenes.items():
        for direction in directions if schema.is_gradients(data) else ("rate",):
            shown = panels.layers_shown(data, direction)
            if direction == "rate":
                style, title = panels.rate_style(widest, "error" in shown), name
            else:
                style = panels.gradient_style(direction, limit, "error" in shown)
                title = name if len(directions) == 1 else f"{name}, {direction}"
            style = replace(style, title=title, width=width)
            if columns > 2 and direction != "rate":
                # The headline says along what.
                style = replace(style, ends="blue: falls, red: grows")
            drawn.append(panels.draw_panel(data, shown, style, pixels.MAX_PIXELS, over))
    names = {str(data.attrs.get("scene", "")) for data in scenes.values()}
    words = [*names] if len(names) == 1 else []
    if len(directions) == 1 and any(schema.is_gradients(data) for data in scenes.values()):
        words.append(f"gradients along {directions[0]}")
    return panels.lay_out(drawn, " · ".join(w for w in words if w), columns)


def _check(scenes: Mapping[str, xr.Dataset], directions: Sequence[str], columns: int) -> None:
    if not scenes:
        raise LabkitError("scenes must name at least one stack, instead got none")
    if columns < 1:
        raise LabkitError(f"columns must be at least 1, instead got columns={columns}")
    if isinstance(directions, str) or not directions or not set(directions) <= set(schema.DIRECTIONS):
        raise LabkitError(f"directions must be among {schema.DIRECTIONS}, instead got directions={directions!r}")
    shapes = {}
    for name, data in scenes.items():
        layer = next(iter(schema.layers(data).values()))
        shapes[name] = layer.shape
    if len(set(shapes.values())) > 1:
        raise LabkitError(
            f"scenes must be of one shape to be compared pixel by pixel, instead got {shapes}. "
            "Stack them from the same multilooked interferograms"
        )
