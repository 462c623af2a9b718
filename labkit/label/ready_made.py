"""Ready-made data sets: pictures with boxes become chips without coordinates, and their colours values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dask
import dask.array as da
import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr
from PIL import Image, UnidentifiedImageError
from scipy.spatial import KDTree

from labkit import schema
from labkit.errors import FileError, LabkitError
from labkit.label.pictures import Pictures
from labkit.wording import counted

#: A pixel further than this from every colour of the scale (8-bit red, green, blue) has no value: frames, text, grey.
TOLERANCE = 60.0

#: Two values this share of the scale apart must not look the same, by fewer than so many 8-bit steps.
_APART, _ALIKE = 0.1, 25.0


@dataclass(frozen=True)
class PictureScenes:
    """A data set as :func:`labkit.train.fit` takes it: a chip and a scene for each picture, and the boxes as labels.

    Examples
    --------
    >>> import pandas as pd
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png", "b.png"], "width": 416, "height": 416})
    >>> box = {"label": "landslide", "xmin": 10, "ymin": 20, "xmax": 60, "ymax": 90}
    >>> drawn = pd.DataFrame({"file": ["a.png", "b.png"], **box})
    >>> pictures = lk.label.Pictures(shown, drawn)
    >>> samples = lk.label.picture_scenes(pictures, "samples", direction="azimuth", colours="seismic")
    >>> samples
    PictureScenes(2 pictures, 2 labels)
    >>> samples.labels[["scene", "direction", "xmin", "ymin", "xmax", "ymax"]]
       scene direction  xmin  ymin  xmax  ymax
    0  a.png   azimuth  10.0  20.0  60.0  90.0
    1  b.png   azimuth  10.0  20.0  60.0  90.0
    """

    chips: gpd.GeoDataFrame
    scenes: dict[str, xr.Dataset]
    labels: gpd.GeoDataFrame

    def __repr__(self) -> str:
        return f"PictureScenes({counted(len(self.scenes), 'picture')}, {counted(len(self.labels), 'label')})"


def picture_scenes(
    pictures: Pictures,
    folder: str | Path,
    *,
    direction: str | Mapping[str, str],
    colours: str | npt.ArrayLike,
    limit: float = schema.DISPLAY_LIMIT_RAD,
    ground_spacing: float = schema.REFERENCE_SPACING_M,
    sum_temporal_baseline: float = schema.REFERENCE_YEARS,
) -> PictureScenes:
    """Bring in pictures with boxes that somebody else made, such as the samples of a paper.

    Parameters
    ----------
    pictures : Pictures
        What :func:`labkit.label.read_voc`, ``read_coco`` or ``read_yolo`` found.
    folder : path
        Where the picture files lie. They are read when their pixels are asked for, and no sooner.
    direction : str, or mapping of file to str
        "azimuth", "range" or "rate": what the pictures show.
    colours : str or array_like, shape (n, 3)
        The colour scale (:func:`values_of`).
    limit : float
        The value at its upper end: rad for gradients, mm/yr for rates.
    ground_spacing, sum_temporal_baseline : float
        Of the stack that was drawn (m, yr), for gradients; default the reference, at which values stay as they are.

    Returns
    -------
    PictureScenes
        Chips are square and padded with no data; they have no place on the Earth.

    Raises
    ------
    LabkitError
        A direction or the scale is none, or there is no picture.
    FileError
        When its pixels are asked for: a picture is missing, damaged, or of another size than its boxes say.

    Examples
    --------
    A picture whose colours run from −4 to 4 rad, and a box on it:

    >>> import tempfile
    >>> import pandas as pd
    >>> import labkit as lk
    >>> shown = pd.DataFrame({"file": ["a.png"], "width": 64, "height": 64})
    >>> drawn = pd.DataFrame({"file": ["a.png"], "label": "landslide", "xmin": 10, "ymin": 20, "xmax": 40, "ymax": 50})
    >>> scale = lk.chip.colourize(np.linspace(-4, 4, 255))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(lk.chip.colourize(np.tile(np.linspace(-4, 4, 64), (64, 1)))).save(f"{folder}/a.png")
    ...     pictures = lk.label.Pictures(shown, drawn)
    ...     samples = lk.label.picture_scenes(pictures, folder, direction="azimuth", colours=scale)
    ...     samples.scenes["a.png"]["gradient"].sel(direction="azimuth").values[0, ::21].round(2)
    array([-4.  , -1.32,  1.32,  4.  ], dtype=float32)
    """
    if not len(pictures.pictures):
        raise LabkitError("pictures must hold at least one picture, instead got none")
    table, values = _scale(colours, limit)
    chips: dict[str, list[object]] = {name: [] for name in schema.CHIP_COLUMNS}
    scenes: dict[str, xr.Dataset] = {}
    words: dict[str, str] = {}
    for row in pictures.pictures.to_dict("records"):
        file = str(row["file"])
        word = direction if isinstance(direction, str) else direction.get(file, "")
        if word not in (*schema.DIRECTIONS, "rate"):
            known = (*schema.DIRECTIONS, "rate")
            raise LabkitError(f"direction must be one of {known}, instead got direction={word!r} for {file!r}")
        words[file] = word
        shape = (int(row["height"]), int(row["width"]))
        read = dask.delayed(_read)(Path(folder) / file, shape, table, values)
        layer = da.from_delayed(read, shape, np.float32)
        scenes[file] = _scene(file, word, layer, limit, ground_spacing, sum_temporal_baseline)
        chip = (file, file, 0, 0, max(shape), shape[0] * shape[1] / max(shape) ** 2, "", None)
        for name, value in zip(schema.CHIP_COLUMNS, chip, strict=True):
            chips[name].append(value)
    boxes = {name: pictures.boxes[name].to_numpy() for name in ("xmin", "ymin", "xmax", "ymax", "label")}
    of = pictures.boxes["file"]
    columns = {"scene": list(of), "direction": [words[file] for file in of], "chip_id": list(of), **boxes}
    return PictureScenes(gpd.GeoDataFrame(chips, crs="EPSG:4326"), scenes, schema.boxes_table(columns))


def values_of(
    picture: npt.ArrayLike,
    colours: str | npt.ArrayLike,
    limit: float = schema.DISPLAY_LIMIT_RAD,
    *,
    tolerance: float = TOLERANCE,
) -> npt.NDArray[np.float32]:
    """Turn the colours of a picture back into the values that they stand for.

    Parameters
    ----------
    picture : array_like, shape (y, x, 3), uint8
        Red, green, blue.
    colours : str or array_like, shape (n, 3), 8-bit
        The scale from −limit to limit: the name of one of Matplotlib's ("RdBu_r", "seismic", "bwr", "jet"), or its
        colours, evenly spaced with one at each end. labkit's own: ``lk.chip.colourize(np.linspace(-4, 4, 255))``.
    limit : float
        The value at the upper end.
    tolerance : float
        A pixel further than this from every colour of the scale (distance in 8-bit red, green, blue) gets no value.

    Returns
    -------
    numpy.ndarray
        (y, x) float32; NaN = no data. What was beyond the limit comes back as the limit.

    Raises
    ------
    LabkitError
        The picture or the scale has another shape, the scale shows two values alike, or the limit is not positive.

    Notes
    -----
    The value of the nearest colour: exact to one step of the scale where the picture is as it was drawn (PNG). JPEG
    keeps colours at half the sharpness, so that values along the seam of a couplet blur. On stacks of a simulated scene
    (±4 rad): half of the pixels within 0.03 rad and 99 % within 0.54 rad at quality 95, 0.05 and 0.68 rad at 75.

    Examples
    --------
    >>> values_of([[[250, 0, 0], [0, 0, 250], [130, 130, 130]]], [[0, 0, 255], [255, 255, 255], [255, 0, 0]], 2.0)
    array([[ 2., -2., nan]], dtype=float32)
    """
    shown = np.asarray(picture)
    if shown.ndim != 3 or shown.shape[2] != 3:
        raise LabkitError(f"picture must have the shape (y, x, 3), instead got picture.shape={shown.shape}")
    return _nearest(shown, *_scale(colours, limit), tolerance)


def _scale(colours: str | npt.ArrayLike, limit: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The different colours of a scale (n, 3), and the value of each."""
    if not (np.isfinite(limit) and limit > 0):
        raise LabkitError(f"limit must be a positive number, instead got limit={limit}")
    if isinstance(colours, str):
        from matplotlib import colormaps

        if colours not in colormaps:
            raise LabkitError(f"colours must be a scale of Matplotlib's or an array, instead got colours={colours!r}")
        named = colormaps[colours]
        # each colour stands for a small range of values: the middle of it
        share = (np.arange(named.N) + 0.5) / named.N
        table = np.rint(255 * np.asarray(named(share))[:, :3])
    else:
        table = np.asarray(colours, float)
        share = np.asarray(np.linspace(0, 1, table.shape[0] if table.ndim else 0), float)
    if table.ndim != 2 or table.shape[1] != 3 or len(table) < 2:
        raise LabkitError(f"colours must have the shape (n, 3), instead got colours.shape={table.shape}")
    pairs = KDTree(table).query_pairs(_ALIKE, output_type="ndarray")
    if len(pairs) and np.abs(share[pairs[:, 0]] - share[pairs[:, 1]]).max() > _APART:
        raise LabkitError("colours must tell values apart, instead this scale shows two of them alike")
    different, which = np.unique(table, axis=0, return_inverse=True)
    mean = np.bincount(which.ravel(), share) / np.bincount(which.ravel())
    return different, (2 * mean - 1) * limit


