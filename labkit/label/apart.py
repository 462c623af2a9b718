"""Labelling apart: which chips go to whom, a project for each person, and all of them gathered again."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.label.calibration import calibration_scores
from labkit.label.hidden import Calibration
from labkit.label.store import LabelStore
from labkit.label.studio import PushReport, Studio


def assign_chips(chips: gpd.GeoDataFrame, people: Sequence[str], overlap: int = 2, seed: int = 0) -> pd.DataFrame:
    """Give each chip to several people, everybody as many as the others, and each two as many in common.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        Chips (:mod:`labkit.schema`).
    people : sequence of str
        Names or e-mail addresses.
    overlap : int
        How many people look at each chip, from 1 to all.
    seed : int
        Of the shares.

    Returns
    -------
    pandas.DataFrame
        ``chip_id`` and ``annotator``, in the order of the chips. Nobody has more than one chip more than another; pairs
        of people are as even as taking them one by one makes them. Keep it: with other chips or people the same seed
        gives other shares.

    Raises
    ------
    LabkitError
        An argument breaks its rule.

    Examples
    --------
    >>> import labkit as lk
    >>> rates = lk.simulate.scene("tiny").rates["ascending"]
    >>> chips = lk.make_chips(rates, size=64, overlap=0)
    >>> assignment = lk.label.assign_chips(chips, ["ann", "bob", "eve"], overlap=2)
    >>> assignment.head(3)
                         chip_id annotator
    0   tiny-ascending-r0-c0-s64       ann
    1   tiny-ascending-r0-c0-s64       eve
    2  tiny-ascending-r0-c64-s64       ann
    >>> assignment["annotator"].value_counts(sort=False).to_dict()
    {'ann': 6, 'eve': 6, 'bob': 6}
    """
    schema.check_chips(chips)
    if not people or len(set(people)) < len(people):
        raise LabkitError(f"people must be different names, at least one, instead got people={list(people)}")
    if not 1 <= overlap <= len(people):
        raise LabkitError(f"overlap must be from 1 to the {len(people)} people, instead got overlap={overlap}")
    random = np.random.default_rng(seed)
    has = np.zeros(len(people), int)
    shared = np.zeros((len(people), len(people)), int)
    shares: dict[int, list[int]] = {}
    for chip in random.permutation(len(chips)).tolist():
        chosen: list[int] = []
        for _ in range(overlap):
            chance = random.random(len(people))
            order = np.lexsort((chance, shared[:, chosen].sum(axis=1), has))
            chosen.append(int(next(who for who in order if who not in chosen)))
        has[chosen] += 1
        shared[np.ix_(chosen, chosen)] += 1
        shares[chip] = sorted(chosen)
    names = chips["chip_id"].astype(str).tolist()
    rows = [(names[chip], people[who]) for chip in range(len(names)) for who in shares[chip]]
    return pd.DataFrame(rows, columns=["chip_id", "annotator"])


def title_of(project: str, who: str) -> str:
    """Give the title of a person's own project."""
    return f"{project} · {who}"


def push_apart(
    studio: Studio,
    chips: gpd.GeoDataFrame,
    images: pd.DataFrame,
    assignment: pd.DataFrame,
    project: str = "labkit",
    *,
    calibration: Calibration | None = None,
) -> dict[str, PushReport]:
    """Make a project for each person with that person's chips; pushed again, nothing is doubled.

    Label Studio's community edition shows everybody's work to everybody in a project. In projects of their own people
    see no boxes of others while they draw; nothing keeps them from opening another project.

    Parameters
    ----------
    studio : Studio
        Of :func:`labkit.label.connect`.
    chips, images
        As for :meth:`labkit.label.Studio.push`.
    assignment : pandas.DataFrame
        Of :func:`assign_chips`.
    project : str
        The titles are "project · person".
    calibration : Calibration, optional
        Hidden chips with known landslides (:func:`labkit.label.hide_chips`), for everybody, at places in the queue that
        differ from person to person; ``images`` then also has those of the known chips, under their own names.

    Returns
    -------
    dict
        Person → what the push did, with the address to send to that person.

    Raises
    ------
    LabkitError
        The assignment names other chips, or a hidden chip has the name of another one or no image.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.make_chips(rates, size=64, overlap=0)
    >>> assignment = lk.label.assign_chips(chips, ["ann", "bob", "eve"], overlap=2)
    >>> studio = lk.label.connect()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = lk.chip.write_images(chips, rates, folder, progress=False)
    ...     reports = lk.label.push_apart(studio, chips, images, assignment, "spring")
    >>> for who, report in reports.items():
    ...     print(who, report.project, report.new)
    ann spring · ann 6
    bob spring · bob 6
    eve spring · eve 6
    """
    names = chips["chip_id"].astype(str)
    unknown = set(assignment["chip_id"]) - set(names)
    if unknown:
        raise LabkitError(f"assignment must be of these chips, instead {sorted(unknown)[0]!r} is none of them")
    hidden = chips.iloc[:0] if calibration is None else calibration.chips
    same = set(names) & set(hidden["chip_id"])
    if same:
        raise LabkitError(
            f"calibration must be hidden among all chips of the scenes, instead {sorted(same)[0]!r} is one of "
            "these. Give hide_chips(…, among=) also those that a selection has left out"
        )
    shown = images if calibration is None else calibration.disguise(images)
    reports = {}
    for who, own in assignment.groupby("annotator"):
        title = title_of(project, str(who))
        reports[str(who)] = studio.push(_mixed(chips[names.isin(own["chip_id"])], hidden, title), shown, title)
    return reports


