"""Which estimator shows slides best: contrast, tails of the background, recall, and what the window costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import norm
from tqdm.auto import tqdm

from labkit.detect import couplets
from labkit.errors import LabkitError
from labkit.intervals import share_interval
from labkit.simulate.interferometry import PHASE_SIGN, phase_per_mm
from labkit.stack import stack_gradients, unwrap
from labkit.studies.detection import detected_labels
from labkit.studies.planted import (
    Conditions,
    Noise,
    PlantedSlide,
    draw_noise,
    observe,
    plant_slides,
    total_rate,
    truth_boxes,
)
from labkit.studies.shaped import Window, stack_shaped

#: Interferograms to gradients.
Stacker = Callable[[xr.Dataset], xr.Dataset]
Image = npt.NDArray[np.float32]

ESTIMATORS = ("lsq", "circular", "sum", "rewrapped")
TAILS = (0.95, 0.99, 0.999)

#: The couplet filter is asked for its faintest boxes; how many are kept is decided from what it finds on noise.
_MOST_FALSE = 100.0


def estimator_stackers(window: int = 5, estimators: Sequence[str] = ESTIMATORS) -> dict[str, Stacker]:
    """Give labkit's estimators at one window; "rewrapped" as it is stacked, before any unwrapping."""

    def stacker(name: str) -> Stacker:
        return lambda ifgs: stack_gradients(ifgs, name, window, progress=False)

    return {name: stacker(name) for name in estimators}


def published_stacker(window: int = 5) -> Stacker:
    """Give "rewrapped" with SNAPHU after it, as published; minutes for a scene where the ground is incoherent."""
    return lambda ifgs: unwrap(stack_gradients(ifgs, "rewrapped", window, progress=False))


def window_stackers() -> dict[str, Stacker]:
    """Give `lsq` with plain windows and shaped ones, and the candidate: products weighted by √T / s of their pair."""
    shapes = {
        "box 3": (Window(3, 3), {}),
        "box 5": (Window(5, 5), {}),
        "box 7": (Window(7, 7), {}),
        "parabola 5": (Window(5, 5, "both"), {}),
        "parabola 7": (Window(7, 7, "both"), {}),
        "parabola 9": (Window(9, 9, "both"), {}),
        "parabola 9 × box 7": (Window(9, 7, "along"), {}),
        "weighted pairs, box 5": (Window(5, 5), {"estimator": "circular", "weigh_pairs": True}),
        "weighted pairs, parabola 9 × box 7": (Window(9, 7, "along"), {"estimator": "circular", "weigh_pairs": True}),
    }

    def stacker(window: Window, how: dict) -> Stacker:
        return lambda ifgs: stack_shaped(ifgs, window, **how)

    return {name: stacker(*shape) for name, shape in shapes.items()}


def estimator_cases() -> dict[str, list[Conditions]]:
    """Give what the study varies: coherence, air, motion, and realistic mixtures of good and bad ground."""
    usual = Conditions()
    courses = ("linear", "seasonal", "episodic", "accelerating")
    return {
        "coherence": [replace(usual, coherence_12=c) for c in (0.15, 0.2, 0.3, 0.5, 0.7)],
        "air": [replace(usual, coherence_12=0.65, air_mm=a) for a in (0.0, 1.0, 2.0, 4.0, 8.0)],
        # a year, so that the seasons are as long as each other
        "motion": [replace(usual, behaviour=b, dates=31) for b in courses],
        "realistic": [Conditions(c, patchiness=0.15, behaviour=b) for c in (0.25, 0.45) for b in courses[:2]],
    }


@dataclass(frozen=True)
class _Scene:
    """One seed's slides with their truth, and the noise under which they are seen."""

    slides: list[PlantedSlide]
    noise: Noise


