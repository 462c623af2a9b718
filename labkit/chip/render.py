"""Images of chips for people: red and blue around zero, no data in grey."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from PIL import Image
from tqdm.auto import tqdm

from labkit import geo, schema
from labkit.errors import LabkitError
from labkit.files import whole

#: The limit of the colours for rates, mm/yr.
RATE_LIMIT_MM = 40.0

#: No data.
GREY = (128, 128, 128)

# Blue through white to red, lightness falling evenly from the middle to both ends.
_STOPS = (
    (-1.0, (8, 38, 110)),
    (-0.6, (38, 110, 190)),
    (-0.25, (146, 197, 230)),
    (0.0, (250, 250, 250)),
    (0.25, (248, 178, 150)),
    (0.6, (208, 60, 55)),
    (1.0, (112, 0, 24)),
)
# With the grey they are as many as a PNG's palette holds: a third of the bytes to store and to send.
_LEVELS = 255
_NO_DATA = 255


def colourize(values: npt.ArrayLike, limit: float = schema.DISPLAY_LIMIT_RAD) -> npt.NDArray[np.uint8]:
    """Give values their colours: red above zero, blue below, white at zero, grey for no data.

    Parameters
    ----------
    values : array_like
        Any shape; NaN = no data.
    limit : float
        The value of the deepest red, and its negative that of the deepest blue; what lies beyond looks the same.

    Returns
    -------
    numpy.ndarray
        uint8, the shape of ``values`` and a last axis of red, green, blue.

    Raises
    ------
    LabkitError
        The limit is not a positive number.

    Examples
    --------
    >>> colourize([4.0, -9.0, 0.0, np.nan], limit=4.0).tolist()
    [[112, 0, 24], [8, 38, 110], [250, 250, 250], [128, 128, 128]]
    """
    return _palette()[_levels(values, limit)]


def write_images(
    chips: gpd.GeoDataFrame,
    data: xr.Dataset,
    folder: str | Path,
    limit: float | None = None,
    *,
    scale: int = 1,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Write one PNG for each chip and direction, for people to label.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        Chips of this scene.
    data : xarray.Dataset
        gradients or rates. Gradients are shown as stacked, positive in red; rates as is usual for them, with motion
        toward the satellite (positive) in blue.
    folder : str or Path
        Made where it is missing.
    limit : float, optional
        End of the colours: rad for gradients, default 4; mm/yr for rates, default 40.
    scale : int
        Every pixel becomes scale × scale pixels of the image, for small chips.
    workers : int, optional
        Threads; default one for each core, at most 8.
    progress : bool
        Show a bar.

    Returns
    -------
    pandas.DataFrame
        ``chip_id``, ``direction`` and ``path`` (of the PNG), in the order of the chips.

    Raises
    ------
    LabkitError
        The table is empty or holds chips of another scene, or a number is out of its bounds.

    Notes
    -----
    The file's name holds chip, direction and a hash of what it shows: other content has another name, so that no
    browser shows an old image, and an image that exists already is not written again. Each file is written aside and
    then renamed.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> gradients = lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)
    >>> chips = lk.make_chips(gradients, size=96, overlap=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = write_images(chips, gradients, folder, progress=False)
    >>> len(chips), images["direction"].value_counts().to_dict()
    (4, {'azimuth': 4, 'range': 4})
    """
    _check_scene(schema.check_chips(chips), data)
    if scale < 1:
        raise LabkitError(f"scale must be at least 1, instead got scale={scale}")
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    layers = schema.layers(data)
    default = schema.DISPLAY_LIMIT_RAD if schema.is_gradients(data) else RATE_LIMIT_MM
    end = default if limit is None else limit
    jobs = [(chip, direction) for chip in chips.itertuples() for direction in layers]

    def write(job: tuple[Any, str]) -> Path:
        chip, direction = job
        values = geo.read_window(layers[direction], int(chip.row), int(chip.col), int(chip.size))
        picture = _levels(-values if direction == "rate" else values, end)
        return _write_png(picture.repeat(scale, axis=0).repeat(scale, axis=1), home, f"{chip.chip_id}-{direction}")

    return _table_of(jobs, write, workers, progress)


#: What a picture shows → the values of its black and white; None: the scene's own percentiles 2 and 98.
PICTURE_LIMITS: dict[str, tuple[float, float] | None] = {
    "coherence": (0.0, 1.0),
    "hillshade": None,
    "optical": None,
}


