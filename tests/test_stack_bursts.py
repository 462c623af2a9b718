"""Bursts cut from one scene: their overlap is known to the pixel, and so is what lies in it."""

from __future__ import annotations

import couplets
import numpy as np
import pytest
import shapely
import xarray as xr
from scipy import ndimage

import labkit as lk
from labkit import geo
from labkit.stack import burst_overlaps, shared_pixels


def cut(whole: xr.Dataset, name: str, rows: slice, cols: slice = slice(None)) -> xr.Dataset:
    return whole.isel(y=rows, x=cols).assign_attrs(scene=name)


@pytest.fixture(scope="module")
def radar(tiny_scene: lk.simulate.Scene) -> xr.Dataset:
    """A stack in radar geometry, 160 × 192 px of 40 m."""
    return lk.stack_gradients(tiny_scene.interferograms["descending"], progress=False)


def test_the_overlap_of_two_bursts_is_the_rows_that_they_share(radar: xr.Dataset) -> None:
    first, second = cut(radar, "IW1-7", slice(0, 100)), cut(radar, "IW1-8", slice(60, 160))
    [row] = burst_overlaps([first, second]).itertuples()
    assert (row.first, row.second) == ("IW1-7", "IW1-8")
    # A stack has no gradient in both its last row and column: the last pixel alone is without data.
    assert row.area_km2 == pytest.approx(40 * 192 * 0.04**2, rel=0.01)
    assert row.first_share == pytest.approx(0.4, abs=0.01)
    on_first = (row.first_xmin, row.first_ymin, row.first_xmax, row.first_ymax)
    on_second = (row.second_xmin, row.second_ymin, row.second_xmax, row.second_ymax)
    np.testing.assert_allclose(on_first, (0, 60, 192, 100), atol=0.1)
    np.testing.assert_allclose(on_second, (0, 0, 192, 40), atol=0.1)
    lon, lat = geo.pixel_to_lonlat(radar, 80.0, 96.0)
    assert row.geometry.contains(shapely.Point(lon, lat))


def test_the_shared_pixels_are_those_of_the_shared_rows(radar: xr.Dataset) -> None:
    first, second = cut(radar, "a", slice(0, 100)), cut(radar, "b", slice(60, 160))
    third = cut(radar, "c", slice(90, 160), slice(100, 192))
    seen = shared_pixels(first, [first, second, third]).values
    expected = np.zeros(seen.shape, int)
    expected[60:] += 1
    expected[90:, 100:] += 1
    # Outlines are straight between corners: centres at the very border may fall on either side.
    assert (seen != expected).mean() < 0.002


def test_ground_without_data_is_not_shared(radar: xr.Dataset) -> None:
    first, second = cut(radar, "a", slice(0, 100)), cut(radar, "b", slice(60, 160))
    blank = second.assign(gradient=second["gradient"].where(second["gradient"]["y"] >= 30))
    [row] = burst_overlaps([first, blank]).itertuples()
    assert (row.second_ymin, row.second_ymax) == (pytest.approx(30, abs=0.1), pytest.approx(40, abs=0.1))
    nothing = second.assign(gradient=second["gradient"] * np.nan)
    assert len(burst_overlaps([first, nothing])) == 0
    assert not shared_pixels(first, [nothing]).any()


def test_geocoded_bursts_overlap_by_their_slanted_outlines() -> None:
    # Two parallelograms on one grid of 40 m, the second 60 rows further south; row r begins r / 4 px further right.
    whole = couplets.gradients((200, 200), np.zeros((0, 5)))
    y, x = np.indices((200, 200))
    bursts = []
    for name, top in (("north", 10), ("south", 70)):
        inside = (y >= top) & (y < top + 100) & (x >= 20 + y / 4) & (x < 140 + y / 4)
        bursts.append(
            whole.assign(
                gradient=whole["gradient"].where(xr.DataArray(inside, dims=("y", "x"))),
            )
        )
        bursts[-1].attrs["scene"] = name
    [row] = burst_overlaps(bursts).itertuples()
    assert row.area_km2 == pytest.approx(40 * 120 * 0.04**2, rel=0.03)
    seen = shared_pixels(bursts[0], bursts).values > 0
    expected = (y >= 70) & (y < 110) & (x >= 20 + y / 4) & (x < 140 + y / 4)
    assert (seen != expected).sum() < 0.03 * expected.sum()


