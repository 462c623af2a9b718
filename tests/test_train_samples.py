import couplets
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from labkit import LabkitError, schema
from labkit.train.samples import Reader, by_scene, clip_boxes, labels_table, make_samples

BUMPS = np.array([[40.0, 30.0, 6.0, 5.0, 30.0], [80.0, 96.0, 5.0, 8.0, -30.0]])
SHAPE = (128, 160)


@pytest.fixture
def scene():
    return couplets.gradients(SHAPE, BUMPS)


def test_each_chip_gives_a_sample_for_azimuth_and_one_for_range(scene):
    chips = couplets.chips(scene, 64)
    samples = make_samples(chips, scene, couplets.truth(scene, BUMPS), 0.3)
    assert len(samples) == 2 * len(chips)
    assert {(s.chip_id, s.direction) for s in samples} == {(c, d) for c in chips.chip_id for d in schema.DIRECTIONS}


def test_a_label_lands_on_its_chip_in_the_pixels_of_the_chip(scene):
    labels = couplets.truth(scene, BUMPS)
    chips = couplets.chips(scene, 64)
    [sample] = [s for s in make_samples(chips, scene, labels, 0.3) if (s.row, s.col, s.direction) == (0, 0, "range")]
    own = labels[labels.direction == "range"].iloc[0]
    np.testing.assert_allclose(sample.boxes, [[own.xmin, own.ymin, own.xmax, own.ymax]])


boxes = st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(1, 60), st.floats(1, 60)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)


@given(st.lists(boxes, max_size=6), st.floats(0.01, 1.0))
def test_clipping_agrees_with_shapely(given_boxes, min_inside):
    kept, cut = clip_boxes(given_boxes, 64, min_inside)
    window = shapely.box(0, 0, 64, 64)
    shapes = [shapely.box(*b) for b in given_boxes]
    inside = [s.intersection(window).area / s.area for s in shapes]
    # shares that lie on the threshold to the last digit may fall either way
    if all(abs(share - limit) > 1e-9 for share in inside for limit in (0, min_inside) if share > 0):
        expected = [
            s.intersection(window).bounds for s, share in zip(shapes, inside, strict=True) if share > min_inside
        ]
        np.testing.assert_allclose(kept, np.reshape(expected, (-1, 4)))
        assert len(cut) == sum(0 < share < min_inside for share in inside)


@pytest.mark.parametrize(
    ("word", "taught", "ignored"), [("landslide", 1, 0), ("unsure", 0, 1), ("not a landslide", 0, 0)]
)
def test_what_is_unsure_is_left_out_and_what_is_none_is_background(scene, word, taught, ignored):
    labels = couplets.truth(scene, BUMPS)
    labels.loc[0, "label"] = word
    chips = couplets.chips(scene, 64)
    [sample] = [s for s in make_samples(chips, scene, labels, 0.3) if (s.row, s.col, s.direction) == (0, 0, "azimuth")]
    assert (len(sample.boxes), len(sample.ignored)) == (taught, ignored)


def test_images_come_at_the_reference_whatever_the_stack(scene):
    other = scene.copy(deep=True)
    other["gradient"] = other["gradient"] * np.float32(0.25)
    other.attrs |= {"ground_spacing": 80.0, "sum_temporal_baseline": 2.5}
    labels = couplets.truth(scene, BUMPS)
    [first, *_] = make_samples(couplets.chips(scene, 64), scene, labels, 0.3)
    # a quarter of the gradient, at twice the spacing and an eighth of the time: the same ground
    np.testing.assert_allclose(Reader(scene).read(first), Reader(other).read(first), rtol=1e-6)
    expected = schema.at_reference(other).sel(direction="azimuth").values[:64, :64]
    np.testing.assert_allclose(Reader(other).read(first), expected[None], rtol=1e-6)


