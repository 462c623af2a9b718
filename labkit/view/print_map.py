"""A map for a report: true to scale on its sheet, with scale bar, north arrow, colour bar, degrees and a legend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

from labkit import geo
from labkit.errors import LabkitError
from labkit.files import whole
from labkit.geocode import geocoding
from labkit.view import colours
from labkit.view.map_sheet import (
    INKS,
    Bounds,
    draw_image,
    draw_outlines,
    font_families,
    image_edges,
    placed_tables,
)
from labkit.view.painting import painted
from labkit.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Of the outlines, points.
_WIDTHS = {"counties": 0.8, "rivers": 1.2, "detections": 1.2}

_SUFFIXES = (".png", ".pdf")

#: A4, its margin, the headline, and the strip under the map, inches.
_LONG, _SHORT, _MARGIN, _HEAD, _STRIP = 11.69, 8.27, 0.55, 0.5, 1.1

_METRES_PER_INCH = 0.0254


def print_map(
    path: str | Path,
    background: xr.DataArray | xr.Dataset,
    detections: gpd.GeoDataFrame | None = None,
    *,
    counties: gpd.GeoDataFrame | None = None,
    rivers: gpd.GeoDataFrame | None = None,
    title: str = "",
    limit: float | None = None,
    dpi: int = 300,
) -> Path:
    """Save a map on a sheet of A4, upright or across as fits it.

    Parameters
    ----------
    path : str or pathlib.Path
        A ``.png`` or ``.pdf``; its folder is made.
    background : xarray.DataArray or Dataset
        A density map, rates, or gradients (along azimuth); radar images are laid on the UTM zone. NaN is grey.
    detections, counties, rivers : geopandas.GeoDataFrame, optional
        Landslides (blue), outlines (grey) and lines (blue), in any CRS; what lies beyond the background is cut.
    title : str
        Headline.
    limit : float, optional
        Value at the end of the colour bar, > 0; without it the densest cell, the 99th percentile of the absolute rate,
        and ±4 rad.
    dpi : int
        Resolution of a PNG and of the pictures in a PDF, px per inch, > 0. Text and lines of a PDF have none.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    LabkitError
        The suffix is another one, the background lies nowhere, a table has no CRS, or a number is out of its range.

    Notes
    -----
    The map is in the UTM zone of the background, or in the system of a density map; in a UTM zone lengths hold within
    0.1 % up to 400 km from its central meridian. The arrow points to true north in the middle of the map, which
    meridian convergence turns against the sheet. The scale that stands under the bar holds for the sheet printed at its
    own size.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> field = lk.density(scene.landslides, cell_m=500, bandwidth_m=1000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sheet = print_map(folder + "/map.png", field, rivers=scene.rivers, title="Tiny", dpi=72)
    ...     sheet.name, sheet.stat().st_size > 10_000
    ('map.png', True)
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise LabkitError(f"path must end with .png or .pdf, instead got path={path.name!r}")
    if not dpi > 0:
        raise LabkitError(f"dpi must be above 0, instead got dpi={dpi}")
    shapes = placed_tables({"counties": counties, "rivers": rivers, "detections": detections})
    look = painted(background, limit=limit)
    image = look.image if "cell_m" in look.image.attrs else geocoding(look.image)(look.image)
    figure, axis = _sheet(image_edges(image))
    _bar(figure, draw_image(axis, image, look), look.words)
    crs = CRS(image.attrs["crs"])
    draw_outlines(axis, shapes, crs, _WIDTHS)
    handles = _keys(shapes, look.no_data if bool(image.isnull().any()) else "")
    _degrees(axis, crs)
    _north(figure, axis, crs)
    _scale(figure, axis)
    corner = (_MARGIN / figure.get_figwidth(), _strip_top(figure))
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, fontsize=8, frameon=False, borderaxespad=0)
    figure.text(0.5, 1 - 0.6 * _HEAD / figure.get_figheight(), title, ha="center", va="center", fontsize=14,
                family=font_families(title), parse_math=False)  # fmt: skip
    import matplotlib

    kind = path.suffix.lower()[1:]
    # text as text with its font, not as outlines; no date, so that the same map gives the same file
    with whole(path) as partial, matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(partial, format=kind, dpi=dpi, metadata={"CreationDate": None} if kind == "pdf" else None)
    return path


def _sheet(bounds: Bounds) -> tuple[Figure, Axes]:
    """The sheet and the frame of the map, as large as fits."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    west, south, east, north = bounds
    across = east - west > north - south
    wide, tall = (_LONG, _SHORT) if across else (_SHORT, _LONG)
    # the headline stands in the upper margin
    room_x, room_y = wide - 2 * _MARGIN - 0.3, tall - 1.5 * _MARGIN - _HEAD - _STRIP
    metres = max((east - west) / room_x, (north - south) / room_y)
    width, height = (east - west) / metres, (north - south) / metres
    figure = Figure(figsize=(wide, tall))
    FigureCanvasAgg(figure)
    bottom = tall - _MARGIN / 2 - _HEAD - height
    axis = figure.add_axes(((wide - width) / 2 / wide, bottom / tall, width / wide, height / tall))
    axis.set(xlim=(west, east), ylim=(south, north))
    return figure, axis


def _strip_top(figure: Figure) -> float:
    return float(figure.axes[0].get_position().y0) - 0.35 / figure.get_figheight()


def _bar(figure: Figure, drawn: Any, words: str) -> None:
    place = figure.add_axes(
        (0.33, _strip_top(figure) - 0.16 / figure.get_figheight(), 0.34, 0.14 / figure.get_figheight())
    )
    bar = figure.colorbar(drawn, cax=place, orientation="horizontal")
    bar.set_label(words, fontsize=8)
    place.tick_params(labelsize=8)


def _keys(shapes: dict[str, gpd.GeoSeries], no_data: str) -> list[Any]:
    """The keys of the legend; ``no_data`` is what grey means, "" where nothing is."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: list[Any] = []
    for name, colour in INKS.items():
        if name in shapes:
            count = len(shapes[name])
            words = counted(count, "landslide") if name == "detections" else name
            keys.append(Line2D([], [], color=colour, linewidth=_WIDTHS[name] + 0.5, label=words))
    return [*keys, Patch(color=colours.NO_DATA, label=no_data)] if no_data else keys


