"""How many interferograms it takes: the share of landslides that is detected, against the pairs that were stacked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from labkit.detect import LandslideDetector
from labkit.errors import LabkitError
from labkit.simulate import Scene
from labkit.stack import stack_gradients, unwrap
from labkit.studies.detection import measure_detection
from labkit.studies.subsets import choose, load_pairs

#: Numbers of pairs; what a track does not have is left out, and all of its pairs come last.
COUNTS = (10, 20, 35, 50, 75, 100, 150, 200, 250, 300)


def number_of_interferograms(
    scene: Scene,
    counts: Sequence[int] = COUNTS,
    *,
    track: str = "ascending",
    estimators: Sequence[str] = ("lsq", "circular", "sum"),
    orders: Sequence[str] = ("random", "consecutive"),
    repeats: int = 2,
    classes: Mapping[str, str] | None = None,
    false_per_1000_km2: float = 1.0,
    detector: LandslideDetector | None = None,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the share of the landslides that is detected, against the number of interferograms stacked.

    Parameters
    ----------
    scene : Scene
        A scene with known truth. Its pairs are made once and kept in memory, 8 bytes per pixel and pair.
    counts : sequence of int
        Numbers of pairs; those that the track does not have are left out, and all of its pairs are added.
    track : str
        "ascending" or "descending".
    estimators : sequence of str
        Of :func:`labkit.stack_gradients`; "rewrapped" is unwrapped by SNAPHU, as published.
    orders : sequence of str
        "random": pairs from anywhere in the calendar; "consecutive": one after the other.
    repeats : int
        Draws of pairs for each number, at least 1.
    classes : mapping of str to str, optional
        ``landslide_id`` → class: further rows count each class by itself (:func:`labkit.studies.classes_of`).
    false_per_1000_km2 : float
        Stated to the couplet filter.
    detector : object, optional
        Measured beside the couplet filter on the same stacks, as ``lk.load_detector("gradients-small")``.
    seed : int
        Of the draws.
    progress : bool
        Show bars.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`labkit.studies.measure_detection`, one row for each ``estimator``, ``order``, ``n_pairs``,
        ``repeat``, ``class`` and ``direction``, and ``years``, the Σ temporal baseline of the stack; with a detector
        there is ``finder``, too, "couplets" or the detector's name, and a row for each. Rows of all pairs are the same
        in every order and repeat. :func:`labkit.studies.pool` makes one curve of the repeats and scenes.

    Raises
    ------
    LabkitError
        An argument is out of range, or the scene has no such track.

    Notes
    -----
    The labels are the landslides that all pairs of the track can show (``scene.truth``), so that the share says what a
    shorter stack misses of what a long one could give. Random subsets of one repeat are nested: a larger one holds all
    pairs of the smaller.

    References
    ----------
    Fu et al. (2022), section 6.1: few landslides below 50 pairs, hardly more beyond 250.

    Examples
    --------
    >>> import labkit as lk
    >>> tiny = lk.simulate.scene("tiny", seed=0)
    >>> table = number_of_interferograms(tiny, [4], estimators=["sum"], orders=["random"], repeats=1, progress=False)
    >>> table.loc[table["direction"] == "either", ["n_pairs", "labels", "detected"]]
       n_pairs  labels  detected
    2        4       4         1
    5       21       4         4
    """
    if track not in scene.interferograms:
        raise LabkitError(f"track must be one of {sorted(scene.interferograms)}, instead got track={track!r}")
    if repeats < 1:
        raise LabkitError(f"repeats must be at least 1, instead got repeats={repeats}")
    ifgs = load_pairs(scene.interferograms[track], progress=progress)
    total = ifgs.sizes["pair"]
    settings = list(itertools.product(_possible(counts, total), orders, range(repeats), estimators))
    finders: list[tuple[LandslideDetector | None, dict[str, str]]] = [(None, {})]
    if detector is not None:
        finders = [(None, {"finder": "couplets"}), (detector, {"finder": detector.name})]
    whole: dict[str, pd.DataFrame] = {}
    rows = []
    for count, order, repeat, estimator in tqdm(settings, desc="stacks", unit="stack", disable=not progress):
        if count < total or estimator not in whole:
            chosen = choose(total, count, order, np.random.default_rng((seed, repeat)))
            stacked = stack_as_published(ifgs.isel(pair=chosen), estimator)
            measured = pd.concat(
                [
                    measure_detection(
                        stacked,
                        scene.truth,
                        unseen=scene.unseen,
                        classes=classes,
                        false_per_1000_km2=false_per_1000_km2,
                        detector=finder,
                    ).assign(years=stacked.attrs["sum_temporal_baseline"], **word)
                    for finder, word in finders
                ]
            )
            if count == total:
                whole[estimator] = measured
        else:
            measured = whole[estimator]
        rows.append(measured.assign(order=order, repeat=repeat))
    return pd.concat(rows, ignore_index=True)


def stack_as_published(ifgs: xr.Dataset, estimator: str) -> xr.Dataset:
    """Stack pairs by an estimator; a re-wrapped stack is unwrapped by SNAPHU."""
    stacked = stack_gradients(ifgs, estimator, progress=False)
    return unwrap(stacked) if estimator == "rewrapped" else stacked


def classes_of(
    scene: Scene, column: str, edges: Sequence[float], words: Sequence[str], *, track: str = "ascending"
) -> dict[str, str]:
    """Sort the landslides of a scene into classes, to see which of them are missed.

    Parameters
    ----------
    scene : Scene
        With effects, for the columns of its truth.
    column : str
        Of ``scene.landslides``, as "length_m" or "los_ascending" (its size counts, not its sign); or of ``scene.truth``
        on this track, the larger of both directions, as "ratio", the peak gradient over the standard error that a stack
        of all pairs will have.
    edges : sequence of float
        Ascending; n edges make n + 1 classes.
    words : sequence of str
        What the classes are called, lowest first.
    track : str
        Whose truth.

    Returns
    -------
    dict
        ``landslide_id`` → word.

    Raises
    ------
    LabkitError
        There is no such column, or words and edges do not fit.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.studies import classes_of
    >>> scene = lk.simulate.scene("tiny")
    >>> classes_of(scene, "length_m", [600.0], ["small", "large"])
    {'L01': 'small', 'L02': 'large', 'L03': 'large', 'L04': 'large', 'L05': 'large'}
    """
    if len(words) != len(edges) + 1:
        raise LabkitError(f"words must be one more than edges, instead got words={words!r} for edges={edges!r}")
    if column in scene.landslides:
        values = scene.landslides.set_index("landslide_id")[column].abs()
    elif column in scene.truth:
        values = scene.truth[scene.truth["track"] == track].groupby("landslide_id")[column].max()
    else:
        known = sorted({*scene.landslides, *scene.truth} - {"geometry"})
        raise LabkitError(f"column must be one of {known}, instead got column={column!r}")
    places = np.searchsorted(np.asarray(edges, float), values.to_numpy(float), side="right")
    return {str(name): str(words[place]) for name, place in zip(values.index, places, strict=True)}


def _possible(counts: Sequence[int], total: int) -> list[int]:
    """Ask for no more pairs than there are, and for all of them."""
    if any(count < 1 for count in counts):
        raise LabkitError(f"counts must be at least 1 pair each, instead got counts={list(counts)}")
    return sorted({count for count in counts if count < total} | {total})
