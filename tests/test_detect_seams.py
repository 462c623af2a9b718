"""What the tiles of a scene do not change, for a detector whose boxes follow from the pixels around them alone."""

import couplets
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from local_detector import ThresholdDetector
from scipy import ndimage

from labkit import detect_landslides, geo
from labkit.detect.overlaps import area, intersection, iou, touching_pairs
from labkit.detect.seams import EDGE_PX, SAME_IOU, SAME_SHARE, join_tiles
from labkit.detect.tiles import RowReader

CORNERS = ["xmin", "ymin", "xmax", "ymax"]
THRESHOLD = 1.2


def noise(shape, seed, density, nodata):
    """Ragged regions above the threshold, in both directions, with bands of no data (axis, start, width)."""
    rng = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(rng.standard_normal((2, *shape)), (0, 1.5, 1.5))
    values *= THRESHOLD / np.quantile(np.abs(values), 1 - density)
    for axis, start, width in nodata:
        band = slice(start, start + width)
        values[(slice(None), band) if axis == 0 else (slice(None), slice(None), band)] = np.nan
    return couplets.gradients(shape, np.zeros((0, 5))).assign(
        gradient=(("direction", "y", "x"), values.astype(np.float32))
    )


def rows_of(table):
    """Every detection as a row, in an order that does not depend on its making."""
    return sorted(table[["direction", *CORNERS, "score"]].itertuples(index=False, name=None))


def shared_px(size, overlap):
    return size - max(1, round(size * (1 - overlap)))


def is_guaranteed(table, limit):
    """Whether all boxes, and all around two that lie on each other, are shorter than the limit, px."""
    for _, one in table.groupby("direction"):
        boxes = one[CORNERS].to_numpy(float)
        a, b = (boxes[side] for side in touching_pairs(boxes))
        on = (iou(a, b) > SAME_IOU) | (intersection(a, b) > SAME_SHARE * np.minimum(area(a), area(b)))
        around = np.concatenate([np.minimum(a, b)[on, :2], np.maximum(a, b)[on, 2:]], axis=1)
        every = np.concatenate([boxes, around])
        if ((every[:, 2:] - every[:, :2]) >= limit).any():
            return False
    return True


bands = st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 170), st.integers(1, 90)), max_size=3)


@given(
    shape=st.tuples(st.integers(20, 190), st.integers(20, 190)),
    seed=st.integers(0, 10**6),
    density=st.sampled_from([0.03, 0.08, 0.13]),
    nodata=bands,
    size=st.integers(60, 130),
    overlap=st.sampled_from([0.3, 0.4, 0.5, 0.61]),
    batch=st.integers(1, 40),
)
@settings(max_examples=40, deadline=None)
def test_the_tiles_change_nothing_up_to_what_their_overlap_guarantees(
    shape, seed, density, nodata, size, overlap, batch
):
    data = noise(shape, seed, density, nodata)
    whole = detect_landslides(data, ThresholdDetector(max(shape), THRESHOLD), 0.0)
    assume(len(whole) and is_guaranteed(whole, shared_px(size, overlap) - 2 * EDGE_PX))
    tiled = detect_landslides(data, ThresholdDetector(size, THRESHOLD), 0.0, overlap=overlap, batch_size=batch)
    assert rows_of(tiled) == rows_of(whole)


@given(seed=st.integers(0, 10**6), overlap=st.sampled_from([0.0, 0.2, 0.5]), size=st.integers(30, 90))
@settings(max_examples=15, deadline=None)
def test_the_order_of_tiles_and_boxes_never_matters_also_where_nothing_is_guaranteed(seed, overlap, size):
    shape = (140, 170)
    image = noise(shape, seed, 0.15, [])["gradient"][0]
    windows = np.array(list(geo.windows(shape, size, overlap)))
    tiles = np.stack([geo.read_window(image, row, col, size) for row, col in windows])
    rng = np.random.default_rng(seed)
    results = []
    for order in (np.arange(len(windows)), rng.permutation(len(windows))):
        answers = ThresholdDetector(size, THRESHOLD).predict(tiles[order], 0.0)
        found = [a + np.array([col, row, col, row, 0]) for a, (row, col) in zip(answers, windows[order], strict=True)]
        numbers = np.repeat(np.arange(len(windows)), [len(a) for a in answers])
        boxes = np.concatenate(found)
        mixed = rng.permutation(len(boxes)) if len(results) else np.arange(len(boxes))
        results.append(join_tiles(boxes[mixed], numbers[mixed], windows[order], size, shape))
    assert len(results[0])
    np.testing.assert_array_equal(*results)


