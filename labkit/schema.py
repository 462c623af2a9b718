"""What each object of labkit holds (dims, dtype, unit, no-data) and the checks at every public door.

Stages meet in these plain objects and nowhere else:

``interferograms``
    ``xarray.Dataset`` (pair, y, x), lazy. ``phase`` float32 rad in [−π, π), NaN = no data; ``coherence`` float32 0..1,
    NaN = no data. Coordinates on ``pair``: ``pair`` "YYYYMMDD_YYYYMMDD", ``reference`` and ``secondary``
    (datetime64), ``temporal_baseline`` (days, float), ``perpendicular_baseline`` (m, NaN = unknown). Radar geometry:
    2-D ``lon``, ``lat`` (y, x) where a lookup table exists. Map geometry: 1-D ``y``, ``x`` and attribute ``crs``.
    ``unwrapped`` float32 rad (pair, y, x; same sign as ``phase``, NaN = no data) only where every pair has unwrapped
    phase. ``skipped_pairs``: what was left out and why, one line each, where a person asked to skip damaged pairs.
    Attributes: :data:`SCENE_ATTRIBUTES`; ``coherence_source`` says where the coherence comes from ("files",
    "magnitude", "estimated from phase") where a reader had to choose.
``gradients``
    ``xarray.Dataset`` (direction, y, x). ``gradient`` float32 rad (stacked), ``standard_error`` float32 rad,
    ``coherence`` float32 (y, x; mean over the pairs), ``n_pairs`` int32 (direction, y, x), ``response`` float32
    (y, x; the share of a steady velocity that the stack shows). ``direction`` = "azimuth", "range". Attributes: those
    of the scene and ``estimator``, ``window``, ``lag``, ``sum_temporal_baseline`` (yr), ``n_pairs``.
``rates``
    ``xarray.Dataset`` (y, x). ``rate`` float32 mm/yr, line of sight, positive toward the satellite;
    ``standard_error`` float32 mm/yr; ``aliased`` bool where the rate came from gradients that one pair may have folded.
``sentinel2``
    ``xarray.Dataset``, lazy. ``reflectance`` (time, band, y, x) float32, NaN = no data; ``scene_class`` (time, y, x)
    where the product classifies; 1-D ``y``, ``x`` and attribute ``crs``.
``chips``
    ``geopandas.GeoDataFrame`` with :data:`CHIP_COLUMNS`; pixels stay in the scene.
``labels``, ``detections``
    ``geopandas.GeoDataFrame`` with at least :data:`BOX_COLUMNS`; ``xmin ymin xmax ymax`` are pixel edges (float,
    half-open: pixel i spans [i, i + 1)) on the array of ``scene``; ``geometry`` is the box as a lon/lat polygon
    (EPSG:4326), empty where the scene has no lon/lat.
``density``
    ``xarray.DataArray`` (y, x), landslides per km², on a metric grid with attribute ``crs``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from labkit.errors import LabkitError

#: The two directions of a stacked gradient, in array order (y, x).
DIRECTIONS = ("azimuth", "range")

#: The columns of a box's edges in a table, in the order in which boxes are written everywhere.
CORNERS = ["xmin", "ymin", "xmax", "ymax"]

#: Limit of the display and of the scaling for models, rad (Fu et al. 2022, Figure 6).
DISPLAY_LIMIT_RAD = 4.0

#: Ground spacing (m) and summed temporal baseline (yr) to which thresholds and detectors refer. They are close to the
#: ascending stack of Fu et al. (2022): about 40 m, 348 pairs of at most 36 days.
REFERENCE_SPACING_M = 40.0
REFERENCE_YEARS = 20.0

DAYS_PER_YEAR = 365.25

#: Attributes that a scene carries from its files to its detections. ``geometry`` "radar" or "map"; ``wavelength`` m;
#: ``heading`` and ``incidence_angle`` degrees; ``y_spacing``, ``x_spacing`` m of the array (slant range for radar);
#: ``ground_spacing`` m, the geometric mean of both on the ground; ``phase_sign`` +1 or −1: LOS displacement toward the
#: satellite = phase_sign · λ / 4π · phase; ``crs`` only on map geometry. Unknown numbers are NaN, unknown words "".
SCENE_ATTRIBUTES = (
    "scene",
    "geometry",
    "wavelength",
    "orbit_direction",
    "heading",
    "incidence_angle",
    "y_spacing",
    "x_spacing",
    "ground_spacing",
    "track",
    "burst",
    "processor",
    "phase_sign",
    "crs",
)

CHIP_COLUMNS = ("chip_id", "scene", "row", "col", "size", "valid_fraction", "split", "geometry")

BOX_COLUMNS = ("scene", "direction", *CORNERS, "label", "score", "model", "geometry")

#: The word for the one class that both papers detect.
LANDSLIDE = "landslide"

_PAIR = re.compile(r"^\d{8}_\d{8}$")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise LabkitError(message)


def _dims(name: str, data: xr.Dataset, variable: str, dims: tuple[str, ...]) -> None:
    _require(
        isinstance(data, xr.Dataset) and variable in data,
        f"{name} must be a Dataset with the variable '{variable}', instead got {_words(data)}",
    )
    got = tuple(map(str, data[variable].dims))
    _require(got == dims, f"{name}.{variable} must have the dims {dims}, instead got dims={got}")


def _words(data: object) -> str:
    if isinstance(data, xr.Dataset):
        return f"a Dataset with {sorted(map(str, data.data_vars))}"
    if isinstance(data, xr.DataArray):
        return f"a DataArray named {data.name!r} with dims {data.dims}"
    if isinstance(data, pd.DataFrame):
        return f"a table with the columns {list(data.columns)}"
    return f"{type(data).__name__}"


def check_interferograms(ifgs: xr.Dataset) -> xr.Dataset:
    """Return ``ifgs`` when it is an interferograms object (module docstring), else raise with the broken rule.

    Only shapes, coordinates and attributes are looked at: no pixel is read.

    Raises
    ------
    LabkitError
        A variable, dimension, coordinate or attribute is missing or wrong.

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> check_interferograms(ifgs) is ifgs
    True
    >>> try:
    ...     check_interferograms(ifgs.drop_vars("coherence"))
    ... except lk.LabkitError as error:
    ...     print(error)
    interferograms must be a Dataset with the variable 'coherence', instead got a Dataset with ['phase']
    """
    for variable in ("phase", "coherence"):
        _dims("interferograms", ifgs, variable, ("pair", "y", "x"))
    for coordinate in ("pair", "reference", "secondary", "temporal_baseline", "perpendicular_baseline"):
        _require(coordinate in ifgs.coords, f"interferograms must have the coordinate '{coordinate}' on pair")
    _require(ifgs.sizes["pair"] > 0, "interferograms must hold at least one pair, instead got 0 pairs")
    wrong = [str(p) for p in ifgs["pair"].values if not _PAIR.match(str(p))]
    _require(not wrong, f"interferograms.pair must read 'YYYYMMDD_YYYYMMDD', instead got pair={wrong[:3]}")
    for attribute in SCENE_ATTRIBUTES[:-1]:
        _require(attribute in ifgs.attrs, f"interferograms must have the attribute '{attribute}'")
    geometry = ifgs.attrs["geometry"]
    _require(geometry in ("radar", "map"), f"geometry must be 'radar' or 'map', instead got geometry={geometry!r}")
    sign = ifgs.attrs["phase_sign"]
    _require(sign in (1, -1), f"phase_sign must be +1 or −1, instead got phase_sign={sign!r}")
    return ifgs


def check_gradients(gradients: xr.Dataset) -> xr.Dataset:
    """Return ``gradients`` when it is a gradients object (module docstring), else raise with the broken rule.

    Examples
    --------
    >>> import labkit as lk
    >>> ifgs = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> gradients = lk.stack_gradients(ifgs, progress=False)
    >>> check_gradients(gradients) is gradients
    True
    """
    _dims("gradients", gradients, "gradient", ("direction", "y", "x"))
    directions = tuple(map(str, gradients["direction"].values))
    unknown = set(directions) - set(DIRECTIONS)
    _require(not unknown, f"gradients.direction must be among {DIRECTIONS}, instead got direction={directions}")
    for attribute in ("scene", "ground_spacing", "sum_temporal_baseline", "wavelength"):
        _require(attribute in gradients.attrs, f"gradients must have the attribute '{attribute}'")
    return gradients


def check_rates(rates: xr.Dataset) -> xr.Dataset:
    """Return ``rates`` when it is a rates object (module docstring), else raise with the broken rule.

    Examples
    --------
    >>> import labkit as lk
    >>> try:
    ...     check_rates(xr.Dataset({"speed": (("y", "x"), np.zeros((2, 2)))}))
    ... except lk.LabkitError as error:
    ...     print(error)
    rates must be a Dataset with the variable 'rate', instead got a Dataset with ['speed']
    """
    _dims("rates", rates, "rate", ("y", "x"))
    return rates


def is_gradients(data: object) -> bool:
    """Whether ``data`` is a gradients object rather than a rates object.

    Examples
    --------
    >>> import labkit as lk
    >>> is_gradients(lk.simulate.scene("tiny").rates["ascending"])
    False
    """
    return isinstance(data, xr.Dataset) and "gradient" in data


def layers(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Give the images of a scene by direction, so that gradients and rates can be treated alike.

    Parameters
    ----------
    data : xarray.Dataset
        gradients or rates.

    Returns
    -------
    dict
        ``{"azimuth": (y, x), "range": (y, x)}`` in rad as stacked, or ``{"rate": (y, x)}`` in mm/yr.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> list(layers(scene.rates["ascending"]))
    ['rate']
    >>> list(layers(lk.stack_gradients(scene.interferograms["ascending"], progress=False)))
    ['azimuth', 'range']
    """
    if is_gradients(data):
        check_gradients(data)
        return {str(d): data["gradient"].sel(direction=d, drop=True) for d in data["direction"].values}
    return {"rate": check_rates(data)["rate"]}


