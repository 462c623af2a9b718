"""Networks by name: which there are, how one of your own joins, and detectors with fresh weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from labkit.train.anchors import TABLE_1
from labkit.train.detector import Detector
from labkit.train.faster import FasterRcnn, FasterRcnnFpn, FasterRcnnFpnCbam
from labkit.train.network import Network
from labkit.train.settings import Anchors, DetectorSettings, require
from labkit.train.tiny import TinyYolo
from labkit.train.yolo import AttentionYoloV3, AttentionYoloV3R, AttentionYoloV3Tiny, YoloV3

_NETWORKS: dict[str, type[Network]] = {
    "tiny": TinyYolo,
    "yolov3": YoloV3,
    "attention-yolov3": AttentionYoloV3,
    "a-yolov3-r": AttentionYoloV3R,
    "a-yolov3-t": AttentionYoloV3Tiny,
    "faster-rcnn": FasterRcnn,
    "faster-rcnn-fpn": FasterRcnnFpn,
    "faster-rcnn-fpn-cbam": FasterRcnnFpnCbam,
}

_Class = TypeVar("_Class", bound=type[Network])


def networks() -> tuple[str, ...]:
    """Give the names of the networks that there are.

    Examples
    --------
    >>> "tiny" in networks()
    True
    """
    return tuple(_NETWORKS)


def network_class(name: str) -> type[Network]:
    """Give the class of the network of that name.

    Raises
    ------
    LabkitError
        There is none.

    Examples
    --------
    >>> import labkit as lk
    >>> paper = lk.train.network_class("a-yolov3-r")
    >>> paper.__name__, paper.multiple, paper.full_width, paper.nano_width
    ('AttentionYoloV3R', 32, 32, 4)
    >>> [len(level) for level in paper.fit_anchors([(20, 30), (40, 35), (90, 80), (150, 110)])]
    [3, 3, 3]
    """
    remedy = "One of your own has to be registered first: labkit.train.register_network"
    require(name in _NETWORKS, "network", f"among {sorted(_NETWORKS)}", name, remedy)
    return _NETWORKS[name]


def register_network(name: str) -> Callable[[_Class], _Class]:
    """Let a network of your own join under a name: for :func:`build_detector`, ``fit`` and ``load_detector``.

    Parameters
    ----------
    name : str
        Free, or that of a class of the same name that is defined again, as in a notebook.

    Examples
    --------
    A network without anchors that says of each cell of 8 px how likely it holds a landslide of 24 px:

    >>> import torch
    >>> from torch import nn
    >>> @register_network("cells")
    ... class Cells(Network):
    ...     multiple = 8
    ...
    ...     def __init__(self, settings):
    ...         super().__init__(settings)
    ...         self.look = nn.Conv2d(self.channels, 1, kernel_size=24, stride=8, padding=8)
    ...
    ...     def forward(self, images):
    ...         return self.look(images)[:, 0]
    ...
    ...     def candidates(self, images):
    ...         logits = self(images)
    ...         y, x = torch.meshgrid(*(8.0 * torch.arange(n) + 4 for n in logits.shape[1:]), indexing="ij")
    ...         corners = torch.stack([x - 12, y - 12, x + 12, y + 12], dim=-1).flatten(0, 1)
    ...         return [torch.cat([corners, image.sigmoid().reshape(-1, 1)], dim=1) for image in logits]
    ...
    ...     def losses(self, images, targets, ignored):
    ...         logits = self(images)
    ...         truth = torch.zeros_like(logits)
    ...         for i, boxes in enumerate(targets):
    ...             col, row = ((boxes[:, :2] + boxes[:, 2:]) // 16).long().T
    ...             truth[i, row, col] = 1
    ...         loss = nn.functional.binary_cross_entropy_with_logits(logits, truth)
    ...         return {"cells": loss, "total": loss}
    >>> build_detector("cells")
    <Detector 'cells': gradients, 416 px, cells, 577 weights>
    """

    def join(network: _Class) -> _Class:
        taken = _NETWORKS.get(name)
        free = taken is None or taken.__qualname__ == network.__qualname__
        require(free, "name", f"free, since {taken} has it", name)
        require(issubclass(network, Network), "network", "a class derived from labkit.train.Network", network)
        _NETWORKS[name] = network
        return network

    return join


def build(settings: DetectorSettings) -> Network:
    """Build the network that the settings name, with fresh weights.

    Raises
    ------
    LabkitError
        There is no network of that name, or a setting does not fit it.
    """
    return network_class(settings.network)(settings)


def build_detector(
    network: str,
    *,
    kind: str = "gradients",
    size: int = 416,
    name: str | None = None,
    width: int | str = "full",
    anchors: Anchors | None = None,
    **settings: Any,
) -> Detector:
    """Build a detector with fresh weights; draw them anew with ``torch.manual_seed``.

    Parameters
    ----------
    network : str
        A name among :func:`networks`.
    kind : str
        "gradients" or "rates".
    size : int
        Edge of the chips that it is for, px.
    name : str, optional
        The word for its detections; the network's name when left out.
    width : int or str
        Channels of the first stage; "full" as published, "nano" for two processor cores.
    anchors : tuple, optional
        Prior boxes; when left out those of Fu et al. (2022), Table 1 (in px at chips of 416), dealt out to the
        network's levels. Better ones fit the labels: ``network_class(network).fit_anchors(sizes)``.
    **settings
        Further fields of :class:`~labkit.train.settings.DetectorSettings`.

    Returns
    -------
    Detector
        Untrained: it answers nothing worth hearing.

    Raises
    ------
    LabkitError
        There is no such network, or a setting is out of its range or not the network's.

    Examples
    --------
    >>> build_detector("tiny", width="nano")
    <Detector 'tiny': gradients, 416 px, tiny, 120,486 weights>
    >>> build_detector("tiny", dropblock=0.1)
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: dropblock must be left out for network='tiny', which has none, instead got dropblock=0.1
    """
    made = network_class(network)
    if isinstance(width, str):
        require(width in ("full", "nano"), "width", "channels, 'full' or 'nano'", width)
        width = made.full_width if width == "full" else made.nano_width
    what = DetectorSettings(
        name=name or network,
        kind=kind,
        size=size,
        anchors=made.fit_anchors(TABLE_1) if anchors is None else anchors,
        network=network,
        width=width,
        **settings,
    )
    built = build(what)
    return Detector(built, built.settings)
