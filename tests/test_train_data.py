import threading

import couplets
import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
import xarray as xr

from labkit import LabkitError, schema
from labkit.train import ChipData, build_detector, network_class, networks
from labkit.train.batches import Batches, InOrder
from labkit.train.samples import Reader, make_samples
from labkit.train.settings import FitSettings
from labkit.train.windows import Draw, Item, RandomWindows, random_corner

BUMPS = np.array([[40.0, 30.0, 6.0, 5.0, 30.0], [80.0, 96.0, 5.0, 8.0, -30.0]])
SHAPE = (128, 160)


@pytest.fixture
def scene():
    return couplets.gradients(SHAPE, BUMPS)


@pytest.fixture
def labels(scene):
    return couplets.truth(scene, BUMPS)


def test_training_batches_are_windows_of_the_crop_with_boxes_inside(scene, labels):
    data = ChipData(couplets.chips(scene, 96), scene, labels, FitSettings(crop=64, batch_size=4, draws=8))
    batches = list(data.train_dataloader())
    assert len(batches) == 2 * len(couplets.chips(scene, 96)) * 8 // 4
    for batch in batches:
        assert batch.images.shape == (4, 1, 64, 64) and batch.images.dtype == torch.float32
        assert torch.isfinite(batch.images).all() and batch.images.abs().max() <= 1
        for boxes in batch.targets:
            assert ((boxes >= 0) & (boxes <= 64)).all() and (boxes[:, 2:] > boxes[:, :2]).all()


def test_every_label_is_drawn_as_often_as_any_other(scene, labels):
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
        row, col = random_corner(sample.boxes, (128, 128), (48, 48), rng)
        assert 0 <= row <= 80 and 0 <= col <= 80
        held = ((centres >= [col, row]) & (centres <= [col + 48, row + 48])).all(axis=1)
        assert held.any()
        seen |= set(np.flatnonzero(held))
    assert seen == {0, 1}


def holds_its_landslides(item):
    """Whether each box holds something strong, and what is strong lies in a box or an ignored region."""
    image, outside = np.abs(item.image[0]), np.ones(item.image.shape[1:], bool)
    for xmin, ymin, xmax, ymax in item.boxes:
        assert image[int(ymin) : int(ymax) + 1, int(xmin) : int(xmax) + 1].max() > 0.3
    for xmin, ymin, xmax, ymax in np.concatenate([item.boxes, item.ignored]):
        outside[int(ymin) : int(np.ceil(ymax)), int(xmin) : int(np.ceil(xmax))] = False
    assert image[outside].max() < 0.6


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_a_window_shows_the_landslide_where_its_box_says(scene, labels, mosaic, directions):
    samples = make_samples(couplets.chips(scene, 128), scene, labels, 0.3, directions=directions)
    samples = [s for s in samples if len(s.boxes)]
    # half of a couplet holds one of its extremes; of less, drawn small and slow, little may be left
    tuning = FitSettings(crop=80, mosaic=mosaic, directions=directions, min_inside=0.5)
    windows = RandomWindows(samples, Reader(scene), tuning)
    for number in range(40):
        holds_its_landslides(windows[Draw(number % len(samples), (number,))])


def test_a_mosaic_shows_four_pieces_of_ground_and_teaches_no_sliver(scene, labels):
    samples = [s for s in make_samples(couplets.chips(scene, 128), scene, labels, 0.3) if len(s.boxes)]
    settings = FitSettings(crop=96, mosaic=1.0, mosaic_zoom=2.0, min_edge=12.0, min_inside=0.5)
    windows = RandomWindows(samples, Reader(scene), settings)
    taught, ignored = [], []
    for number in range(60):
        item = windows[Draw(0, (number,))]
        assert item.image.shape == (1, 96, 96) and len(item.words.split(" + ")) == 4
        taught.append(item.boxes)
        ignored.append(item.ignored)
        for boxes in (item.boxes, item.ignored):
            assert ((boxes >= 0) & (boxes <= 96)).all() and (boxes[:, 2:] > boxes[:, :2]).all()
    edges = np.concatenate([boxes[:, 2:] - boxes[:, :2] for boxes in taught])
    assert edges.min() >= 12 and np.ptp(edges[:, 0]) > 20
    assert len(np.concatenate(ignored)) > 0, "slivers are no background either"
    assert max(map(len, taught)) >= 4