def test_bursts_far_apart_share_nothing(radar: xr.Dataset) -> None:
    table = burst_overlaps([cut(radar, "a", slice(0, 60)), cut(radar, "b", slice(90, 160))])
    assert len(table) == 0 and "second_share" in table and table.crs == geo.WGS84


def test_bursts_that_only_touch_share_nothing(radar: xr.Dataset) -> None:
    assert len(burst_overlaps([cut(radar, "a", slice(0, 60)), cut(radar, "b", slice(60, 160))])) == 0


def test_two_bursts_of_one_name_are_refused(radar: xr.Dataset) -> None:
    with pytest.raises(lk.LabkitError, match=r"scene of their own, .* \['a'\]"):
        burst_overlaps([cut(radar, "a", slice(0, 60)), cut(radar, "a", slice(30, 90))])


class RegionDetector:
    """Each connected patch of strong gradients, its two colours together, is a landslide."""

    name, kind, size = "regions", "gradients", 256

    def predict(self, images: np.ndarray, score: float = 0.5) -> list[np.ndarray]:
        answers = []
        for image in images:
            strength = np.abs(np.nan_to_num(image))
            regions, _ = ndimage.label(ndimage.maximum_filter(strength, 7) > 1.5)
            found = ndimage.find_objects(regions)
            best = [strength[place].max() / 10 for place in found]
            rows = [[p[1].start, p[0].start, p[1].stop, p[0].stop, b] for p, b in zip(found, best, strict=True)]
            answers.append(np.array(rows, float).reshape(-1, 5))
        return answers


def test_a_landslide_that_two_bursts_see_is_reported_once_with_both_named() -> None:
    # Row of the centre, column, widths, amplitude: one for each burst alone, one in the overlap (rows 100 to 140), two
    # close to each other there, one that the first burst's lower edge cuts, one that is longer than the overlap.
    bumps = np.array(
        [
            [50.0, 60, 6, 6, 40],
            [200, 60, 6, 6, 40],
            [120, 60, 5, 5, 35],
            [120, 130, 3, 3, 20],
            [120, 152, 3, 3, 20],
            [135, 220, 6, 6, 40],
            [120, 300, 18, 8, 60],
        ]
    )
    whole = couplets.gradients((240, 340), bumps)
    bursts = [cut(whole, "IW2-0450", slice(0, 140)), cut(whole, "IW2-0451", slice(100, 240))]
    tables = [lk.detect_landslides(burst, RegionDetector(), score=0.15) for burst in bursts]
    merged = lk.merge_detections(tables)
    east, north = 400_000 + 40 * (bumps[:, 1] - 0.5), 3_400_000 - 40 * (bumps[:, 0] - 0.5)
    outlines = merged.geometry.to_crs("EPSG:32648")
    rows = [np.flatnonzero(outlines.contains(shapely.Point(e, n))) for e, n in zip(east, north, strict=True)]
    assert [len(found) for found in rows] == [1] * len(bumps), "each landslide lies in one row"
    assert len(merged) == len(bumps), "and there are no other rows"
    [shared] = burst_overlaps(bursts).itertuples()
    for (row,), bump in zip(rows, bumps, strict=True):
        both = shared.geometry.contains(merged.geometry[row].centroid)
        expected = "IW2-0450; IW2-0451" if both else ("IW2-0450" if bump[0] < 120 else "IW2-0451")
        assert merged["scenes"][row] == expected
    assert (merged["scenes"] == "IW2-0450; IW2-0451").sum() == 5
