"""One interferogram in the notebook: its wrapped phase and its coherence side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.view import colours, notebook, panels, pixels

if TYPE_CHECKING:
    import holoviews as hv

_TICKS = {"phase": [-np.pi, -np.pi / 2, 0.0, np.pi / 2, np.pi], "coherence": [0.0, 0.25, 0.5, 0.75, 1.0]}
_PI_WORDS = {-np.pi: "−π", -np.pi / 2: "−π/2", 0: "0", np.pi / 2: "π/2", np.pi: "π"}


def pair(ifgs: xr.Dataset, name: str, *, max_pixels: int = pixels.MAX_PIXELS) -> hv.Layout:
    """Show one pair: wrapped phase in colours that run in a circle, coherence from black (0) to white (1).

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms; the pixels of this pair alone are read.
    name : str
        The pair, "YYYYMMDD_YYYYMMDD".
    max_pixels : int
        A larger scene is shown by every n-th pixel: wrapped phase must not be averaged for the eye.

    Returns
    -------
    holoviews.Layout
        Two linked panels; hover gives phase (rad), coherence, lon and lat.

    Raises
    ------
    LabkitError
        There is no such pair.

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> len(lk.view.pair(ifgs, "20180305_20180317"))  # phase and coherence
    2
    """
    _check_pair(ifgs, name)
    drawn = draw_pair(ifgs, name, max_pixels)
    import holoviews as hv

    layout = hv.Layout(list(drawn.values())).cols(2)
    return layout.opts(hv.opts.Layout(title=f"{ifgs.attrs['scene']} · {name}", shared_axes=True, merge_tools=True))


def phases(
    scenes: Mapping[str, xr.Dataset], name: str, *, columns: int = 4, max_pixels: int = pixels.MAX_PIXELS // 4
) -> hv.Layout:
    """Show the wrapped phase of the same pair of several scenes side by side.

    Parameters
    ----------
    scenes : mapping of str to xarray.Dataset
        Title → interferograms, all of one shape.
    name : str
        The pair, "YYYYMMDD_YYYYMMDD", which each of them has.
    columns : int
        Panels in a row, at least 1.
    max_pixels : int
        Of a panel, as for :func:`pair`.

    Returns
    -------
    holoviews.Layout
        Panels that zoom and move together.

    Raises
    ------
    LabkitError
        There is nothing to show, or a scene lacks the pair.

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> looks = {"full": ifgs, "four looks": lk.multilook(ifgs, looks=(2, 2))}
    >>> len(lk.view.phases(looks, "20180305_20180317"))
    2
    """
    if not scenes:
        raise LabkitError("scenes must name at least one scene, instead got none")
    if columns < 1:
        raise LabkitError(f"columns must be at least 1, instead got columns={columns}")
    width = round(panels.PANEL_WIDTH * min(1.0, 2 / columns))
    drawn = []
    for title, ifgs in scenes.items():
        _check_pair(ifgs, name)
        height = panels.frame_height(ifgs, (ifgs.sizes["y"], ifgs.sizes["x"]), width)
        image = draw_pair(ifgs, name, max_pixels)["phase"]
        drawn.append(image.opts(title=title, frame_width=width, frame_height=height, clabel="rad"))
    return panels.lay_out(drawn, f"Wrapped phase · {name}", columns)


def draw_pair(ifgs: xr.Dataset, name: str, max_pixels: int) -> dict[str, hv.Image]:
    """Draw the two images of a pair, "phase" and "coherence"."""
    notebook.ready()
    import holoviews as hv

    step = max(1, int(np.ceil(np.sqrt(ifgs.sizes["y"] * ifgs.sizes["x"] / max_pixels))))
    thinned = ifgs.sel(pair=name).isel(y=slice(step // 2, None, step), x=slice(step // 2, None, step)).compute()
    ys, xs = (step // 2 + 0.5 + step * np.arange(thinned.sizes[axis]) for axis in ("y", "x"))
    arrays = {"phase": thinned["phase"].values, "coherence": thinned["coherence"].values}
    if geo.has_lonlat(ifgs):
        lon, lat = geo.pixel_to_lonlat(ifgs, *np.meshgrid(ys, xs, indexing="ij"))
        arrays |= {"lon": lon.astype(np.float32), "lat": lat.astype(np.float32)}
    days = float(thinned["temporal_baseline"])
    mean = float(thinned["coherence"].mean(skipna=True))
    titles = {"phase": f"Wrapped phase, {days:.0f} days", "coherence": f"Coherence, mean {mean:.2f}"}
    drawn = {}
    for shown in ("phase", "coherence"):
        # The first value dimension is the one that is coloured; the others are for the pointer.
        ordered = [shown, *(other for other in arrays if other != shown)]
        image = hv.Image((xs, ys, *(arrays[key] for key in ordered)), ["x", "y"], ordered)
        drawn[shown] = image.opts(title=titles[shown], **_options(ifgs, shown))
    return drawn


def _check_pair(ifgs: xr.Dataset, name: str) -> None:
    schema.check_interferograms(ifgs)
    if name not in ifgs["pair"].values:
        names = [str(p) for p in ifgs["pair"].values[:3]]
        raise LabkitError(
            f"name must be one of the {ifgs.sizes['pair']} pairs ({', '.join(names)} …), instead got name={name!r}"
        )


def _options(ifgs: xr.Dataset, shown: str) -> dict[str, Any]:
    from bokeh.models import FixedTicker

    phase = shown == "phase"
    radar = ifgs.attrs["geometry"] == "radar"
    tooltips = [("phase", "@phase{0.00} rad"), ("coherence", "@coherence{0.00}")]
    if geo.has_lonlat(ifgs):
        tooltips.append(("lon, lat", "@lon{0.00000}, @lat{0.00000}"))
    bar: dict[str, Any] = {
        "ticker": FixedTicker(ticks=_TICKS[shown]),
        "title_text_font_style": "normal",
        "title_text_font_size": "10pt",
    }
    if phase:
        bar["major_label_overrides"] = _PI_WORDS
    return {
        "cmap": colours.PHASE_COLOURS if phase else "gray",
        "clim": (-np.pi, np.pi) if phase else (0.0, 1.0),
        "clipping_colors": {"NaN": colours.NO_DATA},
        "colorbar": True,
        "colorbar_position": "bottom",
        "colorbar_opts": bar,
        "clabel": "rad  ·  a full circle is half a wavelength" if phase else "black: noise, white: the phase is sure",
        "invert_yaxis": True,
        "frame_width": panels.PANEL_WIDTH,
        "frame_height": panels.frame_height(ifgs, (ifgs.sizes["y"], ifgs.sizes["x"]), panels.PANEL_WIDTH),
        "xlabel": "range, px" if radar else "column, px",
        "ylabel": "azimuth, px" if radar else "row, px",
        "tools": ["hover"],
        "hover_tooltips": tooltips,
        "active_tools": ["box_zoom"],
    }
