"""From stacked gradients to a map of LOS rates, without unwrapping."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit.errors import LabkitError
from labkit.schema import DAYS_PER_YEAR, check_gradients, check_rates
from labkit.stack.detail import denoise, sharpen
from labkit.stack.filters import typical
from labkit.stack.highpass import split_wavelengths
from labkit.stack.pieces import level
from labkit.stack.poisson import integrate
from labkit.stack.velocity import link_weights, pixel_variance, velocity_gradients

Image = npt.NDArray[np.float32]

#: Pieces of ground with fewer pixels than this, cut off by no-data, get no rate: nothing around says where zero is.
_LEAST_ISLAND = 64

#: Share of π beyond which the gradient in a longest pair may have wrapped.
_ALIAS_SHARE = 0.6


def integrate_rate(
    gradients: xr.Dataset,
    *,
    cutoff_km: float = 2.5,
    denoised: bool = True,
    aliased: xr.DataArray | None = None,
    tolerance: float = 1e-4,
    threads: int | None = None,
) -> xr.Dataset:
    """Integrate stacked gradients to the rate of LOS displacement: how fast slopes move against their surroundings.

    Parameters
    ----------
    gradients : xarray.Dataset
        gradients of both directions with lag 1, by "lsq", "circular" or "sum". A small window keeps the peak of small
        landslides: stack with ``window=3`` for rates (the window's loss stands in the Notes).
    cutoff_km : float
        Wavelength, km on the ground, of which half of the amplitude is taken out; longer ones go, shorter ones stay.
    denoised : bool
        Take away detail that does not rise above the noise (:func:`labkit.stack.detail.denoise`). Landslides that stand
        out keep their peak; a faint one, of some three standard errors, loses part of it.
    aliased : xarray.DataArray, optional
        (y, x) bool, where slides are known to be too fast for the pairs, from :func:`labkit.stack.flag_aliasing`. It is
        handed on with what the gradients themselves tell.
    tolerance : float
        Of the solver (:func:`labkit.stack.poisson.integrate`).
    threads : int, optional
        All cores by default. The result does not depend on it, bit for bit.

    Returns
    -------
    xarray.Dataset
        rates (:mod:`labkit.schema`): ``rate`` mm/yr, line of sight, positive toward the satellite; ``standard_error``
        mm/yr; ``aliased`` bool, where a gradient may have wrapped within a pair, so that the slide is faster than
        shown. NaN = no data. Attributes of the scene, ``cutoff_km``, ``iterations``.

    Raises
    ------
    LabkitError
        An argument is out of range, a direction is missing, the spacing is unknown, or nothing can be integrated.

    Notes
    -----
    The velocity gradient is gradient / (r ΣT) with the stack's own ``response`` r, which makes up for what wrapped and
    shared noise took away as pairs lost coherence (:mod:`labkit.stack.response`). The rate u minimises
    Σ w (u[p + 1] − u[p] − velocity gradient)² over both directions with w the inverse square of the gradient's standard
    error, and becomes phase_sign · λ / 4π · u.

    Rates are relative. Integrated noise grows with wavelength, so long ones are not to be trusted and are taken out by
    a Gaussian high-pass that leaves out what moves (:mod:`labkit.stack.highpass`): a slide keeps its rate against the
    ground around it, while subsidence wider than about ``cutoff_km`` does not. Each piece of ground that no-data cuts
    off has its own zero, its median; pieces of fewer than 64 pixels are left out.

    The window's moving mean lowers the peak of a landslide of about 10 pixels by 4 % (3 × 3), 11 % (5 × 5), 22 %
    (7 × 7). Most of that is undone (:func:`labkit.stack.detail.sharpen`); landslides of 6 pixels come out 3 % too low
    with a window of 3 and 20 % with one of 5. Stack with a window of 3 at any coherence: denoising does the rest.

    Which estimator, by the coherence of 12-day pairs: "lsq" from 0.4 up; below, "circular", in which nothing wraps
    before the pairs are added (at 0.2 its peaks are low by 1–2 % in the median, those of "lsq" by 2–4 %). Of landslides
    of 250 to 1200 m and 20 to 120 mm/yr in 80 dates, 94–97 % of the peaks come back within 10 % at a coherence of 0.3
    and 84–92 % within 15 % at 0.2. At the Cramér-Rao bound it would be 99 %, so that no estimator brings back every
    one; nearly all of those missed move by 20 to 30 mm/yr (``benchmarks/rates.py``). Fast slides want shorter pairs
    where coherence is low: one of 480 m at 300 mm/yr comes out 11 % too low from pairs of up to 36 days at 0.3, and 2 %
    from pairs of up to 24 days.

    Those pixels have speckle of their own. Where neighbours share looks, as Sentinel-1's do at 40 m, fewer peaks come
    back within 10 %: at 0.3, 90 % from 234 pairs by "circular", at 0.2, 73 % and by "lsq" 65 %. Error over stated
    standard error spreads by 0.95 to 1.03 on quiet ground (docs/studies.md).

    ``standard_error`` is the spread of what is left over quiet ground around, in proportion to the gradients' errors
    and before denoising: the error of a pixel that denoising leaves as it is. It holds the noise, not what the window
    or an aliased gradient took away.
    ``aliased``: |velocity gradient| × longest temporal baseline beyond 0.6 π, or given. A gradient that has wrapped
    looks small, so that a stack alone misses much of it; :func:`labkit.stack.flag_aliasing` compares pairs.

    References
    ----------
    Fu et al. (2022), section 6, names the missing step from gradients to rates.

    Examples
    --------
    >>> import labkit as lk
    >>> track = lk.simulate.scene("tiny", seed=0).interferograms["ascending"]
    >>> rates = lk.integrate_rate(lk.stack_gradients(track, window=3, progress=False))
    >>> rates["rate"].dims
    ('y', 'x')
    """
    check_gradients(gradients)
    _check(gradients, cutoff_km, aliased)
    slope, variance = velocity_gradients(gradients, threads=threads)
    links = link_weights(variance, threads=threads)
    solved = integrate(slope[0, :-1], slope[1, :, :-1], links, tolerance=tolerance, threads=threads)
    mm = float(gradients.attrs["wavelength"]) * 1000 / (4 * math.pi)
    rate = level(solved.image, links, least=_LEAST_ISLAND, threads=threads)
    rate *= np.float32(mm * gradients.attrs["phase_sign"])
    known = np.isfinite(rate)
    if not known.any():
        raise LabkitError(
            f"gradients must hold a piece of ground of at least {_LEAST_ISLAND} joined pixels, instead all are smaller"
        )
    error = np.sqrt(pixel_variance(links, threads=threads))
    error *= np.float32(mm)
    error[~known] = np.float32(typical(error, known))
    window = int(gradients.attrs["window"])
    rate = sharpen(rate, window, threads=threads) if window > 1 else rate
    split = split_wavelengths(rate, error, _cutoff_px(gradients, cutoff_km), threads=threads)
    error *= split.spread
    rate -= split.background
    images = {
        "rate": (
            ("y", "x"),
            denoise(rate, error, threads=threads) if denoised else rate,
            {"units": "mm/yr", "long_name": "LOS rate, + toward satellite"},
        ),
        "standard_error": (("y", "x"), np.where(known, error, np.float32(np.nan)), {"units": "mm/yr"}),
        "aliased": (
            ("y", "x"),
            _aliased(slope, gradients, aliased),
            {"long_name": "gradient may have wrapped within a pair"},
        ),
    }
    coords = {name: c for name, c in gradients.coords.items() if set(c.dims) <= {"y", "x"}}
    attrs = {
        **gradients.attrs,
        "cutoff_km": float(cutoff_km),
        "denoised": int(denoised),
        "iterations": solved.iterations,
    }
    return check_rates(xr.Dataset(images, coords, attrs))


def _check(gradients: xr.Dataset, cutoff_km: float, aliased: xr.DataArray | None) -> None:
    attrs = gradients.attrs
    if aliased is not None:
        shape = (gradients.sizes["y"], gradients.sizes["x"])
        if aliased.dims != ("y", "x") or aliased.shape != shape or aliased.dtype != bool:
            raise LabkitError(
                f"aliased must be bool (y, x) of the gradients' {shape[0]} × {shape[1]} pixels, instead got "
                f"{aliased.dtype} {aliased.dims} {aliased.shape}. Flag the interferograms that were stacked"
            )
    if not (math.isfinite(cutoff_km) and cutoff_km > 0):
        raise LabkitError(f"cutoff_km must be above 0, instead got cutoff_km={cutoff_km}")
    directions = set(map(str, gradients["direction"].values))
    if directions != {"azimuth", "range"}:
        raise LabkitError(f"gradients must hold azimuth and range, instead got direction={sorted(directions)}")
    if attrs.get("estimator") == "rewrapped":
        raise LabkitError(
            "estimator must be 'lsq', 'circular' or 'sum' to be integrated, instead got estimator='rewrapped'. "
            "A wrapped stack holds no velocity; stack again with estimator='lsq'"
        )
    if attrs.get("lag", 1) != 1:
        raise LabkitError(f"lag must be 1 px to be integrated, instead got lag={attrs['lag']}. Stack with lag=1")
    for attribute in ("wavelength", "phase_sign", "window", "max_temporal_baseline"):
        if not math.isfinite(float(attrs.get(attribute, math.nan))):
            raise LabkitError(
                f"{attribute} must be a number to give mm/yr, instead it is missing. Set gradients.attrs['{attribute}']"
            )
    if "standard_error" not in gradients or "response" not in gradients:
        raise LabkitError(
            "gradients must carry standard_error and response, as lk.stack_gradients makes them with lag=1, "
            f"instead got {sorted(map(str, gradients.data_vars))}"
        )


def _cutoff_px(gradients: xr.Dataset, cutoff_km: float) -> tuple[float, float]:
    attrs = gradients.attrs
    along_y, along_x = float(attrs["y_spacing"]), float(attrs["x_spacing"])
    if attrs.get("geometry") == "radar":
        along_x /= math.sin(math.radians(float(attrs["incidence_angle"])))
    for name, spacing in (("y_spacing", along_y), ("x_spacing", along_x)):
        if not (math.isfinite(spacing) and spacing > 0):
            raise LabkitError(
                f"{name} must be known on the ground to filter by wavelength, instead got {spacing} m. "
                f"Set gradients.attrs['{name}'] and, in radar geometry, 'incidence_angle'"
            )
    return cutoff_km * 1000 / along_y, cutoff_km * 1000 / along_x


def _aliased(slope: Image, gradients: xr.Dataset, known: xr.DataArray | None) -> npt.NDArray[np.bool_]:
    years = float(gradients.attrs["max_temporal_baseline"]) / DAYS_PER_YEAR
    limit = np.float32(_ALIAS_SHARE * math.pi / years)
    steep = np.asarray((slope > limit).any(0) | (slope < -limit).any(0))
    return steep if known is None else np.asarray(steep | known.values)
