"""Weights learned on photographs, to begin a Faster R-CNN with: those of torchvision, as far as they fit."""

from __future__ import annotations

import hashlib
import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torchvision.models import ResNet34_Weights, resnet34
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights, fasterrcnn_resnet50_fpn

from labkit import home
from labkit.errors import FileError, LabkitError
from labkit.train.detector import Detector
from labkit.train.faster import FasterRcnn
from labkit.train.settings import require

#: Where torchvision offers them; the last word of a file's name is the beginning of its SHA-256.
SOURCES = {
    "ImageNet": ResNet34_Weights.IMAGENET1K_V1.url,
    "COCO": FasterRCNN_ResNet50_FPN_Weights.COCO_V1.url,
}

BODY = "backbone.body."
FIRST = f"{BODY}conv1.weight"


def start_from_coco(detector: Detector, *, folder: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Begin a Faster R-CNN with ImageNet's backbone and with what fits of torchvision's COCO detector.

    Parameters
    ----------
    detector : Detector
        A Faster R-CNN of any of the three kinds, from :func:`labkit.train.build_detector`; its weights change.
    folder : path, optional
        Where the downloaded weights are kept, as safetensors; ``.labkit/weights`` when left out.

    Returns
    -------
    pandas.DataFrame
        What was taken: a row for each weight with ``weight``, ``shape``, ``source`` ("ImageNet", "COCO" or "fresh")
        and ``why``.

    Raises
    ------
    LabkitError
        The detector is no Faster R-CNN, or the weights cannot be downloaded; the message says what to copy where.

    References
    ----------
    Zhang et al. (2025), section 2.3, who begin with COCO and do not say of which network: torchvision's is on
    ResNet-50, so that only what lies behind the backbone can fit.

    Examples
    --------
    For a Faster R-CNN it downloads 254 MB, once, and says what was taken of them. Networks of other families have no
    such beginning:

    >>> import labkit as lk
    >>> lk.train.start_from_coco(lk.train.build_detector("tiny", width="nano"))
    Traceback (most recent call last):
    ...
    labkit.errors.LabkitError: detector must be a Faster R-CNN, instead got network='tiny'. Build one: ...
    """
    network = _faster(detector)
    known = {name: load_file(fetch_weights(name, folder=folder)) for name in SOURCES}
    return take_over(network, known["ImageNet"], known["COCO"])


def take_over(network: FasterRcnn, imagenet: Mapping[str, Tensor], coco: Mapping[str, Tensor]) -> pd.DataFrame:
    """Copy the layers whose weights all have the same names and shapes.

    Parameters
    ----------
    network : FasterRcnn
        Its weights change.
    imagenet, coco : mapping
        The weights of torchvision's ResNet-34, and of its Faster R-CNN on ResNet-50.

    Returns
    -------
    pandas.DataFrame
        As :func:`start_from_coco`.

    Notes
    -----
    ``conv1`` looked at three colours. Here their sum, which answers a grey image as the three did, is shared equally
    by the directions, over their standard errors too; validity begins with zero. CBAM and the last layers, which knew
    91 classes, stay fresh.
    """
    own = network.state_dict()
    given = {name: _given(name, imagenet, coco, network) for name in own}
    misfits = {name: _misfit(name, value.shape, given[name]) for name, value in own.items()}
    rows = []
    for name, value in own.items():
        beside = (why for other, why in misfits.items() if why and _layer(other) == _layer(name))
        why = misfits[name] or next((f"its layer does not fit: {reason}" for reason in beside), "")
        source = "fresh" if why else _source(name)
        fits = "the colours' sum, shared by the directions" if name == FIRST else "same name and shape"
        rows.append({"weight": name, "shape": tuple(value.shape), "source": source, "why": why or fits})
    report = pd.DataFrame(rows)
    taken = {name: given[name] for name in report["weight"][report["source"] != "fresh"]}
    network.load_state_dict({**own, **taken})
    return report


def _source(name: str) -> str:
    return "ImageNet" if name.startswith(BODY) else "COCO"


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _given(name: str, imagenet: Mapping[str, Tensor], coco: Mapping[str, Tensor], network: FasterRcnn) -> Tensor | None:
    """What the source of this weight has under its name; None where it has nothing."""
    value = imagenet.get(name.removeprefix(BODY)) if name.startswith(BODY) else coco.get(name)
    return value if value is None or name != FIRST else _grey(value, network)


def _misfit(name: str, shape: torch.Size, given: Tensor | None) -> str:
    """Why a weight cannot be taken; empty where it can."""
    if given is None:
        return f"{_source(name)} has no such weight"
    return "" if given.shape == shape else f"{_source(name)} has it as {tuple(given.shape)}"


def fetch_weights(name: str, *, folder: str | os.PathLike[str] | None = None) -> Path:
    """Download weights once, and keep them as safetensors.

    Parameters
    ----------
    name : str
        "ImageNet" (ResNet-34, 87 MB) or "COCO" (Faster R-CNN on ResNet-50, 167 MB).
    folder : path, optional
        Where they are kept; ``.labkit/weights`` when left out.

    Returns
    -------
    pathlib.Path
        The safetensors file.

    Raises
    ------
    LabkitError
        There is no network, or what came is not what was asked for.

    Notes
    -----
    The file that comes is a pickle. It is opened with ``weights_only=True``, so that nothing in it is run, once its
    SHA-256 begins as its name says; what is kept holds numbers alone. A copy of the file put into the folder by hand
    is taken instead of a download.
    """
    require(name in SOURCES, "name", f"among {sorted(SOURCES)}", name)
    place = Path(folder) if folder is not None else home.folder() / "weights"
    url = SOURCES[name]
    pickled = place / url.rsplit("/", 1)[1]
    kept = pickled.with_suffix(".safetensors")
    if not kept.is_file():
        place.mkdir(parents=True, exist_ok=True)
        if not pickled.is_file():
            _download(url, pickled)
        _check_name(pickled)
        _convert(pickled, kept, _model(name))
    return kept


def _download(url: str, target: Path) -> None:
    try:
        # writes beside the target and renames when the SHA-256 begins with the prefix
        torch.hub.download_url_to_file(url, str(target), hash_prefix=_prefix(target))
    except (OSError, RuntimeError) as error:
        raise LabkitError(
            f"weights must be reachable at {url}, instead got {type(error).__name__}: {error}. Where there is no "
            f"network, copy that file to {target}; or train from fresh weights"
        ) from error


def _check_name(pickled: Path) -> None:
    """Refuse a file whose SHA-256 does not begin as its name says, also one that was copied by hand."""
    with pickled.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(_prefix(pickled)):
        raise FileError(
            f"{pickled} must have a SHA-256 that begins as its name ends, instead it begins {digest[:8]}: the file was "
            "cut or changed. Remove it, and it is downloaded anew"
        )


def _prefix(pickled: Path) -> str:
    return pickled.stem.rpartition("-")[2]


def _convert(pickled: Path, kept: Path, model: nn.Module) -> None:
    """Turn a pickle of weights into safetensors, with the names that today's torchvision gives them."""
    try:
        with warnings.catch_warnings():
            # torch warns of pickles that it did not write before it refuses them
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            state = torch.load(pickled, map_location="cpu", weights_only=True)
        model.load_state_dict(state)
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError, ValueError) as error:
        raise FileError(
            f"{pickled} must hold the weights of {type(model).__name__}, instead got {type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}. Remove it, and it is downloaded anew"
        ) from error
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    partial = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    partial.write_bytes(save(tensors))
    partial.replace(kept)
    pickled.unlink()


def _model(name: str) -> nn.Module:
    if name == "ImageNet":
        return resnet34(weights=None)
    return fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)


def _grey(colours: Tensor, network: FasterRcnn) -> Tensor:
    layers = len(network.settings.limits)
    looks = (colours.sum(dim=1, keepdim=True) / layers).repeat(1, layers, 1, 1)
    if network.settings.validity:
        looks = torch.cat([looks, torch.zeros_like(looks[:, :1])], dim=1)
    return looks


def _faster(detector: Detector) -> FasterRcnn:
    network = detector.network
    if not isinstance(network, FasterRcnn):
        raise LabkitError(
            "detector must be a Faster R-CNN, instead got "
            f"network={detector.settings.network!r}. Build one: labkit.train.build_detector('faster-rcnn-fpn-cbam')"
        )
    return network
