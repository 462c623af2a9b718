"""Labelling apart: which chips go to whom, a project for each person, and all of them gathered again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
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
    studio: Studio, chips: gpd.GeoDataFrame, images: pd.DataFrame, assignment: pd.DataFrame, project: str = "labkit"
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

    Returns
    -------
    dict
        Person → what the push did, with the address to send to that person.
    """
    unknown = set(assignment["chip_id"]) - set(chips["chip_id"].astype(str))
    if unknown:
        raise LabkitError(f"assignment must be of these chips, instead {sorted(unknown)[0]!r} is none of them")
    return {
        str(who): studio.push(chips[chips["chip_id"].astype(str).isin(own["chip_id"])], images, title_of(project, who))
        for who, own in assignment.groupby("annotator")
    }


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
        than one, or another person's, and the labels are not that person's own.
    """
    kept = store if isinstance(store, LabelStore) else LabelStore(store)
    rows = {}
    for who, own in assignment.groupby("annotator"):
        title = title_of(project, str(who))
        labels = studio.pull(title, data, store=kept)
        looks = kept.looks(title)
        finished = len(set(looks["chip_id"]) & set(own["chip_id"]))
        accounts = "; ".join(sorted(set(looks["annotator"])))
        rows[str(who)] = {"assigned": len(own), "finished": finished, "boxes": len(labels), "accounts": accounts}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("annotator")
