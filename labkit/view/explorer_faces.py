"""What each panel of an explorer shows: its numbers and their place in the scene, its colours and its words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import geo
from labkit.errors import LabkitError
from labkit.view import colours, panels, pixels
from labkit.view.explorer_ground import Ground
from labkit.view.explorer_settings import Settings
from labkit.view.restacking import Picture

#: Palette → its colours, and what its ends are called, low and high.
_PALETTES = {
    "red-blue": (colours.GRADIENT_COLOURS, "blue", "red"),
    "orange-purple": ("PuOr_r", "purple", "orange"),
}
_RATE_PALETTES = {"red-blue": colours.RATE_COLOURS, "orange-purple": "PuOr"}

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Face:
    """One panel as it is to look.

    ``part`` has the arrays "value" (rows, columns), or (rows, columns, 3) of a colour image 0..1, and "other", what the
    pointer reads beside it.
    """

    part: pixels.Shown
    title: str
    low: float
    high: float
    colours: str
    words: str
    tooltips: tuple[tuple[str, str], ...]


def gradient_face(picture: Picture, settings: Settings, direction: str) -> Face:
    """Give the panel of one direction."""
    stack, share = picture.stack, np.float32(picture.gradient_share)
    layers = {name: stack[name].sel(direction=direction, drop=True) * share for name in ("gradient", "standard_error")}
    value = layers["gradient"]
    if not picture.exact and settings.estimator == "rewrapped":
        value = (value + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
    shade, falls, grows = _PALETTES[settings.palette]
    return Face(
        _placed(picture, {"value": value, "other": layers["standard_error"]}, settings),
        f"Along {direction}" + ("" if picture.exact else f", means of {picture.step} × {picture.step} px"),
        -settings.limit,
        settings.limit,
        shade,
        f"rad  ·  {falls}: phase falls, {grows}: it grows",
        ((f"gradient along {direction}", "@image{0.00} rad"), ("standard error", "@other{0.00} rad")),
    )


def third_face(picture: Picture, settings: Settings, ifgs: xr.Dataset, ground: Ground) -> Face:
    """Give the third panel.

    Raises
    ------
    LabkitError
        The stack makes no rate, there is no such pair, or nothing is known of the ground.
    """
    if settings.third == "rate":
        return _rate_face(picture, settings)
    if settings.third == "pair":
        return _pair_face(picture, settings, ifgs)
    if settings.third in ("hillshade", "optical"):
        return _ground_face(picture, settings, ground)
    coherence = picture.stack["coherence"]
    return Face(
        _placed(picture, {"value": coherence, "other": coherence}, settings),
        "Mean coherence", 0.0, 1.0, "gray", "black: noise, white: the phase is sure", (("coherence", "@image{0.00}"),),
    )  # fmt: skip


def places_of(part: pixels.Shown, ifgs: xr.Dataset, ground: Ground) -> dict[str, Any]:
    """Give where the cells of a panel lie: ``lon``, ``lat``, ``height`` (flat), ``shape``, ``corner`` (y, x, edge)."""
    rows, cols = part.arrays["value"].shape[:2]
    left, top, _, _ = part.bounds
    ys, xs = cell_centres(part)
    lon, lat = pixels.places(ifgs, ys, xs)
    heights = np.empty(0, np.float32)
    if ground.has_heights:
        y, x = np.meshgrid(ys, xs, indexing="ij")
        heights = ground.heights(y, x).astype(np.float32).ravel()
    table = {"lon": lon.astype(np.float64).ravel(), "lat": lat.astype(np.float64).ravel(), "height": heights}
    return {name: [column] for name, column in table.items()} | {
        "shape": [[rows, cols]],
        "corner": [[top, left, part.step]],
    }


def _rate_face(picture: Picture, settings: Settings) -> Face:
    rates = picture.rates
    limit = panels.rate_limit(rates["rate"].values)
    words = {"red-blue": ("red", "blue"), "orange-purple": ("orange", "purple")}[settings.palette]
    return Face(
        _placed(picture, {"value": rates["rate"], "other": rates["standard_error"]}, settings),
        "Line-of-sight rate", -limit, limit, _RATE_PALETTES[settings.palette],
        f"mm/yr  ·  {words[0]}: away from the radar, {words[1]}: toward it",
        (("LOS rate", "@image{0.0} mm/yr"), ("standard error", "@other{0.0} mm/yr")),
    )  # fmt: skip


def _pair_face(picture: Picture, settings: Settings, ifgs: xr.Dataset) -> Face:
    if settings.pair not in ifgs["pair"].values:
        raise LabkitError(f"pair must be one of the {ifgs.sizes['pair']} pairs, instead got pair={settings.pair!r}")
    stack = picture.stack
    rows = slice(picture.top, picture.top + stack.sizes["y"] * picture.step)
    cols = slice(picture.left, picture.left + stack.sizes["x"] * picture.step)
    # wrapped phase has no mean: single pixels stand for their neighbours
    pixel_count = (rows.stop - rows.start) * (cols.stop - cols.start)
    step = max(picture.step, math.ceil(math.sqrt(pixel_count / pixels.MAX_PIXELS)))
    one = ifgs.sel(pair=settings.pair).isel(y=rows, x=cols).isel(y=slice(None, None, step), x=slice(None, None, step))
    one = one.compute()
    thinned = Picture(one, picture.top, picture.left, step, True, 0.0)
    return Face(
        _placed(thinned, {"value": one["phase"], "other": one["coherence"]}, Settings()),
        f"Wrapped phase {settings.pair}", -np.pi, np.pi, colours.PHASE_COLOURS,
        "rad  ·  a full circle is half a wavelength",
        (("phase", "@image{0.00} rad"), ("coherence", "@other{0.00}")),
    )  # fmt: skip


def _ground_face(picture: Picture, settings: Settings, ground: Ground) -> Face:
    """The ground under the cells of the other panels."""
    part = _placed(picture, {"value": picture.stack["coherence"]}, settings)
    y, x = np.meshgrid(*cell_centres(part), indexing="ij")
    read, title, words = {
        "hillshade": (ground.shade, "Relief, sun in the north-west", "black: in shadow, white: lit"),
        "optical": (ground.optical, "Optical image", "dark to bright, from the 2nd to the 98th per cent"),
    }[settings.third]
    value = ground.once((settings.third, part.bounds, part.step), lambda: read(y, x))
    # a colour image has nothing to be read in numbers
    tooltips = () if value.ndim == 3 else (("brightness", "@image{0.00}"),)
    shown = pixels.Shown({"value": value.astype(np.float32)}, part.bounds, part.step)
    return Face(shown, title, 0.0, 1.0, "gray", words, tooltips)


def cell_centres(part: pixels.Shown) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rows and columns of the middles of cells, in pixel edges of the scene."""
    rows, cols = part.arrays["value"].shape[:2]
    left, top, _, _ = part.bounds
    middles = [np.arange(n, dtype=np.float64) + 0.5 for n in (rows, cols)]
    return np.asarray(top + part.step * middles[0], float), np.asarray(left + part.step * middles[1], float)