def test_validation_shows_whole_chips_padded_to_the_stride(scene, labels):
    chips = pd.concat([couplets.chips(scene, 100)[:1], couplets.chips(scene, 28)[-1:]], ignore_index=True)
    chips["split"] = ["validation", "train"]
    labels = pd.concat([labels, labels[:1].assign(xmin=135.0, xmax=155.0, ymin=105.0, ymax=120.0)], ignore_index=True)
    data = ChipData(chips, scene, labels, FitSettings(), multiple=32)
    [batch] = list(data.val_dataloader())
    assert batch.images.shape == (2, 1, 128, 128)
    assert not batch.images[..., 100:, :].any() and not batch.images[..., 100:].any()
    expected = np.nan_to_num(schema.at_reference(scene).values[:, :100, :100] / 4).clip(-1, 1)
    np.testing.assert_allclose(batch.images[:, 0, :100, :100], expected, atol=1e-6)


def test_a_chip_smaller_than_the_window_is_padded_with_no_data(scene, labels):
    chips = couplets.chips(scene, 64)
    chips["size"] = [64, 40, *[64] * (len(chips) - 2)]
    data = ChipData(chips, scene, labels, FitSettings(crop=64, validity=True, draws=4))
    batches = list(data.train_dataloader())
    assert all(batch.images.shape[1:] == (2, 64, 64) for batch in batches)
    small = [
        image for b in batches for image, w in zip(b.images, b.words, strict=True) if w.startswith(chips.chip_id[1])
    ]
    # the forward differences of the chip's own edge are lost in a mirror
    assert small and all(38 * 38 <= image[1].sum() <= 40 * 40 for image in small)
    assert all((image[0][image[1] == 0] == 0).all() for image in small)


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


KINDS = {
    "as published": FitSettings(crop=64, batch_size=2),
    "two directions": FitSettings(crop=64, batch_size=2, directions=2),
    "validity": FitSettings(crop=64, batch_size=2, validity=True),
    "all": FitSettings(crop=64, batch_size=2, directions=2, validity=True, mosaic=1.0, noise=1.0),
    "standard error": FitSettings(crop=64, batch_size=2, directions=2, validity=True, mosaic=1.0, standard_error=True),
    "rates": FitSettings(crop=64, batch_size=2, rate_limit=20.0, validity=True),
}


def rates_of(scene):
    rate = couplets.displacement(SHAPE, BUMPS).astype(np.float32)
    return scene.drop_vars(["gradient", "direction"]).assign(rate=(("y", "x"), rate))


#: Every kind through the smallest network, and the fullest kind through every other; the rest takes longer.
COMBINATIONS = [
    pytest.param(network, kind, marks=[] if network == "tiny" or kind == "all" else pytest.mark.slow)
    for network in networks()
    for kind in KINDS
]


@pytest.mark.parametrize(("network", "kind"), COMBINATIONS)
def test_batches_of_every_kind_go_through_every_network(scene, labels, network, kind):
    settings, data = KINDS[kind], scene
    if kind == "rates":
        data, labels = rates_of(scene), labels[: len(BUMPS)].assign(direction="rate")
    if settings.standard_error:
        data = data.assign(standard_error=xr.full_like(data["gradient"], 0.3))
    chips = couplets.chips(data, 64)
    chips.loc[0, "split"] = "validation"
    quiet = couplets.gradients(SHAPE, np.zeros((0, 5)), seed=9)
    batches = ChipData(
        chips, data, labels, settings, network_class(network).multiple, noise=quiet if settings.noise else None
    )
    torch.manual_seed(0)
    detector = build_detector(
        network, width="nano", kind=batches.reader.kind, directions=settings.directions, validity=settings.validity,
        rate_limit=settings.rate_limit, standard_error=settings.standard_error,
    )  # fmt: skip
    for loader in (batches.train_dataloader(), batches.val_dataloader()):
        batch = next(iter(loader))
        assert batch.images.shape[1] == detector.network.channels
        losses = detector.network.train().losses(batch.images, batch.targets, batch.ignored)
        assert all(torch.isfinite(loss) for loss in losses.values())
        losses["total"].backward()
    found = detector.network.eval().boxes(batch.images, 0.0, 0.4)
    assert len(found) == len(batch.images) and all(boxes.shape[1] == 5 for boxes in found)


