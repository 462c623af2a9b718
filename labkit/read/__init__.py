"""Files of InSAR processors → interferograms and rates (``labkit.schema``); one module for each processor."""

from labkit.read.open import open_interferograms, open_rates

__all__ = ["open_interferograms", "open_rates"]
