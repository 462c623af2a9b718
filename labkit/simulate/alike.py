"""Pairs that are simulated over the dates, looks and geometry of given ones, to be held against them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import gaussian_filter

from labkit import schema
from labkit.errors import LabkitError
from labkit.simulate.calendars import Dates
from labkit.simulate.cover import Cover, uneven_ages
from labkit.simulate.delays import layered_path, stratified_slopes
from labkit.simulate.effects import Effects
from labkit.simulate.fields import power_law_field, stream
from labkit.simulate.geometry import Frame
from labkit.simulate.interferometry import Ground, Pair
from labkit.simulate.landforms import landform_pattern
from labkit.simulate.movers import Mover
from labkit.simulate.observing import Layers, Observer, Series, lazy_images
from labkit.simulate.resolution import sharing_at

Array = npt.NDArray[np.floating]
Image = npt.NDArray[np.float32]

#: Coherence without time between, that which never goes, and the days in which the rest falls to 1/e in winter; how
#: these days differ over the ground (standard deviation of their logarithm); the season's part; how unevenly time takes
#: it, from date to date and over the ground. Fitted to the percentiles of coherence of 79 real pairs of 12, 24 and 36
#: days over Danba county, Sichuan, and to how they differ from pair to pair and from place to place.
INITIAL, LASTING, MEMORY_DAYS, SPREAD = 0.998, 0.02, 90.0, 0.9
GROWTH, SUMMER_DECAY, UNEVENNESS, LOCAL_UNEVENNESS = 0.2, 20.0, 0.8, 0.6

#: Below 2 km the ground's pattern has a spectrum of k to minus this, as the mean coherence of the same pairs has.
_GROUND_EXPONENT, _GROUND_M = 3.0, 2000.0

#: Weather differs over the ground in so many patterns, smooth below this.
_STORMS, _STORM_M = 6, 3000.0

#: A slope that faces the radar within so many degrees of its incidence lies in a few pixels, which mix it with others;
#: the passage to what is seen well takes this much more.
_GRAZING_DEG, _SOFT_DEG = 7.0, 2.0

#: Without heights: share of the ground that the radar does not see well, in patches, smooth below some hundred metres.
_HIDDEN_SHARE, _HIDDEN_M = 0.03, 2000.0


def pairs_like(
    ifgs: xr.Dataset,
    effects: Effects | None = None,
    *,
    height: Array | None = None,
    movers: list[Mover] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate pairs that are like given ones: of the same dates, pixels, looks and line of sight.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms in radar geometry; no pixel is read.
    effects : Effects, optional
        What is switched on; without it turbulence, layered air, DEM error and speckle of as many looks as the pixels
        hold, and coherence by magnitude in a window of 5. ``snow_share``, ``water``, ``creep_mm``, ``subsidence_mm``
        and ``seam_mm`` need a terrain and do nothing here.
    height : numpy.ndarray (y, x), optional
        Of the ground at the pixels, m: layered air is seen through it, the cover follows it
        (:func:`labkit.simulate.landforms.landform_pattern`; valleys keep their coherence longer than the slopes above),
        and layover and shadow have no coherence to speak of. Without it the ground is level.
    movers : list of Mover, optional
        What moves.
    seed : int
        Another number, another ground, another weather.

    Returns
    -------
    xarray.Dataset
        interferograms with the coordinates of ``ifgs`` and lazy images; the perpendicular baselines that ``ifgs`` does
        not know are drawn.

    Raises
    ------
    LabkitError
        The pairs are not in radar geometry, or the heights are not of their shape.

    Examples
    --------
    >>> import labkit as lk
    >>> real = lk.simulate.scene("tiny").interferograms["ascending"].isel(pair=slice(3))
    >>> like = pairs_like(real)
    >>> list(like["pair"].values) == list(real["pair"].values), like["phase"].shape
    (True, (3, 160, 192))
    """
    schema.check_interferograms(ifgs)
    if ifgs.attrs["geometry"] != "radar":
        raise LabkitError(f"ifgs must be in radar geometry, instead got geometry={ifgs.attrs['geometry']!r}")
    shape = ifgs.sizes["y"], ifgs.sizes["x"]
    if height is not None and height.shape != shape:
        raise LabkitError(f"height must have the shape of ifgs, {shape}, instead got height.shape={height.shape}")
    attributes = ifgs.attrs
    track = str(attributes["orbit_direction"])
    spacing = float(attributes["ground_spacing"])
    frame = Frame(track, float(attributes["heading"]), float(attributes["incidence_angle"]), shape, spacing)
    shared = sharing_at(
        float(attributes["y_spacing"]), float(attributes["x_spacing"]), float(attributes["incidence_angle"])
    )
    if effects is None:
        effects = Effects(looks=shared.looks, coherence_window=5, coherence_by_intensity=False)
    level = np.zeros(shape) if height is None else height
    series = _series(ifgs, effects, track, seed)
    observer = Observer(
        frame=frame,
        cover=_cover(frame, effects, series.dates, height, seed),
        movers=movers or [],
        layers=Layers(
            path=layered_path(level, frame.incidence_angle).astype(np.float32),
            dem_error=_missed_height(frame, effects, seed),
            seams=np.zeros(shape[0]),
        ),
        series=series,
        effects=effects,
        seed=seed,
        shared=shared,
    )
    phase, coherence = lazy_images(observer)
    made = ifgs.drop_vars(list(ifgs.data_vars)).assign(
        phase=(("pair", "y", "x"), phase, {"units": "rad"}),
        coherence=(("pair", "y", "x"), coherence, {"units": "1"}),
        perpendicular_baseline=("pair", [observer.series.baseline_m(pair) for pair in observer.series.pairs]),
    )
    made = made.set_coords("perpendicular_baseline")
    made.attrs.update(scene=f"{attributes['scene']} simulated", processor="labkit")
    return schema.check_interferograms(made)