def compare_estimators(
    conditions: Sequence[Conditions],
    stackers: Mapping[str, Stacker] | None = None,
    *,
    shape: tuple[int, int] = (256, 256),
    seeds: Sequence[int] = (0, 1, 2, 3),
    false_per_1000_km2: float = 10.0,
    recall: bool = True,
    progress: bool = True,
) -> pd.DataFrame:
    """Hold ways of stacking against planted slides: how they stand out, how quiet the ground is, how many are found.

    Parameters
    ----------
    conditions : sequence of Conditions
        Under which they are compared.
    stackers : mapping, optional
        Name → function from interferograms to gradients; labkit's four estimators by default.
    shape : (int, int)
        Of each scene, px of 40 m.
    seeds : sequence of int
        Scenes for each condition; all stackers see the same ones.
    false_per_1000_km2 : float
        At which the recall is taken, above 0.
    recall : bool
        Run the couplet filter, which takes most of the time.
    progress : bool
        Show a bar.

    Returns
    -------
    pandas.DataFrame
        One row for each condition and stacker: the fields of :class:`Conditions`; ``stacker``; ``contrast``, median
        over slides and directions; ``shown``, the median share of the true couplet; ``background`` rad; ``tail_95``,
        ``tail_99``, ``tail_999``; ``air_share`` of the background's variance for ``lsq``; with ``recall``: ``labels``,
        ``detected``, ``recall``, ``recall_low``, ``recall_high``, ``least_snr`` and ``false_per_1000_km2`` as counted.

    Raises
    ------
    LabkitError
        The rate of false boxes is not above 0, or there are no conditions.

    Notes
    -----
    Each scene is stacked twice under the same noise, with its slides and without. Contrast: mean gradient where the
    true one exceeds half of its peak minus the mean where it falls below half of its least, over 1.4826 × the median
    absolute deviation of the stack without slides. Tail: the percentile of |gradient| without slides in units of that,
    over a Gaussian's; 1 is Gaussian. Recall: couplets of the stack with slides whose signal-to-noise ratio exceeds what
    ``false_per_1000_km2`` of the couplets of the stacks without slides exceed, all seeds together, so that every
    estimator pays for its own false boxes; where fewer are found at all, the filter's least ratio is taken.
    ``air_share``: 1 − MAD² without air / MAD² with it.

    Examples
    --------
    >>> from labkit.studies import Conditions, compare_estimators
    >>> short = [Conditions(dates=11)]
    >>> table = compare_estimators(short, shape=(96, 96), seeds=[0], recall=False, progress=False)
    >>> table[["stacker", "contrast", "shown", "background", "tail_99"]].round(1)
         stacker  contrast  shown  background  tail_99
    0        lsq       2.4    0.6         0.5      1.0
    1   circular       2.4    0.4         0.3      1.0
    2        sum       1.9    0.7         0.5      1.1
    3  rewrapped       1.9    0.7         0.5      1.1
    """
    if not conditions:
        raise LabkitError("conditions must hold at least one, instead got none")
    if not 0 < false_per_1000_km2 <= _MOST_FALSE:
        raise LabkitError(
            f"false_per_1000_km2 must be above 0 and at most {_MOST_FALSE:g}, "
            f"instead got false_per_1000_km2={false_per_1000_km2}"
        )
    stackers = estimator_stackers() if stackers is None else stackers
    rows: list[dict[str, object]] = []
    with tqdm(total=len(conditions) * len(seeds), desc="scenes", unit="scene", disable=not progress) as bar:
        for condition in conditions:
            seen: dict[str, list[dict]] = {name: [] for name in stackers}
            shares = []
            for seed in seeds:
                scene = _Scene(plant_slides(shape, seed), draw_noise(condition, shape, seed))
                still, moving = observe(scene.noise), observe(scene.noise, total_rate(scene.slides))
                shares.append(_air_share(still, condition, shape, seed))
                for name, stack in stackers.items():
                    seen[name].append(_look(stack(still), stack(moving), scene, recall))
                bar.update()
            for name, looks in seen.items():
                row = {**asdict(condition), "stacker": name, **_pooled(looks), "air_share": float(np.mean(shares))}
                rows.append(row | (_recall(looks, false_per_1000_km2) if recall else {}))
    return pd.DataFrame(rows)


def spread_of(image: npt.NDArray) -> float:
    """Give the robust standard deviation of an image without its NaN: 1.4826 × the median absolute deviation."""
    values = image[np.isfinite(image)]
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def tails(image: npt.NDArray) -> dict[str, float]:
    """Give the percentiles of |image − median| in units of its robust spread, over those of a Gaussian.

    Examples
    --------
    >>> {name: round(value, 1) for name, value in tails(np.random.default_rng(0).normal(size=10**6)).items()}
    {'tail_95': 1.0, 'tail_99': 1.0, 'tail_999': 1.0}
    """
    values = np.abs(image[np.isfinite(image)] - np.nanmedian(image)) / spread_of(image)
    return {f"tail_{f'{p:g}'[2:]}": float(np.quantile(values, p) / norm.ppf(0.5 + p / 2)) for p in TAILS}


