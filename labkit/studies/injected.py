"""Known slides in real pairs: how ways of stacking compare under the noise that your own interferograms have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.studies.estimators import Stacker, blur, couplet_signal, spread_of, tails
from labkit.studies.planted import PlantedSlide, total_rate

Mask = npt.NDArray[np.bool_]


def inject(ifgs: xr.Dataset, rate: npt.NDArray) -> xr.Dataset:
    """Let ground of interferograms move steadily besides.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms; their coherence stays.
    rate : (y, x)
        LOS rate, mm/yr, positive toward the satellite.

    Returns
    -------
    xarray.Dataset
        With phase_sign · 4π/λ · rate · T added to the phase of each pair, and wrapped; no data stays no data.

    Raises
    ------
    LabkitError
        The rate does not have the shape of the scene.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.studies import inject
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> rate = np.zeros((160, 192))
    >>> rate[20:40, 20:40] = 30.0
    >>> moved = inject(ifgs, rate)["phase"] - ifgs["phase"]
    >>> moved.sel(pair="20180305_20180317").values[30, [10, 30]].round(2)
    array([ 0.  , -0.22], dtype=float32)
    """
    schema.check_interferograms(ifgs)
    shape = (ifgs.sizes["y"], ifgs.sizes["x"])
    if np.shape(rate) != shape:
        raise LabkitError(f"rate must be (y, x) of the scene's {shape} px, instead got rate.shape={np.shape(rate)}")
    per_mm = ifgs.attrs["phase_sign"] * 4 * np.pi / (float(ifgs.attrs["wavelength"]) * 1000)
    years = ifgs["temporal_baseline"] / schema.DAYS_PER_YEAR
    moved = ifgs["phase"] + (per_mm * years * xr.DataArray(np.asarray(rate, float), dims=("y", "x")))
    turned = (np.mod(moved + np.pi, 2 * np.pi) - np.pi).astype(np.float32)
    within = turned.where(~(turned >= np.float32(np.pi)), -np.float32(np.pi))
    return ifgs.assign(phase=within.transpose("pair", "y", "x").assign_attrs(ifgs["phase"].attrs))


def compare_on_pairs(
    ifgs: xr.Dataset,
    slides: Sequence[PlantedSlide],
    quiet: Mask,
    stackers: Mapping[str, Stacker],
    *,
    known: Sequence[tuple[int, Mask, Mask]] = (),
) -> pd.DataFrame:
    """Hold ways of stacking against slides injected into given pairs, and against a landslide that is known in them.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms, of a scene that fits into memory.
    slides : sequence of PlantedSlide
        To be injected, on the scene's own grid.
    quiet : (y, x) bool
        Where nothing moves: the background is measured there.
    stackers : mapping
        Name → function from interferograms to gradients.
    known : sequence of (axis, rising, falling), optional
        Of a landslide that is there: 0 azimuth or 1 range, and the (y, x) masks of its lobes, positive and negative.

    Returns
    -------
    pandas.DataFrame
        One row for each stacker: ``contrast`` of the injected slides in the median; ``shown`` of their true couplets;
        the ``tail_…`` of quiet ground; ``edge_along``, ``edge_across`` (:func:`labkit.studies.estimators.blur`);
        ``known_contrast`` of the landslide that is there, NaN without one.

    Notes
    -----
    The signal of an injected slide is what it changes: the stack with it minus the stack without.

    Examples
    --------
    >>> from labkit.studies.estimators import estimator_stackers
    >>> from labkit.studies.planted import Conditions, draw_noise, observe, plant_slides
    >>> from labkit.studies import compare_on_pairs
    >>> slides = plant_slides((96, 96), seed=1)
    >>> own = observe(draw_noise(Conditions(dates=11), (96, 96), seed=1))  # in their place your own pairs
    >>> quiet = np.ones((96, 96), bool)
    >>> table = compare_on_pairs(own, slides, quiet, estimator_stackers(5, ["lsq", "sum"]))
    >>> table[["stacker", "contrast", "shown", "tail_99", "edge_along"]].round(1)
      stacker  contrast  shown  tail_99  edge_along
    0     lsq       1.4    0.7      1.0         5.0
    1     sum       1.2    0.8      1.0         5.0
    """
    moving = inject(ifgs, total_rate(list(slides)))
    rows = []
    for name, stack in stackers.items():
        before, after = stack(ifgs), stack(moving)
        per_rate = ifgs.attrs["phase_sign"] * 4e-3 * np.pi / float(ifgs.attrs["wavelength"])
        per_rate *= float(before.attrs["sum_temporal_baseline"])
        background, contrast, shown, measured = [], [], [], []
        for axis in (0, 1):
            image = before["gradient"].values[axis]
            background.append(spread_of(image[quiet]))
            measured.append(tails(image[quiet]))
            added = (after["gradient"].values[axis] - image) / per_rate
            for slide in slides:
                signal = couplet_signal(slide, axis, added)
                contrast.append(signal * abs(per_rate) / background[axis])
                shown.append(signal / couplet_signal(slide, axis))
        there = [
            float(np.nanmean(image[rising]) - np.nanmean(image[falling])) / background[axis]
            for axis, rising, falling in known
            for image in [before["gradient"].values[axis]]
        ]
        along, across = blur(stack)
        rows.append(
            {
                "stacker": name,
                "contrast": float(np.median(contrast)),
                "shown": float(np.median(shown)),
                **{key: float(np.mean([m[key] for m in measured])) for key in measured[0]},
                "edge_along": along,
                "edge_across": across,
                "known_contrast": float(np.mean(there)) if there else np.nan,
            }
        )
    return pd.DataFrame(rows)
