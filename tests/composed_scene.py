"""A scene with every effect, made once for the test files that look at it; ``observer_of`` makes a track by hand."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from labkit.simulate import Effects
from labkit.simulate.cover import Cover
from labkit.simulate.geometry import Frame, Place
from labkit.simulate.interferometry import Ground, Pair, pairs_within
from labkit.simulate.movers import Mover
from labkit.simulate.observing import Layers, Observer, Series
from labkit.simulate.terrain import Terrain

FRAME = Frame("ascending", 348.0, 38.6, (60, 80), 40.0)
DATES = np.datetime64("2019-01-05") + 12 * np.arange(30)


def plane(slope: float, aspect: float = 90.0, height: float = 3000.0) -> Terrain:
    """A plane of one height whose slope is only stated: formulas that use it can be followed by hand."""
    axis = np.arange(-4000.0, 4001.0, 100.0)
    same = np.ones((len(axis), len(axis)))
    return Terrain(
        Place(0.0, 0.0), axis, axis[::-1], height * same, slope * same, aspect * same, 2e3 * same, same < 0,
        gpd.GeoDataFrame(geometry=[], crs="EPSG:4326"),
    )  # fmt: skip


def observer_of(
    effects: Effects,
    *,
    movers: list[Mover] | None = None,
    coherence: float = 0.6,
    dem_error: float = 0.0,
    baselines: np.ndarray | None = None,
    pairs: list[Pair] | None = None,
    frame: Frame = FRAME,
) -> Observer:
    """A track over level ground of one coherence that neither time nor seasons change."""
    same = np.full(frame.shape, coherence, np.float32)
    ground = Ground(same, same, 50 * np.ones_like(same), np.zeros(frame.shape, bool))
    zero = np.zeros(len(DATES))
    return Observer(
        frame=frame,
        cover=Cover(ground, 0 * same, 0 * same, np.inf, 0.0, True),
        movers=movers or [],
        layers=Layers(np.ones_like(same), np.full(frame.shape, dem_error, np.float32), np.zeros(frame.shape[0])),
        series=Series(DATES, pairs or pairs_within(DATES, 36), zero if baselines is None else baselines, zero, zero),
        effects=effects,
        seed=0,
    )
