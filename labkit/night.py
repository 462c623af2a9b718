"""Train for a night from a file that says what from, and how: ``labkit train``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.configuration import read_configuration
from labkit.errors import FileError, LabkitError

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from labkit.train import Detector

#: Least score of the boxes that average precision looks at.
_ALL = 0.05


@dataclass(frozen=True)
class Plan:
    """What a configuration says. Paths are taken from the folder that the file lies in.

    Attributes
    ----------
    scenes : tuple of str
        Files of stored gradients or rates (:func:`labkit.read.save_scene`); ``*`` stands for several.
    chips : str
        GeoParquet of chips with their splits.
    labels : str
        A release of a label store (its folder), or a file of labels.
    out : str
        Folder of the detector.
    network, seed, max_minutes
        As for :func:`labkit.train.fit`.
    recipe : str
        As for :func:`labkit.train.recipe`.
    score : float
        Least score at which precision and recall are measured.
    settings, run, detector : dict
        Fields of FitSettings that shall be otherwise than the recipe says, of RunSettings, and of DetectorSettings.
    folder : Path
        Where the file lies.
    """

    scenes: tuple[str, ...]
    chips: str
    labels: str
    out: str
    network: str = "tiny"
    seed: int = 0
    max_minutes: float = math.inf
    recipe: str = "labkit"
    score: float = 0.5
    settings: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    detector: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()


def read_plan(path: str | Path) -> Plan:
    """Read a configuration, TOML or JSON.

    Raises
    ------
    FileError
        There is no such file, it is neither, or it lacks a word or has one too many.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     config = Path(folder) / "night.toml"
    ...     _ = config.write_text('scenes = ["*.nc"]\\nchips = "c.parquet"\\nlabels = "v1"\\nout = "d"\\nepoch = 3')
    ...     read_plan(config)
    Traceback (most recent call last):
    ...
    labkit.errors.FileError: ...night.toml must hold only the words chips, detector, ..., instead got epoch
    """
    path = Path(path)
    known = {f.name for f in fields(Plan)} - {"folder"}
    said = read_configuration(path, known, ("scenes", "chips", "labels", "out"))
    scenes = [said["scenes"]] if isinstance(said["scenes"], str) else said["scenes"]
    return Plan(**(said | {"scenes": tuple(scenes)}), folder=path.parent)


def train(plan: Plan, *, resume: bool = False, watch: Callable[[Any], Any] | None = None) -> Detector:
    """Train by a plan, measure the detector on the validation chips, and write its card.

    Parameters
    ----------
    plan : Plan
        Of :func:`read_plan`.
    resume : bool
        Go on where this training was stopped.
    watch : callable, optional
        Is given the records of all epochs so far after each one.

    Raises
    ------
    LabkitError
        A setting is none or out of its range, or data and state do not fit (:func:`labkit.train.fit`).
    FileError
        A file is missing or damaged.
    """
    from labkit.train import RunSettings, fit, recipe
    from labkit.train.card import write_card
    from labkit.train.processes import is_first_process

    known = [f.name for f in fields(RunSettings)]
    strange = sorted(set(plan.run) - set(known))
    if strange:
        raise LabkitError(f"run must hold fields of RunSettings, which are {known}, instead got {strange}")
    settings, run = recipe(plan.recipe, **plan.settings), RunSettings(**plan.run)
    scenes, chips, labels = _scenes(plan), _chips(plan), _labels(plan)
    out = plan.folder / plan.out
    detector = fit(
        chips, scenes, labels, network=plan.network, out=out, seed=plan.seed, max_minutes=plan.max_minutes,
        settings=settings, run=run, resume=resume, watch=watch, **plan.detector,
    )  # fmt: skip
    if is_first_process():
        words = _measure(detector, plan, chips, scenes, labels)
        write_card(out, {"validation chips": words} if words else {})
    return detector


def _scenes(plan: Plan) -> list[xr.Dataset]:
    from labkit.read import load_scene

    found = []
    for pattern in plan.scenes:
        paths = sorted(plan.folder.glob(pattern)) if not Path(pattern).is_absolute() else [Path(pattern)]
        if not paths:
            raise FileError(f"scenes must be files, instead there is none for {plan.folder / pattern}")
        found += [load_scene(path) for path in paths]
    return found


def _chips(plan: Plan) -> gpd.GeoDataFrame:
    import geopandas as gpd
    import pyarrow as pa

    path = plan.folder / plan.chips
    try:
        return gpd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise FileError(f"{path} must be chips, as chips.to_parquet writes them, instead got: {error}") from error


def _labels(plan: Plan) -> gpd.GeoDataFrame:
    from labkit import label

    path = plan.folder / plan.labels
    return label.load_release(path) if path.is_dir() else label.load_labels(path)


def _measure(
    detector: Detector, plan: Plan, chips: gpd.GeoDataFrame, scenes: list[xr.Dataset], labels: gpd.GeoDataFrame
) -> str:
    """What the detector finds on the validation chips, in words; none without such chips."""
    import pandas as pd

    from labkit.detect import detect_landslides, evaluate

    held_out = chips[chips["split"] == "validation"]
    if not len(held_out):
        return ""
    there = [scene for scene in scenes if scene.attrs["scene"] in set(held_out["scene"])]
    found = pd.concat([detect_landslides(scene, detector, score=_ALL) for scene in there], ignore_index=True)
    return str(evaluate(found, labels, chips=held_out, score=plan.score))
