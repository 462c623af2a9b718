"""Find landslides without training: the red-blue couplets that moving slopes leave in a stack."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import xarray as xr
from scipy.optimize import brentq

from labkit import geo, schema
from labkit.detect.couplet_field import make_field
from labkit.detect.couplet_filter import LEAST_SIGMA_PX, find_candidates, shapes_between
from labkit.detect.couplet_fit import Slide, fit_slides
from labkit.detect.couplet_outline import Corners, Outlines, make_outlines
from labkit.errors import LabkitError

#: The word in the column ``model``.
MODEL = "couplets"

#: A slide that is found gets a box in each direction whose own signal-to-noise ratio reaches this.
SEEN_SNR = 3.0

#: False boxes on noise, in an area of σ² of the smallest bump: FALSE_SHARE · u² · exp(−u² / 2) at a signal-to-noise
#: ratio above u. The form is that of a smooth random field; the factor is what simulated decorrelation showed at
#: u = 5.4, half as much again as at u = 4.
FALSE_SHARE = 0.3

_FEWEST_FALSE, _MOST_FALSE = 1e-6, 100.0


def couplets(
    gradients: xr.Dataset,
    false_per_1000_km2: float = 1.0,
    *,
    mask: xr.DataArray | None = None,
    lengths_m: tuple[float, float] = (150.0, 2000.0),
    progress: bool = True,
) -> gpd.GeoDataFrame:
    """Find landslides by their couplets, without training: a first proposal of boxes, and a yardstick for detectors.

    Parameters
    ----------
    gradients : xarray.Dataset
        gradients, in radar or map geometry, of any spacing and Σ temporal baseline, with both directions or one. NaN =
        no data, which never counts as no gradient. Every stack that :func:`labkit.stack_gradients` makes has the
        ``standard_error`` that weighs the pixels; without it each direction gets one for all pixels, from its median
        absolute gradient.
    false_per_1000_km2 : float
        How many boxes to expect per 1000 km² where nothing moves, in [1e-6, 100]. Fewer false boxes cost slow and small
        landslides.
    mask : xarray.DataArray, optional
        (y, x) bool on the grid of ``gradients``, True = do not look there: the result of :func:`labkit.snow_mask`, or
        layover and shadow. What is masked counts as no data: it is no part of a couplet or of the noise, and no box has
        its centre on it. Slides beside it that have no more than 70 % of their surroundings left are not found.
    lengths_m : (float, float)
        Least and greatest length of the slides sought, m on the ground. What is shorter than six pixels is sought as
        six pixels long.
    progress : bool
        Show progress bars.

    Returns
    -------
    geopandas.GeoDataFrame
        detections with model "couplets", best first within each direction. ``snr`` is the filter's signal-to-noise
        ratio, both directions together; ``score`` = 1 − 2^(−snr / u₁), where u₁ is the ratio at which one false box
        per 1000 km² is expected: 0.5 there, whatever ``false_per_1000_km2`` asks for. ``orbit_direction`` and ``track``
        are those of the scene.

    Raises
    ------
    LabkitError
        An argument is out of range, the mask is not on the grid, the stack has no ground spacing or time, or no pixel
        has data.

    Notes
    -----
    A slide is a bump r(y, x) of rate. Azimuth and range see its two derivatives: in each a positive lobe beside a
    negative one, at one place and of one amplitude, because both come from the same bump (their curl is zero). The
    filter looks for Gaussian bumps, and flat-topped ones with soft and with sharper rims for slides that move as one
    block, of sizes √2 apart, round and 2 : 1 at four angles, in both directions together: N / √D with N = Σ_d Σ w_d g_d
    t_d and D = Σ_d Σ w_d t_d², t_d = ∂r/∂d, w_d = 1 / standard error², over valid pixels; its spread on noise is
    measured on the scene, and around each place, for every size (:mod:`labkit.detect.couplet_filter`). The best place
    is fitted, taken away, and the next one is asked what is left for it; blocks of one sign within three standard
    deviations are one landslide (:mod:`labkit.detect.couplet_fit`).

    Box: around the fitted couplet of the direction, where it exceeds 1.2 rad at the reference of 40 m and 20 years, but
    at least 0.2 and at most 0.5 of its peak; and around all pixels that exceed 1.2 rad and 3 standard deviations in the
    connected ground that stands out with it. What the stack's window has spread is taken off
    (:mod:`labkit.detect.couplet_outline`). What shares connected ground is one slide. A direction gets a box where it
    shows the slide with a signal-to-noise ratio of at least 3 by itself, or better than the other.

    False boxes follow 0.3 · (A / σ²) · u² · exp(−u² / 2) for an area A and the smallest bump σ (u = 5.4 for one per
    1000 km² at 40 m). Measured on 7200 km² of simulated noise each (`benchmarks/couplets.py --side 1500`): where 100,
    10, 1 and 0.1 per 1000 km² are stated, decorrelation gave 50, 6.2, 1.1 and 0.3, turbulent air 6.4, 1.1, 0.3 and 0.

    Searching both directions together finds more faint slides than either alone: of 72 in decorrelation 30 against 22
    and 23, in air 35 against 18 and 18, at the same threshold.

    On simulated scenes of 480 × 720 pixels (seeds 2, 3 and 10; score and IoU 0.5) precision was 0.91 and recall 1.00
    where slopes creep as single bumps in air and decorrelation. With all that can fool people
    (``labkit.simulate.Effects()``; scenes "workshop", seeds 40 and 41, on which nothing was tuned) recall was 0.81,
    0.89 at IoU 0.3, and 0.89 of the landslides had the centre of a box on them; but of 542 boxes 133 were right, some
    195 lay on other moving ground (ice, mines), and some 200 where nothing moves, on rough high ground. On two smaller
    scenes (seeds 10 and 12) boxes where nothing moves fell from 55 to 32 without the DEM's error, to 42 without layered
    air, to 21 without snow and ice. On scenes "demo" (seeds 2 to 4) with the same effects 156 of 310 boxes were right,
    33 lay on landslides otherwise, 70 on ice, 19 on mines, 3 on seams and 29 where nothing moves. With
    ``mask=labkit.snow_mask(…)`` 241 were left, 3 of them on ice, and recall was the same, 0.72 (0.66 to 0.78).

    Memory: some 80 bytes per pixel beside the stack.

    Where it fails:

    - The scene has to be mostly quiet. In one that is filled by a slide, the slide counts as noise and is found with
      a smaller ratio.
    - Air or anything else with the shape of a slide (a cap of stratified air over a summit, a DEM error, mining, snow,
      glaciers) is found as one: a matched filter knows shapes, not causes.
    - Where more than 30 % of the surroundings have no data nothing is found: slides cut by the scene's edge are lost.
    - Slides so fast that one pair aliases show many small couplets or none.
    - Slides that move as one block with sharp edges show a narrow ring instead of two broad lobes: large and slow ones
      are missed.
    - Two slides of the same sign within three standard deviations become one box. A slide that is far from a bump (an
      L around a ridge) gets several, or one that is too small.

    References
    ----------
    Fu et al. (2022), sections 3 and 4: couplets in azimuth and range, and the threshold of 1.2 rad.

    Examples
    --------
    >>> import labkit as lk
    >>> scene = lk.simulate.scene("tiny", seed=0)
    >>> gradients = lk.stack_gradients(scene.interferograms["ascending"], progress=False)
    >>> found = lk.couplets(gradients, progress=False)
    >>> lk.evaluate(found, scene.truth[scene.truth["scene"] == "tiny-ascending"]).recall
    1.0
    """
    schema.check_gradients(gradients)
    _check(false_per_1000_km2, lengths_m)
    factor = schema.reference_factor(gradients)
    spacing = float(gradients.attrs["ground_spacing"])
    least_snr = snr_for(false_per_1000_km2, spacing, lengths_m[0])
    stack = make_field(gradients, mask)
    shapes = shapes_between(lengths_m[0] / spacing, lengths_m[1] / spacing)
    candidates = find_candidates(stack, shapes, least_snr, progress)
    slides = fit_slides(stack, candidates, least_snr, progress)
    outlines = make_outlines(stack, factor, lengths_m[1] / spacing)
    return _table(slides, outlines, snr_for(1.0, spacing, lengths_m[0]), gradients)


def snr_for(false_per_1000_km2: float, spacing_m: float, shortest_m: float = 150.0) -> float:
    """Give the signal-to-noise ratio above which noise alone makes this many boxes per 1000 km².

    Parameters
    ----------
    false_per_1000_km2 : float
        Boxes per 1000 km², in [1e-6, 100].
    spacing_m : float
        Ground spacing of the pixels, m.
    shortest_m : float
        Least length of the slides sought, m: smaller ones have more places to be found by chance.

    Examples
    --------
    >>> [round(snr_for(n, spacing_m=40), 1) for n in (0.1, 1, 10)]
    [5.9, 5.4, 4.9]
    """
    sigma_km = max(shortest_m / 4, LEAST_SIGMA_PX * spacing_m) / 1000
    allowed = math.log(false_per_1000_km2 * sigma_km**2 / 1000 / FALSE_SHARE)
    # u² exp(−u²/2) falls from √2 on
    return float(brentq(lambda u: 2 * math.log(u) - u**2 / 2 - allowed, math.sqrt(2), 100.0))


def _check(false_per_1000_km2: float, lengths_m: tuple[float, float]) -> None:
    if not _FEWEST_FALSE <= false_per_1000_km2 <= _MOST_FALSE:
        raise LabkitError(
            f"false_per_1000_km2 must be in [{_FEWEST_FALSE:g}, {_MOST_FALSE:g}], "
            f"instead got false_per_1000_km2={false_per_1000_km2}"
        )
    if len(lengths_m) != 2 or not 0 < lengths_m[0] <= lengths_m[1] < math.inf:
        raise LabkitError(
            f"lengths_m must be the least and the greatest length, positive metres, instead got lengths_m={lengths_m}"
        )


def _table(slides: list[Slide], outlines: Outlines, usual_snr: float, scene: xr.Dataset) -> gpd.GeoDataFrame:
    rows: list[tuple[str, float, Corners]] = []
    for slide, regions in outlines.landslides(slides):
        seen = (slide.shares >= SEEN_SNR) | (slide.shares == slide.shares.max())
        for i in np.flatnonzero(seen):
            left, top, right, bottom = box = outlines.box(slide, regions, i)
            if not outlines.stack.masked[int((top + bottom) / 2), int((left + right) / 2)]:
                rows.append((outlines.stack.directions[i], slide.snr, box))
    rows.sort(key=lambda row: (schema.DIRECTIONS.index(row[0]), -row[1], row[2]))
    columns: dict[str, object] = {"direction": [row[0] for row in rows], "snr": [row[1] for row in rows]}
    columns["score"] = [1 - 2 ** (-row[1] / usual_snr) for row in rows]
    columns |= {name: [row[2][i] for row in rows] for i, name in enumerate(("xmin", "ymin", "xmax", "ymax"))}
    words = {"scene": scene.attrs.get("scene", ""), "model": MODEL}
    words |= {name: scene.attrs.get(name, "") for name in ("orbit_direction", "track")}
    columns |= {name: [str(word)] * len(rows) for name, word in words.items()}
    return geo.with_geometry(schema.boxes_table(columns), scene)
