"""Detect landslides with any detector, filter and merge what was found, and measure how good it is. No torch here."""

from labkit.detect.couplets import couplets
from labkit.detect.evaluation import evaluate
from labkit.detect.filters import filter_detections, quiet_share
from labkit.detect.hot_spots import hot_spot_scores, hot_spots
from labkit.detect.inventories import Comparison, compare_inventories
from labkit.detect.kmeans import kmeans_regions
from labkit.detect.merging import merge_detections
from labkit.detect.method_comparison import MethodComparison, compare_methods, mcnemar
from labkit.detect.predict import LandslideDetector, detect_landslides
from labkit.detect.rate_noise import estimate_standard_error
from labkit.detect.report import Evaluation
from labkit.detect.review_tally import ANSWERS, consensus_answers, review_agreement, review_shares
from labkit.detect.reviewing import Review, gather_answers, open_review, sample_detections
from labkit.detect.threshold import threshold_regions

__all__ = [
    "detect_landslides",
    "LandslideDetector",
    "filter_detections",
    "quiet_share",
    "merge_detections",
    "evaluate",
    "Evaluation",
    "couplets",
    "open_review",
    "Review",
    "ANSWERS",
    "sample_detections",
    "gather_answers",
    "consensus_answers",
    "review_shares",
    "review_agreement",
    "hot_spot_scores",
    "hot_spots",
    "kmeans_regions",
    "threshold_regions",
    "estimate_standard_error",
    "compare_inventories",
    "Comparison",
    "compare_methods",
    "MethodComparison",
    "mcnemar",
]
