"""Chips whose landslides are known, hidden among the others: how much each person sees, and how well it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from shapely.geometry import Polygon

from labkit import schema
from labkit.errors import LabkitError
from labkit.label.columns import digest
from labkit.label.guidance import UNSURE
from labkit.label.hidden import Calibration
from labkit.label.proposals import wilson
from labkit.label.voices import Array, check_voices, iou, match_boxes
from labkit.schema import CORNERS

if TYPE_CHECKING:
    from labkit.label.store import LabelStore

#: A landslide is to be found on a chip that holds at least this share of its box.
MIN_SHARE = 0.5


def hide_chips(
    store: LabelStore, known: gpd.GeoDataFrame, truth: gpd.GeoDataFrame, among: gpd.GeoDataFrame, *, seed: int = 0
) -> Calibration:
    """Dress chips with known landslides as chips of the scenes that are labelled, and let the store remember which.

    Parameters
    ----------
    store : LabelStore
        Where the labels will be gathered. It keeps the key from now on, and keeps what is drawn on these chips apart
        from its labels.
    known : geopandas.GeoDataFrame
        Chips of a simulated scene, say, of the same edge in px as the others.
    truth : geopandas.GeoDataFrame
        Boxes of what is there (``scene.truth``). Those labelled "unsure" need not be found, and who draws there is not
        wrong.
    among : geopandas.GeoDataFrame
        All chips of the scenes that are labelled (:func:`labkit.make_chips`), also those that nobody will see.
    seed : int
        Of the places.

    Returns
    -------
    Calibration
        For :func:`labkit.label.push_apart`. The same chips hidden again give the same.

    Raises
    ------
    LabkitError
        A table breaks its rule, or the chips could be told from the others by their size or their names.
    FileError
        The store cannot be written.

    Notes
    -----
    People see of a chip its name, scene, row, column, place on the map and pictures. A hidden chip gets those of a
    place just beyond the last row or column of a scene, by its grid: no label drawn there lies on ground that the
    scene has, whoever pulls it from the project without the store. Pictures have to be rendered as the others are.
    Whether simulated ground looks like the real one is for you to judge: look at both. Push the hidden chips together
    with the others; later they would come last.

    A landslide of which a chip holds less than half of the box need not be found on it.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> chips, known = (lk.make_chips(scene.rates[track], size=64, overlap=0) for track in ("ascending", "descending"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lk.label.hide_chips(lk.label.open_store(folder), known, scene.rate_truth, among=chips)
    Calibration(9 hidden chips, 3 boxes to be found)
    """
    for table in (known, among):
        schema.check_chips(table)
    schema.check_boxes(truth, "truth")
    _check_alike(known, among)
    taken = set(store.calibration().chips["chip_id"])
    places = _places_beyond(among, len(known), taken, np.random.default_rng(seed))
    chips = gpd.GeoDataFrame(pd.DataFrame(places), geometry="geometry", crs="EPSG:4326")
    chips = chips.assign(valid_fraction=known["valid_fraction"].to_numpy(float), split="")
    chips = chips.assign(known_as=known["chip_id"].astype(str).to_numpy())
    calibration = Calibration(schema.check_chips(chips), _truth_on(known, chips, truth))
    return store.keep_calibration(_key(known, truth, among, seed), calibration)


def calibration_scores(
    labels: gpd.GeoDataFrame,
    looks: pd.DataFrame,
    calibration: Calibration,
    *,
    by: str = "annotator",
    min_iou: float = 0.5,
    z: float = 1.959964,
) -> pd.DataFrame:
    """Hold what each person drew on hidden chips against the landslides that are there.

    Parameters
    ----------
    labels, looks : geopandas.GeoDataFrame, pandas.DataFrame
        What was drawn on hidden chips and who finished them (``store.labels(hidden=True)``,
        ``store.looks(hidden=True)``). Others are left aside.
    calibration : Calibration
        Of :func:`hide_chips` (``store.calibration()``).
    by : str
        The column that tells people apart: "annotator", or "project".
    min_iou : float
        A box has to share this much of its union with a known one to have found it, in (0, 1].
    z : float
        Half width of the intervals in standard deviations; 1.96 for 95 %.

    Returns
    -------
    pandas.DataFrame
        By person: hidden chips ``looked`` at; ``known`` boxes on them, ``found`` of those, ``recall``; boxes ``drawn``
        with the label "landslide", ``precision`` = found / drawn; ``iou``, the mean of the matched. ``recall`` and
        ``precision`` have a ``_low`` and a ``_high`` (Wilson). NaN: a share of nothing, its interval then 0 to 1.

    Raises
    ------
    LabkitError
        A table or an argument breaks its rule.

    Notes
    -----
    Boxes are matched one to one by chip and direction (:func:`labkit.label.match_boxes`). Boxes with another label
    find nothing and are not wrong; nor are those on a landslide that need not be found. The azimuth and the range box
    of one landslide are two cases and no independent ones: the intervals are too narrow by that.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22, 209–212.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> chips, known = (lk.make_chips(scene.rates[track], size=64, overlap=0) for track in ("ascending", "descending"))
    >>> people = {"ann": lk.simulate.Annotator(misses=0), "bob": lk.simulate.Annotator(misses=0.5, invents=0.2)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hidden = lk.label.hide_chips(lk.label.open_store(folder), known, scene.rate_truth, among=chips)
    >>> labels, looks = lk.simulate.annotate(hidden.truth, hidden.chips, people)
    >>> lk.label.calibration_scores(labels, looks, hidden)[["looked", "known", "found", "recall", "drawn", "precision"]]
               looked  known  found    recall  drawn  precision
    annotator
    ann             9      3      3  1.000000      4       0.75
    bob             9      3      1  0.333333      2       0.50
    """
    if not z > 0:
        raise LabkitError(f"z must be above 0, instead got z={z}")
    names = set(calibration.chips["chip_id"])
    chosen = [table[table["chip_id"].isin(names)] for table in (labels, looks)]
    rows: dict[str, dict[str, float]] = {}
    if len(chosen[1]):
        if any(by not in table for table in chosen):
            raise LabkitError(f"by must name a column of labels and looks, instead got by={by!r}")
        boxes, finished = (table.assign(annotator=table[by]) for table in chosen)
        drawn, seen = check_voices(gpd.GeoDataFrame(boxes), finished, min_iou)
        for who, own in seen.groupby("annotator"):
            his = drawn[drawn["annotator"] == who]
            counts = np.zeros(4)
            for chip in own["chip_id"]:
                truth = calibration.truth[calibration.truth["chip_id"] == chip]
                counts += _counts(his[his["chip_id"] == chip], truth, min_iou)
            rows[str(who)] = {"looked": len(own), **_shares(counts, z)}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(SCORES))
    return table.astype(dict.fromkeys(("looked", "known", "found", "drawn"), int)).rename_axis(by)


#: The columns of :func:`calibration_scores`.
SCORES = (
    "looked", "known", "found", "recall", "recall_low", "recall_high", "drawn", "precision", "precision_low",
    "precision_high", "iou",
)  # fmt: skip


def _shares(counts: Array, z: float) -> dict[str, float]:
    known, found, drawn, shared = counts.tolist()
    row: dict[str, float] = {"known": known, "found": found, "drawn": drawn}
    for name, total in (("recall", known), ("precision", drawn)):
        row[name] = found / total if total else float("nan")
        row[f"{name}_low"], row[f"{name}_high"] = wilson(row[name], int(total), z)
    return row | {"iou": shared / found if found else float("nan")}


def _counts(drawn: pd.DataFrame, truth: pd.DataFrame, min_iou: float) -> Array:
    """Known boxes, those found, boxes drawn, and the sum of IoU, of one person on one chip."""
    counts = np.zeros(4)
    claims = drawn[drawn["label"] == schema.LANDSLIDE]
    for direction in set(truth["direction"]) | set(claims["direction"]):
        own = claims[claims["direction"] == direction][CORNERS].to_numpy(float)
        there = truth[truth["direction"] == direction]
        certain = (there["label"] == schema.LANDSLIDE).to_numpy()
        boxes = there[CORNERS].to_numpy(float)
        first, _, shared = match_boxes(own, boxes[certain], min_iou)
        unmatched = np.delete(own, first, axis=0)
        excused = (iou(unmatched[:, None], boxes[~certain][None]) > 0).any(axis=1).sum()
        counts += [certain.sum(), len(first), len(own) - excused, shared.sum()]
    return counts


def _check_alike(known: gpd.GeoDataFrame, among: gpd.GeoDataFrame) -> None:
    sizes = sorted({*known["size"].astype(int), *among["size"].astype(int)})
    if len(sizes) > 1:
        raise LabkitError(f"known must be chips of the same edge as the others, instead got size={sizes}")
    if known["chip_id"].astype(str).duplicated().any():
        raise LabkitError("known must name each chip once, instead an id comes twice")
    for chip in among.itertuples():
        if str(chip.chip_id) != _name(str(chip.scene), int(chip.row), int(chip.col), int(chip.size)):
            raise LabkitError(
                f"among must have chips named as make_chips names them, instead got chip_id={chip.chip_id!r}: a hidden "
                "chip could be told by its name"
            )


def _name(scene: str, row: int, col: int, size: int) -> str:
    return f"{scene}-r{row}-c{col}-s{size}"


def _key(known: gpd.GeoDataFrame, truth: gpd.GeoDataFrame, among: gpd.GeoDataFrame, seed: int) -> str:
    """What names this set of hidden chips: the same again is the same."""
    names = [sorted(table["chip_id"].astype(str)) for table in (known, among)]
    return digest([*names, schema.boxes_hash(truth), seed])[:16]


def _places_beyond(
    among: gpd.GeoDataFrame, count: int, taken: set[str], random: np.random.Generator
) -> list[dict[str, object]]:
    """Rows of chips just beyond the grids of the scenes, as many for each scene as it has chips of all."""
    scenes = among["scene"].astype(str).to_numpy()
    wanted = pd.Series(scenes[random.integers(0, len(scenes), count)]).value_counts()
    rows: list[dict[str, object]] = []
    for scene in sorted(wanted.index):
        chips = among[scenes == scene]
        size = int(chips["size"].iloc[0])
        number_here = int(wanted[scene])
        places = _ring(chips, 2 * number_here + len(taken))
        # from twice as many as needed, so that they do not stand in a row
        near = [place for place in places if _name(scene, *place, size) not in taken]
        to_lonlat = _grid_on_ground(chips)
        for number in random.permutation(len(near))[:number_here]:
            row, col = near[number]
            corners = np.array([(col, row), (col + size, row), (col + size, row + size), (col, row + size)], float)
            shape = None if to_lonlat is None else Polygon(np.column_stack([np.ones(4), corners]) @ to_lonlat)
            name = _name(scene, row, col, size)
            rows.append({"chip_id": name, "scene": scene, "row": row, "col": col, "size": size, "geometry": shape})
    order = random.permutation(len(rows))
    return [rows[number] for number in order]


def _ring(chips: gpd.GeoDataFrame, count: int) -> list[tuple[int, int]]:
    """At least so many places (row, col) below and to the right of a grid, the nearest first."""
    size = int(chips["size"].iloc[0])
    rows, cols = (sorted(set(chips[name].astype(int))) for name in ("row", "col"))
    steps = [_step(values, size) for values in (rows, cols)]
    places: list[tuple[int, int]] = []
    ring = 0
    while len(places) < count:
        low, right = rows[-1] + size + ring * steps[0], cols[-1] + size + ring * steps[1]
        places += [(low, col) for col in cols] + [(row, right) for row in rows]
        ring += 1
    return places


def _step(values: list[int], size: int) -> int:
    """The commonest distance of neighbours on a grid."""
    apart = np.diff(values)
    return int(np.bincount(apart).argmax()) if len(apart) else size


def _grid_on_ground(chips: gpd.GeoDataFrame) -> npt.NDArray[np.float64] | None:
    """The plane map (3, 2) from 1, column, row to lon, lat that fits the corners of a scene's chips; None without."""
    shapes = chips.geometry.to_numpy()
    if not all(isinstance(shape, Polygon) and len(shape.exterior.coords) == 5 for shape in shapes):
        return None
    lonlat = np.concatenate([shapely.get_coordinates(shape)[:4] for shape in shapes])
    row, col, size = (chips[name].to_numpy(float) for name in ("row", "col", "size"))
    x = np.column_stack([col, col + size, col + size, col]).ravel()
    y = np.column_stack([row, row, row + size, row + size]).ravel()
    return np.asarray(np.linalg.lstsq(np.column_stack([np.ones(len(x)), x, y]), lonlat, rcond=None)[0])


def _truth_on(known: gpd.GeoDataFrame, shown: gpd.GeoDataFrame, truth: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The known boxes cut to their chips, in pixels of where the chips pretend to be, with ``chip_id``."""
    of_interest = truth[truth["label"].isin([schema.LANDSLIDE, UNSURE])]
    names = ("scene", "direction", *CORNERS, "label", "chip_id")
    rows: list[tuple[object, ...]] = []
    for chip, disguise in zip(known.itertuples(), shown.itertuples(), strict=True):
        low, size = np.array([chip.col, chip.row] * 2, float), float(chip.size)
        here = of_interest[of_interest["scene"] == chip.scene]
        boxes = here[CORNERS].to_numpy(float) - low
        inside = boxes.clip(0, size)
        areas = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (inside, boxes)]
        for box, direction, label, part, whole in zip(inside, here["direction"], here["label"], *areas, strict=True):
            if part > 0:
                word = label if part >= MIN_SHARE * whole else UNSURE
                moved = box + np.array([disguise.col, disguise.row] * 2, float)
                rows.append((disguise.scene, direction, *map(float, moved), word, disguise.chip_id))
    values = zip(*rows, strict=True) if rows else ([] for _ in names)
    return schema.boxes_table(dict(zip(names, map(list, values), strict=True)))