def write_pictures(
    chips: gpd.GeoDataFrame,
    layers: Mapping[str, xr.DataArray],
    folder: str | Path,
    *,
    scale: int = 1,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Write pictures that stand beside the images to label, one PNG for each chip and layer.

    Parameters
    ----------
    chips : geopandas.GeoDataFrame
        Chips of one scene.
    layers : mapping
        ``"coherence"`` (0 to 1), ``"hillshade"`` (any unit) or ``"rate"`` (mm/yr), dims (y, x), or ``"optical"`` with
        dims (y, x) or (band, y, x) and three bands red, green, blue: on the grid that the chips were cut from. NaN = no
        data, shown in grey as in the images (an optical pixel where any band has none).
    folder, scale, workers, progress
        As for :func:`write_images`.

    Returns
    -------
    pandas.DataFrame
        ``chip_id``, ``direction`` (the layer's name) and ``path``, to be put below those of :func:`write_images`.

    Raises
    ------
    LabkitError
        A layer has another name, or other dims, or the scale is below 1.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> rates = lk.simulate.scene("tiny").rates["ascending"]
    >>> chips = lk.make_chips(rates, size=96, overlap=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     beside = write_pictures(chips, {"coherence": rates["rate"] * 0 + 0.7}, folder, progress=False)
    >>> list(beside.columns), len(beside) == len(chips)
    (['chip_id', 'direction', 'path'], True)
    """
    schema.check_chips(chips)
    if scale < 1:
        raise LabkitError(f"scale must be at least 1, instead got scale={scale}")
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    painters = {name: _painter(name, layer) for name, layer in layers.items()}
    jobs = [(chip, name) for chip in chips.itertuples() for name in layers]

    def write(job: tuple[Any, str]) -> Path:
        chip, name = job
        picture = painters[name](int(chip.row), int(chip.col), int(chip.size))
        return _write_png(picture.repeat(scale, axis=0).repeat(scale, axis=1), home, f"{chip.chip_id}-{name}")

    return _table_of(jobs, write, workers, progress)


def _table_of(
    jobs: list[tuple[Any, str]], write: Callable[[tuple[Any, str]], Path], workers: int | None, progress: bool
) -> pd.DataFrame:
    """Write each chip's image of each kind in threads, and list the files."""
    threads = workers or min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        done = list(tqdm(pool.map(write, jobs), total=len(jobs), desc="chips", unit="image", disable=not progress))
    return pd.DataFrame(
        {
            "chip_id": [chip.chip_id for chip, _ in jobs],
            "direction": [direction for _, direction in jobs],
            "path": [str(path) for path in done],
        }
    )


def _painter(name: str, layer: xr.DataArray) -> Callable[[int, int, int], npt.NDArray[np.uint8]]:
    """Give the function that paints a window of a layer: (row, col, size) → RGB, or levels of the colours."""
    known = (*PICTURE_LIMITS, "rate")
    if name not in known:
        raise LabkitError(f"layers must be named among {known}, instead got {name!r}")
    bands = [layer] if layer.dims == ("y", "x") else [layer.isel({layer.dims[0]: band}) for band in range(3)]
    if bands[0].dims != ("y", "x") or (len(bands) == 3 and (name != "optical" or layer.shape[0] != 3)):
        raise LabkitError(
            f"{name} must have the dims (y, x), an optical image also (band, y, x) with three bands, instead got "
            f"{dict(layer.sizes)}"
        )
    if name == "rate":
        return lambda row, col, size: _levels(-geo.read_window(layer, row, col, size), RATE_LIMIT_MM)
    limits = [PICTURE_LIMITS[name] or _percentiles(band) for band in bands]

    def paint(row: int, col: int, size: int) -> npt.NDArray[np.uint8]:
        values = np.stack([geo.read_window(band, row, col, size) for band in bands], axis=-1)
        shares = [(values[..., i] - low) / (high - low) for i, (low, high) in enumerate(limits)]
        known = np.isfinite(values).all(axis=-1)
        picture = np.stack([np.rint(255 * np.clip(np.where(known, s, 0.0), 0, 1)) for s in shares], axis=-1)
        picture = picture.astype(np.uint8).repeat(3 // len(bands), axis=-1)
        picture[~known] = GREY
        return picture

    return paint


def _percentiles(band: xr.DataArray) -> tuple[float, float]:
    values = np.asarray(band.values, float)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [2, 98]) if values.size else (0.0, 1.0)
    return float(low), float(high) if high > low else float(low) + 1.0


def _check_scene(chips: gpd.GeoDataFrame, data: xr.Dataset) -> None:
    scene = str(data.attrs.get("scene", ""))
    others = sorted(set(chips["scene"].astype(str)) - {scene})
    if others:
        raise LabkitError(
            f"chips must all lie on scene={scene!r} of the data, instead some lie on {others}. "
            "Take them scene by scene: chips[chips['scene'] == data.attrs['scene']]"
        )


def _levels(values: npt.ArrayLike, limit: float) -> npt.NDArray[np.uint8]:
    """Give values their places in the palette: 0 deepest blue, 254 deepest red, 255 no data."""
    if not (np.isfinite(limit) and limit > 0):
        raise LabkitError(f"limit must be a positive number, instead got limit={limit}")
    data = np.asarray(values, float)
    known = np.isfinite(data)
    share = np.clip(np.where(known, data, 0.0) / limit, -1.0, 1.0)
    level = np.rint((share + 1.0) * (_LEVELS - 1) / 2)
    return np.where(known, level, _NO_DATA).astype(np.uint8)


def _palette() -> npt.NDArray[np.uint8]:
    """Give the colours of all levels and, last, of no data: (256, 3)."""
    at = np.linspace(-1.0, 1.0, _LEVELS)
    stops = [position for position, _ in _STOPS]
    channels = [np.interp(at, stops, [colour[i] for _, colour in _STOPS]) for i in range(3)]
    return np.concatenate([np.rint(np.stack(channels, axis=-1)), [GREY]]).astype(np.uint8)


def _write_png(picture: npt.NDArray[np.uint8], folder: Path, name: str) -> Path:
    """Write RGB (rows, columns, 3), or levels of the palette (rows, columns)."""
    # scene ids may hold what a file name or an address may not
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    colours = _palette().tobytes() if picture.ndim == 2 else b""
    path = folder / f"{stem}-{hashlib.sha256(colours + picture.tobytes()).hexdigest()[:12]}.png"
    if not path.exists():
        image = Image.fromarray(picture)
        if colours:
            image.putpalette(colours)  # makes it an image of the mode "P"
        with whole(path) as partial:
            image.save(partial, format="PNG")
    return path
