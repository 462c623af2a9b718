"""Leave out detections in which the ground does not show enough gradient, or that lie under a mask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import xarray as xr

from labkit import schema
from labkit.detect.masking import Mask, mask_on
from labkit.detect.strength import masked_shares, measure_boxes, pixel_windows, quiet_boxes, reference_layer
from labkit.errors import LabkitError
from labkit.schema import CORNERS

Array = npt.NDArray[np.float64]
Gradients = xr.Dataset | Iterable[xr.Dataset] | Mapping[str, xr.Dataset]


def filter_detections(
    detections: gpd.GeoDataFrame,
    gradients: Gradients,
    min_gradient: float = 1.2,
    min_fraction: float = 0.1,
    *,
    masks: Mapping[str, Mask] | None = None,
    max_masked: float = 0.5,
    quiet_count: int = 500,
) -> gpd.GeoDataFrame:
    """Keep the detections that hold enough pixels of strong gradient and lie under no mask.

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
    masks : dict, optional
        Ground that does not count, by names such as "snow", "layover" or "shadow". Each is a DataArray (y, x) of bool
        on the scene's grid (True = masked), one for each scene by its name, or polygons, drawn or imported. A masked
        pixel counts neither as strong nor as valid.
    max_masked : float
        A box goes when more than this share of its pixels lies under the masks, in [0, 1].
    quiet_count : int
        Boxes laid on quiet ground to see what the thresholds let through, at least 0 (:func:`quiet_share`).

    Returns
    -------
    geopandas.GeoDataFrame
        The detections kept, with two more columns: ``max_gradient`` (rad at the reference, absolute) and ``fraction``;
        with masks also ``masked``, the share under any of them. ``attrs["dropped"]`` lists the others: a dict each
        with the row's index, scene, direction, corners, the measures and the reason. ``attrs["quiet_share"]`` is the
        share of quiet ground that would pass and ``attrs["quiet_boxes"]`` of how many boxes: near 1, the thresholds
        filter nothing here.

    Raises
    ------
    LabkitError
        A detection's scene or direction is not among the gradients, a mask does not fit, or a threshold is out of its
        range.

    Notes
    -----
    A detection goes when its gradient stays below ``min_gradient``, or exceeds it in less than ``min_fraction`` of its
    pixels. A pixel belongs to a box that holds its centre. A box without a valid pixel goes too: nothing supports it.

    References
    ----------
    Fu et al. (2022), section 4.3: below 1.2 rad, or above it in less than 10 % of the pixels; snow: section 4.2.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> gradients = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> boxes = scene.truth[scene.truth["scene"] == gradients.attrs["scene"]].assign(score=1.0)
    >>> kept = filter_detections(boxes, gradients, min_gradient=20)
    >>> len(boxes), len(kept), kept.attrs["dropped"][0]["reason"]
    (7, 3, '3.8 % of its pixels above 20 rad, fewer than the required 10.0 %')
    >>> kept[["max_gradient", "fraction"]].round(1).values.tolist()[0]
    [87.0, 0.6]
    """
    schema.check_boxes(detections)
    _check(min_gradient, min_fraction, max_masked, quiet_count)
    stacks = by_scene(gradients)
    named = dict(masks or {})
    corners = detections[CORNERS].to_numpy(float)
    scenes, directions = (detections[name].astype(str).to_numpy() for name in ("scene", "direction"))
    _check_scenes(stacks, scenes, directions)
    measured = np.full((len(detections), 3), np.nan)
    shares = np.zeros((len(detections), len(named) + 1))
    for scene in sorted(set(scenes)):
        stack, here = stacks[scene], scenes == scene
        covers = _covers(named, stack, corners[here])
        for direction in sorted(set(directions[here])):
            chosen = here & (directions == direction)
            layer, factor = reference_layer(stack, direction)
            windows = pixel_windows(corners[chosen], (layer.shape[0], layer.shape[1]))
            for column, cover in enumerate(covers):
                if cover is not None:
                    shares[chosen, column] = masked_shares(cover, windows)
            known = layer if covers[-1] is None else np.where(covers[-1], np.float32(np.nan), layer)
            measured[chosen] = measure_boxes(known, factor, min_gradient, windows)
    judged = detections.assign(max_gradient=measured[:, 0], fraction=measured[:, 1])
    if named:
        judged["masked"] = shares[:, -1]
    passing = (measured[:, 0] >= min_gradient) & (measured[:, 1] >= min_fraction)
    kept = passing & (shares[:, -1] <= max_masked)
    result = judged[kept].copy()
    words = _reasons(measured, shares, list(named), (min_gradient, min_fraction, max_masked))
    told = judged.assign(reason=words)[~kept]
    told.index.name = "index"
    names = ["scene", "direction", *CORNERS, "max_gradient", "fraction", "reason"]
    result.attrs["dropped"] = told[names].reset_index().to_dict("records")
    share, count = quiet_share(
        stacks, detections, min_gradient, min_fraction, masks=named, max_masked=max_masked, count=quiet_count
    )
    result.attrs |= {"quiet_share": share, "quiet_boxes": count}
    return result


def quiet_share(
    gradients: Gradients,
    detections: gpd.GeoDataFrame,
    min_gradient: float = 1.2,
    min_fraction: float = 0.1,
    *,
    masks: Mapping[str, Mask] | None = None,
    max_masked: float = 0.5,
    count: int = 500,
    seed: int = 0,
) -> tuple[float, int]:
    """Say what share of quiet ground the thresholds of :func:`filter_detections` let through.

    Parameters
    ----------
    gradients, min_gradient, min_fraction, masks, max_masked
        As for :func:`filter_detections`.
    detections : geopandas.GeoDataFrame
        Their sizes are those of the boxes laid on quiet ground, which touch none of them on the same scene.
    count : int
        How many boxes to lay, spread evenly over all scenes and directions; at least 0.
    seed : int
        Of the random places.

    Returns
    -------
    share : float
        Share that passes, in [0, 1]; NaN without a box.
    count : int
        Boxes that found quiet ground, at least half of it with data.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny")
    >>> gradients = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> boxes = scene.truth[scene.truth["scene"] == gradients.attrs["scene"]].assign(score=1.0)
    >>> for threshold in (1.2, 20.0):
    ...     share, count = quiet_share(gradients, boxes, min_gradient=threshold)
    ...     print(f"{threshold} rad: {share:.1%} of {count} boxes on quiet ground pass")
    1.2 rad: 100.0% of 500 boxes on quiet ground pass
    20.0 rad: 0.0% of 500 boxes on quiet ground pass
    """
    _check(min_gradient, min_fraction, max_masked, count)
    stacks = by_scene(gradients)
    if not len(detections) or not count:
        return float("nan"), 0
    corners = detections[CORNERS].to_numpy(float)
    sizes = np.maximum(corners[:, 2:] - corners[:, :2], 1.0)
    layers = [(scene, direction) for scene, stack in sorted(stacks.items()) for direction in schema.layers(stack)]
    passing: list[npt.NDArray[np.bool_]] = []
    for number, (scene, direction) in enumerate(layers):
        stack = stacks[scene]
        layer, factor = reference_layer(stack, direction)
        taken = corners[(detections["scene"] == scene).to_numpy()]
        random = np.random.default_rng([seed, number])
        windows = quiet_boxes(layer, taken, sizes, -(-count // len(layers)), random)
        cover = _covers(dict(masks or {}), stack, windows.astype(float))[-1]
        if cover is not None:
            windows = windows[masked_shares(cover, windows) <= max_masked]
            layer = np.where(cover, np.float32(np.nan), layer)
        greatest, fraction, valid = measure_boxes(layer, factor, min_gradient, windows).T
        passing.append(((greatest >= min_gradient) & (fraction >= min_fraction))[valid > 0])
    every = np.concatenate(passing)
    return (float(every.mean()) if len(every) else float("nan")), len(every)


def by_scene(gradients: Gradients) -> dict[str, xr.Dataset]:
    """Give stacks by the scenes that they name themselves."""
    if isinstance(gradients, xr.Dataset):  # asked first: a Dataset is a mapping too, of its variables
        given = [gradients]
    else:
        given = [*(gradients.values() if isinstance(gradients, Mapping) else gradients)]
    return {str(schema.check_gradients(stack).attrs["scene"]): stack for stack in given}


def _check(min_gradient: float, min_fraction: float, max_masked: float, count: int) -> None:
    if not min_gradient >= 0:
        raise LabkitError(f"min_gradient must be at least 0 rad, instead got min_gradient={min_gradient}")
    for name, value in (("min_fraction", min_fraction), ("max_masked", max_masked)):
        if not 0 <= value <= 1:
            raise LabkitError(f"{name} must be in [0, 1], instead got {name}={value}")
    if not count >= 0:
        raise LabkitError(f"quiet_count must be at least 0, instead got quiet_count={count}")


def _check_scenes(
    stacks: dict[str, xr.Dataset], scenes: npt.NDArray[np.object_], directions: npt.NDArray[np.object_]
) -> None:
    for scene, direction in sorted(set(zip(scenes, directions, strict=True))):
        if scene not in stacks:
            raise LabkitError(
                f"gradients must hold the scene of each detection, instead got scenes={sorted(stacks)} without "
                f"{scene!r}"
            )
        layers = tuple(schema.layers(stacks[scene]))
        if direction not in layers:
            raise LabkitError(
                f"detections must have a direction of the gradients, {layers}, instead got direction={direction!r}. "
                "Detections in rates are not filtered by gradients"
            )


def _covers(masks: dict[str, Mask], stack: xr.Dataset, corners: Array) -> list[npt.NDArray[np.bool_] | None]:
    """Each mask on the scene, and last what any of them covers; None where there is none."""
    covers = [mask_on(name, mask, stack, corners) for name, mask in masks.items()]
    known = [cover for cover in covers if cover is not None]
    return [*covers, np.logical_or.reduce(known) if known else None]


def _reasons(measured: Array, shares: Array, names: list[str], limits: tuple[float, float, float]) -> list[str]:
    """Why each box would go; said of those that do."""
    min_gradient, min_fraction, max_masked = limits
    words = []
    for (greatest, fraction, valid), share in zip(measured, shares, strict=True):
        if share[-1] > max_masked:
            each = [f"{name} {100 * part:.0f} %" for name, part in zip(names, share, strict=False) if part > 0]
            words.append(f"{', '.join(each)} of its pixels masked, more than {100 * max_masked:.0f} %")
        elif not valid > 0:
            words.append("no valid pixel in the box")
        elif greatest < min_gradient:
            words.append(f"its gradient stays below {min_gradient} rad, at most {greatest:.2f} rad")
        else:
            words.append(
                f"{100 * fraction:.1f} % of its pixels above {min_gradient} rad, fewer than the required "
                f"{100 * min_fraction:.1f} %"
            )
    return words
