"""Hand strips of pairs to the compiled kernel that suits them, and hold what they sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labkit.stack.compiled import CIRCULAR, GROUP, LSQ, N_SUMS, SUM, WRAPPED_LIMIT_RAD
from labkit.stack.filtered import add_filtered
from labkit.stack.products import WEIGHT_LIMIT
from labkit.stack.unfiltered import LONGEST_LAG, add_unfiltered

__all__ = [
    "CIRCULAR",
    "GROUP",
    "LSQ",
    "N_SUMS",
    "SUM",
    "WEIGHT_LIMIT",
    "WRAPPED_LIMIT_RAD",
    "Filter",
    "Sums",
    "add_pairs",
]

#: Samples of all pairs together, at most: they are kept for every pair, and their number must not grow with the pairs.
_SAMPLES = 2**20
_MOST_SAMPLED, _LEAST_SAMPLED = 2**14, 2**9


@dataclass(frozen=True)
class Filter:
    """How each pair is filtered and differenced.

    ``kind`` LSQ, CIRCULAR or SUM; ``window`` edge of the moving mean (odd) and ``lag``, px; ``floor``: coherence below
    which a pixel has no data; ``power`` of the coherence as a weight.
    """

    kind: int
    window: int
    lag: int
    floor: float = 0.0
    power: float = 1.0

    @property
    def takes_phasors(self) -> bool:
        """Whether coherence · exp(i phase) is all that is wanted of a pair."""
        return self.window > 1 and self.floor == 0 and self.power == 1


@dataclass
class Sums:
    """What one pass over the pairs leaves behind.

    ``sums`` (N, y, x) of each direction (azimuth, range), and ``counts`` (2, y, x), as the kernels define them;
    ``coherence_sum``, ``coherence_count`` (y, x); ``samples`` (2, 2, pair, y', x'): by direction, Δ and |P| at every
    ``sample_step``-th pixel, |P| = 0 where there is no data; ``years`` (pair,) temporal baselines.
    """

    sums: list[npt.NDArray[np.float32]]
    counts: npt.NDArray[np.int32]
    coherence_sum: npt.NDArray[np.float32]
    coherence_count: npt.NDArray[np.int32]
    samples: npt.NDArray[np.float32]
    sample_step: int
    years: npt.NDArray[np.float32]

    @classmethod
    def empty(
        cls, kind: int, years: npt.NDArray[np.float32], shape: tuple[int, int], *, sampled: int | None = None
    ) -> Sums:
        """Sums of no pair yet, for a scene of this shape.

        About ``sampled`` pixels are sampled; by default the fewer the more pairs there are.
        """
        height, width = shape
        pixels = sampled or min(max(_SAMPLES // len(years), _LEAST_SAMPLED), _MOST_SAMPLED)
        step = max(1, round(float(np.sqrt(height * width / pixels))))
        return cls(
            sums=[np.zeros((N_SUMS[kind], height, width), np.float32) for _ in range(2)],
            counts=np.zeros((2, height, width), np.int32),
            coherence_sum=np.zeros((height, width), np.float32),
            coherence_count=np.zeros((height, width), np.int32),
            samples=np.zeros((2, 2, len(years), -(-height // step), -(-width // step)), np.float32),
            sample_step=step,
            years=years,
        )


def add_pairs(
    result: Sums,
    phase: npt.NDArray[np.float32],
    coherence: npt.NDArray[np.float32],
    how: Filter,
    rows: tuple[int, int],
    *,
    start: int = 0,
    top: int = 0,
    polar: bool = True,
) -> bool:
    """Add some pairs to one strip of rows of ``result``, without Python's lock.

    Parameters
    ----------
    result : Sums
        Changed in place, within the strip alone.
    phase, coherence : (pairs, rows, x) float32, contiguous
        rad and 0..1; NaN = no data.
    how : Filter
        As for all other pairs of ``result``.
    rows : (int, int)
        The strip, half-open, in rows of the scene.
    start, top : int
        Number of the first pair, with which the sums of the strip begin anew if it is 0, and row of the scene that the
        arrays begin with.
    polar : bool
        False where real and imaginary parts of coherence · exp(i phase) are given in place of phase and coherence,
        which is faster, to one whose filter ``takes_phasors``.

    Returns
    -------
    bool
        Whether every phase that was looked at is wrapped; the sums mean nothing where one is not.
    """
    pairs = slice(start, start + len(phase))
    samples, scene = result.samples[:, :, pairs], (top, result.counts.shape[1])
    rule = (np.float32(how.floor), np.float32(how.power))
    sums = (result.sums[0], result.sums[1])
    totals = (
        sums,
        result.counts,
        result.coherence_sum,
        result.coherence_count,
        samples,
        result.sample_step,
        start == 0,
    )
    if how.kind == SUM and how.window == 1 and how.lag <= LONGEST_LAG:
        return bool(add_unfiltered(phase, coherence, rows, scene, how.lag, rule, *totals))
    reach = (how.window, how.lag)
    return bool(add_filtered(phase, coherence, result.years[pairs], rows, scene, reach, how.kind, rule, polar, *totals))