def _nearest(
    picture: npt.NDArray[np.generic],
    table: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    tolerance: float = TOLERANCE,
) -> npt.NDArray[np.float32]:
    # a picture has few different colours, each many times
    shown, which = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
    distance, nearest = KDTree(table).query(shown.astype(float))
    found = np.where(distance <= tolerance, values[nearest], np.nan).astype(np.float32)
    return np.asarray(found[which.ravel()].reshape(picture.shape[:2]))


def _read(
    path: Path, shape: tuple[int, int], table: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    try:
        with Image.open(path) as image:
            picture = np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileError(f"{path} must be a picture, instead it cannot be read: {error}") from error
    if picture.shape[:2] != shape:
        raise FileError(
            f"{path} must be of {shape[1]} × {shape[0]} px, as its boxes say, instead it is of "
            f"{picture.shape[1]} × {picture.shape[0]}"
        )
    return _nearest(picture, table, values)


def _scene(file: str, word: str, layer: da.Array, limit: float, spacing: float, years: float) -> xr.Dataset:
    about = {"scene": file, "geometry": "radar", "processor": "picture", "colour_limit": float(limit)}
    if word == "rate":
        return xr.Dataset({"rate": (("y", "x"), layer, {"units": "mm/yr"})}, attrs=about)
    about |= {"ground_spacing": float(spacing), "sum_temporal_baseline": float(years), "wavelength": float("nan")}
    gradient = (("direction", "y", "x"), layer[None], {"units": "rad"})
    return xr.Dataset({"gradient": gradient}, coords={"direction": [word]}, attrs=about)