def standard_errors(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Give the standard error of each image that :func:`layers` gives, in the same unit.

    Raises
    ------
    LabkitError
        The scene has none.

    Examples
    --------
    >>> import labkit as lk
    >>> spread = standard_errors(lk.simulate.scene("tiny").rates["ascending"])
    >>> {direction: round(float(image.mean()), 1) for direction, image in spread.items()}
    {'rate': 1.4}
    """
    _require(
        "standard_error" in data,
        f"data must hold standard_error for a detector that sees it, instead got variables={sorted(map(str, data))}. "
        "Rate maps without one get an estimate by lk.estimate_standard_error(rates)",
    )
    images, error = layers(data), data["standard_error"]
    return {name: error.sel(direction=name, drop=True) if is_gradients(data) else error for name in images}


def reference_factor(gradients: xr.Dataset) -> float:
    """Give the factor that brings a stack to the reference of 40 m ground spacing and 20 years.

    Notes
    -----
    factor = (40 m / ground spacing) × (20 yr / Σ temporal baseline) / lag. A gradient per pixel grows with the spacing,
    a difference over ``lag`` pixels with the lag, and a stack with the time it sums; thresholds (1.2 rad) and detectors
    are meant at the reference.

    Raises
    ------
    LabkitError
        The ground spacing or the summed temporal baseline is not a positive number.

    Examples
    --------
    >>> import labkit as lk
    >>> gradients = lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)
    >>> round(gradients.attrs["sum_temporal_baseline"], 2), round(reference_factor(gradients), 1)
    (1.31, 15.2)
    """
    check_gradients(gradients)
    spacing = float(gradients.attrs["ground_spacing"])
    years = float(gradients.attrs["sum_temporal_baseline"])
    _require(
        bool(np.isfinite(spacing)) and spacing > 0,
        f"ground_spacing must be a positive number of metres, instead got ground_spacing={spacing}. "
        "Set gradients.attrs['ground_spacing']",
    )
    _require(
        bool(np.isfinite(years)) and years > 0,
        f"sum_temporal_baseline must be a positive number of years, instead got sum_temporal_baseline={years}",
    )
    lag = int(gradients.attrs.get("lag", 1))
    return (REFERENCE_SPACING_M / spacing) * (REFERENCE_YEARS / years) / lag


def at_reference(gradients: xr.Dataset) -> xr.DataArray:
    """Give the gradient (direction, y, x) in rad at the reference of 40 m and 20 years (:func:`reference_factor`).

    Examples
    --------
    >>> import labkit as lk
    >>> gradients = lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)
    >>> ratio = (at_reference(gradients) / gradients["gradient"]).mean()
    >>> bool(np.isclose(ratio, reference_factor(gradients)))
    True
    """
    factor = np.float32(reference_factor(gradients))
    return (gradients["gradient"] * factor).assign_attrs(units="rad", reference="40 m, 20 yr")


def check_chips(chips: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return ``chips`` when it has :data:`CHIP_COLUMNS` and at least one row, else raise with the broken rule.

    Examples
    --------
    >>> import labkit as lk
    >>> chips = lk.make_chips(lk.simulate.scene("tiny").rates["ascending"], size=96)
    >>> check_chips(chips) is chips
    True
    """
    return _check_table("chips", chips, CHIP_COLUMNS)


