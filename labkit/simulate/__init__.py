"""Scenes with known truth: terrain, line of sight, landslides, atmosphere and decorrelation.

Simple and honest: every part follows a formula that its docstring states, and the same seed gives the same scene.
"""

from __future__ import annotations

from labkit.simulate.scenes import PRESETS, Scene, scene
from labkit.simulate.write import demo, write_scene

__all__ = ["PRESETS", "Scene", "demo", "scene", "write_scene"]
