"""Files of InSAR processors → interferograms and rates (``labkit.schema``); one module for each processor."""

from labkit.read.cache import write_cache
from labkit.read.open import open_interferograms, open_rates
from labkit.read.sentinel2 import open_sentinel2
from labkit.read.store import load_scene, save_scene
from labkit.read.surveying import survey

__all__ = ["load_scene", "open_interferograms", "open_rates", "open_sentinel2", "save_scene", "survey", "write_cache"]
