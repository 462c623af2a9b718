"""What a detector is, and how it is trained: flat settings that are checked when made and kept as JSON beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labkit import schema
from labkit.errors import LabkitError

#: Value that a network sees as ±1, by kind of image: gradients in rad at the reference (Fu et al. 2022, Figure 6),
#: rates in mm/yr.
LIMITS = {"gradients": schema.DISPLAY_LIMIT_RAD, "rates": 50.0}

#: Standard errors that a network sees as ±1, where it is shown images over their standard errors.
ERROR_LIMIT = 10.0

#: Fields that only some networks have; None means the network's own value.
OWN_FIELDS = ("attention", "box_loss", "dropblock", "smoothing")

BOX_LOSSES = ("mse", "ciou")

WIDTHS = ("full", "nano")

OPTIMIZERS = ("adamw", "adam", "sgd")

SCHEDULES = ("one-cycle", "steps", "constant")

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")

Anchors = tuple[tuple[tuple[float, float], ...], ...]


def require(condition: bool, name: str, rule: str, value: object, remedy: str = "") -> None:
    """Raise "<name> must be <rule>, instead got <name>=<value>. <remedy>" unless the condition holds."""
    if not condition:
        raise LabkitError(f"{name} must be {rule}, instead got {name}={value!r}" + (f". {remedy}" if remedy else ""))


def layer_limits(limit: float, directions: int, standard_error: bool) -> tuple[float, ...]:
    """Give the value of each layer that a network sees as 1: the directions, and them over their standard errors."""
    return (limit,) * directions + (ERROR_LIMIT,) * (directions * standard_error)


@dataclass(frozen=True)
class DetectorSettings:
    """All that is needed to build a detector's network again and to feed it.

    Attributes
    ----------
    name : str
        The word that its detections carry in the column ``model``.
    kind : str
        "gradients" (rad at the reference of 40 m and 20 years) or "rates" (mm/yr).
    size : int
        Edge of the chips it was trained on, px.
    network : str
        A name among :func:`labkit.train.networks`.
    width : int
        Channels of the first stage of the network.
    anchors : tuple
        Prior boxes for each level, from fine to coarse: ``(((width, height), ...), ...)`` in px; empty for a network
        without them.
    nms_iou : float
        Of two boxes in one image that overlap by more than this IoU, the one with the lower score goes; in (0, 1].
    directions : int
        1: azimuth and range are images of their own, as published, or rates; 2: the direction that is searched, and the
        other one as a second channel.
    validity : bool
        A further channel says where there is data.
    standard_error : bool
        A further channel for each direction holds the image over its standard error, ±10 as ±1: what stands out of the
        noise where it lies.
    rate_limit : float
        The rate that a network sees as 1, mm/yr; gradients have ±4 rad.
    spread : float or None
        Noisier images are scaled down to this robust spread (:func:`labkit.train.calming.calm`), rad or mm/yr, above 0;
        None leaves all as they are.
    attention : bool or None
        CBAM in the backbone. This and what follows is None for the network's own value.
    box_loss : str or None
        "mse" or "ciou", the loss of a box's place and size.
    dropblock : float or None
        Share of the features that DropBlock drops while training, in [0, 1).
    smoothing : float or None
        Class labels are moved inward by random values up to this one while training, in [0, 0.5).

    Examples
    --------
    >>> import labkit as lk
    >>> what = lk.train.build_detector("attention-yolov3", width="nano", directions=2).settings
    >>> what.width, what.channels, what.limits, what.box_loss
    (4, 2, (4.0, 4.0), 'mse')
    >>> lk.train.DetectorSettings(name="mine", kind="gradients", size=16, anchors=())
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: size must be at least 32 px, instead got size=16
    """

    name: str
    kind: str
    size: int
    anchors: Anchors
    network: str = "tiny"
    width: int = 16
    nms_iou: float = 0.4
    directions: int = 1
    validity: bool = False
    standard_error: bool = False
    rate_limit: float = LIMITS["rates"]
    spread: float | None = None
    attention: bool | None = None
    box_loss: str | None = None
    dropblock: float | None = None
    smoothing: float | None = None

    def __post_init__(self) -> None:
        require(bool(self.name), "name", "a word", self.name)
        require(self.kind in LIMITS, "kind", f"among {tuple(LIMITS)}", self.kind)
        require(self.size >= 32, "size", "at least 32 px", self.size)
        require(4 <= self.width <= 1024, "width", "between 4 and 1024 channels", self.width)
        require(0 < self.nms_iou <= 1, "nms_iou", "in (0, 1]", self.nms_iou)
        edges = [edge for level in self.anchors for anchor in level for edge in anchor]
        positive = all(0 < edge < math.inf for edge in edges) and all(self.anchors)
        require(positive, "anchors", "positive widths and heights for each level", self.anchors)
        require(self.directions in (1, 2), "directions", "1, or 2 for azimuth and range", self.directions)
        alone = self.directions == 1 or self.kind == "gradients"
        require(alone, "directions", "1 for rates, which have only one", self.directions)
        require(0 < self.rate_limit < math.inf, "rate_limit", "positive, mm/yr", self.rate_limit)
        require(self.spread is None or self.spread > 0, "spread", "above 0", self.spread)
        self._check_own()

    def _check_own(self) -> None:
        known = self.box_loss is None or self.box_loss in BOX_LOSSES
        require(known, "box_loss", f"among {BOX_LOSSES}", self.box_loss)
        require(self.dropblock is None or 0 <= self.dropblock < 1, "dropblock", "in [0, 1)", self.dropblock)
        require(self.smoothing is None or 0 <= self.smoothing < 0.5, "smoothing", "in [0, 0.5)", self.smoothing)
        for name in ("validity", "standard_error", "attention"):
            value = getattr(self, name)
            require(value in (True, False, None), name, "True or False", value)

    @property
    def channels(self) -> int:
        """Of the images that the network sees: the directions, them over their standard errors, and validity."""
        return len(self.limits) + self.validity

    @property
    def limit(self) -> float:
        """The value (rad, or mm/yr) that the network sees as 1."""
        return self.rate_limit if self.kind == "rates" else LIMITS[self.kind]

    @property
    def limits(self) -> tuple[float, ...]:
        """The value of each layer that the network sees as 1."""
        return layer_limits(self.limit, self.directions, self.standard_error)


@dataclass(frozen=True)
class FitSettings:
    """What a detector is trained by. The published recipes are made by :func:`labkit.train.recipe`.

    Attributes
    ----------
    width : int or str
        Channels of the first stage of the network; "full" as published, "nano" for two processor cores.
    crop : int
        Edge of the windows that are cut out of the chips for each step, px. The network is fully convolutional, so
        that it may train on less than a whole chip; smaller is faster, and moves the landslides around in the image.
    batch_size : int
        Windows for each step (on each device, where there are several).
    draws : int
        Windows drawn in one epoch for each sample (chip × direction).
    learning_rate : float
        The peak of the schedule "one-cycle", the first of "steps", the only one of "constant".
    weight_decay : float
        Of all optimizers; norms and biases do not decay.
    background : float
        Share of the windows drawn from samples without a label, in [0, 1).
    min_inside : float
        A label of which less than this share of its area lies in the window is neither taught nor counted as
        background, in (0, 1].
    min_edge : float
        Nor is one whose shorter edge has come to less than this many px in the window.
    directions : int
        1: azimuth and range are samples of their own, as published; 2: each has the other as a second channel.
    validity : bool
        A further channel says where there is data.
    standard_error : bool
        A further channel for each direction holds the image over its standard error; scenes need ``standard_error``.
    rate_limit : float
        The rate that the network sees as 1, mm/yr; gradients have ±4 rad.
    spread : float or None
        Noisier windows are scaled down to this robust spread (:func:`labkit.train.calming.calm`), rad or mm/yr, above
        0, as the detector then does with its images; None leaves all as they are.
    mosaic : float
        Share of the windows that are put together from four, in [0, 1].
    mosaic_zoom : float
        Each of the four is scaled by a factor between 1 / this one and this one; 1 leaves them as they are, at most 4.
    noise : float
        Share of the windows to which noise is added from scenes without deformation, in [0, 1].
    noise_scale : float
        The noise is taken times a factor between 0 and this one.
    only_annotated : bool
        Where labels come with the chips that people have finished (``labels.attrs["annotated_chips"]``, of a store or
        a release), other chips are left out: what nobody has looked at is no background.
    workers : int
        Threads that prepare the next batches while the network learns from this one; 0 prepares each when it is asked
        for. The batches are the same.
    patience : int
        Stop when the validation loss has not improved for this many epochs, and go back to the weights that were
        best; 0 never stops early and keeps the last weights.
    epochs : int
        Rounds through the data.
    optimizer : str
        "adamw", "adam" or "sgd".
    schedule : str
        "one-cycle": up to ``learning_rate`` over the first twentieth, then down along half a cosine. "steps": times
        ``decay_factor`` from the epoch ``decay_from`` on, and again every ``decay_every`` epochs. "constant".
    momentum : float
        Of SGD, in [0, 1).
    sgd_from : int
        From this epoch on, counted from 1, SGD with momentum takes the place of the optimizer; 0 never.
    sgd_learning_rate : float
        The learning rate then, which takes the place of ``learning_rate``.
    decay_from, decay_every, decay_factor : int, int, float
        Of the schedule "steps"; the first epoch is 1.
    clip : float
        Gradients whose norm over all weights is larger are shortened to it.

    Examples
    --------
    >>> import labkit as lk
    >>> settings = lk.train.FitSettings(width="nano", crop=128, epochs=12, patience=3)
    >>> settings.batch_size, settings.optimizer, settings.schedule
    (8, 'adamw', 'one-cycle')
    >>> lk.train.FitSettings(crop=16)
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: crop must be at least 32 px, instead got crop=16
    """

    width: int | str = "full"
    crop: int = 224
    batch_size: int = 8
    draws: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    background: float = 0.3
    min_inside: float = 0.3
    min_edge: float = 2.0
    directions: int = 1
    validity: bool = False
    standard_error: bool = False
    rate_limit: float = LIMITS["rates"]
    spread: float | None = None
    mosaic: float = 0.0
    mosaic_zoom: float = 1.5
    noise: float = 0.0
    noise_scale: float = 1.0
    only_annotated: bool = True
    workers: int = 1
    patience: int = 0
    epochs: int = 40
    optimizer: str = "adamw"
    schedule: str = "one-cycle"
    momentum: float = 0.9
    sgd_from: int = 0
    sgd_learning_rate: float = 1e-3
    decay_from: int = 15
    decay_every: int = 2
    decay_factor: float = 0.4
    clip: float = 10.0

    def __post_init__(self) -> None:
        word = self.width in WIDTHS if isinstance(self.width, str) else self.width >= 4
        require(word, "width", f"at least 4 channels, or among {WIDTHS}", self.width)
        require(self.crop >= 32, "crop", "at least 32 px", self.crop)
        require(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)
        require(self.draws >= 1, "draws", "at least 1", self.draws)
        require(0 <= self.background < 1, "background", "in [0, 1)", self.background)
        require(0 < self.min_inside <= 1, "min_inside", "in (0, 1]", self.min_inside)
        require(self.patience >= 0, "patience", "at least 0 epochs", self.patience)
        require(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        self._check_steps()
        self._check_data()

    def _check_steps(self) -> None:
        require(self.optimizer in OPTIMIZERS, "optimizer", f"among {OPTIMIZERS}", self.optimizer)
        require(self.schedule in SCHEDULES, "schedule", f"among {SCHEDULES}", self.schedule)
        for name in ("learning_rate", "sgd_learning_rate", "clip"):
            require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        require(self.weight_decay >= 0, "weight_decay", "at least 0", self.weight_decay)
        require(0 <= self.momentum < 1, "momentum", "in [0, 1)", self.momentum)
        require(self.sgd_from >= 0, "sgd_from", "at least 0", self.sgd_from)
        for name in ("decay_from", "decay_every"):
            require(getattr(self, name) >= 1, name, "at least 1 epoch", getattr(self, name))
        require(0 < self.decay_factor <= 1, "decay_factor", "in (0, 1]", self.decay_factor)

    def _check_data(self) -> None:
        require(0 <= self.min_edge <= self.crop, "min_edge", "between 0 px and crop", self.min_edge)
        require(self.directions in (1, 2), "directions", "1, or 2 for azimuth and range", self.directions)
        require(0 < self.rate_limit < math.inf, "rate_limit", "positive, mm/yr", self.rate_limit)
        require(self.spread is None or 0 < self.spread < math.inf, "spread", "above 0", self.spread)
        require(1 <= self.mosaic_zoom <= 4, "mosaic_zoom", "in [1, 4]", self.mosaic_zoom)
        require(0 <= self.noise_scale < math.inf, "noise_scale", "at least 0", self.noise_scale)
        require(0 <= self.workers <= 16, "workers", "between 0 and 16 threads", self.workers)
        for name in ("mosaic", "noise"):
            share = getattr(self, name)
            require(0 <= share <= 1, name, "a share in [0, 1]", share)
        for name in ("validity", "standard_error", "only_annotated"):
            require(getattr(self, name) in (True, False), name, "True or False", getattr(self, name))
        remedy = "The standard error of a scene with noise added is not known"
        require(not (self.noise and self.standard_error), "noise", "0 with standard_error=True", self.noise, remedy)


@dataclass(frozen=True)
class RunSettings:
    """Where a detector is trained, and what is kept meanwhile; it learns the same, but for rounding.

    Attributes
    ----------
    accelerator : str
        "auto" takes a GPU where there is one; "cpu", "gpu", "mps".
    devices : int or str
        How many, or "auto" for all. Several need a script or ``labkit train``, not a notebook.
    precision : str
        "32-true"; mixed precision is "bf16-mixed", or "16-mixed" on a GPU.
    strategy : str
        "auto"; "ddp" for several devices, each with its share of the batches; whatever else Lightning knows.
    keep_every : int
        After every so many epochs the state of the training is kept, to be resumed; 0 never.
    tensorboard : bool
        Write the losses for TensorBoard too, into ``tensorboard`` in the detector's folder.

    Examples
    --------
    >>> import labkit as lk
    >>> lk.train.RunSettings(precision="bf16-mixed", keep_every=5)
    RunSettings(accelerator='auto', devices=1, precision='bf16-mixed', strategy='auto', keep_every=5, tensorboard=False)
    """

    accelerator: str = "auto"
    devices: int | str = 1
    precision: str = "32-true"
    strategy: str = "auto"
    keep_every: int = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        require(bool(self.accelerator), "accelerator", "a word", self.accelerator)
        fine = self.devices == "auto" if isinstance(self.devices, str) else self.devices >= 1
        require(fine, "devices", "at least 1, or 'auto'", self.devices)
        require(self.precision in PRECISIONS, "precision", f"among {PRECISIONS}", self.precision)
        require(bool(self.strategy), "strategy", "a word", self.strategy)
        require(self.keep_every >= 0, "keep_every", "at least 0 epochs", self.keep_every)