def test_a_chip_beyond_the_edge_reads_no_data(scene):
    chips = couplets.chips(scene, 64)
    chips.loc[0, ["row", "col"]] = [100, 120]
    [first, *_] = make_samples(chips, scene, couplets.truth(scene, BUMPS), 0.3)
    [image] = Reader(scene).read(first)
    # the last of the 128 rows has no next one to differ from
    assert np.isfinite(image[:27, :40]).all() and np.isnan(image[27:]).all() and np.isnan(image[:, 40:]).all()


def test_reading_is_lazy_and_happens_once():
    import dask.array

    read = []

    def block(block_info=None):
        read.append(block_info[None]["chunk-location"])
        return np.ones((1, 32, 32), np.float32)

    values = dask.array.map_blocks(block, chunks=((1, 1), (32,) * 4, (32,) * 5), dtype=np.float32)
    lazy = couplets.gradients(SHAPE, BUMPS).assign(gradient=(("direction", "y", "x"), values))
    labels = couplets.truth(lazy, BUMPS)
    [first, *_] = make_samples(couplets.chips(lazy, 64), lazy, labels, 0.3)
    reader = Reader(lazy)
    read.clear()
    reader.read(first)
    assert len(read) == 4
    reader.read(first)
    assert len(read) == 4
    # where no chip may be kept, only the window is read: a quarter of the chip, one of its four blocks
    Reader(lazy, memory_bytes=0, disk_bytes=0).read(first, 32, 0, 32)
    assert len(read) == 5
    # and kept in a file the whole chip is read, once
    in_file = Reader(lazy, memory_bytes=0)
    in_file.read(first, 32, 0, 32)
    in_file.read(first)
    assert len(read) == 9


def test_rates_give_one_sample_for_each_chip():
    rates = xr.Dataset({"rate": (("y", "x"), np.ones((64, 64), np.float32))}, attrs={"scene": "rates"})
    labels = schema.boxes_table(
        {"scene": ["rates"], "direction": ["rate"], "xmin": [4], "ymin": [5], "xmax": [20], "ymax": [22]}
    )
    [sample] = make_samples(couplets.chips(rates, 64), rates, labels, 0.3)
    assert sample.direction == "rate" and sample.boxes.tolist() == [[4, 5, 20, 22]]
    assert Reader(rates).kind == "rates" and Reader(rates).read(sample).max() == 1


def test_scenes_are_found_by_their_id_however_they_come(scene):
    other = couplets.gradients(SHAPE, BUMPS, scene="other")
    for given_scenes in ([scene, other], {"ascending": scene, "descending": other}, iter([scene, other])):
        assert list(by_scene(given_scenes)) == ["formula", "other"]
    assert list(by_scene(scene)) == ["formula"]


def test_scenes_that_cannot_be_told_apart_are_refused(scene):
    with pytest.raises(LabkitError, match="scenes must each have an attribute 'scene' of their own"):
        by_scene([scene, scene])
    with pytest.raises(LabkitError, match="scenes must hold at least one"):
        by_scene([])


def test_gradients_and_rates_do_not_mix(scene):
    rates = xr.Dataset({"rate": (("y", "x"), np.ones((64, 64), np.float32))}, attrs={"scene": "rates"})
    with pytest.raises(LabkitError, match="scenes must be all gradients or all rates"):
        by_scene([scene, rates])


def test_a_chip_of_an_unknown_scene_is_named(scene):
    chips = couplets.chips(scene, 64).assign(scene="elsewhere")
    with pytest.raises(LabkitError, match="missing: .*elsewhere"):
        make_samples(chips, scene, couplets.truth(scene, BUMPS), 0.3)


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
@pytest.mark.parametrize(("row", "col", "edge"), [(0, 0, 40), (13, 30, 20), (50, 40, 48), (0, 0, 80)])
def test_a_window_is_a_part_of_its_chip_and_nothing_beyond(scene, row, col, edge, memory_bytes):
    chips = couplets.chips(scene, 64)
    sample = make_samples(chips, scene, couplets.truth(scene, BUMPS), 0.3, directions=2)[4]
    whole = np.full((2, 64 + edge, 64 + edge), np.nan, np.float32)
    at = slice(sample.row, sample.row + 64), slice(sample.col, sample.col + 64)
    whole[:, :64, :64] = schema.at_reference(scene).sel(direction=list(sample.directions)).values[:, at[0], at[1]]
    window = Reader(scene, memory_bytes).read(sample, row, col, edge)
    np.testing.assert_array_equal(window, whole[:, row : row + edge, col : col + edge])


