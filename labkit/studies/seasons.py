"""What a landslide's course in time does to its stack: one that moves in summer and creeps back in winter."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from labkit.errors import LabkitError
from labkit.intervals import share_interval
from labkit.schema import DAYS_PER_YEAR
from labkit.simulate import Scene
from labkit.simulate.motion import Motion
from labkit.stack import select_pairs
from labkit.studies.detection import ALL, EITHER, measure_detection, with_intervals
from labkit.studies.interferograms import stack_as_published
from labkit.studies.sites import choose_sites, plant, shown_rates, site_boxes
from labkit.studies.subsets import load_pairs

Array = npt.NDArray[np.float64]

#: What the first paper stacked (Figure 12 A, B, C, E, F), as arguments of :func:`labkit.select_pairs`.
PERIODS: dict[str, dict[str, Any]] = {
    "2014 to 2020": {},
    "September 2017 to October 2018": {"start": "2017-09-01", "end": "2018-10-31"},
    "November 2018 to October 2020": {"start": "2018-11-01", "end": "2020-10-31"},
    "September to March": {"start": "2016-01-01", "end": "2020-12-31", "months": (9, 10, 11, 12, 1, 2, 3)},
    "April to August": {"start": "2016-01-01", "end": "2020-12-31", "months": (4, 5, 6, 7, 8)},
}


@dataclass(frozen=True)
class TwoSeasons(Motion):
    """A course of two speeds in the year, in units of the summer's.

    Attributes
    ----------
    winter_share : float
        Speed outside the summer as a share of the summer's, in [−2, 2]; negative: back.
    first_month, last_month : int
        The summer, both months included, 1 ≤ first ≤ last ≤ 12. April to August, as the first paper stacks it.

    Notes
    -----
    ds/dt = 1 in summer and ``winter_share`` outside. A year sums to 0 at a share of −0.72 (153 days of summer), where
    the landslide comes back to where it was.

    References
    ----------
    Fu et al. (2022), section 6.1 and Figure 12D.

    Raises
    ------
    LabkitError
        A value breaks its rule.

    Examples
    --------
    A landslide that creeps back at 0.72 of its summer's speed is back where it was after a year:

    >>> from labkit.studies import TwoSeasons
    >>> course = TwoSeasons("seasonal", np.datetime64("2018-01-01"), np.datetime64("2020-01-01"), winter_share=-0.72)
    >>> course.years(["2018-04-01", "2018-09-01", "2019-01-01"]).round(2)
    array([-0.18,  0.24,  0.  ])
    """

    winter_share: float = -0.15
    first_month: int = 4
    last_month: int = 8

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if not -2 <= self.winter_share <= 2:
            raise LabkitError(f"winter_share must be in [−2, 2], instead got winter_share={self.winter_share}")
        if not 1 <= self.first_month <= self.last_month <= 12:
            raise LabkitError(
                f"first_month and last_month must be in order within 1..12, instead got {self.first_month} and "
                f"{self.last_month}"
            )

    def years(self, dates: npt.ArrayLike) -> Array:
        """Give s at dates (datetime64): the displacement since ``start`` over the summer's speed, in years."""
        days = np.asarray(dates, "datetime64[D]")
        passed = (days - self.start.astype("datetime64[D]")).astype(float)
        summer = self._summer_days(days) - self._summer_days(self.start.astype("datetime64[D]"))
        return np.asarray((summer + self.winter_share * (passed - summer)) / DAYS_PER_YEAR)

    def _summer_days(self, days: npt.NDArray[np.datetime64]) -> Array:
        """Days of summer since 1970, of whole years and of the year that has begun."""
        year = days.astype("datetime64[Y]")
        months = year.astype("datetime64[M]")
        first = (months + np.timedelta64(self.first_month - 1, "M")).astype("datetime64[D]")
        after = (months + np.timedelta64(self.last_month, "M")).astype("datetime64[D]")
        own = np.clip((days - first).astype(float), 0.0, (after - first).astype(float))
        # every summer that ends has the same length, but for one with a leap day in it
        starts = np.arange(np.datetime64("1970"), np.max(year) + 1)
        begin = (starts.astype("datetime64[M]") + np.timedelta64(self.first_month - 1, "M")).astype("datetime64[D]")
        end = (starts.astype("datetime64[M]") + np.timedelta64(self.last_month, "M")).astype("datetime64[D]")
        whole = np.concatenate([[0.0], (end - begin).astype(float).cumsum()])
        return np.asarray(whole[year.astype(int)] + own)


