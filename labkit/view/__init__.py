"""What a person looks at: gradients and rates, the network of pairs, the map, and pictures for print.

Nothing that draws is imported before its first use: holoviews and bokeh for panels, leafmap for maps, matplotlib for
pictures.
"""

from __future__ import annotations

from labkit.view import studies
from labkit.view.baselines import network
from labkit.view.blind import save_side_by_side_png
from labkit.view.box_editor import box_editor
from labkit.view.comparison import compare
from labkit.view.detector_columns import compare_detectors, mistakes
from labkit.view.explore import explore
from labkit.view.ground_picture import ground_picture
from labkit.view.interferogram import pair, phases
from labkit.view.label_offer import label_offer
from labkit.view.leaflet import map
from labkit.view.line_profile import profile
from labkit.view.loss_curves import live_losses, losses
from labkit.view.measures import measures
from labkit.view.panels import gradients, rates
from labkit.view.pictures import save_gradients_png, save_map_png
from labkit.view.place_history import history, series
from labkit.view.print_map import print_map
from labkit.view.relief import terrain
from labkit.view.review import review
from labkit.view.review_shares import reviewed
from labkit.view.switchboard import switchboard
from labkit.view.together import agreement, progress, voices

__all__ = [
    "gradients",
    "rates",
    "pair",
    "phases",
    "compare",
    "compare_detectors",
    "mistakes",
    "explore",
    "network",
    "losses",
    "live_losses",
    "ground_picture",
    "label_offer",
    "map",
    "measures",
    "profile",
    "print_map",
    "history",
    "series",
    "save_gradients_png",
    "save_map_png",
    "save_side_by_side_png",
    "studies",
    "switchboard",
    "terrain",
    "agreement",
    "box_editor",
    "progress",
    "review",
    "reviewed",
    "voices",
]
