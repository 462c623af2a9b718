"""Interferograms → stacked gradients and rates: which pairs, at what spacing, by which estimator."""

from labkit.stack.aliasing import flag_aliasing
from labkit.stack.bursts import burst_overlaps, shared_pixels
from labkit.stack.closure import triplet_closure
from labkit.stack.drawn import mask_outlines
from labkit.stack.gradients import stack_gradients
from labkit.stack.integrate import integrate_rate
from labkit.stack.multilook import multilook
from labkit.stack.network import mean_coherence, pair_counts, select_pairs
from labkit.stack.series import displacement_series
from labkit.stack.snow import snow_mask
from labkit.stack.unwrap import unwrap
from labkit.stack.unwrapped import stack_unwrapped

__all__ = [
    "flag_aliasing",
    "burst_overlaps",
    "displacement_series",
    "integrate_rate",
    "mask_outlines",
    "mean_coherence",
    "multilook",
    "pair_counts",
    "select_pairs",
    "shared_pixels",
    "snow_mask",
    "stack_gradients",
    "stack_unwrapped",
    "triplet_closure",
    "unwrap",
]
