"""The scenes that have a name: how large they are, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.errors import LabkitError
from labkit.simulate.layout import Layout


@dataclass(frozen=True)
class Preset:
    """What a named scene holds.

    Attributes
    ----------
    shape : (int, int)
        Lines and samples of both tracks' images.
    spacing_m : float
        Pixel spacing on the ground.
    acquisitions : dict
        Dates by track.
    landslides, tributaries, counties : int
        How many.
    rate_range : (float, float)
        Least and greatest |LOS rate| of the simple scene, mm/yr.
    atmosphere_mm : float
        Typical rms difference of the delay between points 1 km apart, of the simple scene.
    calendar : str
        Name of the calendar (:func:`labkit.simulate.named_calendar`) that the scene has by default; with one, all
        effects are on by default. Empty: the simple scene, at dates drawn by the seed.
    trunks_km2 : tuple of float
        Areas that great rivers drain where they enter; empty: a main river with so many ``tributaries``
        (:func:`labkit.simulate.terrain.make_terrain`), else mountains (:func:`labkit.simulate.relief.make_mountains`).
    terrain_m, drainage_m, river_km2 : float
        Of such mountains: spacings of the relief and of the grid on which water runs, m; the least area that a river on
        the map drains.
    bursts : Layout, optional
        How the tracks are cut into bursts; None: not at all.
    """

    shape: tuple[int, int]
    acquisitions: dict[str, int]
    landslides: int
    tributaries: int
    counties: int
    rate_range: tuple[float, float]
    spacing_m: float = 40.0
    atmosphere_mm: float = 1.0
    calendar: str = ""
    trunks_km2: tuple[float, ...] = ()
    terrain_m: float = 40.0
    drainage_m: float = 80.0
    river_km2: float = 3.0
    bursts: Layout | None = None


PRESETS = {
    "tiny": Preset((160, 192), {"ascending": 10, "descending": 10}, 5, 2, 4, (60.0, 150.0)),
    "demo": Preset((480, 720), {"ascending": 25, "descending": 18}, 24, 6, 6, (20.0, 150.0)),
    "workshop": Preset((750, 1500), {}, 25, 0, 6, (5.0, 200.0), calendar="workshop", trunks_km2=(9000.0,)),
    "region": Preset(
        (1816, 2952),
        {},
        300,
        0,
        10,
        (5.0, 200.0),
        calendar="workshop",
        trunks_km2=(14_000.0, 40_000.0),
        terrain_m=60.0,
        drainage_m=100.0,
        river_km2=6.0,
        bursts=Layout((4, 2), (40, 48)),
    ),
}


def preset_named(name: str) -> Preset:
    """Give a preset by name, or say which there are."""
    if name not in PRESETS:
        raise LabkitError(f"name must be one of {tuple(PRESETS)}, instead got name={name!r}")
    return PRESETS[name]
