"""Interferograms → stacked gradients: which pairs, at what spacing, by which estimator."""

from labkit.stack.gradients import stack_gradients
from labkit.stack.multilook import multilook
from labkit.stack.network import select_pairs
from labkit.stack.unwrap import unwrap

__all__ = ["multilook", "select_pairs", "stack_gradients", "unwrap"]
