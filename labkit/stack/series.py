"""How a landslide moves in time: displacement at every date, by a small-baseline inversion of one neighbourhood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import dask
import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import binary_dilation, uniform_filter

from labkit.errors import LabkitError
from labkit.schema import DAYS_PER_YEAR, check_interferograms
from labkit.stack.local_phase import integrate_pairs
from labkit.stack.neighbourhood import Neighbourhood, Place, find_neighbourhood
from labkit.stack.products import WEIGHT_LIMIT
from labkit.stack.sbas import Network, Series, invert, make_network
from labkit.stack.screen import Screen, take_off_air

Images = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Ground this close to the box, px, may still belong to the landslide.
_GUARD = 2

#: Ground is quiet up to this many spreads, and never called moving below this rate, mm/yr.
_SPREADS = 3.0
_LEAST_RATE = 0.5

#: Quiet ground of fewer pixels tells nothing of the air.
_LEAST_QUIET = 30

#: A pair that knows less than this share of what most pairs know is left out.
_LEAST_KNOWN = 0.5

#: Rounds in which cycles that the network contradicts are taken out.
_ROUNDS = 4


#: Median of the square of a normal number.
_MEDIAN_SQUARE = 0.455


@dataclass(frozen=True)
class _Window:
    """Pixels (pair, y, x) of the neighbourhood, and Δy, Δx of the ground (km)."""

    phase: Images
    coherence: Images
    spacing_km: tuple[float, float]


def displacement_series(
    ifgs: xr.Dataset, box: Place, *, margin: int | None = None, progress: bool = True
) -> xr.Dataset:
    """Follow one landslide through time: its displacement at every date against the quiet ground around it.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms, as selected by :func:`labkit.select_pairs` and best multilooked to about 40 m; only the pixels
        around the box are read.
    box : sequence, row of a table, or shapely polygon
        Where the landslide is: xmin, ymin, xmax, ymax in pixel edges; one row of labels or detections of this scene;
        or an outline in lon/lat.
    margin : int, optional
        How far around the box quiet ground is looked for, px, at least 1; None: the longer side of the box, at least
        12. The scene's edge cuts it off.
    progress : bool
        Show a bar over the pairs.

    Returns
    -------
    xarray.Dataset
        Dims (date, y, x, pair) of the window around the box:

        ``displacement`` (date) mm
            Line of sight, positive toward the satellite, 0 at the first date: the mean over ``moving``.
        ``standard_error`` (date) mm
            Of that, against the first date.
        ``displacement_field``, ``standard_error_field`` (date, y, x) float32 mm
            The same for each pixel, NaN = no data.
        ``rate``, ``rate_standard_error`` mm/yr
            Of the straight line through ``displacement``.
        ``moving``, ``quiet`` (y, x) bool
            What the displacement is the mean of, and the ground that it refers to.
        ``misfit`` (pair) mm
            Root mean square over ``moving`` of pair less inversion; large where a pair was integrated wrongly.

        Coordinates: ``date``, ``row`` and ``col`` (pixels of the scene), ``lon`` and ``lat`` where the scene has them,
        ``part`` (date: 0, 1, … where the pairs leave the dates in several parts), ``pair``, ``reference``,
        ``secondary``. Attributes: those of the scene, ``box`` (px), ``margin``, ``n_pairs``, ``left_out`` (pairs with
        too little data), ``air_mm`` (spread between points 1 km apart, median over the dates).

    Raises
    ------
    LabkitError
        The box is no box, outside, or of another scene; ``margin`` is out of range; wavelength or spacing is unknown;
        there is no data, no quiet ground, or no pixel at which the pairs join the dates.

    Notes
    -----
    1. Each pair is integrated over the window from differences of neighbours, weighted by coherence
       (:func:`labkit.stack.local_phase.integrate_pairs`), and referred to the mean of the ground around the box.
    2. At each pixel the dates' phase φ minimises Σ w (φ[second] − φ[first] − pair)², w = c²/(1.02 − c²) with the
       coherence c (:func:`labkit.stack.sbas.invert`). Residuals beyond half a cycle are cycles that the integration
       got wrong: they are taken out, and the inversion repeated.
    3. Displacement = phase_sign · λ / 4π · φ, less the air that kriging tells from ``quiet``: the ground that lies
       outside the box and whose rate stays within three spreads of a slope (:func:`labkit.stack.screen.take_off_air`).
    4. ``moving`` are the pixels of the box that go at least half as fast as its fastest tenth, in the same direction;
       where nothing rises above three spreads of quiet ground, the whole box.

    The standard error is what kriging leaves of the air, with the strength measured on quiet ground date by date, plus
    the noise of the pixels, measured there as well and carried over to the landslide by its own coherence and misfit.
    It is measured on the dates, after the inversion, so that it holds the noise that pairs share through common dates.
    All dates refer to the first one and share its noise.

    Over 40 simulated landslides (four courses in time, 30 dates, air of 1 mm at 1 km) all of 812 displacements lay
    within 3 standard errors of the truth without decorrelation and at a 12-day coherence of 0.6, but 89 % of 348 at
    0.3, where the error is stated too small: leave out pairs without coherence.
    Over 142 landslides of the scenes ``demo`` and ``tiny`` (three seeds each, both tracks; in ``demo`` the mean
    coherence of a landslide is 0.36 to 0.84) 2,690 of 2,700 displacements lay within 3 standard errors
    (``benchmarks/series.py``).

    What this assumes, and where it fails: the difference between neighbouring pixels departs from steady motion by
    less than half a wavelength/2 (14 mm in C-band) in each pair, so that slides that jump, or fast ones with sharp
    edges and long pairs only, come out too small, and the standard error does not know it; compare ``misfit``, and
    select shorter pairs, or integrate rates (:func:`labkit.integrate_rate`), whose gradients are added up before they
    are integrated. Where a season has no coherence the pairs across it hold noise, or leave the dates in parts:
    one straight line then carries from part to part, the standard error grows by the motion of the steady rate over
    the gap and the scatter about it, but nobody saw what happened. Ground that all moves together, quiet ground
    included, and delays that follow the relief more closely than the air between quiet places does, are not told
    apart.

    References
    ----------
    Berardino et al. (2002), A new algorithm for surface deformation monitoring based on small baseline differential
    SAR interferograms, IEEE TGRS 40. Fu et al. (2022), section 6, names this as the next step.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny", seed=0)
    >>> box = scene.rate_truth.iloc[2]
    >>> series = lk.displacement_series(scene.interferograms["ascending"], box, progress=False)
    >>> series["displacement"].dims, float(series["displacement"][0])
    (('date',), 0.0)
    """
    check_interferograms(ifgs)
    _check(ifgs)
    around = find_neighbourhood(ifgs, box, margin)
    ifgs, window = _read(ifgs, around)
    network = make_network(ifgs["reference"].values, ifgs["secondary"].values)
    years = np.asarray(ifgs["temporal_baseline"].values, float) / DAYS_PER_YEAR
    whole = integrate_pairs(window.phase, window.coherence, years, progress=progress)
    ring = ~binary_dilation(around.inside, iterations=_GUARD)
    series = _invert(whole, window.coherence, ring, network)
    mm = float(ifgs.attrs["phase_sign"]) * float(ifgs.attrs["wavelength"]) * 1000 / (4 * math.pi)
    shape = around.inside.shape
    dates = (mm * series.phase).reshape(-1, *shape)
    images = np.concatenate([dates[1:], _slope(dates, network)[None]])
    quiet = _quiet_ground(images, ring)
    screen = take_off_air(images, quiet, window.spacing_km)
    moving = _moving_ground(screen.images[-1].reshape(shape), around.inside, quiet)
    return _dataset(ifgs, around, network, series, screen, quiet, moving, mm)


def _check(ifgs: xr.Dataset) -> None:
    for name in ("wavelength", "y_spacing", "x_spacing"):
        value = float(ifgs.attrs[name])
        if not (math.isfinite(value) and value > 0):
            raise LabkitError(
                f"{name} must be a positive number of metres to give mm, instead got {name}={value}. "
                f"Set ifgs.attrs['{name}']"
            )
    days = ifgs["temporal_baseline"].values
    if not (np.isfinite(days).all() and (days > 0).all()):
        raise LabkitError("temporal_baseline must be above 0 days for every pair, instead some are not")


def _read(ifgs: xr.Dataset, around: Neighbourhood) -> tuple[xr.Dataset, _Window]:
    """Read the window; pairs that know little of it are left out."""
    ifgs = ifgs.isel(y=around.rows, x=around.cols)
    phase, coherence = (np.asarray(a, np.float32) for a in dask.compute(ifgs["phase"].data, ifgs["coherence"].data))
    known = (np.isfinite(phase) & np.isfinite(coherence)).sum((1, 2))
    if not known.any():
        raise LabkitError("box must lie on ground with data, instead no pair has any in or around it")
    kept = np.flatnonzero(known >= _LEAST_KNOWN * np.median(known[known > 0]))
    left_out = " ".join(map(str, np.delete(ifgs["pair"].values, kept)))
    attrs = ifgs.attrs
    along_x = float(attrs["x_spacing"])
    if attrs["geometry"] == "radar" and math.isfinite(float(attrs["incidence_angle"])):
        along_x /= math.sin(math.radians(float(attrs["incidence_angle"])))
    spacing = (float(attrs["y_spacing"]) / 1000, along_x / 1000)
    return ifgs.isel(pair=kept).assign_attrs(left_out=left_out), _Window(phase[kept], coherence[kept], spacing)


def _invert(whole: Images, coherence: Images, ring: Mask, network: Network) -> Series:
    """Refer the pairs to the ground around the box and invert them, until no residual is a cycle."""
    pairs = len(whole)
    common = ring & np.isfinite(whole).all(0)
    if common.sum() < _LEAST_QUIET:
        raise LabkitError(
            f"box must have at least {_LEAST_QUIET} pixels around it that every pair knows, instead it has "
            f"{int(common.sum())}. Widen margin, or select pairs that know this ground"
        )
    squared = np.minimum(coherence.reshape(pairs, -1).astype(float), 1.0) ** 2
    weight = np.maximum(squared / (float(WEIGHT_LIMIT) - squared), 1e-4)
    phase = whole.reshape(pairs, -1).astype(float)
    # The same pixels with the same weights in every pair: what the dates have there then closes over triplets.
    share = np.where(common.ravel(), weight, 0.0).mean(0)
    trusted = weight
    for _ in range(_ROUNDS):
        phase -= (np.nansum(phase * share, axis=1) / share.sum())[:, None]
        residual = invert(phase, trusted, network, errors=False).residual
        cycles = np.round(np.nan_to_num(residual) / (2 * np.pi))
        trusted = _trusted(weight, residual, ring)
        if not cycles.any():
            break
        phase -= 2 * np.pi * cycles
    series = invert(phase, trusted, network)
    if not np.isfinite(series.phase[-1]).any():
        raise LabkitError(
            "pairs must join the dates at some pixel, instead none has data in enough of them. "
            "Leave out pairs without data, or choose other ground"
        )
    return series


def _trusted(weight: Array, residual: Array, like: Mask) -> Array:
    """Weigh pairs down where the others contradict them over some ground: w / (1 + w r² / 4 σ²), as Cauchy's."""
    known = np.isfinite(residual)
    squares = np.where(known, residual, 0.0) ** 2
    scale = np.median((weight * squares)[known]) / _MEDIAN_SQUARE
    if not scale > 0:
        return weight
    near = np.stack([uniform_filter(one.reshape(like.shape), 5).ravel() for one in squares])
    return np.asarray(weight / (1 + weight * near / (4 * scale)))


