import couplets
import numpy as np
import pytest
import torch

from labkit import LabkitError
from labkit.train.data import ChipData, RandomWindows, pad_to_multiple, random_corner
from labkit.train.samples import Reader, make_samples
from labkit.train.settings import FitSettings

BUMPS = np.array([[40.0, 30.0, 6.0, 5.0, 30.0], [80.0, 96.0, 5.0, 8.0, -30.0]])
SHAPE = (128, 160)


@pytest.fixture
def scene():
    return couplets.gradients(SHAPE, BUMPS)


@pytest.fixture
def labels(scene):
    return couplets.truth(scene, BUMPS)


def test_training_batches_are_windows_of_the_crop_with_boxes_inside(scene, labels):
    torch.manual_seed(0)
    data = ChipData(couplets.chips(scene, 96), scene, labels, FitSettings(crop=64, batch_size=4, draws=8))
    batches = list(data.train_dataloader())
    assert len(batches) == 2 * len(couplets.chips(scene, 96)) * 8 // 4
    for batch in batches:
        assert batch.images.shape == (4, 1, 64, 64) and batch.images.dtype == torch.float32
        assert torch.isfinite(batch.images).all() and batch.images.abs().max() <= 1
        for boxes in batch.targets:
            assert ((boxes >= 0) & (boxes <= 64)).all() and (boxes[:, 2:] > boxes[:, :2]).all()


def test_every_label_is_drawn_as_often_as_any_other(scene, labels):
    torch.manual_seed(0)
    chips = couplets.chips(scene, 64)
    data = ChipData(chips, scene, labels, FitSettings(crop=64, batch_size=1, draws=60, background=0.25))
    drawn = [words for batch in data.train_dataloader() for words in batch.words]
    holders = {s.words: len(s.boxes) for s in data.training}
    background = sum(holders[w] == 0 for w in drawn) / len(drawn)
    assert background == pytest.approx(0.25, abs=0.05)
    total = sum(holders.values())
    for words, count in holders.items():
        if count:
            assert drawn.count(words) / len(drawn) == pytest.approx(0.75 * count / total, abs=0.05)


def test_a_window_of_a_labelled_chip_holds_the_centre_of_a_label(scene, labels):
    [sample] = [s for s in make_samples(couplets.chips(scene, 128), scene, labels, 0.3) if len(s.boxes) == 2][:1]
    rng = np.random.default_rng(0)
    centres = (sample.boxes[:, :2] + sample.boxes[:, 2:]) / 2
    seen = set()
    for _ in range(200):
        row, col = random_corner(sample, 48, rng)
        assert 0 <= row <= 80 and 0 <= col <= 80
        held = ((centres >= [col, row]) & (centres <= [col + 48, row + 48])).all(axis=1)
        assert held.any()
        seen |= set(np.flatnonzero(held))
    assert seen == {0, 1}


def test_a_window_shows_the_landslide_where_its_box_says(scene, labels):
    torch.manual_seed(3)
    samples = make_samples(couplets.chips(scene, 128), scene, labels, 0.3)
    windows = RandomWindows([s for s in samples if len(s.boxes)], Reader(scene), FitSettings(crop=80))
    for index in [0, 1] * 20:
        image, boxes, ignored, _ = windows[index % len(windows)]
        outside = np.ones(image.shape, bool)
        for xmin, ymin, xmax, ymax in boxes:
            assert np.abs(image[int(ymin) : int(ymax) + 1, int(xmin) : int(xmax) + 1]).max() > 0.3
        for xmin, ymin, xmax, ymax in np.concatenate([boxes, ignored]):
            outside[int(ymin) : int(np.ceil(ymax)), int(xmin) : int(np.ceil(xmax))] = False
        assert np.abs(image[outside]).max() < 0.6


def test_validation_shows_whole_chips_padded_to_the_stride(scene, labels):
    chips = couplets.chips(scene, 100)
    chips.loc[0, "split"] = "validation"
    data = ChipData(chips, scene, labels, FitSettings())
    [batch] = list(data.val_dataloader())
    assert batch.images.shape == (2, 1, 112, 112)
    assert not batch.images[..., 100:, :].any() and not batch.images[..., 100:].any()


def test_padding_adds_no_data_below_and_to_the_right():
    padded = pad_to_multiple(np.ones((30, 33), np.float32))
    assert padded.shape == (32, 48) and np.isnan(padded[30:]).all() and np.isnan(padded[:, 33:]).all()
    assert (padded[:30, :33] == 1).all()


def test_chips_of_the_test_split_and_chips_without_data_are_never_read(scene, labels):
    chips = couplets.chips(scene, 64)
    chips.loc[1, "split"] = "test"
    chips.loc[2, "split"] = ""
    chips.loc[3, "valid_fraction"] = 0.0
    data = ChipData(chips, scene, labels, FitSettings())
    left = set(chips.chip_id) - set(chips.chip_id[[1, 2, 3]])
    assert {s.chip_id for s in data.training + data.validation} == left


def test_chips_that_were_not_split_are_refused_with_the_remedy(scene, labels):
    with pytest.raises(LabkitError, match=r"chips must hold at least one with split='train'.*lk\.split_chips"):
        ChipData(couplets.chips(scene, 64, split=""), scene, labels, FitSettings())


def test_no_chips_are_refused(scene, labels):
    with pytest.raises(LabkitError, match="chips must hold at least one row"):
        ChipData(couplets.chips(scene, 64).iloc[:0], scene, labels, FitSettings())


@pytest.mark.parametrize("wrong", ["none", "elsewhere"])
def test_labels_that_lie_on_no_training_chip_are_refused(scene, labels, wrong):
    given = labels.iloc[:0] if wrong == "none" else labels.assign(scene="elsewhere")
    with pytest.raises(LabkitError, match="labels must hold at least one landslide on the training chips"):
        ChipData(couplets.chips(scene, 64), scene, given, FitSettings())