def _degrees(axis: Axes, crs: CRS) -> None:
    """Meridians and parallels, named where they meet the lower and the left edge."""
    from matplotlib.ticker import MaxNLocator

    (west, east), (south, north) = axis.get_xlim(), axis.get_ylim()
    x, y = np.meshgrid(np.linspace(west, east, 60), np.linspace(south, north, 60))
    lon, lat = Transformer.from_crs(crs, geo.WGS84, always_xy=True).transform(x, y)
    # across the date line longitudes go on beyond 180
    lon = lon + 360 * np.round((lon[30, 30] - lon) / 360)
    for values, scale, along, at, letters in (
        (lon, axis.xaxis, lon[0], x[0], "EW"),
        (lat, axis.yaxis, lat[:, 0], y[:, 0], "NS"),
    ):
        lines = [v for v in MaxNLocator(5).tick_values(along[0], along[-1]) if along[0] <= v <= along[-1]]
        axis.contour(x, y, values, levels=lines, colors="black", linewidths=0.3, alpha=0.5)
        decimals = max((len(f"{abs(v):.6g}".partition(".")[2]) for v in lines), default=0)
        named = [(v + 180) % 360 - 180 if letters == "EW" else v for v in lines]
        words = [f"{abs(v):.{decimals}f}° {letters[0] if v >= 0 else letters[1]}" for v in named]
        scale.set_ticks(np.interp(lines, along, at).tolist(), labels=words)
    # geopandas names the axes after the projection, whose metres are not what stands at the ticks
    axis.set(xlabel="", ylabel="")
    axis.tick_params(labelsize=8)


def _north(figure: Figure, axis: Axes, crs: CRS) -> None:
    """An arrow to true north."""
    middle = float(np.mean(axis.get_xlim())), float(np.mean(axis.get_ylim()))
    lon, lat = Transformer.from_crs(crs, geo.WGS84, always_xy=True).transform(*middle)
    ahead = Transformer.from_crs(geo.WGS84, crs, always_xy=True).transform(lon, lat + 1e-3)
    east, north = ahead[0] - middle[0], ahead[1] - middle[1]
    length = float(np.hypot(east, north))
    wide, tall = figure.get_size_inches()
    foot = (wide - _MARGIN - 0.2, _strip_top(figure) * tall - 0.65)
    tip = foot[0] + 0.5 * east / length, foot[1] + 0.5 * north / length
    figure.add_artist(_arrow((foot[0] / wide, foot[1] / tall), (tip[0] / wide, tip[1] / tall)))
    figure.text(tip[0] / wide, (tip[1] + 0.1) / tall, "N", ha="center", va="center", fontsize=11, weight="bold")


def _arrow(foot: tuple[float, float], tip: tuple[float, float]) -> Any:
    from matplotlib.patches import FancyArrowPatch

    return FancyArrowPatch(foot, tip, arrowstyle="-|>", mutation_scale=16, color="black", shrinkA=0, shrinkB=0)


def _scale(figure: Figure, axis: Axes) -> None:
    """A bar of four parts, about 1.6 inches long, and the scale in numbers."""
    from matplotlib.patches import Rectangle

    wide, tall = figure.get_size_inches()
    (west, east) = axis.get_xlim()
    per_inch = (east - west) / (axis.get_position().width * wide)
    longest = 1.7 * per_inch
    power = 10.0 ** np.floor(np.log10(longest))
    length = float(max(m * power for m in (1, 2, 4, 5) if m * power <= longest))
    left, bottom, part = wide - _MARGIN - 2.4, _strip_top(figure) * tall - 0.14, length / 4 / per_inch
    for number in range(4):
        colour = "black" if number % 2 == 0 else "white"
        figure.add_artist(Rectangle(((left + number * part) / wide, bottom / tall), part / wide, 0.08 / tall,
                                    facecolor=colour, edgecolor="black", linewidth=0.6))  # fmt: skip
    for share in (0, 0.5, 1):
        words = f"{share * length / 1000:g}" + (" km" if share == 1 else "")
        figure.text((left + share * 4 * part) / wide, (bottom - 0.05) / tall, words, ha="center", va="top", fontsize=8)
    ratio = float(f"{per_inch / _METRES_PER_INCH:.2g}")
    figure.text((left + 2 * part) / wide, (bottom - 0.28) / tall, f"1 : {ratio:,.0f} on A4".replace(",", " "),
                ha="center", va="top", fontsize=8)  # fmt: skip
