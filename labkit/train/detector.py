"""A trained detector: images in their own units in, boxes with scores out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.ops import clip_boxes_to_image, nms

from labkit.errors import LabkitError
from labkit.train.network import Network, decode
from labkit.train.samples import scale
from labkit.train.settings import DetectorSettings

#: Boxes with an edge shorter than this many px are no landslides.
MIN_EDGE_PX = 2.0

#: At most so many boxes, the best, are compared with each other in one image.
MAX_BOXES = 1000


class Detector:
    """Finds landslides in images of one kind.

    Parameters
    ----------
    network : Network
        Built by :func:`labkit.train.network.build` from the same settings.
    settings : DetectorSettings
        What it is.
    history : pandas.DataFrame, optional
        One row for each epoch of its training: ``epoch``, ``train_loss``, ``train_box``, ``train_objectness``,
        ``val_loss`` (NaN without validation chips), ``learning_rate``, ``seconds``.

    Attributes
    ----------
    name, kind : str
        The word for the column ``model``; "gradients" or "rates".
    size : int
        Edge of the chips it was trained on, px.
    """

    def __init__(self, network: Network, settings: DetectorSettings, history: pd.DataFrame | None = None) -> None:
        self.network = network.eval()
        self.settings = settings
        self.history = pd.DataFrame() if history is None else history
        self.name, self.kind, self.size = settings.name, settings.kind, settings.size

    def __repr__(self) -> str:
        weights = sum(p.numel() for p in self.network.parameters())
        return f"<Detector {self.name!r}: {self.kind}, {self.size} px, {self.settings.network}, {weights:,} weights>"

    def to(self, device: str) -> Detector:
        """Move the network to a device ("cpu", "cuda", "mps") and give the detector back."""
        self.network.to(device)
        return self

    def predict(self, images: npt.ArrayLike, score: float = 0.5) -> list[npt.NDArray[np.float64]]:
        """Find the landslides of each image.

        Parameters
        ----------
        images : array_like, shape (n, height, width)
            Gradients in rad at the reference (:func:`labkit.schema.at_reference`), or rates in mm/yr; NaN = no data.
            Any height and width.
        score : float
            Least score of a box, in [0, 1].

        Returns
        -------
        list of numpy.ndarray
            For each image (k, 5): xmin, ymin, xmax, ymax in px of the image, and the score; best first, after
            non-maximum suppression.

        Raises
        ------
        LabkitError
            The images are no stack of 2-D arrays, or the score is out of its range.
        """
        stack = np.asarray(images, np.float32)
        if stack.ndim != 3:
            raise LabkitError(f"images must have the shape (n, height, width), instead got images.shape={stack.shape}")
        if not 0 <= score <= 1:
            raise LabkitError(f"score must be in [0, 1], instead got score={score}")
        if not stack.size:
            return [np.zeros((0, 5)) for _ in range(len(stack))]
        device = next(self.network.parameters()).device
        strides = self.network.strides
        height, width = stack.shape[1:]
        with torch.inference_mode():
            scaled = torch.from_numpy(scale(stack, self.kind))[:, None].to(device)
            padded = pad(scaled, (0, -width % max(strides), 0, -height % max(strides)))
            decoded = decode(self.network(padded), self.settings.anchors, strides)
            boxes = torch.cat([d.flatten(1, 3) for d in decoded], dim=1)
            return [self._best(image, (height, width), score) for image in boxes]

    def _best(self, boxes: Tensor, shape: tuple[int, int], score: float) -> npt.NDArray[np.float64]:
        scores = boxes[:, 4].sigmoid()
        corners = clip_boxes_to_image(boxes[:, :4], shape)
        large = ((corners[:, 2:] - corners[:, :2]) >= MIN_EDGE_PX).all(dim=1)
        keep = torch.nonzero((scores >= score) & large).flatten()
        keep = keep[scores[keep].argsort(descending=True, stable=True)[:MAX_BOXES]]
        keep = keep[nms(corners[keep], scores[keep], self.settings.nms_iou)]
        found = torch.cat([corners[keep], scores[keep, None]], dim=1)
        return found.cpu().numpy().astype(np.float64)