def check_boxes(boxes: gpd.GeoDataFrame, name: str = "detections") -> gpd.GeoDataFrame:
    """Return ``boxes`` (labels or detections) when it obeys the schema, else raise with the broken rule.

    An empty table is allowed: nothing found is an answer.

    Raises
    ------
    LabkitError
        A column is missing, a corner is not finite, or a box has no area.

    Examples
    --------
    >>> from labkit.errors import LabkitError
    >>> corners = {"xmin": [10], "ymin": [10], "xmax": [5], "ymax": [30]}
    >>> try:
    ...     check_boxes(boxes_table({"scene": "a", "direction": "azimuth"} | corners), "labels")
    ... except LabkitError as error:
    ...     print(error)
    labels must have finite corners with xmin < xmax and ymin < ymax, instead got row 0 = [10.0, 10.0, 5.0, 30.0]
    """
    _check_columns(name, boxes, BOX_COLUMNS)
    if len(boxes):
        corners = boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float)
        bad = ~np.isfinite(corners).all(axis=1) | (corners[:, 2] <= corners[:, 0]) | (corners[:, 3] <= corners[:, 1])
        _require(
            not bad.any(),
            f"{name} must have finite corners with xmin < xmax and ymin < ymax, instead got row "
            f"{int(np.argmax(bad))} = {corners[int(np.argmax(bad))].tolist() if bad.any() else ''}",
        )
    return boxes