def test_two_on_each_other_stay_two_where_some_tile_tells_them_apart():
    # tiles 0 and 1 see the large one, 1 and 2 the small one inside it, and only 1 sees both
    windows = np.array([[0, 0], [0, 30], [0, 60]])
    large, small = [40, 20, 95, 40, 0.9], [66, 22, 90, 38, 0.8]
    seen = np.array([large, large, small, small])
    joined = join_tiles(seen, np.array([0, 1, 1, 2]), windows, 100, (100, 160))
    np.testing.assert_array_equal(joined, [large, small])


def test_a_piece_that_another_tile_sees_inside_a_landslide_goes():
    windows = np.array([[0, 0], [0, 30]])
    large, piece = [40, 20, 90, 40, 0.9], [50, 22, 80, 38, 0.8]
    joined = join_tiles(np.array([large, piece]), np.array([0, 1]), windows, 100, (100, 130))
    np.testing.assert_array_equal(joined, [large])


class CountedRows:
    """An array that remembers which of its rows were read."""

    def __init__(self, values):
        self.values, self.reads = values, np.zeros(values.shape[1], int)
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, key):
        self.reads[key[1]] += 1
        return self.values[key]


@pytest.mark.parametrize("rows", [7, 32, 100, 300])
@pytest.mark.parametrize("directions", [1, 2])
def test_a_lazy_scene_is_read_once_and_no_further_than_needed(rows, directions):
    class Watching(ThresholdDetector):
        """How far the scene was read when each batch came."""

        def predict(self, images, score=0.5):
            reached.append(np.flatnonzero(source.reads).max() + 1)
            return super().predict(images if directions == 1 else images[:, 0], score)

    data = noise((300, 120), 1, 0.1, [(0, 90, 20)])
    source, reached = CountedRows(data["gradient"].values), []
    chunks = da.from_array(source, chunks=(2, rows, 120), meta=np.empty((0, 0, 0), np.float32))
    lazy = data.assign(gradient=(("direction", "y", "x"), chunks))
    source.reads[:] = 0
    detector = Watching(64, THRESHOLD)
    detector.directions = directions
    table = detect_landslides(lazy, detector, 0.1, batch_size=1)
    assert (source.reads == 1).all()
    assert reached[0] == min(-(-64 // rows) * rows, 300) and reached[-1] == 300
    assert rows_of(table) == rows_of(detect_landslides(data, ThresholdDetector(64, THRESHOLD), 0.1))


def test_a_file_is_read_in_the_rows_of_its_chunks(tmp_path):
    data = noise((90, 50), 2, 0.1, [])
    data.to_netcdf(tmp_path / "scene.nc", encoding={"gradient": {"chunksizes": (2, 40, 50)}})
    with xr.open_dataset(tmp_path / "scene.nc") as lazy:
        reader = RowReader(lazy)
        np.testing.assert_array_equal(np.concatenate(reader.read(0, 30), axis=1), data["gradient"][:, :30])
        np.testing.assert_array_equal(np.concatenate(reader.read(20, 70), axis=1), data["gradient"][:, 20:70])
        np.testing.assert_array_equal(np.concatenate(reader.read(60, 90), axis=1), data["gradient"][:, 60:])
        assert rows_of(detect_landslides(lazy, ThresholdDetector(48))) == rows_of(
            detect_landslides(data, ThresholdDetector(48))
        )


def test_an_interrupt_ends_the_search(capsys):
    class Stopped(ThresholdDetector):
        calls = 0

        def predict(self, images, score=0.5):
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().predict(images, score)

    detector = Stopped(48)
    with pytest.raises(KeyboardInterrupt):
        detect_landslides(noise((150, 150), 3, 0.1, []), detector, batch_size=2)
    assert detector.calls == 3 and "detecting" in capsys.readouterr().err


def test_the_bar_counts_every_tile_also_those_without_data(capsys):
    data = noise((150, 200), 4, 0.1, [(1, 60, 140)])
    detect_landslides(data, ThresholdDetector(64), batch_size=5)
    count = 2 * len(list(geo.windows((150, 200), 64, 0.25)))
    assert f"{count}/{count}" in capsys.readouterr().err