def _slope(dates: Array, network: Network) -> Array:
    """The rate of the straight line through the dates, per yr."""
    t = network.years - network.years.mean()
    return np.asarray(np.tensordot(t, dates, 1) / (t @ t))


def _smooth(image: Array, known: Mask) -> Array:
    """Mean of the known among 3 × 3 pixels."""
    share = uniform_filter(known.astype(float), 3)
    return np.asarray(uniform_filter(np.where(known, image, 0.0), 3) / np.where(known, share, 1.0))


def _quiet_ground(images: Array, ring: Mask) -> Mask:
    """Ground of the ring that is known in all images and does not move against a slope."""
    known = np.asarray(np.isfinite(images).all(axis=0))
    rate = _smooth(images[-1], known)
    rows, cols = np.indices(ring.shape)
    slope = np.stack([np.ones(ring.shape), rows, cols], -1)
    quiet = ring & known
    for _ in range(_ROUNDS):
        if quiet.sum() < _LEAST_QUIET:
            raise LabkitError(
                f"box must have quiet ground around it, at least {_LEAST_QUIET} pixels, instead it has "
                f"{int(quiet.sum())}. Widen margin, or draw the box around all that moves"
            )
        fitted = np.linalg.lstsq(slope[quiet], rate[quiet], rcond=None)[0]
        apart = np.abs(rate - slope @ fitted)
        limit = max(_SPREADS * 1.4826 * float(np.median(apart[quiet])), _LEAST_RATE)
        moved = binary_dilation(ring & known & (apart > limit), iterations=1)
        again = ring & known & ~moved
        if (again == quiet).all():
            break
        quiet = again
    return quiet


