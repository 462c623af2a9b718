"""Pictures that Google Earth lays on the ground: density, rates and gradients with a colour bar."""

from __future__ import annotations

import io

import numpy as np
import xarray as xr

from labkit import geo, geocode
from labkit.errors import LabkitError
from labkit.kml import GroundPicture
from labkit.view import overlay
from labkit.view.painting import Painted, painted

#: Longest side of a picture, px: the largest that every graphics card of today's desktops and phones draws.
MAX_SIDE = 4096

_METRES_PER_DEGREE = 111_320.0

#: Cells of a density map are drawn as squares, each of so many pixels a side, where MAX_SIDE allows.
_PIXELS_PER_CELL = 4

#: A density below this share of the densest cell is left transparent: the ground shows there.
_FAINT = 0.01


def ground_picture(
    data: xr.DataArray | xr.Dataset,
    direction: str = "azimuth",
    *,
    limit: float | None = None,
    opacity: float = 0.7,
    max_side: int = MAX_SIDE,
    shown: bool = True,
) -> GroundPicture:
    """Make the picture of a map or a scene that ``write_detections`` packs into a KMZ for Google Earth.

    Parameters
    ----------
    data : xarray.DataArray or Dataset
        A density map, rates, or gradients, in radar or map geometry; NaN becomes transparent, and density under 1 % of
        the bar's end too.
    direction : str
        Which gradient: "azimuth" or "range".
    limit : float, optional
        Value at the end of the colour bar, > 0; without it the densest cell, the 99th percentile of the absolute rate,
        and ±4 rad.
    opacity : float
        0 (nothing is seen) to 1 (the ground is hidden), > 0.
    max_side : int
        Longest side of the picture, px, ≥ 16. A scene with more pixels is sampled, not averaged.
    shown : bool
        Whether Google Earth shows it at once, or only when it is ticked.

    Returns
    -------
    labkit.kml.GroundPicture
        PNG with transparency, even in degrees of longitude and latitude, and its colour bar.

    Raises
    ------
    LabkitError
        The data are none of these or lie nowhere, or a number is out of its range.

    Notes
    -----
    Radar images come to the ground by the inverted lookup table (:func:`labkit.geocoding`). A picture across the date
    line has an edge beyond 180°, as KML wants it there.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> picture = ground_picture(scene.rates["ascending"], max_side=200)
    >>> picture.name, [round(edge, 2) for edge in picture.bounds]
    ('LOS rate', [101.9, 30.81, 102.0, 30.89])
    """
    if not (np.isfinite(opacity) and 0 < opacity <= 1):
        raise LabkitError(f"opacity must be above 0 and at most 1, instead got opacity={opacity}")
    if max_side < 16:
        raise LabkitError(f"max_side must be at least 16 px, instead got max_side={max_side}")
    look = painted(data, direction, limit)
    is_density = "cell_m" in look.image.attrs
    table = geocode.geocoding(look.image, _spacing(look.image, max_side), "EPSG:4326")
    values = table(look.image, "nearest" if is_density else "bilinear").values.astype(float)
    known = np.isfinite(values)
    if not known.any():
        raise LabkitError(f"data must hold some known pixels, instead every pixel of the {look.name} is no data")
    rows, cols = (np.flatnonzero(known.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
    values = values[top:bottom, left:right]
    grid = table.grid
    west, east = (grid.left + grid.spacing * int(edge) for edge in (left, right))
    north, south = (grid.top - grid.spacing * int(edge) for edge in (top, bottom))
    if is_density:
        values = np.where(values > _FAINT * look.high, values, np.nan)
    rgba = overlay.coloured(values, look.colour_map, look.low, look.high, opacity)
    return GroundPicture(look.name, overlay.png(rgba), (west, south, east, north), _bar(look), shown)


def _spacing(image: xr.DataArray, max_side: int) -> float:
    """Edge of a picture's pixel in degrees: that of the image, or wider where the picture would grow too large."""
    y, x = (np.linspace(0, size, 30) for size in image.shape)
    lon, lat = geo.pixel_to_lonlat(image, *np.meshgrid(y, x, indexing="ij"))
    metres = image.attrs.get("ground_spacing", image.attrs.get("cell_m", 0.0) / _PIXELS_PER_CELL)
    # geocoding adds a cell on each side and rounds to whole cells
    return max(float(metres) / _METRES_PER_DEGREE, float(max(np.ptp(lon), np.ptp(lat))) / (max_side - 4))


def _bar(look: Painted) -> bytes:
    """A colour bar on white, as a PNG of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 0.8), dpi=100, layout="constrained", facecolor=(1, 1, 1, 0.85))
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    bar = figure.colorbar(
        ScalarMappable(Normalize(look.low, look.high), look.colour_map), axis, orientation="horizontal"
    )
    ticks = np.linspace(look.low, look.high, 5).tolist()
    bar.set_ticks(ticks, labels=[f"{value:.3g}" for value in ticks])
    bar.ax.tick_params(labelsize=8)
    bar.set_label(look.words, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