def boxes_hash(boxes: gpd.GeoDataFrame) -> str:
    """Give the SHA-256 of what boxes say (scene, direction, corners, label), whatever their order and other columns.

    Examples
    --------
    >>> two = boxes_table({"scene": "a", "direction": "range", "xmin": [0, 4], "ymin": [0, 4], "xmax": [9, 8],
    ...                    "ymax": [9, 8]})
    >>> boxes_hash(two) == boxes_hash(two[::-1]) != boxes_hash(two[:1])
    True
    """
    _check_columns("boxes", boxes, BOX_COLUMNS)
    words = boxes[["scene", "direction", "label"]].astype(str).to_numpy().tolist()
    corners = boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float).tolist()
    rows = sorted(repr((word, corner)) for word, corner in zip(words, corners, strict=True))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _check_columns(name: str, table: gpd.GeoDataFrame, columns: Iterable[str]) -> gpd.GeoDataFrame:
    _require(isinstance(table, pd.DataFrame), f"{name} must be a GeoDataFrame, instead got {_words(table)}")
    missing = [c for c in columns if c not in table.columns]
    _require(not missing, f"{name} must have the columns {tuple(columns)}, instead these are missing: {missing}")
    return table


def _check_table(name: str, table: gpd.GeoDataFrame, columns: Iterable[str]) -> gpd.GeoDataFrame:
    _check_columns(name, table, columns)
    _require(len(table) > 0, f"{name} must hold at least one row, instead got an empty table")
    return table


def boxes_table(columns: dict[str, object] | None = None) -> gpd.GeoDataFrame:
    """Make a table of boxes (labels or detections) with every column of :data:`BOX_COLUMNS` and its dtype.

    Parameters
    ----------
    columns : dict, optional
        Column name to values of one length. What is left out gets its neutral value: ``label`` "landslide", ``score``
        1.0, ``model`` "", ``geometry`` None. Further columns are kept.

    Returns
    -------
    geopandas.GeoDataFrame
        CRS EPSG:4326; without ``columns`` an empty table.

    Examples
    --------
    >>> boxes_table({"scene": ["a"], "direction": ["range"], "xmin": [1], "ymin": [2], "xmax": [5], "ymax": [9]}).score
    0    1.0
    Name: score, dtype: float64
    """
    given = dict(columns or {})
    length = max((len(v) for v in given.values() if hasattr(v, "__len__") and not isinstance(v, str)), default=0)
    neutral: dict[str, object] = {"scene": "", "direction": "", "label": LANDSLIDE, "score": 1.0, "model": ""}
    table: dict[str, object] = {}
    for column in BOX_COLUMNS[:-1]:
        value = given.pop(column, neutral.get(column, np.nan))
        dtype = float if column in (*CORNERS, "score") else object
        scalar = isinstance(value, str) or not hasattr(value, "__len__")
        # pandas-stubs choose the overload by one dtype, and here it is one of two
        table[column] = pd.Series([value] * length if scalar else list(value), dtype=dtype)  # type: ignore[call-overload]
    geometry = given.pop("geometry", None)
    table.update(given)
    return gpd.GeoDataFrame(table, geometry=[None] * length if geometry is None else geometry, crs="EPSG:4326")
