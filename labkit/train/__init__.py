"""Train detectors, keep them, open them again.

``fit`` and ``ChipData`` need Lightning and are loaded when first used; opening and using a detector needs torch alone.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Read once, when OpenMP is loaded with torch. Its threads otherwise wait for each other in a busy loop, which, on cores
# they share with JupyterLab, browsers and other notebooks, makes training several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOMES = {
    "fit": "fitting",
    "ChipData": "data",
    "recipe": "recipes",
    "FitSettings": "settings",
    "RunSettings": "settings",
    "DetectorSettings": "settings",
    "Detector": "detector",
    "Network": "network",
    "build_detector": "building",
    "networks": "building",
    "network_class": "building",
    "register_network": "building",
    "start_from_coco": "pretrained",
    "load_detector": "checkpoint",
    "save_detector": "checkpoint",
}

if TYPE_CHECKING:
    from labkit.train.building import build_detector, network_class, networks, register_network
    from labkit.train.checkpoint import load_detector, save_detector
    from labkit.train.data import ChipData
    from labkit.train.detector import Detector
    from labkit.train.fitting import fit
    from labkit.train.network import Network
    from labkit.train.pretrained import start_from_coco
    from labkit.train.recipes import recipe
    from labkit.train.settings import DetectorSettings, FitSettings, RunSettings

__all__ = [
    "fit",
    "ChipData",
    "recipe",
    "FitSettings",
    "RunSettings",
    "DetectorSettings",
    "Detector",
    "Network",
    "build_detector",
    "networks",
    "network_class",
    "register_network",
    "start_from_coco",
    "load_detector",
    "save_detector",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit.train' has no attribute {name!r}")
    value = getattr(import_module(f"labkit.train.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
