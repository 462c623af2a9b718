"""Training for real, on scenes of a few landslides."""

import json

import couplets
import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from labkit import LabkitError, load_detector, schema
from labkit.train import FitSettings, fit
from labkit.train.samples import Reader, make_samples

SHAPE = (192, 192)
BUMPS = couplets.random_bumps(SHAPE, 6, seed=5)
QUICK = FitSettings(width=8, crop=96, batch_size=4, draws=1)


@pytest.fixture(scope="module")
def scene():
    return couplets.gradients(SHAPE, BUMPS, seed=5)


@pytest.fixture(scope="module")
def labels(scene):
    return couplets.truth(scene, BUMPS)


def test_four_chips_are_learned_until_every_landslide_is_found(scene, labels, tmp_path):
    chips = couplets.chips(scene, 96)
    assert len(chips) == 4
    settings = FitSettings(width=12, crop=96, batch_size=8, draws=6)
    detector = fit(chips, scene, labels, out=tmp_path / "d", max_epochs=35, max_minutes=3, settings=settings)
    reader = Reader(scene)
    for sample in make_samples(chips, scene, labels, settings.min_inside):
        [found] = detector.predict(reader.read(sample)[None], 0.5)
        if len(sample.boxes):
            overlap = box_iou(torch.tensor(sample.boxes), torch.tensor(found[:, :4]))
            assert (overlap.amax(dim=1) > 0.5).all(), f"{sample.words}: {sample.boxes} in {found}"
    history = detector.history
    assert history.train_loss.iloc[-1] < 0.35 * history.train_loss.iloc[0]


def test_the_detector_names_the_release_that_it_was_trained_on(scene, labels, tmp_path):
    released = labels.copy()
    released.attrs = {"release": "v1", "release_hash": "abc", "boxes_sha256": schema.boxes_hash(labels)}
    wanted = {"name": "v1", "hash": "abc"}
    for given, expected in (
        (labels, None),
        (released, wanted | {"as_released": True}),
        (released.iloc[1:], wanted | {"as_released": False}),
    ):
        fit(couplets.chips(scene, 96), scene, given, out=tmp_path / "d", max_epochs=1, settings=QUICK)
        made_by = json.loads((tmp_path / "d" / "detector.json").read_text())["made_by"]
        assert made_by["release"] == expected
        assert made_by["boxes_sha256"] == schema.boxes_hash(given)


def test_the_same_seed_gives_the_same_detector_and_another_seed_another(scene, labels, tmp_path):
    chips = couplets.chips(scene, 96)
    fitted = [
        fit(chips, scene, labels, out=tmp_path / f"{i}", max_epochs=2, max_minutes=float("inf"), seed=s, settings=QUICK)
        for i, s in enumerate((3, 3, 4))
    ]
    first, second, other = (torch.cat([p.flatten() for p in d.network.parameters()]) for d in fitted)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    columns = ["train_loss", "train_box", "train_objectness"]
    np.testing.assert_array_equal(fitted[0].history[columns], fitted[1].history[columns])


def test_the_random_numbers_of_the_notebook_are_left_alone(scene, labels, tmp_path):
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    expected = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    fit(couplets.chips(scene, 96), scene, labels, out=tmp_path / "d", max_epochs=1, settings=QUICK)
    np.testing.assert_array_equal(np.random.get_state()[1], expected[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), expected[1])


def test_the_detector_is_saved_with_its_history_and_name(scene, labels, tmp_path):
    chips = couplets.chips(scene, 96)
    chips.loc[3, "split"] = "validation"
    detector = fit(chips, scene, labels, out=tmp_path / "valley", max_epochs=3, settings=QUICK)
    again = load_detector(tmp_path / "valley")
    assert again.name == detector.name == "valley" and again.kind == "gradients" and again.size == 96
    assert again.history.epoch.tolist() == [0, 1, 2]
    assert np.isfinite(again.history[["train_loss", "val_loss"]]).all(axis=None)
    image = scene["gradient"].values[0][None]
    np.testing.assert_array_equal(again.predict(image, 0.01)[0], detector.predict(image, 0.01)[0])