def same(first, second):
    return (
        torch.equal(first.images, second.images)
        and first.words == second.words
        and all(map(torch.equal, first.targets + first.ignored, second.targets + second.ignored))
    )


def batches_of(scene, labels, *, seed=0, epoch=0, part=None, **fields):
    quiet = couplets.gradients(SHAPE, np.zeros((0, 5)), seed=9)
    settings = FitSettings(crop=64, draws=2, mosaic=0.5, noise=0.5, **{"batch_size": 4, **fields})
    data = ChipData(couplets.chips(scene, 64), scene, labels, settings, seed=seed, noise=quiet)
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    if part is not None:
        loader = Batches(loader.windows, loader.sampler, loader.batch_size, part=part, whole=True)
    return list(loader)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_seed_gives_the_same_batches_whatever_the_workers(scene, labels, workers):
    torch.manual_seed(1)
    first = batches_of(scene, labels, seed=5, workers=0)
    torch.manual_seed(2)
    second = batches_of(scene, labels, seed=5, workers=workers)
    assert len(first) == len(second) == 6 and all(map(same, first, second))


def test_another_seed_and_another_epoch_give_other_batches(scene, labels):
    first = batches_of(scene, labels)
    for other in (batches_of(scene, labels, seed=1), batches_of(scene, labels, epoch=1)):
        assert not any(map(same, first, other))


def test_two_processes_share_what_one_would_be_given(scene, labels):
    alone = batches_of(scene, labels, batch_size=4)
    parts = [batches_of(scene, labels, batch_size=2, part=(number, 2)) for number in (0, 1)]
    assert len(parts[0]) == len(parts[1]) == len(alone)
    for whole, zero, one in zip(alone, *parts, strict=True):
        assert torch.equal(whole.images[0::2], zero.images) and torch.equal(whole.images[1::2], one.images)


# Lightning asks torch for a name that torch has renamed, and misses validation chips
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:Total length of .* across ranks is zero")
def test_lightning_tells_the_epoch_so_that_each_is_drawn_anew_and_a_later_one_alone_is_the_same(scene, labels):
    class Listener(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.seen = {}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def training_step(self, batch, index):
            self.seen.setdefault(self.current_epoch, []).append(batch)
            return self.weight * batch.images.sum()

        def validation_step(self, batch, index):
            raise AssertionError("there is nothing to validate with")

    listener = Listener()
    trainer = pl.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    settings = FitSettings(crop=64, batch_size=4)
    trainer.fit(listener, datamodule=ChipData(couplets.chips(scene, 64), scene, labels, settings, seed=7))
    assert not any(map(same, listener.seen[0], listener.seen[1]))
    alone = ChipData(couplets.chips(scene, 64), scene, labels, settings, seed=7).train_dataloader()
    alone.sampler.set_epoch(1)
    assert all(map(same, alone, listener.seen[1]))


def test_an_error_in_a_thread_is_raised_and_no_thread_is_left(scene, labels):
    class Broken:
        def __getitem__(self, draw):
            if draw.sample == 5:
                raise OSError("the disk is gone")
            return Item(np.zeros((1, 8, 8), np.float32), np.zeros((0, 4)), np.zeros((0, 4)), "w")

    given = []
    with pytest.raises(OSError, match="the disk is gone"):
        for batch in Batches(Broken(), InOrder(12), 2, workers=2):
            given.append(batch)
    assert len(given) == 2
    stopped = iter(Batches(Broken(), InOrder(4), 1, workers=2))
    next(stopped)
    stopped.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("batches")]


