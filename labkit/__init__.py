"""labkit: the bench for finding slow-moving landslides in InSAR.

    >>> import labkit as lk

The flow is the folder list: read → stack → chip → label → train → detect → maps; ``lk.view`` shows, ``lk.simulate``
makes scenes with known truth and ``lk.studies`` asks them. ``import labkit`` is light: each name below is loaded when
it is first used, so that neither torch nor plotting nor the Label Studio SDK is imported before it is needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from labkit.errors import FileError, LabkitError, ServerError

__version__ = "0.1.0"

#: Public name → the module that holds it.
_HOMES = {
    "open_interferograms": "labkit.read",
    "open_rates": "labkit.read",
    "survey": "labkit.read",
    "quicklook": "labkit.first_look",
    "doctor": "labkit.health",
    "multilook": "labkit.stack",
    "select_pairs": "labkit.stack",
    "stack_gradients": "labkit.stack",
    "snow_mask": "labkit.stack",
    "integrate_rate": "labkit.stack",
    "displacement_series": "labkit.stack",
    "unwrap": "labkit.stack",
    "make_chips": "labkit.chip",
    "select_chips": "labkit.chip",
    "split_chips": "labkit.chip",
    "load_detector": "labkit.train",
    "detect_landslides": "labkit.detect",
    "filter_detections": "labkit.detect",
    "merge_detections": "labkit.detect",
    "evaluate": "labkit.detect",
    "couplets": "labkit.detect",
    "hot_spot_scores": "labkit.detect",
    "hot_spots": "labkit.detect",
    "kmeans_regions": "labkit.detect",
    "estimate_standard_error": "labkit.detect",
    "compare_inventories": "labkit.detect",
    "geocoding": "labkit.geocode",
    "density": "labkit.maps",
    "write_detections": "labkit.maps",
    "write_map": "labkit.maps",
}
_STAGES = (
    "read",
    "simulate",
    "stack",
    "chip",
    "label",
    "train",
    "detect",
    "maps",
    "view",
    "studies",
    "region",
    "course",
    "schema",
    "geo",
)

if TYPE_CHECKING:
    from labkit import chip, detect, geo, label, maps, read, region, schema, simulate, stack, studies, train, view
    from labkit.chip import make_chips, select_chips, split_chips
    from labkit.detect import (
        detect_landslides,
        estimate_standard_error,
        evaluate,
        filter_detections,
        merge_detections,
    )
    from labkit.detect.couplets import couplets
    from labkit.detect.hot_spots import hot_spot_scores, hot_spots
    from labkit.detect.inventories import compare_inventories
    from labkit.detect.kmeans import kmeans_regions
    from labkit.first_look import quicklook
    from labkit.geocode import geocoding
    from labkit.health import doctor
    from labkit.maps import write_detections, write_map
    from labkit.maps.density import density
    from labkit.read import open_interferograms, open_rates, survey
    from labkit.stack import integrate_rate, select_pairs, snow_mask, stack_gradients
    from labkit.stack.multilook import multilook
    from labkit.stack.series import displacement_series
    from labkit.stack.unwrap import unwrap
    from labkit.train import load_detector

__all__ = [
    "FileError",
    "LabkitError",
    "ServerError",
    "__version__",
    "open_interferograms",
    "open_rates",
    "survey",
    "quicklook",
    "doctor",
    "multilook",
    "select_pairs",
    "stack_gradients",
    "snow_mask",
    "integrate_rate",
    "displacement_series",
    "unwrap",
    "make_chips",
    "select_chips",
    "split_chips",
    "load_detector",
    "detect_landslides",
    "filter_detections",
    "merge_detections",
    "evaluate",
    "couplets",
    "hot_spot_scores",
    "hot_spots",
    "kmeans_regions",
    "estimate_standard_error",
    "compare_inventories",
    "geocoding",
    "density",
    "write_detections",
    "write_map",
    "read",
    "simulate",
    "stack",
    "chip",
    "label",
    "train",
    "detect",
    "maps",
    "view",
    "studies",
    "region",
    "course",
    "schema",
    "geo",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in _STAGES:
        value = import_module(f"labkit.{name}")
    else:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
