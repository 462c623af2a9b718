"""A trained detector: images in their own units in, boxes with scores out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from labkit.errors import LabkitError
from labkit.train.inference import InUse
from labkit.train.network import Network
from labkit.train.presenting import present
from labkit.train.settings import DetectorSettings, require

#: What convolutions may be computed in.
IN_USE_PRECISIONS = ("float32", "bfloat16")


class Detector:
    """Finds landslides in images of one kind.

    Parameters
    ----------
    network : Network
        Built by :func:`labkit.train.building.build` from the same settings.
    settings : DetectorSettings
        What it is.
    history : pandas.DataFrame, optional
        One row for each epoch of its training: ``epoch``, ``train_loss`` and its parts (``train_box``, …), ``val_loss``
        (NaN without validation chips), ``learning_rate``, ``seconds``.

    Attributes
    ----------
    name, kind : str
        The word for the column ``model``; "gradients" or "rates".
    size : int
        Edge of the chips it was trained on, px.
    directions : int
        1, or 2 where it sees the other direction beside the one that is searched.
    standard_error : bool
        Whether it needs the standard errors beside its images.

    Examples
    --------
    >>> import labkit as lk
    >>> rates = lk.simulate.scene("tiny").rates["ascending"]
    >>> detector = lk.load_detector("rates-small")
    >>> detector
    <Detector 'rates-small': rates, 416 px, tiny, 1,067,790 weights>
    >>> boxes = detector.predict([[rates["rate"], rates["standard_error"]]])[0]
    >>> len(boxes), boxes[0].round(1)
    (5, array([ 55.1,  98.7,  66. , 109.8,   0.9]))
    """

    def __init__(self, network: Network, settings: DetectorSettings, history: pd.DataFrame | None = None) -> None:
        self.network = network.eval()
        self.settings = settings
        self.history = pd.DataFrame() if history is None else history
        self.name, self.kind, self.size = settings.name, settings.kind, settings.size
        self.directions, self.standard_error = settings.directions, settings.standard_error
        self._in_use, self._precision = InUse(self.network), "float32"

    def __repr__(self) -> str:
        weights = sum(p.numel() for p in self.network.parameters())
        return f"<Detector {self.name!r}: {self.kind}, {self.size} px, {self.settings.network}, {weights:,} weights>"

    def to(self, device: str, *, precision: str = "float32") -> Detector:
        """Move the network to a device and give the detector back.

        Parameters
        ----------
        device : str
            "cpu", "cuda", "mps".
        precision : str
            "float32", or "bfloat16" for convolutions in half precision: faster on processors that have instructions
            for it (docs/networks.md). Most boxes then differ by fractions of a pixel, some by the choice of another
            anchor. The weights stay.

        Raises
        ------
        LabkitError
            There is no such precision.
        """
        require(precision in IN_USE_PRECISIONS, "precision", f"among {IN_USE_PRECISIONS}", precision)
        self.network.to(device)
        self._precision = precision
        return self

    def predict(self, images: npt.ArrayLike, score: float = 0.5) -> list[npt.NDArray[np.float64]]:
        """Find the landslides of each image.

        Parameters
        ----------
        images : array_like, shape (n, height, width) or (n, layers, height, width)
            Gradients in rad at the reference (:func:`labkit.schema.at_reference`), or rates in mm/yr; NaN = no data.
            Any height and width. A detector of two directions needs the second form, the direction that is searched
            before the other one; one with ``standard_error`` their standard errors after them, in the same unit and
            order.
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
        layers = len(self.settings.limits)
        if stack.ndim == 3 and layers == 1:
            stack = stack[:, None]
        if stack.ndim != 4 or stack.shape[1] != layers:
            wanted = "(n, height, width)" if layers == 1 else f"(n, {layers}, height, width)"
            raise LabkitError(f"images must have the shape {wanted}, instead got images.shape={np.shape(images)}")
        if not 0 <= score <= 1:
            raise LabkitError(f"score must be in [0, 1], instead got score={score}")
        if not stack.size:
            return [np.zeros((0, 5)) for _ in range(len(stack))]
        network = self._in_use()
        device = next(network.parameters()).device
        shown = torch.from_numpy(present(stack, self.settings)).to(device, memory_format=torch.channels_last)
        half = torch.autocast(device.type, torch.bfloat16, enabled=self._precision == "bfloat16")
        with torch.inference_mode(), half:
            found = network.boxes(shown, score, self.settings.nms_iou)
        return [boxes.cpu().numpy().astype(np.float64) for boxes in found]
