"""Chips are chosen by the rates that are planted in them and by their distance from a river."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely.geometry import LineString

import labkit as lk
from labkit.errors import LabkitError

SPACING = 100.0


def rates(scene: str = "s") -> xr.Dataset:
    """One row of four squares of 50 px, 5 km each, in UTM zone 47 N: 0, −12, +9 and +20 mm/yr in a few pixels."""
    field = np.zeros((50, 200), np.float32)
    field[10, 60], field[5:8, 110], field[20, 160:165] = -12, 9, 20
    field[:, 195:] = np.nan
    x, y = 500_000 + SPACING * (np.arange(200) + 0.5), 3_400_000 - SPACING * (np.arange(50) + 0.5)
    return xr.Dataset(
        {"rate": (("y", "x"), field)}, coords={"y": y, "x": x}, attrs={"scene": scene, "crs": "EPSG:32647"}
    )


def river(x: float) -> gpd.GeoDataFrame:
    """A river from south to north at this easting, m."""
    return gpd.GeoDataFrame(geometry=[LineString([(x, 3_300_000), (x, 3_500_000)])], crs="EPSG:32647").to_crs(4326)


def test_chips_that_are_slower_than_the_least_rate_everywhere_are_left_out():
    chips = lk.make_chips(rates(), size=50)
    chosen = lk.select_chips(chips, rates())
    assert chosen["col"].tolist() == [50, 150]
    assert chosen["max_rate"].tolist() == [12, 20]
    assert lk.select_chips(chips, rates(), min_rate=9)["col"].tolist() == [50, 100, 150]
    assert len(lk.select_chips(chips, rates(), min_rate=30)) == 0
    assert len(lk.select_chips(chips, rates(), min_rate=0)) == len(chips)


def test_several_pixels_may_be_asked_for():
    chips = lk.make_chips(rates(), size=50)
    assert lk.select_chips(chips, rates(), min_pixels=5)["col"].tolist() == [150]
    assert len(lk.select_chips(chips, rates(), min_pixels=6)) == 0


def test_chips_far_from_the_river_are_left_out():
    chips = lk.make_chips(rates(), size=50)
    # 30 km west of the scene's edge: the second chip begins 35 km away, the fourth 45 km
    here = river(500_000 - 30_000)
    chosen = lk.select_chips(chips, rates(), rivers=here, max_km=40)
    assert chosen["col"].tolist() == [50]
    np.testing.assert_allclose(chosen["river_km"], 35, rtol=1e-3)
    assert len(lk.select_chips(chips, rates(), rivers=here)) == 2
    through = lk.select_chips(chips, rates(), rivers=river(507_500), max_km=0)
    assert through["col"].tolist() == [50]


def test_each_scene_has_rates_of_its_own():
    still = rates("t").assign(rate=rates()["rate"] * 0)
    chips = lk.make_chips(rates(), size=50)
    both = pd.concat([chips, chips.assign(scene="t")], ignore_index=True)
    for given in ([rates(), still], {"s": rates(), "t": still}):
        assert set(lk.select_chips(both, given)["scene"]) == {"s"}


def test_of_a_simulated_scene_the_chips_with_landslides_stay():
    scene = lk.simulate.scene("tiny", seed=0)
    for track, here in scene.rates.items():
        chips = lk.make_chips(here, size=64)
        fast = scene.truth[(scene.truth["track"] == track) & (scene.truth["rate"].abs() >= 20)]
        chosen = lk.select_chips(chips, here, rivers=scene.rivers)
        assert 0 < len(chosen) <= len(chips)
        assert (chosen["max_rate"] >= 10).all()
        assert len(fast)
        for slide in fast.itertuples():
            row, col = (slide.ymin + slide.ymax) / 2, (slide.xmin + slide.xmax) / 2
            inside = (chosen["row"] <= row) & (row < chosen["row"] + 64)
            inside &= (chosen["col"] <= col) & (col < chosen["col"] + 64)
            assert inside.any()


def test_what_breaks_a_rule_is_refused():
    chips = lk.make_chips(rates(), size=50)
    for wrong in ({"min_rate": -1}, {"max_km": np.nan}, {"min_pixels": 0}):
        with pytest.raises(LabkitError, match=f"{next(iter(wrong))} must be"):
            lk.select_chips(chips, rates(), **wrong)
    with pytest.raises(LabkitError, match="without"):
        lk.select_chips(chips, rates("other"))
    with pytest.raises(LabkitError, match="have a CRS"):
        lk.select_chips(chips, rates(), rivers=river(0).set_crs(None, allow_override=True))
    with pytest.raises(LabkitError, match="must have lon/lat"):
        lk.select_chips(chips.assign(geometry=None), rates(), rivers=river(0))
