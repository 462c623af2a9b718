"""The explorer: choose pairs, filter and estimator with the hand, and see the couplets follow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.label import LabelStore
from labkit.view.explorer import Explorer
from labkit.view.explorer_boxes import ExplorerBoxes
from labkit.view.explorer_ground import Ground
from labkit.view.restacking import LIVE_PIXEL_PAIRS

__all__ = ["Explorer", "explore"]


def explore(
    ifgs: xr.Dataset,
    *,
    state: str | Path | Mapping[str, Any] | None = None,
    labels: gpd.GeoDataFrame | LabelStore | str | Path | None = None,
    detections: gpd.GeoDataFrame | None = None,
    other: xr.Dataset | None = None,
    dem: xr.DataArray | None = None,
    ground: xr.DataArray | None = None,
    annotator: str = "",
    live_pixel_pairs: int = LIVE_PIXEL_PAIRS,
) -> Explorer:
    """Explore a scene: the stack follows while you move sliders for pairs, dates, months, filter and estimator.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms, best multilooked to about 40 m (:func:`labkit.multilook`).
    state : path or mapping, optional
        Where to begin: a file of :meth:`Explorer.save`, or :attr:`Explorer.state` of another explorer.
    labels : GeoDataFrame, LabelStore or path, optional
        Boxes of people, drawn red; of a store those that stand in it, and *draws boxes* draws and corrects them there,
        by the rules of :func:`labkit.view.box_editor`.
    detections : geopandas.GeoDataFrame, optional
        Boxes of a model, drawn blue from a score on that a slider sets. While boxes are drawn they can be accepted,
        moved or resized, and become labels.
    other : xarray.Dataset, optional
        gradients of the other track, or another stack of the same ground: a swipe parts them from what is shown.
        *Keep for comparing* keeps the settings of a moment in their place.
    dem : xarray.DataArray, optional
        Heights (y, x), m, with 1-D ``y`` and ``x`` and a CRS: for the pointer and a panel of shaded relief.
    ground : xarray.DataArray, optional
        An optical image (band, y, x) with red, green and blue, or one (y, x), with a CRS or lon/lat: a panel of it.
    annotator : str
        Who draws boxes; can be typed below the panels, too.
    live_pixel_pairs : int
        So many pixels, counted over all pairs, are stacked anew while a slider moves, and held in memory (8 bytes
        each). A part in view that has more is shown by means of cells while the slider moves, and at full resolution
        when you let go.

    Returns
    -------
    Explorer
        Shown by the notebook as the last line of a cell; live as long as the kernel runs. ``state``, ``save`` and
        ``restore`` keep a picture, ``code()`` is a cell that makes it again, ``stack`` the gradients that it shows,
        ``masks`` the outlined ground as polygons.

    Raises
    ------
    LabkitError
        An argument breaks its rule; the state is of another scene.

    Notes
    -----
    Drag over dates in the network to stack the pairs between them alone. Zooming into a part stacks that part, whose
    standard errors are then measured on it. *Undo* takes back the last change, but no zoom.

    *The hand* on the panels zooms, draws a line, draws boxes, or outlines a mask.

    A line that is drawn, or typed, gives the profile along it
    (:func:`labkit.view.profile`). A click, or a place that is typed, gives the history of the ground around it: its
    displacement (:func:`labkit.displacement_series`) and its gradients by season and by year, worked out while the page
    goes on.

    Boxes are kept in the notebook until *Save*. Outlined ground, named by its reason, is left out of the stack and its
    rates, also in the code (:func:`labkit.stack.mask_outlines`); ``explorer.masks`` is what :func:`labkit.snow_mask`
    takes as ``polygons``, and the filter of detections as a mask.

    With a panel in focus (the Tab key, or a click) arrows pan, + and − zoom, 0 shows all; while boxes are drawn, arrows
    move the chosen one by a pixel and Backspace deletes it.

    Where complex files are opened, what was held in memory was stacked from phase and coherence; the code reads the
    files, and differs by their rounding (:func:`labkit.stack_gradients`).

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> explorer = explore(ifgs)
    >>> explorer.change(max_days=24, window=7)
    >>> explorer.changed
    ['longest temporal baseline, days: any → 24', 'window, px: 5 → 7']
    >>> print(explorer.code())
    import labkit as lk
    <BLANKLINE>
    pairs = lk.select_pairs(ifgs, max_days=24)
    gradients = lk.stack_gradients(pairs, estimator="lsq", window=7, lag=1)
    lk.view.gradients(gradients, limit=4.0)
    """
    schema.check_interferograms(ifgs)
    if live_pixel_pairs < ifgs.sizes["pair"]:
        raise LabkitError(
            f"live_pixel_pairs must be at least the number of pairs, {ifgs.sizes['pair']}, instead got "
            f"live_pixel_pairs={live_pixel_pairs}"
        )
    return Explorer(
        ifgs,
        state,
        Ground(ifgs, dem, ground),
        ExplorerBoxes(ifgs, labels, detections),
        other,
        live_pixel_pairs,
        annotator,
    )
