"""The simulated Sentinel-2 looks show the snow that decorrelates the pairs, and labkit's snow mask finds it."""

from __future__ import annotations

import numpy as np
import pytest

import labkit as lk
from labkit.errors import LabkitError
from labkit.simulate import Calendar, Effects, Scene, scene, sentinel2_looks
from labkit.simulate.cover import snow_line_at


@pytest.fixture(scope="module")
def snowy() -> Scene:
    dates = np.datetime64("2020-01-05") + 12 * np.arange(3)
    own = Calendar("own", {"ascending": dates, "descending": dates})
    return scene("tiny", effects=Effects(snow_share=0.05), calendar=own)


def test_the_snow_mask_finds_the_ground_above_the_snow_line(snowy: Scene) -> None:
    looks = sentinel2_looks(snowy, ["2020-01-20", "2020-02-10"])
    ifgs = snowy.interferograms["ascending"]
    mask = lk.snow_mask(looks, like=ifgs, progress=False).values
    height = snowy.dem.interp(x=ifgs["lon"], y=ifgs["lat"]).values
    summer = float(np.quantile(snowy.dem.values, 0.95))
    line = max(snow_line_at(np.datetime64(day), summer, 700.0) for day in ("2020-01-20", "2020-02-10"))
    water = np.isnan(ifgs["phase"][0].values)
    assert 0.05 < mask.mean() < 0.6
    assert (mask == (height > line))[~water].mean() > 0.98


def test_where_there_is_snow_the_pairs_are_incoherent(snowy: Scene) -> None:
    ifgs = snowy.interferograms["ascending"]
    mask = lk.snow_mask(sentinel2_looks(snowy, "2020-01-20"), like=ifgs, progress=False).values
    coherence = ifgs["coherence"][0].values
    assert np.nanmedian(coherence[mask]) < 0.5 * np.nanmedian(coherence[~mask])


def test_more_ground_is_white_in_winter(snowy: Scene) -> None:
    looks = sentinel2_looks(snowy, ["2020-01-20", "2020-07-20"])
    winter, summer = (looks["scene_class"].values == 11).mean(axis=(1, 2))
    assert winter > 2 * summer > 0
    assert looks["reflectance"].dims == ("time", "band", "y", "x") and looks["reflectance"].dtype == np.float32
    assert (looks["scene_class"].values[0] == 6).any()


def test_a_scene_without_snow_says_how_to_get_some(tiny_scene: Scene) -> None:
    with pytest.raises(LabkitError, match="simulated must have snow.*snow_share"):
        sentinel2_looks(tiny_scene, "2020-01-20")
