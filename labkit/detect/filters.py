"""Leave out detections in which the ground does not show enough gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError

_CORNERS = ["xmin", "ymin", "xmax", "ymax"]


def filter_detections(
    detections: gpd.GeoDataFrame,
    gradients: xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset],
    min_gradient: float = 1.2,
    min_fraction: float = 0.1,
) -> gpd.GeoDataFrame:
    """Keep the detections that hold enough pixels of strong gradient.

    Parameters
    ----------
    detections : geopandas.GeoDataFrame
        Of directions "azimuth" and "range".
    gradients : Dataset, or iterable or dict of Datasets
        The stacks in which they were detected, found by their attribute ``scene``; each box is judged on its own scene
        and direction.
    min_gradient : float
        Gradient that counts as strong, rad at the reference of 40 m and 20 years; at least 0.
    min_fraction : float
        Least share of the valid pixels in the box whose absolute gradient is above ``min_gradient``, in [0, 1].

    Returns
    -------
    geopandas.GeoDataFrame
        The detections kept, with two more columns: ``max_gradient`` (rad at the reference, absolute) and ``fraction``.
        ``attrs["dropped"]`` lists the others: a dict each with the row's index, scene, direction, corners, both
        measures and the reason.

    Raises
    ------
    LabkitError
        A detection's scene or direction is not among the gradients, or a threshold is out of its range.

    Notes
    -----
    A pixel belongs to a box that holds its centre. A box without a valid pixel is dropped: nothing supports it.
    """
    schema.check_boxes(detections)
    if not min_gradient >= 0:
        raise LabkitError(f"min_gradient must be at least 0 rad, instead got min_gradient={min_gradient}")
    if not 0 <= min_fraction <= 1:
        raise LabkitError(f"min_fraction must be in [0, 1], instead got min_fraction={min_fraction}")
    stacks = _by_scene(gradients)
    measured = np.full((len(detections), 2), np.nan)
    for i, row in enumerate(detections.itertuples()):
        pixels = _pixels(stacks, row)
        if len(pixels):
            measured[i] = pixels.max(), (pixels > min_gradient).mean()
    judged = detections.assign(max_gradient=measured[:, 0], fraction=measured[:, 1])
    kept = (measured[:, 1] >= min_fraction).astype(bool)
    result = judged[kept].copy()
    result.attrs["dropped"] = [_reason(row, min_gradient, min_fraction) for row in judged[~kept].itertuples()]
    return result


def _by_scene(gradients: xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    if isinstance(gradients, xr.Dataset):  # asked first: a Dataset is a mapping too, of its variables
        given = [gradients]
    else:
        given = [*(gradients.values() if isinstance(gradients, Mapping) else gradients)]
    return {str(schema.check_gradients(stack).attrs["scene"]): stack for stack in given}


def _pixels(stacks: dict[str, xr.Dataset], row: object) -> npt.NDArray[np.float32]:
    """Absolute gradients at the reference of the valid pixels whose centres lie in the box."""
    # a row of itertuples(): its class is made of the columns when it runs, so that it has no type to name
    scene, direction = str(row.scene), str(row.direction)  # type: ignore[attr-defined]
    if scene not in stacks:
        raise LabkitError(
            f"gradients must hold the scene of each detection, instead got scenes={sorted(stacks)} without {scene!r}"
        )
    stack = stacks[scene]
    layers = schema.layers(stack)
    if direction not in layers:
        raise LabkitError(
            f"detections must have a direction of the gradients, {tuple(layers)}, instead got direction={direction!r}. "
            "Detections in rates are not filtered by gradients"
        )
    edges = np.array([getattr(row, name) for name in _CORNERS])
    left, top, right, bottom = np.ceil(edges - 0.5).astype(int).clip(0)
    window = layers[direction].isel(y=slice(top, bottom), x=slice(left, right)).values
    window = np.abs(window[np.isfinite(window)]) * np.float32(schema.reference_factor(stack))
    return np.asarray(window)


def _reason(row: object, min_gradient: float, min_fraction: float) -> dict[str, object]:
    # a row of itertuples(), as in _pixels
    values = row._asdict()  # type: ignore[attr-defined]
    told = {name: values[name] for name in ("scene", "direction", *_CORNERS, "max_gradient", "fraction")}
    if np.isnan(values["fraction"]):
        reason = "no valid pixel in the box"
    else:
        reason = (
            f"{100 * values['fraction']:.1f} % of its pixels above {min_gradient} rad, fewer than the required "
            f"{100 * min_fraction:.1f} %"
        )
    return {"index": values["Index"], **told, "reason": reason}
