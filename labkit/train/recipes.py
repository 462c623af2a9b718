"""How both papers train, as settings; and what learning rate and optimizer settings mean at each step."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import torch
from torch import nn

from labkit.train.settings import FitSettings, require

#: Share of the training in which the learning rate of "one-cycle" rises.
WARM_UP = 0.05

#: Of the peak, the least learning rate of "one-cycle".
LEAST_SHARE = 0.01

_RECIPES: dict[str, FitSettings] = {
    "labkit": FitSettings(),
    "paper-1": FitSettings(
        crop=416,
        mosaic=1.0,
        epochs=300,
        optimizer="adam",
        schedule="constant",
        learning_rate=1e-3,
        sgd_from=101,
        sgd_learning_rate=1e-3,
        weight_decay=5e-4,
    ),
    "paper-2": FitSettings(
        crop=416,
        batch_size=4,
        epochs=30,
        optimizer="sgd",
        schedule="steps",
        learning_rate=0.01,
        decay_from=15,
        decay_every=2,
        decay_factor=0.4,
        weight_decay=1e-4,
    ),
}


def recipe(name: str, **changes: Any) -> FitSettings:
    """Give the settings by which a paper trains.

    Parameters
    ----------
    name : str
        "labkit": AdamW with one cycle of 40 epochs, for two processor cores. "paper-1": 300 epochs, Adam for 100,
        then SGD with momentum for 200. "paper-2": learning rate 0.01, batches of 4, 30 epochs, × 0.4 from the 15th
        epoch and every second epoch after it.
    **changes
        Fields of :class:`~labkit.train.settings.FitSettings` that shall be otherwise.

    Raises
    ------
    LabkitError
        There is no such recipe or field, or a value is out of its range.

    Notes
    -----
    What the papers leave open is chosen here. Paper 1: both learning rates (0.001), momentum (0.9), weight decay
    (0.0005, that of Redmon and Farhadi 2018), batch (8), and the share of mosaics (all windows) and their scales (1/1.5
    to 1.5). Paper 2: the optimizer (SGD with momentum 0.9 and weight
    decay 0.0001, as torchvision trains Faster R-CNN). Windows as large as their chips, 416 px, are from paper 1.

    References
    ----------
    Fu et al. (2022), section 4.3; Zhang et al. (2025), section 3.2.

    Examples
    --------
    >>> recipe("paper-2").learning_rate, recipe("paper-2", epochs=3).epochs
    (0.01, 3)
    >>> recipe("paper-3")
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: name must be among ('labkit', 'paper-1', 'paper-2'), instead got name='paper-3'
    """
    require(name in _RECIPES, "name", f"among {tuple(_RECIPES)}", name)
    known = [field.name for field in fields(FitSettings)]
    for field in changes:
        require(field in known, "changes", f"fields of FitSettings, which are {known}", field)
    return replace(_RECIPES[name], **changes)


def optimizer_at(settings: FitSettings, epoch: int) -> str:
    """Give the name of the optimizer in an epoch, counted from 0.

    Examples
    --------
    >>> [optimizer_at(recipe("paper-1"), epoch) for epoch in (0, 99, 100, 299)]
    ['adam', 'adam', 'sgd', 'sgd']
    """
    return "sgd" if settings.sgd_from and epoch + 1 >= settings.sgd_from else settings.optimizer


def learning_rate_at(settings: FitSettings, epoch: int, share: float) -> float:
    """Give the learning rate of a step.

    Parameters
    ----------
    settings : FitSettings
        Schedule and rates.
    epoch : int
        Counted from 0.
    share : float
        How far the training has come, in [0, 1]; for "one-cycle".

    Notes
    -----
    "steps" in epoch e, counted from 1: η · f^(⌊(e − decay_from) / decay_every⌋ + 1) from ``decay_from`` on, η before.

    Examples
    --------
    >>> [round(learning_rate_at(recipe("paper-2"), epoch - 1, 0), 6) for epoch in (14, 15, 16, 17, 18, 19)]
    [0.01, 0.004, 0.004, 0.0016, 0.0016, 0.00064]
    """
    peak = settings.learning_rate
    if settings.sgd_from and epoch + 1 >= settings.sgd_from:
        peak = settings.sgd_learning_rate
    if settings.schedule == "constant":
        return peak
    if settings.schedule == "steps":
        late = epoch + 1 - settings.decay_from
        return peak if late < 0 else peak * settings.decay_factor ** (late // settings.decay_every + 1)
    rising, falling = share / WARM_UP, (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP))) / 2
    return peak * max(rising if share < WARM_UP else falling, LEAST_SHARE)


def make_optimizer(settings: FitSettings, network: nn.Module, epoch: int) -> torch.optim.Optimizer:
    """Make the optimizer of an epoch, counted from 0, with nothing remembered yet; norms and biases do not decay."""
    groups: list[dict[str, Any]] = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    name, rate = optimizer_at(settings, epoch), learning_rate_at(settings, epoch, 0.0)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum)
    return (torch.optim.AdamW if name == "adamw" else torch.optim.Adam)(groups, lr=rate)