def test_noise_lies_over_the_ground_up_to_its_scale(scene, labels):
    still = couplets.gradients(SHAPE, np.zeros((0, 5)), seed=9)
    still["gradient"][:] = 1.0
    chips = couplets.chips(scene, 64)
    settings = [FitSettings(crop=64, noise=1.0, noise_scale=scale) for scale in (0.0, 2.0)]
    both = [ChipData(chips, scene, labels, s, noise=still).train_dataloader().windows for s in settings]
    added = []
    for number in range(30):
        images = [windows[Draw(0, (number,))].image for windows in both]
        difference = images[1] - images[0]
        inside = (np.abs(images[0]) < 0.3) & (images[0] != 0)
        assert np.ptp(difference[inside]) < 1e-5
        added.append(abs(difference[inside].mean()) * 4)
    # between 0 and 2 rad, and up to a quarter faster
    assert max(added) < 2.5 and np.mean(added) == pytest.approx(1.0, abs=0.35)


def test_windows_are_calmed_as_the_detector_calms_its_images(scene, labels):
    loud = scene.assign(gradient=scene["gradient"] * 20)
    chips = couplets.chips(loud, 64)
    chips.loc[0, "split"] = "validation"
    settings = FitSettings(crop=64, spread=1.0)
    data = ChipData(chips, loud, labels, settings)
    seen = []
    detector = build_detector("tiny", width="nano", spread=1.0)
    detector.network.boxes = lambda images, *rest: seen.append(images) or [torch.zeros(0, 5)] * len(images)
    for sample in data.validation:
        detector.predict(data.reader.read(sample)[None])
    [batch] = list(data.val_dataloader())
    torch.testing.assert_close(batch.images, torch.cat(seen))
    for batch in data.train_dataloader():
        known = [image[image != 0].abs() for image in batch.images]
        assert all(1.4826 * 4 * values.median() < 1.3 for values in known)


def test_noise_without_scenes_and_of_another_kind_is_refused(scene, labels):
    settings = FitSettings(noise=0.5)
    with pytest.raises(LabkitError, match="noise must be scenes without deformation, instead got noise=None"):
        ChipData(couplets.chips(scene, 64), scene, labels, settings)
    with pytest.raises(LabkitError, match="noise must be gradients as scenes are, instead got rates"):
        ChipData(couplets.chips(scene, 64), scene, labels, settings, noise=rates_of(scene))


def test_chips_of_two_splits_that_overlap_are_refused(scene, labels):
    chips = couplets.chips(scene, 100)
    chips.loc[0, "split"] = "test"
    with pytest.raises(LabkitError, match=r"chips must share no pixels between splits"):
        ChipData(chips, scene, labels, FitSettings())


def test_chips_that_nobody_has_looked_at_are_left_out_unless_told_otherwise(scene, labels):
    chips = couplets.chips(scene, 64)
    labels.attrs["annotated_chips"] = chips.chip_id[:2].tolist()
    some = ChipData(chips, scene, labels, FitSettings())
    assert {s.chip_id for s in some.training} == set(chips.chip_id[:2])
    every = ChipData(chips, scene, labels, FitSettings(only_annotated=False))
    assert {s.chip_id for s in every.training} == set(chips.chip_id)


def test_only_windows_of_the_chips_are_read(scene, labels):
    import dask.array

    read = []

    def block(block_info=None):
        read.append(block_info[None]["chunk-location"])
        return scene["gradient"].values[:1, :32, :32]

    values = dask.array.map_blocks(
        block, chunks=((1, 1), (32,) * 4, (32,) * 5), dtype=np.float32, meta=np.zeros((1, 1, 1))
    )
    lazy = scene.assign(gradient=(("direction", "y", "x"), values))
    chips = couplets.chips(lazy, 64)[:1]
    read.clear()
    data = ChipData(chips, lazy, labels, FitSettings(crop=64, draws=4, workers=0))
    assert not read
    list(data.train_dataloader())
    assert set(read) <= {(d, r, c) for d in (0, 1) for r in (0, 1) for c in (0, 1)} and len(read) == len(set(read))


@pytest.mark.parametrize(
    ("name", "value"),
    [("mosaic", 1.1), ("noise", -0.1), ("mosaic_zoom", 0.5), ("noise_scale", -1.0), ("directions", 3),
     ("rate_limit", 0.0), ("spread", 0.0), ("workers", -1),
     ("min_edge", 1000.0), ("validity", "yes"), ("only_annotated", None)],
)  # fmt: skip
def test_a_setting_out_of_its_bounds_is_refused_by_name(name, value):
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        FitSettings(**{name: value})