def _moving_ground(rate: Array, inside: Mask, quiet: Mask) -> Mask:
    """What moves in the box: at least half as fast as its fastest tenth; all of it where nothing stands out."""
    known = np.isfinite(rate)
    here = inside & known
    if not here.any():
        raise LabkitError(
            "box must hold pixels at which the pairs join the dates, instead it holds none. "
            "Look at the coherence there, and leave out pairs without data"
        )
    smooth = _smooth(rate, known)
    fast = float(np.quantile(np.abs(smooth[here]), 0.9))
    spread = 1.4826 * float(np.median(np.abs(smooth[quiet])))
    if fast < max(_SPREADS * spread, _LEAST_RATE):
        return here
    side = np.sign(smooth[here & (np.abs(smooth) >= fast)].sum())
    return np.asarray(here & (side * smooth >= fast / 2))


def _dataset(
    ifgs: xr.Dataset,
    around: Neighbourhood,
    network: Network,
    series: Series,
    screen: Screen,
    quiet: Mask,
    moving: Mask,
    mm: float,
) -> xr.Dataset:
    shape, area = moving.shape, moving.ravel()
    white = _pixel_noise(series, quiet.ravel(), screen.noise)
    variance = screen.variance(area) + _area_noise(series, network, area, white, mm)
    fields = screen.pixel_variance() + white
    centre = screen.images[:, area].mean(1)
    gap = _across_gaps(np.concatenate([[0.0], centre[:-1]]), network)
    nothing = np.where(np.isfinite(screen.images[:1]), 0.0, np.nan)
    displaced = np.concatenate([nothing, screen.images[:-1]]).reshape(-1, *shape)
    errors = np.sqrt(np.concatenate([nothing, fields[:-1]]) + gap[:, None] ** 2).reshape(-1, *shape)
    misfit = abs(mm) * np.sqrt(np.nanmean(series.residual[:, area] ** 2, axis=1))
    line = "line of sight, + toward satellite"
    variables = {
        "displacement": ("date", np.concatenate([[0.0], centre[:-1]]), {"units": "mm", "long_name": line}),
        "standard_error": ("date", np.sqrt(np.concatenate([[0.0], variance[:-1]]) + gap**2), {"units": "mm"}),
        "displacement_field": (("date", "y", "x"), displaced.astype(np.float32), {"units": "mm", "long_name": line}),
        "standard_error_field": (("date", "y", "x"), errors.astype(np.float32), {"units": "mm"}),
        "rate": ((), float(centre[-1]), {"units": "mm/yr", "long_name": f"rate, {line}"}),
        "rate_standard_error": ((), float(np.sqrt(variance[-1] + _of_slope(gap, network) ** 2)), {"units": "mm/yr"}),
        "moving": (("y", "x"), moving),
        "quiet": (("y", "x"), quiet),
        "misfit": ("pair", misfit, {"units": "mm"}),
    }
    coords = {
        "date": network.dates,
        "part": ("date", network.parts),
        "row": ("y", np.arange(around.rows.start, around.rows.stop)),
        "col": ("x", np.arange(around.cols.start, around.cols.stop)),
        **{name: c for name, c in ifgs.coords.items() if set(c.dims) <= {"y", "x"} or name in _OF_PAIRS},
    }
    attrs = {
        **ifgs.attrs,
        "box": [float(corner) for corner in around.corners],
        "n_pairs": int(ifgs.sizes["pair"]),
        "air_mm": round(math.sqrt(2 * float(np.median(screen.air[:-1]))), 3),
    }
    return xr.Dataset(variables, coords, attrs)