def temporal_behaviour(
    scene: Scene,
    rates: Sequence[float] = (-20.0, -40.0, -80.0, -160.0),
    winter_shares: Sequence[float] = (-0.15, -0.4, -0.7),
    *,
    each: int = 4,
    length_m: float = 900.0,
    track: str = "ascending",
    estimators: Sequence[str] = ("sum",),
    periods: Mapping[str, Mapping[str, Any]] = PERIODS,
    false_per_1000_km2: float = 1.0,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Plant landslides that move in summer and creep back in winter, and look for them in stacks of several periods.

    Parameters
    ----------
    scene : Scene
        Into whose pairs they are planted, apart from what moves there. Its pairs are made once and kept in memory, 8
        bytes per pixel and pair.
    rates : sequence of float
        LOS rates of the summer, mm/yr, positive toward the satellite.
    winter_shares : sequence of float
        Speeds outside the summer as shares of the summer's (:class:`TwoSeasons`).
    each : int
        Landslides of each rate.
    length_m : float
        Their length, m.
    track : str
        "ascending" or "descending".
    estimators : sequence of str
        Of :func:`labkit.stack_gradients`.
    periods : mapping
        Name → arguments of :func:`labkit.select_pairs`: which pairs are stacked.
    false_per_1000_km2 : float
        Stated to the couplet filter.
    seed : int
        Of places and outlines.
    progress : bool
        Show bars.

    Returns
    -------
    pandas.DataFrame
        One row for each ``winter_share``, ``period``, ``estimator`` and ``rate``: the columns of
        :func:`labkit.studies.measure_detection` ("either" direction; ``labels``: the landslides of that rate),
        ``years``, the Σ temporal baseline, and medians over them of ``shown``, the share of the summer's rate that the
        stack shows, and of ``snr``, that share over its noise, negative where the stack shows it going the other way;
        ``found``: names of the landslides detected, apart by blanks, the same in all periods
        (:func:`labkit.studies.follow_the_paper`).

    Raises
    ------
    LabkitError
        There is no room, no such track, or no pair in a period.

    References
    ----------
    Fu et al. (2022), section 6.1 and Figure 12: the Luri landslide is missed in the full stack and in September 2017 to
    October 2018, and found in both seasons, with opposite signs.

    Examples
    --------
    >>> import labkit as lk
    >>> from labkit.studies import temporal_behaviour
    >>> seasons = {"whole": {}, "from May on": {"start": "2018-05-01"}}
    >>> scene = lk.simulate.scene("tiny")
    >>> table = temporal_behaviour(scene, [-160.0], [-0.4], each=2, length_m=400, periods=seasons, progress=False)
    >>> table[["period", "rate", "labels", "detected", "shown", "years"]].round(1)
            period   rate  labels  detected  shown  years
    0        whole -160.0       2         2    0.2    1.3
    1  from May on -160.0       2         2    0.3    0.5
    """
    if track not in scene.interferograms:
        raise LabkitError(f"track must be one of {sorted(scene.interferograms)}, instead got track={track!r}")
    ifgs = load_pairs(scene.interferograms[track], progress=progress)
    moving = _of_scene(scene, ifgs)
    sites = choose_sites(ifgs, scene.frames[track], moving, rates, each, length_m=length_m, seed=seed)
    truth = site_boxes(sites, ifgs)
    span = ifgs["reference"].values.min(), ifgs["secondary"].values.max()
    rows = []
    settings = list(itertools.product(winter_shares, periods, estimators))
    for share, period, estimator in tqdm(settings, desc="stacks", unit="stack", disable=not progress):
        course = TwoSeasons("seasonal", *span, winter_share=share)
        chosen = select_pairs(plant(ifgs, sites, course), None, **periods[period])
        stacked = stack_as_published(chosen, estimator)
        table = measure_detection(
            stacked, truth, unseen=moving, classes={site.name: site.name for site in sites},
            false_per_1000_km2=false_per_1000_km2,
        )  # fmt: skip
        either = table[table["direction"] == EITHER].set_index("class")
        shown, snr = shown_rates(stacked, sites, _together(moving, truth), seed=seed)
        of_rate = np.array([site.rate for site in sites])
        for rate in rates:
            names = [site.name for site in sites if site.rate == rate]
            found = [name for name in names if either.loc[name, "detected"]]
            row = either.loc[[ALL]].reset_index(drop=True)
            row.insert(row.columns.get_loc("labels"), "class", f"{rate:g}")
            rows.append(
                with_intervals(row.assign(labels=len(names), detected=len(found))).assign(
                    winter_share=share,
                    period=period,
                    rate=rate,
                    years=stacked.attrs["sum_temporal_baseline"],
                    shown=np.median(shown[of_rate == rate]),
                    snr=np.median(snr[of_rate == rate]),
                    found=" ".join(found),
                )
            )
    return pd.concat(rows, ignore_index=True)


def follow_the_paper(
    table: pd.DataFrame,
    missed: Sequence[str] = ("2014 to 2020", "September 2017 to October 2018"),
    found: Sequence[str] = ("September to March", "April to August"),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Count the landslides that do as the paper's Luri landslide: missed in some periods and found in others.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`temporal_behaviour`, of one estimator. Several scenes differ in ``scene``.
    missed, found : sequence of str
        The periods in which a landslide has to be missed, and those in which it has to be found.
    confidence : float
        Of the interval, in (0, 1).

    Returns
    -------
    pandas.DataFrame
        One row for each ``winter_share`` and ``rate``: ``labels``, the landslides; ``alike`` of them; ``share`` with
        ``low`` and ``high``, Wilson's interval.

    Raises
    ------
    LabkitError
        A period is not in the table, or a landslide is in it twice.

    References
    ----------
    Fu et al. (2022), section 6.1 and Figure 12 A, B, E and F.

    Examples
    --------
    >>> from labkit.studies import follow_the_paper
    >>> about = {"scene": "a", "winter_share": -0.4, "rate": -80.0, "labels": 4}
    >>> periods = {"period": ["whole", "summer", "winter"], "found": ["", "P1 P2 P3", "P1 P3"]}
    >>> follow_the_paper(pd.DataFrame({**about, **periods}), missed=["whole"], found=["summer", "winter"]).round(2)
       winter_share  rate  labels  alike  share   low  high
    0          -0.4 -80.0       4      2    0.5  0.15  0.85
    """
    absent = sorted({*missed, *found} - set(table["period"]))
    if absent:
        raise LabkitError(f"missed and found must name periods of table, instead these are not in it: {absent}")
    if table.duplicated(["scene", "winter_share", "rate", "period"]).any():
        raise LabkitError("table must hold each scene, winter, rate and period once, instead some stand in it twice")
    rows = []
    for (share, rate), part in table.groupby(["winter_share", "rate"], sort=False):
        labels = alike = 0
        for _, scene in part.groupby("scene"):
            names = {row.period: set(str(row.found).split()) for row in scene.itertuples()}
            seen = set.intersection(*(names[period] for period in found))
            alike += len(seen.difference(*(names[period] for period in missed)))
            labels += int(scene["labels"].iloc[0])
        rows.append({"winter_share": share, "rate": rate, "labels": labels, "alike": alike})
    counts = pd.DataFrame(rows)
    low, high = share_interval(counts["alike"], counts["labels"], confidence)
    return counts.assign(share=counts["alike"] / counts["labels"], low=low, high=high)


def _of_scene(scene: Scene, ifgs: xr.Dataset) -> gpd.GeoDataFrame:
    """Boxes of what moves on this track, whether it can be seen or not."""
    tables = [scene.truth] if scene.unseen is None else [scene.truth, scene.unseen]
    every = _together(*tables)
    return every[every["scene"] == ifgs.attrs["scene"]]


def _together(*tables: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(pd.concat(tables, ignore_index=True))