def _placed(picture: Picture, layers: dict[str, xr.DataArray], settings: Settings) -> pixels.Shown:
    """What fits on a screen, its bounds in pixels of the scene; of a large stack what is in view alone."""
    view: dict[str, tuple[float, float]] = {}
    if settings.rows is not None and settings.cols is not None and layers["value"].size > pixels.MAX_PIXELS:
        for name, span, first in (("rows", settings.rows, picture.top), ("cols", settings.cols, picture.left)):
            view[name] = ((span[0] - first) / picture.step, (span[1] - first) / picture.step)
    # where the cells lie on the Earth is asked once for all panels
    part = pixels.shown(xr.Dataset(), layers, rows=view.get("rows"), cols=view.get("cols"))
    left, top, right, bottom = (edge * picture.step for edge in part.bounds)
    bounds = (left + picture.left, top + picture.top, right + picture.left, bottom + picture.top)
    return pixels.Shown(part.arrays, bounds, part.step * picture.step)


def pointer_words(face: Face, ifgs: xr.Dataset, ground: Ground) -> list[tuple[str, str]]:
    """Give what the pointer reads on a panel, line by line; ``$x{…}`` is read by the page's own formatter."""
    lines = list(face.tooltips)
    if geo.has_lonlat(ifgs):
        lines.append(("lon, lat", "$x{lonlat}"))
    if ground.has_heights:
        lines.append(("height", "$x{height}"))
    return lines
