"""Which landslides the pairs of a track can show: the true gradient over the noise that their stack will have."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from labkit import geo, schema
from labkit.simulate.blocks import BlockSlide
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import PHASE_SIGN, phase_per_mm
from labkit.simulate.landslides import reference_gradient, surroundings
from labkit.simulate.observing import Observer, Series
from labkit.simulate.truth import GRADIENT_THRESHOLD_RAD, RATE_THRESHOLD_MM

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

#: A landslide can be seen where |gradient| / standard error reaches this over at least so many pixels.
LEAST_RATIO, LEAST_PIXELS = 5.0, 12

#: Edge of the window with which a stack is filtered, px.
WINDOW = 5

#: No more pairs than this are asked for their coherence; a longer stack is sampled evenly.
_ASKED_PAIRS = 40


def phase_variance(coherence: npt.NDArray, looks: float) -> Image:
    """Give the phase variance that multilooked pixels have in a mean of complex values, rad²: (1 − γ²) / (2 L γ²).

    Notes
    -----
    The Cramér-Rao bound, at most π²/3, the variance of a phase that is uniform. A single pixel of few looks or little
    coherence is noisier; the argument of a mean over many pixels reaches the bound of all their looks together.

    References
    ----------
    Rodríguez and Martin (1992), Theory and design of interferometric synthetic aperture radars.
    """
    squared = np.maximum(np.asarray(coherence, np.float32) ** 2, np.float32(1e-6))
    return np.minimum((1 - squared) / (np.float32(2 * looks) * squared), np.float32(np.pi**2 / 3)).astype(np.float32)


def gradient_error(observer: Observer) -> Image:
    """Give the standard error that a stacked gradient of a track's pairs will have, (y, x) rad at the reference.

    Notes
    -----
    The difference of neighbouring means over w × w pixels is the difference of two columns of w pixels over w², of
    variance 2 σ²/w³ with σ² the pixels' phase variance; turbulence adds 2 D(spacing) for the two dates of a pair,
    D(r) = (rms · 4π/λ)² (r / 1 km)^(5/3). A velocity by least squares from pairs of baseline T with variances v has the
    variance 1 / Σ (T²/v). The reference is 40 m and 20 years (:func:`labkit.schema.reference_factor`).
    """
    series, effects, frame = observer.series, observer.effects, observer.frame
    turbulence = (effects.turbulence_mm * phase_per_mm()) ** 2 * (frame.spacing_m / 1000.0) ** (5 / 3)
    asked = series.pairs[:: max(1, -(-len(series.pairs) // _ASKED_PAIRS))]
    information = np.zeros(frame.shape, np.float32)
    for pair in asked:
        coherence = observer.cover.coherence(series.dates[pair.reference], series.dates[pair.secondary])
        speckle = phase_variance(coherence, effects.looks) if effects.looks else np.zeros_like(coherence)
        variance = 2 * speckle / WINDOW**3 + np.float32(2 * turbulence + 1e-9)
        information += np.float32((pair.days / schema.DAYS_PER_YEAR) ** 2) / variance
    information *= np.float32(len(series.pairs) / len(asked))
    scale = schema.REFERENCE_YEARS * schema.REFERENCE_SPACING_M / frame.spacing_m
    return (scale / np.sqrt(information)).astype(np.float32)


def response(slide: BlockSlide, observer: Observer) -> float:
    """Give the share of a landslide's mean rate that a least-squares velocity of a track's pairs shows.

    Notes
    -----
    Σ T Δs / Σ T², Δs the course's displacement between the dates of a pair in years of mean speed: 1 for steady motion.
    """
    return _shown(slide, observer.series)


def _shown(slide: BlockSlide, series: Series) -> float:
    days = np.array([pair.days for pair in series.pairs]) / schema.DAYS_PER_YEAR
    first = series.dates[[pair.reference for pair in series.pairs]]
    second = series.dates[[pair.secondary for pair in series.pairs]]
    return float(days @ slide.course.between(first, second) / (days @ days))


def truth_of_track(
    slides: list[BlockSlide], observer: Observer, ifgs: xr.Dataset
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Give the boxes of one track.

    Parameters
    ----------
    slides : list of BlockSlide
        The landslides.
    observer : Observer
        The track.
    ifgs : xarray.Dataset
        Its interferograms, for the scene id and lon/lat; no pixel is read.

    Returns
    -------
    seen, unseen, rates : geopandas.GeoDataFrame
        Labels (:data:`labkit.schema.BOX_COLUMNS`, model "truth") on the gradients that the pairs can show, on those
        that they cannot, and on the rates. Columns besides: ``landslide_id``, ``track``, ``behaviour``, ``rate``
        (greatest LOS rate, mm/yr), ``speed`` (downslope), ``peak`` (greatest |gradient| in rad at the reference, or
        |rate| in mm/yr), ``ratio`` (greatest |gradient| / standard error), ``pixels`` (where the ratio is 5 or more),
        ``visible``, ``burst``.

    Notes
    -----
    A box goes around all pixels whose noise-free gradient exceeds 1.2 rad at the reference (10 mm/yr for rates), or
    half its peak where none does. A landslide is visible in a direction where |gradient| / standard error is at least
    5 over at least 12 pixels.
    """
    return truth_of_frame(
        slides, observer.frame, observer.series, gradient_error(observer), observer.cover.ground.water, ifgs
    )


