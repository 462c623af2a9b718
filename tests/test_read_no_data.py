"""No data of every processor: 0, NaN, −9999 and masks become NaN, and never count as phase zero."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from map_files import write_map
from product_files import PAIRS, SHAPE, WRITERS, phases, set_phase

import labkit as lk

#: Complex values, and metres: −9999 is no phase there.
NEVER_9999 = ("gamma", "gamma_geocoded", "isce2", "roipac", "snap", "opera_disp")
VALUES = {(2, 2): 0.0, (4, 5): np.nan, (6, 7): -9999.0}


@pytest.mark.parametrize("product", WRITERS)
def test_what_a_processor_writes_where_it_knows_nothing_is_no_data(product: str, tmp_path: Path) -> None:
    written = WRITERS[product](tmp_path, phases())
    places = {place: value for place, value in VALUES.items() if value != -9999 or product not in NEVER_9999}
    for place, value in places.items():
        set_phase(written[PAIRS[1]], value, place)
    ifgs = lk.open_interferograms(tmp_path, heading=190.0).compute()
    missing = np.zeros(SHAPE, bool)
    missing[1, 1] = True  # of all pairs
    np.testing.assert_array_equal(np.isnan(ifgs["phase"].sel(pair=PAIRS[0])), missing)
    for place in places:
        missing[place] = True
    np.testing.assert_array_equal(np.isnan(ifgs["phase"].sel(pair=PAIRS[1])), missing)
    np.testing.assert_array_equal(np.isnan(ifgs["coherence"].sel(pair=PAIRS[1])), missing)
    # nothing of it enters a stack: where one of three pairs is missing, two are counted
    counts = lk.stack_gradients(ifgs, window=1, progress=False)["n_pairs"]
    assert int(counts[1, 2, 2]) == int(counts[1, 4, 5]) == 2
    assert int(counts[1, 1, 1]) == 0
    assert int(counts[1, 7, 3]) == 3


def test_water_of_a_mask_is_no_data(tmp_path: Path) -> None:
    water = np.ones(SHAPE, np.uint8)
    water[3, 4] = 0
    hyp3 = WRITERS["hyp3"](tmp_path / "hyp3", phases())[PAIRS[1]]
    write_map(hyp3.with_name(hyp3.name.replace("wrapped_phase", "water_mask")), water, nodata=255)
    opera = WRITERS["opera_disp"](_made(tmp_path / "opera"), phases())[PAIRS[1]]
    with h5py.File(opera, "r+") as file:
        file["water_mask"][...] = water
    mintpy = WRITERS["mintpy"](tmp_path / "mintpy", phases())[PAIRS[1]]
    with h5py.File(mintpy.with_name("geometryRadar.h5"), "w") as file:
        file["waterMask"] = water.astype(bool)
    for folder in ("hyp3", "opera", "mintpy"):
        ifgs = lk.open_interferograms(tmp_path / folder).sel(pair=PAIRS[1])
        for variable in ("phase", "unwrapped", "coherence"):
            assert np.isnan(ifgs[variable].values[3, 4]), (folder, variable)
        assert np.isfinite(ifgs["phase"].values[3, 5])


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
