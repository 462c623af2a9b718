"""A whole region: many bursts of several tracks, each read, stacked and searched as a task; then one map of all."""

from labkit.region.plan import Plan, read_plan
from labkit.region.running import Report, run_region

__all__ = ["Plan", "Report", "read_plan", "run_region"]