def _mixed(own: gpd.GeoDataFrame, hidden: gpd.GeoDataFrame, title: str) -> gpd.GeoDataFrame:
    """A person's chips in their order with the hidden ones anywhere between them, by the title always the same."""
    if not len(hidden):
        return own
    random = np.random.default_rng(zlib.crc32(title.encode()))
    # a number between 0 and the last chip's for each hidden one
    places = np.concatenate([np.arange(len(own)), random.uniform(0, len(own), len(hidden))])
    columns = list(schema.CHIP_COLUMNS)
    both = pd.concat([own[columns], hidden[columns].to_crs(own.crs) if own.crs else hidden[columns]])
    return gpd.GeoDataFrame(both.iloc[np.argsort(places, kind="stable")].reset_index(drop=True))


def count_progress(assignment: pd.DataFrame, looks: pd.DataFrame) -> pd.DataFrame:
    """Count by person how many chips are ``assigned`` and how many of those are ``finished``.

    Parameters
    ----------
    assignment : pandas.DataFrame
        Of :func:`assign_chips`.
    looks : pandas.DataFrame
        ``chip_id`` and ``annotator`` of every finished annotation, by the names of the assignment; others do not count.

    Examples
    --------
    >>> import labkit as lk
    >>> assignment = pd.DataFrame({"chip_id": ["a", "b", "a", "c"], "annotator": ["ann", "ann", "bob", "bob"]})
    >>> lk.label.count_progress(assignment, looks=assignment.iloc[:3])
               assigned  finished
    annotator
    ann               2         2
    bob               2         1
    """
    done = set(looks[["chip_id", "annotator"]].astype(str).itertuples(index=False, name=None))
    given = assignment[["chip_id", "annotator"]].astype(str)
    finished = [pair in done for pair in given.itertuples(index=False, name=None)]
    groups = given.assign(finished=finished).groupby("annotator")["finished"]
    return groups.agg(assigned="size", finished="sum").astype(int)


def gather(
    studio: Studio,
    assignment: pd.DataFrame,
    project: str = "labkit",
    data: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset] | None = None,
    *,
    store: LabelStore | str | Path,
) -> pd.DataFrame:
    """Pull everybody's project into one store, and say how far each person is.

    Parameters
    ----------
    studio, assignment, project
        As for :func:`push_apart`.
    data, store
        As for :meth:`labkit.label.Studio.pull`.

    Returns
    -------
    pandas.DataFrame
        By person: chips ``assigned`` and ``finished``, ``boxes``, and ``accounts``, who worked in that project; more
        than one, or another person's, and the labels are not that person's own. Where the store has hidden chips they
        are in none of these, and the columns of :func:`labkit.label.calibration_scores` follow.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> rates = scene.rates["ascending"]
    >>> chips = lk.make_chips(rates, size=64, overlap=0)
    >>> assignment = lk.label.assign_chips(chips, ["ann", "bob", "eve"], overlap=2)
    >>> studio = lk.label.connect()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = lk.chip.write_images(chips, rates, folder, progress=False)
    ...     reports = lk.label.push_apart(studio, chips, images, assignment, "autumn")
    ...     done = studio.annotate("autumn · ann", scene.rate_truth)  # ann does this in the browser
    ...     table = lk.label.gather(studio, assignment, "autumn", rates, store=f"{folder}/labels")
    >>> table[["assigned", "finished", "boxes"]]
               assigned  finished  boxes
    annotator
    ann               6         2      2
    bob               6         0      0
    eve               6         0      0
    """
    kept = store if isinstance(store, LabelStore) else LabelStore(store)
    looks, people = [], {}
    for who, own in assignment.groupby("annotator"):
        title = title_of(project, str(who))
        labels = studio.pull(title, data, store=kept)
        seen = kept.looks(title)
        looks.append(seen[seen["chip_id"].isin(own["chip_id"])].assign(annotator=str(who)))
        people[str(who)] = {"boxes": len(labels), "accounts": "; ".join(sorted(set(seen["annotator"])))}
    table = count_progress(assignment, pd.concat(looks)).join(pd.DataFrame.from_dict(people, orient="index"))
    hidden = kept.calibration()
    if not len(hidden.chips):
        return table
    scores = calibration_scores(kept.labels(hidden=True), kept.looks(hidden=True), hidden, by="project")
    scores = scores.reindex([title_of(project, who) for who in table.index]).set_axis(table.index)
    return table.join(scores)
