"""Ask simulated scenes, whose landslides are known, what the papers say and what they leave open.

Each study is a function that gives a tidy table, one row for each setting, with intervals; :mod:`labkit.view` draws it.
The same seed gives the same table. What "detected" means is said once, in :mod:`labkit.studies.detection`.
"""

from __future__ import annotations

from labkit.studies.detection import ALL, EITHER, detected_labels, false_boxes, measure_detection, pool
from labkit.studies.directions import directions_and_tracks
from labkit.studies.estimators import compare_estimators
from labkit.studies.fast_slides import aliasing_limits, fast_slides
from labkit.studies.injected import compare_on_pairs, inject
from labkit.studies.interferograms import classes_of, number_of_interferograms
from labkit.studies.planted import Conditions
from labkit.studies.rates import rate_errors
from labkit.studies.seasons import PERIODS, TwoSeasons, follow_the_paper, temporal_behaviour
from labkit.studies.sites import Site, choose_sites, plant, shown_rates, site_boxes
from labkit.studies.subsets import load_pairs

__all__ = [
    "ALL",
    "EITHER",
    "PERIODS",
    "Conditions",
    "Site",
    "TwoSeasons",
    "aliasing_limits",
    "choose_sites",
    "classes_of",
    "compare_estimators",
    "compare_on_pairs",
    "detected_labels",
    "false_boxes",
    "directions_and_tracks",
    "fast_slides",
    "follow_the_paper",
    "inject",
    "load_pairs",
    "measure_detection",
    "number_of_interferograms",
    "plant",
    "pool",
    "rate_errors",
    "shown_rates",
    "site_boxes",
    "temporal_behaviour",
]
