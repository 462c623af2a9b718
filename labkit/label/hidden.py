"""The key to the hidden chips of a label store, on its disk: which they are, and what is known to be on them.

    labels/calibration/NAME/chips.parquet   the chips as people meet them, with the name that they are known by
    labels/calibration/NAME/truth.parquet   the boxes that are there

A set is written once, in a folder beside that is renamed when it is whole.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.wording import counted


@dataclass(frozen=True)
class Calibration:
    """Chips with known landslides in disguise (:func:`labkit.label.hide_chips`).

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> chips, known = (lk.make_chips(scene.rates[track], size=64, overlap=0) for track in ("ascending", "descending"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hidden = lk.label.hide_chips(lk.label.open_store(folder), known, scene.rate_truth, among=chips)
    >>> hidden
    Calibration(9 hidden chips, 3 boxes to be found)
    >>> hidden.chips[["chip_id", "known_as"]].head(2)
                           chip_id                    known_as
    0  tiny-ascending-r64-c320-s64   tiny-descending-r0-c0-s64
    1  tiny-ascending-r160-c64-s64  tiny-descending-r0-c64-s64
    """

    #: :data:`labkit.schema.CHIP_COLUMNS` as people meet them, and ``known_as``, the chip that each is in truth.
    chips: gpd.GeoDataFrame
    #: Boxes in pixels of where the chips pretend to be, with ``chip_id``; those labelled "unsure" need not be found.
    truth: gpd.GeoDataFrame

    def __repr__(self) -> str:
        to_find = int((self.truth["label"] == schema.LANDSLIDE).sum())
        return f"Calibration({counted(len(self.chips), 'hidden chip')}, {counted(to_find, 'box')} to be found)"

    def disguise(self, images: pd.DataFrame) -> pd.DataFrame:
        """Give images under the names that people meet; those of no hidden chip stay as they are.

        Raises
        ------
        LabkitError
            A hidden chip has no image.
        """
        shown_as = dict(zip(self.chips["known_as"], self.chips["chip_id"], strict=True))
        missing = sorted(set(shown_as) - set(images["chip_id"].astype(str)))
        if missing:
            raise LabkitError(
                f"images must hold those of the hidden chips too, instead chip {missing[0]!r} has none. Render the "
                "known chips as the others, and join the tables"
            )
        return images.assign(chip_id=[shown_as.get(str(name), name) for name in images["chip_id"]])


def write_calibration(calibration: Calibration, folder: Path) -> None:
    """Write a set into a new folder, whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
            partial = Path(beside) / folder.name
            partial.mkdir()
            calibration.chips.to_parquet(partial / "chips.parquet", index=False)
            calibration.truth.to_parquet(partial / "truth.parquet", index=False)
            partial.rename(folder)
    except (OSError, pa.ArrowException) as error:
        raise FileError(f"{folder} must be writable with enough room on its disk, instead got: {error}") from error


def read_calibration(folder: Path) -> Calibration:
    """Read one set.

    Raises
    ------
    FileError
        A file is missing or damaged: without its key, what was drawn on hidden chips would pass for labels.
    """
    tables = []
    for name in ("chips", "truth"):
        path = folder / f"{name}.parquet"
        try:
            tables.append(gpd.read_parquet(path))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise FileError(f"{path} must be the key to hidden chips, instead it cannot be read: {error}") from error
    return Calibration(schema.check_chips(tables[0]), schema.check_boxes(tables[1], "truth"))


def read_all(folder: Path) -> Calibration:
    """Read all sets as one; without any an empty one."""
    found = sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
    none = gpd.GeoDataFrame(pd.DataFrame(columns=[*schema.CHIP_COLUMNS, "known_as"]), geometry="geometry", crs=4326)
    sets = [read_calibration(path) for path in found]
    if not sets:
        return Calibration(none, schema.boxes_table().assign(chip_id=pd.Series([], dtype=object)))
    chips = pd.concat([one.chips for one in sets], ignore_index=True)
    truth = pd.concat([one.truth for one in sets], ignore_index=True)
    return Calibration(gpd.GeoDataFrame(chips), gpd.GeoDataFrame(truth))