def test_without_validation_chips_the_validation_loss_is_unknown(scene, labels, tmp_path):
    detector = fit(couplets.chips(scene, 96), scene, labels, out=tmp_path / "d", max_epochs=1, settings=QUICK)
    assert detector.history.val_loss.isna().all()


def test_training_ends_when_the_time_is_up(scene, labels, tmp_path):
    detector = fit(
        couplets.chips(scene, 96), scene, labels, out=tmp_path / "d", max_epochs=10**6, max_minutes=0.05, settings=QUICK
    )
    # looked at after each batch: the epoch whose last batch was within three seconds is followed by one more at most
    assert (detector.history.seconds.iloc[:-2] < 3).all() and detector.history.seconds.iloc[-1] >= 3
    assert detector.history.learning_rate.iloc[-1] < 0.1 * QUICK.learning_rate


def test_patience_stops_when_the_validation_loss_rises(scene, labels, tmp_path):
    chips = couplets.chips(scene, 96)
    chips.loc[3, "split"] = "validation"
    # a learning rate at which nothing can be learned for long
    settings = FitSettings(width=8, crop=96, batch_size=4, draws=1, patience=2, learning_rate=0.5)
    detector = fit(chips, scene, labels, out=tmp_path / "d", max_epochs=200, settings=settings)
    best = detector.history.val_loss.idxmin()
    assert len(detector.history) == best + 3


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_chips(scene, labels, tmp_path):
    settings = FitSettings(width=8, crop=96, batch_size=4, draws=4, learning_rate=1e30)
    with pytest.raises(
        LabkitError, match=r"loss must be finite, .* at epoch \d+ on the chips \['formula_.*lower learn"
    ):
        fit(couplets.chips(scene, 96), scene, labels, out=tmp_path / "d", max_epochs=50, settings=settings)
    assert not (tmp_path / "d" / "detector.json").exists()


def test_the_weights_before_the_loss_was_no_number_are_kept(scene, labels, tmp_path):
    # two epochs that learn, then SGD at a rate that no weight survives
    settings = FitSettings(width=8, crop=96, batch_size=4, draws=1, sgd_from=3, sgd_learning_rate=1e30)
    with pytest.raises(LabkitError, match=r"must be finite.*The weights after epoch 1 are kept: .*last-good"):
        fit(couplets.chips(scene, 96), scene, labels, out=tmp_path / "d", settings=settings)
    good = load_detector(tmp_path / "d" / "last-good")
    assert good.history.epoch.tolist() == [0, 1]
    assert all(torch.isfinite(p).all() for p in good.network.parameters())


@pytest.mark.parametrize(("name", "value"), [("max_epochs", 0), ("max_minutes", 0.0), ("max_minutes", float("nan"))])
def test_a_limit_out_of_its_bounds_is_refused_by_name(scene, labels, tmp_path, name, value):
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        fit(couplets.chips(scene, 96), scene, labels, out=tmp_path / "d", **{name: value})


def test_rates_train_a_detector_of_rates(scene, tmp_path):
    field = couplets.displacement(SHAPE, BUMPS)
    rates = scene.drop_vars(["gradient", "direction"]).assign(rate=(("y", "x"), field.astype(np.float32)))
    labels = couplets.truth(scene, BUMPS).drop_duplicates(["xmin", "ymin"]).assign(direction="rate")
    detector = fit(couplets.chips(rates, 96), rates, labels, out=tmp_path / "d", max_epochs=1, settings=QUICK)
    assert detector.kind == "rates"


def test_opening_a_detector_does_not_load_lightning():
    import subprocess
    import sys

    code = "import labkit, sys; labkit.load_detector; sys.exit('pytorch_lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
