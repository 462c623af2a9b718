"""Checking detections by eye: a random sample, what reviewers say of each, and the landslides that they outline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from labkit import __version__, geo, schema
from labkit.detect.review_file import ReviewFile, create
from labkit.detect.review_tally import ANSWERS, TOGETHER, review_agreement, review_shares
from labkit.errors import LabkitError
from labkit.files import whole
from labkit.schema import CORNERS
from labkit.wording import counted


def sample_detections(detections: gpd.GeoDataFrame, n: int | None = 100, seed: int = 0) -> gpd.GeoDataFrame:
    """Draw detections by lot, to be checked one by one.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        Detections or merged landslides. Rows of one scene, direction and box are one detection, that of the best score.
    n : int or None
        How many, at least 1; all of them where there are no more. None takes all in their own order: a selection of
        one's own.
    seed : int
        Of the lot. The same detections and seed give the same sample in the same order, however their rows are sorted;
        a larger n continues a smaller one.

    Returns
    -------
    geopandas.GeoDataFrame
        The rows with ``detection_id`` (a hash of scene, direction and corners) and ``place`` in the sample, from 0.

    Raises
    ------
    LabkitError
        There is no detection, or ``n`` is below 1.

    Examples
    --------
    >>> boxes = {"scene": "a", "direction": "range", "xmin": [0, 4, 9], "ymin": 0, "xmax": [3, 8, 12], "ymax": 5}
    >>> len(sample_detections(schema.boxes_table(boxes), n=2))
    2
    """
    schema.check_boxes(detections)
    if not len(detections):
        raise LabkitError("detections must hold at least one detection to review, instead got none")
    if n is not None and n < 1:
        raise LabkitError(f"n must be at least 1, or None for all, instead got n={n}")
    named = detections.reset_index(drop=True).assign(detection_id=_names(detections))
    best = named.sort_values("score", ascending=False, kind="stable", na_position="last")
    once = best.drop_duplicates("detection_id").sort_index()
    if n is not None:
        # names are hashes: sorted by them, the order of the rows does not matter
        once = once.sort_values("detection_id").iloc[np.random.default_rng(seed).permutation(len(once))[:n]]
    return once.assign(place=np.arange(len(once))).reset_index(drop=True)


def _names(detections: gpd.GeoDataFrame) -> list[str]:
    corners = detections[CORNERS].to_numpy(float).tolist()
    words = zip(detections["scene"].astype(str), detections["direction"].astype(str), corners, strict=True)
    return [hashlib.sha256(repr(word).encode()).hexdigest()[:16] for word in words]


def open_review(
    path: str | Path, detections: gpd.GeoDataFrame | None = None, *, n: int | None = 100, seed: int = 0
) -> Review:
    """Open a review, or begin one.

    Parameters
    ----------
    path : path
        A ``.gpkg``. Where it is there, its sample and its answers are taken up; several reviewers may share it.
    detections : geopandas.GeoDataFrame, optional
        What the sample is drawn from; needed to begin. Where the file is there, the same sample has to come out.
    n, seed
        As for :func:`sample_detections`.

    Returns
    -------
    Review

    Raises
    ------
    LabkitError
        There is neither a file nor detections, or the file holds another sample.
    FileError
        The file is no review, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> boxes = {"scene": "a", "direction": "range", "xmin": [0, 4, 9], "ymin": 0, "xmax": [3, 8, 12], "ymax": 5}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     review = open_review(Path(folder) / "review.gpkg", schema.boxes_table(boxes), n=2)
    ...     review.answer(review.sample["detection_id"][0], "landslide", reviewer="ann", note="scarp and bulging toe")
    ...     review.answers()[["reviewer", "answer", "note"]]
      reviewer     answer                  note
    0      ann  landslide  scarp and bulging toe
    """
    path = Path(path)
    if path.suffix.lower() != ".gpkg":
        raise LabkitError(f"path must end with .gpkg, instead got path={path.name!r}")
    drawn = None if detections is None else _placed(sample_detections(detections, n, seed))
    if not path.exists():
        if drawn is None:
            raise LabkitError(f"detections must be given to begin a review: there is no file {path} yet")
        assert detections is not None
        lot = {"n": "all" if n is None else str(n), "seed": str(seed), "detections": str(len(detections))}
        about = lot | {"begun": _now(), "labkit": __version__}
        return Review(create(path, drawn, about))
    review = Review(ReviewFile(path))
    if drawn is not None and list(drawn["detection_id"]) != list(review.sample["detection_id"]):
        about = review.about
        raise LabkitError(
            f"detections must give the sample that {path} holds, {len(review.sample)} of {about['detections']} with "
            f"n={about['n']} and seed={about['seed']}, instead n={n} and seed={seed} give another one. Take those "
            "detections, name another file, or leave detections out to go on with what the file holds"
        )
    return review


class Review:
    """A sample of detections and what people say of them (:func:`open_review`).

    Attributes
    ----------
    path : pathlib.Path
        The GeoPackage. Its layers ``sample`` and ``answers`` open in a GIS.
    sample : geopandas.GeoDataFrame
        What is to be looked at, in its order, with ``detection_id``.
    about : dict of str
        ``n``, ``seed``, how many ``detections`` there were, when it was ``begun``, the version of ``labkit``.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> landslides = lk.simulate.scene("tiny").truth
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     review = lk.detect.open_review(folder + "/review.gpkg", landslides, n=3)
    ...     review.answer(review.sample["detection_id"].iloc[0], "landslide", reviewer="ann", note="fresh scarp")
    ...     review.answers("ann")[["answer", "note"]].values.tolist()
    [['landslide', 'fresh scarp']]
    """

    def __init__(self, file: ReviewFile) -> None:
        self.path = file.path
        self._file = file
        self.about = file.about()
        self.sample = file.sample()

    def __repr__(self) -> str:
        size = f"{counted(len(self.sample), 'detection')}, {counted(len(self.answers()), 'answer')}"
        return f"Review({str(self.path)!r}, {size})"

    def answer(
        self,
        detection_id: str,
        answer: str,
        *,
        reviewer: str,
        note: str = "",
        outline: BaseGeometry | None = None,
    ) -> None:
        """Say what a detection is; it is on the disk when this returns.

        Parameters
        ----------
        detection_id : str
            One of the sample.
        answer : str
            One of :data:`labkit.detect.ANSWERS`.
        reviewer : str
            Who says so. An earlier answer of the same person is replaced, and kept in the history.
        note : str
            Anything.
        outline : shapely Polygon or MultiPolygon, optional
            Of the landslide, lon/lat.

        Raises
        ------
        LabkitError
            An argument breaks its rule.
        FileError
            The file cannot be written; it is as it was.
        """
        if detection_id not in set(self.sample["detection_id"]):
            raise LabkitError(f"detection_id must be one of the sample, instead got detection_id={detection_id!r}")
        if answer not in ANSWERS:
            raise LabkitError(f"answer must be one of {ANSWERS}, instead got answer={answer!r}")
        row = {"detection_id": detection_id, "reviewer": check_reviewer(reviewer), "answer": answer}
        self._file.put(row | {"note": note, "answered": _now()}, None if outline is None else check_outline(outline))

    def answers(self, reviewer: str | None = None) -> gpd.GeoDataFrame:
        """Give what stands: ``detection_id``, ``reviewer``, ``answer``, ``note``, ``answered`` (UTC), the outline.

        Parameters
        ----------
        reviewer : str, optional
            Of this person alone.
        """
        given = self._file.answers()
        return given if reviewer is None else given[given["reviewer"] == reviewer.strip()].reset_index(drop=True)

    def history(self) -> pd.DataFrame:
        """Give every answer that was ever given, oldest first."""
        return self._file.history()

    def shares(self) -> pd.DataFrame:
        """Give how many detections are what, and the false-alarm rate (:func:`review_shares`)."""
        return review_shares(self.answers())

    def agreement(self) -> pd.DataFrame:
        """Give how far each two reviewers agree (:func:`review_agreement`)."""
        return review_agreement(self.answers())

    def inventory(self) -> gpd.GeoDataFrame:
        """Give the outlines of what reviewers call landslides, a polygon in each row, lon/lat.

        Returns
        -------
        geopandas.GeoDataFrame
            ``detection_id``, ``reviewer``, ``note``, ``scene``, ``score``, ``label`` and the polygon. Two reviewers who
            outline one landslide give two rows.
        """
        given = self.answers()
        kept = given[(given["answer"] == schema.LANDSLIDE) & given.geometry.notna()]
        told = kept.merge(pd.DataFrame(self.sample[["detection_id", "scene", "score"]]), on="detection_id")
        columns = ["detection_id", "reviewer", "note", "scene", "score"]
        return told[[*columns, "geometry"]].assign(label=schema.LANDSLIDE).explode(ignore_index=True)

    def write_csv(self, path: str | Path) -> Path:
        """Write a row for each detection of the sample and reviewer, also for detections without an answer.

        Returns
        -------
        pathlib.Path
            The file: the columns of the sample, ``lon`` and ``lat`` of the middle (degrees), ``reviewer``, ``answer``,
            ``note``, ``answered`` and ``outlined``.
        """
        given = self.answers()
        said = pd.DataFrame(given.drop(columns="geometry")).assign(outlined=given.geometry.notna())
        sample = pd.DataFrame(self.sample.drop(columns="geometry"))
        bounds = self.sample.geometry.bounds
        middle = {"lon": (bounds["minx"] + bounds["maxx"]) / 2, "lat": (bounds["miny"] + bounds["maxy"]) / 2}
        table = sample.assign(**middle).merge(said, on="detection_id", how="left").sort_values(["place", "reviewer"])
        with whole(path) as partial:
            table.to_csv(partial, index=False)
        return Path(path)


def gather_answers(reviews: Iterable[Review | str | Path]) -> pd.DataFrame:
    """Put together what reviewers wrote into files of their own, on one sample.

    Parameters
    ----------
    reviews : iterable of Review or path
        With the same sample.

    Returns
    -------
    pandas.DataFrame
        As :meth:`Review.answers`; where one person answers a detection in two files, the later answer counts.

    Raises
    ------
    LabkitError
        There is no review, or two hold different samples.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> landslides = lk.simulate.scene("tiny").truth
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     reviews = [lk.detect.open_review(f"{folder}/{who}.gpkg", landslides, n=3) for who in ("ann", "bob")]
    ...     for review, who in zip(reviews, ("ann", "bob"), strict=True):
    ...         review.answer(review.sample["detection_id"].iloc[0], "landslide", reviewer=who)
    ...     gather_answers(reviews)[["reviewer", "answer"]].values.tolist()
    [['ann', 'landslide'], ['bob', 'landslide']]
    """
    opened = [one if isinstance(one, Review) else open_review(one) for one in reviews]
    if not opened:
        raise LabkitError("reviews must hold at least one review, instead got none")
    for other in opened[1:]:
        if set(other.sample["detection_id"]) != set(opened[0].sample["detection_id"]):
            raise LabkitError(f"reviews must be of one sample, instead {opened[0].path} and {other.path} hold two")
    together = pd.concat([one.answers() for one in opened], ignore_index=True).sort_values("answered", kind="stable")
    return together.drop_duplicates(["detection_id", "reviewer"], keep="last", ignore_index=True)


def check_reviewer(reviewer: str) -> str:
    """Give a reviewer's name without space around it.

    Raises
    ------
    LabkitError
        Nothing is left, or it is the word for all of them.
    """
    if not isinstance(reviewer, str) or reviewer.strip() in ("", TOGETHER):
        raise LabkitError(f"reviewer must be a name other than {TOGETHER!r}, instead got reviewer={reviewer!r}")
    return reviewer.strip()


def check_outline(outline: BaseGeometry) -> MultiPolygon:
    """Give an outline as polygons without crossings; lines that cross themselves enclose what lies between them.

    Raises
    ------
    LabkitError
        It encloses nothing, or lies off the Earth.
    """
    mended = shapely.make_valid(outline)
    parts = [part for part in shapely.get_parts(mended) if isinstance(part, Polygon | MultiPolygon)]
    merged = shapely.union_all(parts)
    if merged.is_empty or not merged.area:
        raise LabkitError(f"outline must be a polygon that encloses ground, instead got {outline.geom_type}")
    west, south, east, north = merged.bounds
    if not (west >= -360 and east <= 360 and south >= -90 and north <= 90):
        raise LabkitError(f"outline must be in degrees of longitude and latitude, instead it spans {merged.bounds}")
    return MultiPolygon([merged] if isinstance(merged, Polygon) else list(merged.geoms))


def _placed(sample: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return sample.to_crs(geo.WGS84) if sample.crs else sample.set_crs(geo.WGS84)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
