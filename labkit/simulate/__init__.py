"""Scenes with known truth: terrain, line of sight, landslides, atmosphere and decorrelation.

Every part follows a formula that its docstring states, and the same seed gives the same scene. ``scene(name)`` is the
simple scene in memory; ``scene(name, effects=Effects(), calendar="fu2022")`` has everything that fools people, each
with a switch, over the dates of a calendar, and makes its pairs when they are computed.
"""

from __future__ import annotations

from labkit.simulate.alike import pairs_like
from labkit.simulate.annotators import Annotator, annotate
from labkit.simulate.calendars import CALENDARS, Calendar, named_calendar
from labkit.simulate.effects import Effects
from labkit.simulate.licsar import write_licsar
from labkit.simulate.optical import sentinel2_looks
from labkit.simulate.presets import PRESETS
from labkit.simulate.scenes import Scene, scene
from labkit.simulate.shading import hillshade, layover_and_shadow, radar_lookup
from labkit.simulate.stored import stored
from labkit.simulate.write import demo, write_scene

__all__ = [
    "Annotator",
    "annotate",
    "CALENDARS",
    "PRESETS",
    "Calendar",
    "Effects",
    "Scene",
    "demo",
    "hillshade",
    "layover_and_shadow",
    "named_calendar",
    "pairs_like",
    "radar_lookup",
    "scene",
    "sentinel2_looks",
    "stored",
    "write_licsar",
    "write_scene",
]
