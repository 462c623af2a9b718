"""Several methods against one inventory: the second paper's Table 4, and whether their difference may be chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from labkit.detect.inventories import Comparison, compare_inventories
from labkit.errors import LabkitError


@dataclass(frozen=True)
class McNemar:
    """Two methods on the same landslides.

    Attributes
    ----------
    both, only_first, only_second, neither : int
        How many of the inventory were detected by whom.
    p_value : float
        How often chance alone would part them so far or farther, were both equally good; exact, on both sides.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float


@dataclass(frozen=True)
class MethodComparison:
    """What several methods made of one inventory.

    Attributes
    ----------
    comparisons : dict of str to Comparison
        By the name of the method.

    Examples
    --------
    >>> from shapely.geometry import Point, box
    >>> from labkit import schema
    >>> known = gpd.GeoDataFrame(geometry=[Point(101.005, 31.005), Point(101.5, 31.5)], crs="EPSG:4326")
    >>> corners = {"xmin": [0, 9], "ymin": [0, 0], "xmax": [4, 12], "ymax": [4, 4]}
    >>> places = [box(101, 31, 101.01, 31.01), box(101.49, 31.49, 101.51, 31.51)]
    >>> both = schema.boxes_table({"scene": "s", "direction": "rate", "geometry": places} | corners)
    >>> compare_methods({"couplets": both, "hot spots": both[:1]}, known).detected
       couplets  hot spots
    0      True       True
    1      True      False
    """

    comparisons: dict[str, Comparison]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each method: the four columns of the second paper's Table 4, and the overlap with its interval."""
        rows = {}
        for name, one in self.comparisons.items():
            low, high = one.interval()
            rows[name] = {
                "correctly detected": one.correct, "not detected": one.missed, "newly detected": one.new,
                "total detected": one.total, "overlap (%)": one.overlap_percent, "from (95 %)": low, "to (95 %)": high,
                "boxes": len(one.detections),
            }  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")

    def __repr__(self) -> str:
        words = (f"{name}: {one.correct} of {len(one.items)}, {one.new} new" for name, one in self.comparisons.items())
        return f"<MethodComparison: {'; '.join(words)}>"

    def _repr_html_(self) -> str:
        def told(value: float) -> str:
            return "–" if np.isnan(value) else f"{value:.1f}"

        shares = dict.fromkeys(("overlap (%)", "from (95 %)", "to (95 %)"), told)
        chance = {"p": lambda value: f"{value:.3f}"}
        test = self.differences.to_html(index=False, border=0, formatters=chance) if len(self.comparisons) > 1 else ""
        return self.table.rename_axis(None).to_html(border=0, formatters=shares) + test

    @property
    def detected(self) -> pd.DataFrame:
        """Which method (column) detected which landslide of the inventory (row): true or false."""
        return pd.DataFrame({name: one.items["outcome"] == "detected" for name, one in self.comparisons.items()})

    @property
    def shared_percent(self) -> float:
        """Of the known landslides that any method detected those that all did, in percent; NaN where none did."""
        found = self.detected
        anyone = int(found.any(axis=1).sum())
        return 100 * int(found.all(axis=1).sum()) / anyone if anyone else float("nan")

    @property
    def differences(self) -> pd.DataFrame:
        """McNemar's test of each two methods: only the first, only the second, p. Several tests: read p with care."""
        rows = []
        for first, second in combinations(self.comparisons, 2):
            test = mcnemar(self.comparisons[first], self.comparisons[second])
            rows.append((first, second, test.only_first, test.only_second, test.p_value))
        return pd.DataFrame(rows, columns=["first", "second", "only first", "only second", "p"])


def compare_methods(
    methods: Mapping[str, gpd.GeoDataFrame],
    inventory: gpd.GeoDataFrame,
    buffer_m: float = 0.0,
    *,
    matching: str = "many",
) -> MethodComparison:
    """Compare the detections of several methods with one inventory.

    Parameters
    ----------
    methods : mapping of str to geopandas.GeoDataFrame
        Name → detections, on ground that none of them was trained on.
    inventory, buffer_m, matching
        As for :func:`labkit.compare_inventories`.

    Raises
    ------
    LabkitError
        There is no method, or :func:`labkit.compare_inventories` refuses one.

    References
    ----------
    Zhang et al. (2025), section 4.3 and Table 4.

    Examples
    --------
    >>> from shapely.geometry import Point, box
    >>> from labkit import schema
    >>> known = gpd.GeoDataFrame(geometry=[Point(101.005, 31.005), Point(101.5, 31.5)], crs="EPSG:4326")
    >>> corners = {"xmin": [0, 9], "ymin": [0, 0], "xmax": [4, 12], "ymax": [4, 4]}
    >>> places = [box(101, 31, 101.01, 31.01), box(101.49, 31.49, 101.51, 31.51)]
    >>> both = schema.boxes_table({"scene": "s", "direction": "rate", "geometry": places} | corners)
    >>> result = compare_methods({"couplets": both, "hot spots": both[:1]}, known)
    >>> result.table[["correctly detected", "not detected"]]
               correctly detected  not detected
    method
    couplets                    2             0
    hot spots                   1             1
    """
    if not methods:
        raise LabkitError("methods must name at least one table of detections, instead got none")
    return MethodComparison({
        str(name): compare_inventories(detections, inventory, buffer_m, matching=matching)
        for name, detections in methods.items()
    })  # fmt: skip


def mcnemar(first: Comparison, second: Comparison) -> McNemar:
    """Tell whether two methods differ in what they detect of the same inventory.

    Raises
    ------
    LabkitError
        The inventories are not the same.

    Notes
    -----
    Only landslides that one method detected and the other did not tell anything. Were both equally good, each of these
    n would be either's with probability ½: p = min(1, 2 Σ_{k ≤ min(b, c)} C(n, k) / 2ⁿ), b and c their shares. What is
    new does not enter: a method that reports everything wins.

    References
    ----------
    McNemar (1947), Note on the sampling error of the difference between correlated proportions or percentages, in its
    exact form.

    Examples
    --------
    >>> from shapely.geometry import Point, box
    >>> from labkit import schema
    >>> from labkit.detect import compare_inventories
    >>> known = gpd.GeoDataFrame(geometry=[Point(101.005, 31.005), Point(101.5, 31.5)], crs="EPSG:4326")
    >>> one = {"scene": "s", "direction": "rate", "xmin": [0], "ymin": [0], "xmax": [4], "ymax": [4]}
    >>> first = schema.boxes_table(one | {"geometry": [box(101, 31, 101.01, 31.01)]})
    >>> second = schema.boxes_table(one | {"geometry": [box(102, 31, 102.01, 31.01)]})
    >>> mcnemar(compare_inventories(first, known), compare_inventories(second, known))
    McNemar(both=0, only_first=1, only_second=0, neither=1, p_value=1.0)
    """
    same = first.items.index.equals(second.items.index) and first.items.crs == second.items.crs
    if not same or not first.items.geometry.geom_equals(second.items.geometry).all():
        raise LabkitError("first and second must be compared with the same inventory, instead got two that differ")
    a, b = ((one.items["outcome"] == "detected").to_numpy() for one in (first, second))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(int((a & b).sum()), only_a, only_b, int((~np.logical_or(a, b)).sum()), p)
