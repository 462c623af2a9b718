"""The boxes that a careful person would draw, from the true rates: where a landslide shows, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from labkit import geo, schema
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import PHASE_SIGN
from labkit.simulate.landslides import Landslide, reference_gradient

#: A gradient is part of a landslide above this (rad at the reference; the threshold of Fu et al. 2022).
GRADIENT_THRESHOLD_RAD = 1.2

#: A rate is part of a landslide above this, mm/yr (the threshold of Zhang et al. 2025).
RATE_THRESHOLD_MM = 10.0

_LEAST_STACKED_RAD = 1.0
_LEAST_PIXELS = 24
_LEAST_COHERENCE = 0.35


@dataclass(frozen=True)
class Seen:
    """What one track sees of one landslide in one direction."""

    direction: str
    box: tuple[float, float, float, float]
    peak: float
    pixels: int
    coherence: float


def truth_tables(
    slides: list[Landslide], frame: Frame, scene: xr.Dataset, coherence: npt.NDArray
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Give the boxes of one track: of the gradients (directions azimuth and range) and of the rates (direction rate).

    Parameters
    ----------
    slides : list of Landslide
        The landslides.
    frame : Frame
        The track's image.
    scene : xarray.Dataset
        Its interferograms, for the scene id and lon/lat.
    coherence : numpy.ndarray (y, x)
        Mean coherence, NaN = no data.

    Returns
    -------
    gradients, rates : geopandas.GeoDataFrame
        Labels (:data:`labkit.schema.BOX_COLUMNS`, model "truth") with ``landslide_id``, ``track``, ``rate`` (greatest
        LOS rate, mm/yr, positive toward the satellite), ``speed`` (downslope, mm/yr), ``peak`` (greatest |gradient| in
        rad at the reference, or |rate| in mm/yr), ``pixels`` above the threshold and their mean ``coherence``.

    Notes
    -----
    A box goes around all pixels whose noise-free value exceeds 1.2 rad at the reference (10 mm/yr for rates). A row is
    made where a landslide is visible: at least 24 such pixels with a mean coherence of at least 0.35, and a greatest
    gradient that makes at least 1 rad in the stack of this track's own pairs (not scaled to the reference), some six
    times the spread of quiet ground.
    """
    gradients: list[dict[str, object]] = []
    rates: list[dict[str, object]] = []
    years = float(scene["temporal_baseline"].sum()) / schema.DAYS_PER_YEAR
    least_peak = _LEAST_STACKED_RAD * schema.REFERENCE_YEARS / years
    for slide in slides:
        for seen in _views(slide, frame, coherence, least_peak):
            row = {
                "scene": scene.attrs["scene"],
                "direction": seen.direction,
                **dict(zip(("xmin", "ymin", "xmax", "ymax"), seen.box, strict=True)),
                "model": "truth",
                "landslide_id": slide.landslide_id,
                "track": frame.track,
                "rate": slide.los_rate(frame),
                "speed": slide.speed,
                "peak": seen.peak,
                "pixels": seen.pixels,
                "coherence": seen.coherence,
            }
            (rates if seen.direction == "rate" else gradients).append(row)
    return _table(gradients, scene), _table(rates, scene)


def _table(rows: list[dict[str, object]], scene: xr.Dataset) -> gpd.GeoDataFrame:
    if not rows:
        return schema.boxes_table()
    columns: dict[str, object] = {str(name): values.to_list() for name, values in pd.DataFrame(rows).items()}
    return geo.with_geometry(schema.boxes_table(columns), scene)


def _views(slide: Landslide, frame: Frame, coherence: npt.NDArray, least_peak: float) -> list[Seen]:
    """All that a track sees of a landslide clearly enough to be labelled."""
    y, x = frame.pixel(slide.east, slide.north)
    reach = slide.length_m / frame.spacing_m
    top, left = max(int(y - reach), 0), max(int(x - reach), 0)
    window = slice(top, int(y + reach) + 2), slice(left, int(x + reach) + 2)
    rows, cols = np.indices(frame.shape)
    rate = slide.los_rate(frame) * slide.share(*frame.ground(rows[window] + 0.5, cols[window] + 0.5))
    images = {**reference_gradient(rate, frame.spacing_m, PHASE_SIGN), "rate": rate}
    seen = []
    for direction, image in images.items():
        least, peak = (
            (RATE_THRESHOLD_MM, RATE_THRESHOLD_MM) if direction == "rate" else (GRADIENT_THRESHOLD_RAD, least_peak)
        )
        above = (np.abs(image) > least) & np.isfinite(coherence[window])
        count = int(above.sum())
        if count < _LEAST_PIXELS or np.abs(image[above]).max() < peak:
            continue
        mean = float(coherence[window][above].mean())
        if mean < _LEAST_COHERENCE:
            continue
        where_y, where_x = np.nonzero(above)
        box = (left + where_x.min(), top + where_y.min(), left + where_x.max() + 1, top + where_y.max() + 1)
        corners = (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
        seen.append(Seen(direction, corners, float(np.abs(image[above]).max()), count, mean))
    return seen