def truth_of_frame(
    slides: list[BlockSlide],
    frame: Frame,
    series: Series,
    error: Image,
    water: npt.NDArray[np.bool_],
    ifgs: xr.Dataset,
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Give the boxes of an image whose error and water, (y, x), are known; landslides outside it have none.

    Parameters and results are those of :func:`truth_of_track`.
    """
    seen: list[dict[str, object]] = []
    unseen: list[dict[str, object]] = []
    rates: list[dict[str, object]] = []
    for slide in slides:
        window = surroundings(slide, frame)
        if window[0].stop - window[0].start < 2 or window[1].stop - window[1].start < 2:
            continue
        east, north = frame.ground(*(axis + 0.5 for axis in np.mgrid[window]))
        rate = slide.los_rate(frame) * slide.share(east, north)
        if not rate.any():
            continue
        common = {
            "landslide_id": slide.landslide_id,
            "track": frame.track,
            "burst": frame.burst,
            "behaviour": slide.course.behaviour,
            "rate": slide.los_rate(frame),
            "speed": slide.speed,
        }
        shown = _shown(slide, series)
        for direction, image in reference_gradient(shown * rate, frame.spacing_m, PHASE_SIGN).items():
            image[water[window]] = 0.0
            if not image.any():  # all of it lies under water
                continue
            row = _row(direction, image, error[window], GRADIENT_THRESHOLD_RAD, window) | common
            (seen if row["visible"] else unseen).append(row)
        if np.abs(rate).max() > RATE_THRESHOLD_MM:
            rates.append(_row("rate", rate, np.ones_like(rate), RATE_THRESHOLD_MM, window) | common)
    return _table(seen, ifgs), _table(unseen, ifgs), _table(rates, ifgs)


def _row(direction: str, image: Array, error: Image, threshold: float, window: tuple[slice, slice]) -> dict:
    size = np.abs(image)
    peak = float(size.max())
    above_y, above_x = np.nonzero(size > min(threshold, peak / 2))
    ratio = size / error
    pixels = int((ratio >= LEAST_RATIO).sum())
    return {
        "direction": direction,
        "xmin": float(window[1].start + above_x.min()),
        "ymin": float(window[0].start + above_y.min()),
        "xmax": float(window[1].start + above_x.max() + 1),
        "ymax": float(window[0].start + above_y.max() + 1),
        "model": "truth",
        "peak": peak,
        "ratio": float(ratio.max()),
        "pixels": pixels,
        "visible": pixels >= LEAST_PIXELS,
    }


def _table(rows: list[dict[str, object]], ifgs: xr.Dataset) -> gpd.GeoDataFrame:
    if not rows:
        return schema.boxes_table()
    columns: dict[str, object] = {str(name): values.to_list() for name, values in pd.DataFrame(rows).items()}
    columns["scene"] = [ifgs.attrs["scene"]] * len(rows)
    return geo.with_geometry(schema.boxes_table(columns), ifgs)
