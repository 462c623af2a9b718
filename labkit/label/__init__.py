"""Labelling with people: a Label Studio server for the bench, chips pushed to it, labels pulled from it.

    >>> from labkit import label

``start_server`` starts (or finds) the server, ``connect`` gives a ``Studio``; ``studio.push`` makes tasks of chips,
``studio.pull`` gives the labels table. The Label Studio SDK is imported when a connection is opened, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

#: Public name → the module that holds it, loaded when it is first used: the process that keeps snapshots stays small.
_HOMES = {
    "LABEL_COLUMNS": "columns",
    "CLASSES": "config",
    "labelling_interface": "config",
    "guidance_text": "guidance",
    "count_proposals": "proposals",
    "drop_duplicates": "duplicates",
    "ensure_environment": "environment",
    "move_labels": "ground",
    "load_labels": "labelfile",
    "save_labels": "labelfile",
    "load_release": "releases",
    "SharedServer": "joining",
    "join_server": "joining",
    "LabelServer": "server",
    "find_server": "server",
    "is_healthy": "server",
    "start_server": "server",
    "LabelStore": "store",
    "open_store": "store",
    "AnnotateReport": "studio",
    "PushReport": "studio",
    "Studio": "studio",
    "connect": "studio",
    "read_people": "people",
    "add_people": "people",
    "reset_password": "people",
    "write_sheet": "people",
    "back_up": "backup",
    "restore": "restoring",
    "read_coco": "coco",
    "write_coco": "coco",
    "Pictures": "pictures",
    "labels_of": "pictures",
    "pictures_of": "pictures",
    "PictureScenes": "ready_made",
    "picture_scenes": "ready_made",
    "values_of": "ready_made",
    "read_voc": "voc",
    "write_voc": "voc",
    "read_yolo": "yolo",
    "write_yolo": "yolo",
    "agreement": "agreeing",
    "agreement_of_all": "agreeing",
    "cohen_kappa": "agreeing",
    "fleiss_kappa": "agreeing",
    "match_boxes": "voices",
    "consensus": "fusing",
    "disagreements": "discuss",
    "assign_chips": "apart",
    "gather": "apart",
    "push_apart": "apart",
    "count_progress": "apart",
    "Calibration": "hidden",
    "hide_chips": "calibration",
    "calibration_scores": "calibration",
    "next_chips": "choosing",
    "Total": "estimating",
    "estimate_total": "estimating",
}

if TYPE_CHECKING:
    from labkit.label.agreeing import agreement, agreement_of_all, cohen_kappa, fleiss_kappa
    from labkit.label.apart import assign_chips, count_progress, gather, push_apart
    from labkit.label.backup import back_up
    from labkit.label.calibration import calibration_scores, hide_chips
    from labkit.label.choosing import next_chips
    from labkit.label.coco import read_coco, write_coco
    from labkit.label.columns import LABEL_COLUMNS
    from labkit.label.config import CLASSES, labelling_interface
    from labkit.label.discuss import disagreements
    from labkit.label.duplicates import drop_duplicates
    from labkit.label.environment import ensure_environment
    from labkit.label.estimating import Total, estimate_total
    from labkit.label.fusing import consensus
    from labkit.label.ground import move_labels
    from labkit.label.guidance import guidance_text
    from labkit.label.hidden import Calibration
    from labkit.label.joining import SharedServer, join_server
    from labkit.label.labelfile import load_labels, save_labels
    from labkit.label.people import add_people, read_people, reset_password, write_sheet
    from labkit.label.pictures import Pictures, labels_of, pictures_of
    from labkit.label.proposals import count_proposals
    from labkit.label.ready_made import PictureScenes, picture_scenes, values_of
    from labkit.label.releases import load_release
    from labkit.label.restoring import restore
    from labkit.label.server import LabelServer, find_server, is_healthy, start_server
    from labkit.label.store import LabelStore, open_store
    from labkit.label.studio import AnnotateReport, PushReport, Studio, connect
    from labkit.label.voc import read_voc, write_voc
    from labkit.label.voices import match_boxes
    from labkit.label.yolo import read_yolo, write_yolo

__all__ = [
    "start_server",
    "join_server",
    "find_server",
    "is_healthy",
    "LabelServer",
    "SharedServer",
    "connect",
    "Studio",
    "PushReport",
    "AnnotateReport",
    "CLASSES",
    "LABEL_COLUMNS",
    "labelling_interface",
    "guidance_text",
    "count_proposals",
    "drop_duplicates",
    "move_labels",
    "open_store",
    "LabelStore",
    "load_release",
    "save_labels",
    "load_labels",
    "Pictures",
    "pictures_of",
    "labels_of",
    "picture_scenes",
    "PictureScenes",
    "values_of",
    "write_voc",
    "read_voc",
    "write_coco",
    "read_coco",
    "write_yolo",
    "read_yolo",
    "ensure_environment",
    "read_people",
    "add_people",
    "reset_password",
    "write_sheet",
    "back_up",
    "restore",
    "agreement",
    "agreement_of_all",
    "cohen_kappa",
    "fleiss_kappa",
    "match_boxes",
    "consensus",
    "disagreements",
    "assign_chips",
    "gather",
    "push_apart",
    "count_progress",
    "hide_chips",
    "calibration_scores",
    "Calibration",
    "next_chips",
    "estimate_total",
    "Total",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit.label' has no attribute {name!r}")
    value = getattr(import_module(f"labkit.label.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