def _pixel_noise(series: Series, quiet: Mask, measured: Array) -> Array:
    """White noise of every pixel in the dates from the second on and in the rate, (n, pixel) mm².

    Measured on quiet ground, and elsewhere as many times larger as weights and residuals make it.
    """
    expected = series.variance[1:] * series.chi_square
    usual = expected[:, quiet].mean(1, keepdims=True)
    ratio = np.where(usual > 0, expected / np.where(usual > 0, usual, 1.0), 1.0)
    return np.asarray(measured[:, None] * np.concatenate([ratio, ratio.mean(0, keepdims=True)]))


def _area_noise(series: Series, network: Network, area: Mask, white: Array, mm: float) -> Array:
    """Noise of the mean over an area, (n,) mm²: white, or as large as the pairs' means there contradict each other.

    What low coherence does to the integration of a pair reaches over many pixels, and does not average out.
    """
    alone = white[:, area].mean(1) / area.sum()
    pairs = np.nanmean(series.residual[:, area], axis=1)[:, None]
    together = invert(pairs, series.weight[:, area].mean(1)[:, None], network)
    dates = mm**2 * (together.variance * together.chi_square)[:, 0]
    t = network.years - network.years.mean()
    rate = (t**2 * dates).sum() / (t @ t) ** 2
    return np.maximum(alone, np.append(dates[1:], rate) if series.redundant else 0.0)


#: What the result keeps of each pair.
_OF_PAIRS = ("pair", "reference", "secondary")


def _across_gaps(displacement: Array, network: Network) -> Array:
    """How little the place of each date's part is known, (date,) mm: motion over the gap, and scatter about a line."""
    t, parts = network.years, network.parts
    if not parts.any():
        return np.zeros(len(t))
    line = np.polyfit(t, displacement, 1)
    scatter = float(np.std(displacement - np.polyval(line, t)))
    wide = np.zeros(len(t))
    for part in range(1, int(parts.max()) + 1):
        gap = np.abs(t[parts == part][:, None] - t[parts < part]).min()
        wide[parts == part] = math.hypot(line[0] * gap, scatter)
    return wide


def _of_slope(gap: Array, network: Network) -> float:
    """What the same does to the rate, mm/yr."""
    t = network.years - network.years.mean()
    return float(np.sqrt(((t * gap) ** 2).sum()) / (t @ t)) if gap.any() else 0.0
