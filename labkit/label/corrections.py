"""Corrections by hand: what a person changed in the store itself stands until the label changes where it came from."""

from __future__ import annotations

import pandas as pd

#: The ``source`` of every revision that was made by hand (:meth:`labkit.label.LabelStore.amend`).
BY_HAND = "edited by hand"


def keep_corrections(
    new: pd.DataFrame, old: pd.DataFrame, changes: pd.DataFrame, gone: pd.Series
) -> tuple[pd.DataFrame, pd.Series]:
    """Leave the corrections alone that nothing speaks against.

    Parameters
    ----------
    new : DataFrame
        The labels of a project as their source (Label Studio) has them now.
    old : DataFrame
        The state of the store, with ``deleted``.
    changes : DataFrame
        Every change of a label so far, oldest first (:meth:`labkit.label.history.History.changes`).
    gone : Series of bool
        Which rows of ``old`` would become tombstones if they are not among the new ones.

    Returns
    -------
    new : DataFrame
        A label that was corrected by hand, and that its source says as it did before the correction, as it stands in
        the store; left out where it was deleted by hand.
    gone : Series of bool
        Without the labels that were drawn by hand, or restored by hand after their source had deleted them.
    """
    last = changes.drop_duplicates("label_id", keep="last")
    by_hand = set(last.loc[last["source"] == BY_HAND, "label_id"])
    told = changes[(changes["source"] != BY_HAND) & changes["label_id"].isin(by_hand)]
    told = told.drop_duplicates("label_id", keep="last")
    told = told[told["change"] != "deleted"]
    said = dict(zip(told["label_id"], told["hash"], strict=True))
    standing = {row["label_id"]: row for row in old.to_dict("records") if row["label_id"] in by_hand}
    rows = []
    for row in new.to_dict("records"):
        name = row["label_id"]
        if said.get(name) != row["hash"]:
            rows.append(row)
        elif pd.isna(standing[name]["deleted"]):
            rows.append({column: standing[name][column] for column in new.columns})
    kept = pd.DataFrame(rows, columns=new.columns) if rows else new.iloc[:0]
    return kept, gone & ~old["label_id"].isin(by_hand - set(said))


def only_by_hand(changes: pd.DataFrame, key: str) -> set[str]:
    """Give the names of the rows that nobody but a person's hand ever wrote: no other source can say that they went."""
    if changes.empty:
        return set()
    return set(changes[key]) - set(changes.loc[changes["source"] != BY_HAND, key])
