"""The published recipes, epoch by epoch, and what a real training makes of them."""

from __future__ import annotations

from dataclasses import replace

import couplets
import numpy as np
import pytest
import torch

from labkit import LabkitError
from labkit.train import FitSettings, RunSettings, build_detector, fit, recipe
from labkit.train.recipes import learning_rate_at, make_optimizer, optimizer_at
from labkit.train.state import load_state

#: Learning rate of Zhang et al. (2025), by hand: times 0.4 in the 15th epoch and in every second one after it.
PAPER_2 = [0.01] * 14 + [
    0.004, 0.004, 0.0016, 0.0016, 0.00064, 0.00064, 0.000256, 0.000256, 0.0001024, 0.0001024, 0.00004096, 0.00004096,
    0.000016384, 0.000016384, 0.0000065536, 0.0000065536,
]  # fmt: skip


def test_the_second_paper_lowers_its_learning_rate_epoch_by_epoch():
    settings = recipe("paper-2")
    assert settings.epochs == len(PAPER_2) == 30 and settings.batch_size == 4
    rates = [learning_rate_at(settings, epoch, share=0.5) for epoch in range(30)]
    np.testing.assert_allclose(rates, PAPER_2, rtol=1e-12)


def test_the_first_paper_takes_adam_for_100_epochs_and_sgd_for_200():
    settings = recipe("paper-1")
    assert settings.mosaic == 1.0
    names = [optimizer_at(settings, epoch) for epoch in range(settings.epochs)]
    assert names == ["adam"] * 100 + ["sgd"] * 200
    network = build_detector("tiny", width="nano").network
    assert type(make_optimizer(settings, network, 99)) is torch.optim.Adam
    late = make_optimizer(settings, network, 100)
    assert type(late) is torch.optim.SGD and late.defaults["momentum"] == settings.momentum == 0.9


def test_one_cycle_rises_to_its_peak_and_falls_to_a_hundredth():
    settings = FitSettings()
    shares = np.linspace(0, 1, 1001)
    rates = np.array([learning_rate_at(settings, 0, share) for share in shares])
    assert rates.max() == pytest.approx(settings.learning_rate) and shares[rates.argmax()] == pytest.approx(0.05)
    assert (np.diff(rates[:51]) >= 0).all() and (np.diff(rates[50:]) <= 0).all()
    assert rates[0] == rates[-1] == pytest.approx(settings.learning_rate / 100)


def test_every_weight_is_in_one_group_and_norms_and_biases_do_not_decay():
    network = build_detector("tiny", width="nano").network
    for name in ("adamw", "adam", "sgd"):
        decaying, free = make_optimizer(FitSettings(optimizer=name), network, 0).param_groups
        assert {p.ndim for p in decaying["params"]} == {4} and {p.ndim for p in free["params"]} == {1}
        assert len(decaying["params"]) + len(free["params"]) == len(list(network.parameters()))
        assert decaying["weight_decay"] == 1e-3 and free["weight_decay"] == 0


def test_a_training_steps_by_its_recipe(tmp_path):
    shape = (128, 128)
    bumps = couplets.random_bumps(shape, 1, seed=5)
    scene = couplets.gradients(shape, bumps, seed=5)
    chips, labels = couplets.chips(scene, 96), couplets.truth(scene, bumps)
    small = {"width": 4, "crop": 64, "batch_size": 2}
    quick = replace(recipe("paper-2", **small), epochs=5, decay_from=3)
    history = fit(chips, scene, labels, out=tmp_path / "d", settings=quick).history
    np.testing.assert_allclose(history.learning_rate, [0.01, 0.01, 0.004, 0.004, 0.0016], rtol=1e-12)

    remembered = []

    def look(history):
        state = load_state(tmp_path / "e" / "training")["optimizer"]
        remembered.append(sorted(state["state"][0]))

    two = replace(recipe("paper-1", **small), epochs=4, sgd_from=3, sgd_learning_rate=3e-4)
    history = fit(chips, scene, labels, out=tmp_path / "e", settings=two, watch=look).history
    np.testing.assert_allclose(history.learning_rate, [1e-3, 1e-3, 3e-4, 3e-4])
    assert remembered == [["exp_avg", "exp_avg_sq", "step"]] * 2 + [["momentum_buffer"]] * 2


def test_recipes_are_found_by_name_and_may_be_changed():
    assert recipe("labkit") == FitSettings()
    with pytest.raises(LabkitError, match="changes must be fields of FitSettings.*instead got changes='epoch'"):
        recipe("labkit", epoch=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", "lion"), ("schedule", "cosine"), ("momentum", 1.0), ("sgd_from", -1), ("decay_factor", 0.0),
        ("decay_every", 0), ("decay_from", 0), ("clip", 0.0), ("epochs", 0), ("sgd_learning_rate", 0.0),
        ("width", "wide"), ("width", 3),
    ],
)  # fmt: skip
def test_settings_out_of_their_range_are_refused_by_name(name, value):
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        FitSettings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("precision", "8-bit"), ("devices", 0), ("devices", "two"), ("keep_every", -1), ("strategy", "")],
)
def test_places_that_there_are_not_are_refused_by_name(name, value):
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        RunSettings(**{name: value})