def test_two_directions_show_the_other_one_beside_the_one_that_is_searched(scene):
    labels = couplets.truth(scene, BUMPS)
    labels = labels[(labels.direction == "azimuth") | (labels.index > len(BUMPS))]
    alone = make_samples(couplets.chips(scene, 64), scene, labels, 0.3)
    both = make_samples(couplets.chips(scene, 64), scene, labels, 0.3, directions=2)
    reader = Reader(scene)
    images = {s.words: reader.read(s)[0] for s in alone}
    for one, two in zip(alone, both, strict=True):
        assert one.words == two.words and one.boxes.tolist() == two.boxes.tolist()
        first, second = reader.read(two)
        np.testing.assert_array_equal(first, images[two.words])
        np.testing.assert_array_equal(second, images[f"{two.chip_id}/{two.context}"])
    assert {s.directions for s in both} == {("azimuth", "range"), ("range", "azimuth")}


@pytest.mark.parametrize("memory_bytes", [0, 1 << 22])
def test_each_direction_comes_again_over_its_standard_error(scene, memory_bytes):
    error = np.abs(scene["gradient"]) * 0.5
    error[0, 60:, :] = 0.25
    scene = scene.assign(standard_error=error.assign_attrs(units="rad"))
    scene.attrs["ground_spacing"] = 80.0  # what a network sees is halved; what stands out of the noise is not
    labels = couplets.truth(scene, BUMPS)
    samples = make_samples(couplets.chips(scene, 64), scene, labels, 0.3, directions=2, standard_error=True)
    reader = Reader(scene, memory_bytes)
    for sample in samples[:8]:
        at = slice(sample.row + 3, sample.row + 33), slice(sample.col + 5, sample.col + 35)
        layers = list(sample.seen)
        assert sample.directions == (*layers, *layers)
        image = scene["gradient"].sel(direction=layers).values[:, at[0], at[1]]
        over = scene["standard_error"].sel(direction=layers).values[:, at[0], at[1]]
        window = reader.read(sample, 3, 5, 30)
        np.testing.assert_allclose(window[:2], image / 2)
        np.testing.assert_allclose(window[2:], np.where(over > 0, image / over, np.nan), rtol=1e-6)


def test_a_scene_without_standard_errors_is_refused_where_they_are_to_be_seen(scene):
    with pytest.raises(LabkitError, match=r"data must hold standard_error .*lk\.estimate_standard_error"):
        make_samples(couplets.chips(scene, 64), scene, couplets.truth(scene, BUMPS), 0.3, standard_error=True)


def test_two_directions_of_a_scene_with_one_are_refused(scene):
    one = scene.isel(direction=[0])
    with pytest.raises(LabkitError, match=r"scenes must have azimuth and range for directions=2.*\['azimuth'\]"):
        make_samples(couplets.chips(one, 64), one, couplets.truth(one, BUMPS), 0.3, directions=2)


def test_boxes_that_come_out_too_thin_are_cut():
    kept, cut = clip_boxes([[-8, 0, 3, 20], [5, 5, 9, 30]], (20, 30), 0.1, min_edge=4)
    assert kept.tolist() == [[5, 5, 9, 20]] and cut.tolist() == [[0, 0, 3, 20]]


def test_a_label_store_gives_its_labels_and_a_table_is_one(scene, tmp_path):
    from labkit.label import open_store

    labels = couplets.truth(scene, BUMPS)
    store = open_store(tmp_path / "labels")
    store.add(labels, by="ada", source="made by hand")
    assert schema.boxes_hash(labels_table(store)) == schema.boxes_hash(labels)
    assert labels_table(labels) is labels