def _series(ifgs: xr.Dataset, effects: Effects, track: str, seed: int) -> Series:
    first, second = (ifgs[name].values.astype("datetime64[D]") for name in ("reference", "secondary"))
    dates = np.union1d(first, second)
    places = (np.searchsorted(dates, one) for one in (first, second))
    pairs = [Pair(int(i), int(j), float((dates[j] - dates[i]).astype(int))) for i, j in zip(*places, strict=True)]
    return Series(
        dates=dates,
        pairs=pairs,
        across_track_m=stream(seed, track, "orbits").normal(0.0, effects.baseline_m, len(dates)),
        slopes=stratified_slopes(dates, effects.stratified_mm_per_km, stream(seed, track, "stratified")),
        shifts_mm=np.zeros(len(dates)),
    )


def _pattern(frame: Frame, name: str, width_m: float, seed: int, exponent: float = 4.0) -> Array:
    """A random pattern of mean 0 and standard deviation 1, whose power falls below a width by an exponent."""
    drawn = power_law_field(
        frame.shape,
        frame.spacing_m,
        stream(seed, name),
        exponent=exponent,
        break_m=width_m,
        outer_exponent=1.0,
        lag_m=width_m,
        rms_difference=1.0,
    )
    return np.asarray((drawn - drawn.mean()) / drawn.std())


def _cover(frame: Frame, effects: Effects, dates: Dates, height: Array | None, seed: int) -> Cover:
    pattern = _pattern(frame, "ground", _GROUND_M, seed, _GROUND_EXPONENT)
    if height is not None and np.ptp(height) > 0:
        pattern = landform_pattern(height, frame.spacing_m, pattern, stream(seed, "relief"))
        seen = _seen(height, frame)
    else:
        seen = _visible(_pattern(frame, "hidden", _HIDDEN_M, seed))
    same = np.ones(frame.shape) * (seen if effects.layover else 1.0)
    ground = Ground(
        initial=(INITIAL * same).astype(np.float32),
        lasting=(LASTING * same).astype(np.float32),
        memory_days=(MEMORY_DAYS * np.exp(SPREAD * pattern)).astype(np.float32),
        water=np.zeros(frame.shape, bool),
    )
    zero = np.zeros(frame.shape, np.float32)
    growth = np.full(frame.shape, GROWTH if effects.season else 0.0, np.float32)
    summer = SUMMER_DECAY if effects.season else 0.0
    weather = stream(seed, frame.track, "ageing")
    ages = uneven_ages(dates, summer, UNEVENNESS, weather, local=LOCAL_UNEVENNESS, patterns=_STORMS)
    storms = np.stack([_pattern(frame, f"storm {i}", _STORM_M, seed) for i in range(_STORMS)]).astype(np.float32)
    return Cover(ground, zero, growth, float("inf"), 0.0, effects.decorrelation, summer, ages, storms)


def _visible(hiding: Array) -> Array:
    """How well the radar sees the ground: a tenth in patches with soft edges, 1 elsewhere."""
    beyond = (hiding - np.quantile(hiding, 1 - _HIDDEN_SHARE)) / 0.1
    return np.asarray(1.0 - 0.9 / (1.0 + np.exp(-np.clip(beyond, -50, 50))))


def _seen(height: Array, frame: Frame) -> Array:
    """How well the radar sees a relief: a tenth in layover and in shadow, 1 from some degrees away from either.

    A slope of angle α toward the radar rises by spacing · tan α / (1 − tan α / tan θ) from pixel to pixel.
    """
    rise = np.gradient(height, axis=1) / frame.spacing_m
    flat = np.tan(np.radians(frame.incidence_angle))
    toward = np.degrees(np.arctan(rise / np.maximum(1.0 + rise / flat, 1e-3)))
    toward = gaussian_filter(toward, (2.0, 0.7))
    beyond = np.maximum(toward + _GRAZING_DEG - frame.incidence_angle, frame.incidence_angle - 90.0 - toward)
    return np.asarray(1.0 - 0.9 / (1.0 + np.exp(-np.clip(beyond / _SOFT_DEG, -50, 50))))


def _missed_height(frame: Frame, effects: Effects, seed: int) -> Image:
    """Height that the DEM misses, m, smooth below 600 m as :func:`labkit.simulate.delays.dem_error`."""
    return (effects.dem_error_m * _pattern(frame, "dem error", 600.0, seed)).astype(np.float32)