def blur(stacker: Stacker) -> tuple[float, float]:
    """Measure how wide a stack shows a sharp edge, along the gradient and across it, px; 1 is as sharp as pixels are.

    Notes
    -----
    A block of ground with vertical sides moves by 1 mm/yr, without noise. Along: the sum of the gradient over the edge,
    over its peak. Across: the height of the rise at the block's end, over its steepest step. A plain window of n pixels
    gives n for both.
    """
    size, edge = 48, 16
    rate = np.zeros((size, size), np.float32)
    rate[edge : size - edge, edge : size - edge] = 1.0
    conditions = Conditions(0.7, air_mm=0.0, dates=8, max_days=12)
    phase = np.zeros((len(conditions.pairs), size, size), np.float32)
    gradient = stacker(observe(Noise(conditions, phase, np.full_like(phase, 0.7)), rate))["gradient"].values[0]
    profile = np.abs(gradient[: size // 2, size // 2])
    line = np.abs(gradient[int(profile.argmax()), : size // 2])
    return float(profile.sum() / profile.max()), float(np.ptp(line) / np.abs(np.diff(line)).max())


def _look(still: xr.Dataset, moving: xr.Dataset, scene: _Scene, recall: bool) -> dict:
    """What one stack of one scene shows."""
    background = [spread_of(image) for image in still["gradient"].values]
    per_rate = PHASE_SIGN * phase_per_mm() * float(still.attrs["sum_temporal_baseline"])
    contrast, shown = [], []
    for slide in scene.slides:
        for axis, (image, spread) in enumerate(zip(moving["gradient"].values, background, strict=True)):
            signal, true = couplet_signal(slide, axis, image / per_rate), couplet_signal(slide, axis)
            contrast.append(signal * abs(per_rate) / spread)
            shown.append(signal / true)
    measured = [tails(image) for image in still["gradient"].values]
    looked = {
        "contrast": contrast,
        "shown": shown,
        "background": float(np.mean(background)),
        **{name: float(np.mean([m[name] for m in measured])) for name in measured[0]},
    }
    if recall:
        truth = truth_boxes(scene.slides)
        found, false = (couplets(stack, _MOST_FALSE, progress=False) for stack in (moving, still))
        looked |= {"truth": truth, "found": found, "false": false["snr"].to_numpy(float)}
        looked["area_km2"] = still["gradient"][0].size * (still.attrs["ground_spacing"] / 1000) ** 2
    return looked


def couplet_signal(slide: PlantedSlide, axis: int, image: npt.NDArray | None = None) -> float:
    """Give the mean of an image over the rising lobe of a slide minus that over the falling one; without one, the true.

    Parameters
    ----------
    slide : PlantedSlide
        Of which the lobes are (:meth:`PlantedSlide.lobes`).
    axis : int
        0 azimuth, 1 range.
    image : (y, x), optional
        In mm/yr per pixel; NaN = no data, which is left out.
    """
    shown = np.diff(slide.rate, axis=axis, append=np.nan) if image is None else image
    rising, falling = slide.lobes(axis)
    return float(np.nanmean(shown[rising]) - np.nanmean(shown[falling]))


def _air_share(still: xr.Dataset, condition: Conditions, shape: tuple[int, int], seed: int) -> float:
    if not condition.air_mm:
        return 0.0
    calm = observe(draw_noise(replace(condition, air_mm=0.0), shape, seed))
    with_air, without = (stack_gradients(ifgs, progress=False)["gradient"].values for ifgs in (still, calm))
    return float(1 - np.mean([spread_of(a) ** 2 / spread_of(b) ** 2 for a, b in zip(without, with_air, strict=True)]))


def _pooled(looks: list[dict]) -> dict[str, float]:
    pooled = {name: float(np.median([v for look in looks for v in look[name]])) for name in ("contrast", "shown")}
    single = [name for name in looks[0] if name == "background" or name.startswith("tail")]
    return pooled | {name: float(np.mean([look[name] for look in looks])) for name in single}


def _recall(looks: list[dict], false_per_1000_km2: float) -> dict[str, float]:
    """Slides found above the ratio that so many false boxes exceed; a slide counts once, whatever the direction."""
    area = sum(look["area_km2"] for look in looks)
    false = np.sort(np.concatenate([look["false"] for look in looks]))[::-1]
    allowed = int(false_per_1000_km2 * area / 1000)
    least = float(false[allowed]) if len(false) > allowed else 0.0
    labels = detected = 0
    for look in looks:
        kept = look["found"][look["found"]["snr"] > least]
        hit = detected_labels(kept, look["truth"])
        labels += look["truth"]["landslide_id"].nunique()
        detected += look["truth"]["landslide_id"][hit].nunique()
    low, high = share_interval(detected, labels)
    return {
        "labels": labels,
        "detected": detected,
        "recall": detected / labels,
        "recall_low": float(low),
        "recall_high": float(high),
        "least_snr": least,
        "false_per_1000_km2": float((false > least).sum()) * 1000 / area,
    }
