"""Stack the same pairs again and again: what is worked on is held in memory, what is too large at less resolution."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm.auto import tqdm

from labkit.schema import check_interferograms
from labkit.stack import integrate_rate, mask_outlines, mean_coherence, multilook, select_pairs, stack_gradients
from labkit.stack.drawn import Outline
from labkit.view.explorer_settings import Settings

#: So many pixels, counted over all pairs, are stacked while a slider is dragged; in memory each takes eight bytes.
#: 200 pairs of a part of 512 × 512 px.
LIVE_PIXEL_PAIRS = 200 * 512**2

Part = tuple[slice, slice]


@dataclass(frozen=True)
class Picture:
    """A stack and where it lies in the scene.

    ``stack`` is a gradients object, of pixels that are ``step`` pixels of the scene wide and begin at row ``top`` and
    column ``left`` of it; ``exact`` where it is what :func:`labkit.stack_gradients` gives at full resolution.
    ``seconds`` is what it took, ``outlines`` what is left out of it (:func:`labkit.stack.mask_outlines`), in px of the
    stack.
    """

    stack: xr.Dataset
    top: int
    left: int
    step: int
    exact: bool
    seconds: float
    outlines: Mapping[str, Sequence[Outline]] = field(default_factory=dict)

    @property
    def gradient_share(self) -> float:
        """What a gradient of this stack is multiplied by, to be one of the scene's own pixels and lag."""
        return 1.0 if self.exact else float(self.stack.attrs["gradient_share"])

    @functools.cached_property
    def rates(self) -> xr.Dataset:
        """The stack integrated to rates (:func:`labkit.integrate_rate`), once.

        Raises
        ------
        LabkitError
            The stack makes no rate.
        """
        rates = integrate_rate(self.stack)
        # a pixel beside unmasked ground has a rate by its neighbours
        return mask_outlines(rates, self.outlines) if self.outlines else rates


class Restacker:
    """The pairs of a scene, ready to be stacked again.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms.
    live_pixel_pairs : int
        What is stacked while a slider moves, pixels × pairs, at least as many as there are pairs.

    Notes
    -----
    A part of the scene that is small enough is read once and then held; so is the whole scene, averaged over square
    cells (:func:`labkit.multilook`) until it is small enough. A gradient between cells of k pixels is divided by k:
    it is the mean gradient between pixels, and finer couplets than a cell are not in it.
    """

    def __init__(self, ifgs: xr.Dataset, live_pixel_pairs: int = LIVE_PIXEL_PAIRS) -> None:
        self.ifgs = check_interferograms(ifgs)
        self.shape = (ifgs.sizes["y"], ifgs.sizes["x"])
        self._live = live_pixel_pairs
        self.step = max(1, math.ceil(math.sqrt(ifgs.sizes["pair"] * self.shape[0] * self.shape[1] / live_pixel_pairs)))
        self._overview: xr.Dataset | None = None
        self._held: tuple[Part | None, xr.Dataset] | None = None
        self._light: xr.Dataset = _without_pixels(ifgs, np.zeros(ifgs.sizes["pair"]))
        self._coherence_known = False

    def chosen(self, settings: Settings) -> npt.NDArray[np.intp]:
        """Give the numbers of the pairs that enter, as :func:`labkit.select_pairs` chooses them.

        Raises
        ------
        LabkitError
            No pair fits.
        """
        if settings.min_coherence is not None and not self._coherence_known:
            self._light = _without_pixels(self.ifgs, mean_coherence(self.ifgs))
            self._coherence_known = True
        names = select_pairs(self._light, **settings.criteria)["pair"].values
        return np.flatnonzero(np.isin(self.ifgs["pair"].values, names))

    def part(self, settings: Settings) -> Part | None:
        """Give the rows and columns that are stacked; None for the whole scene, also where it is small."""
        return None if self.step == 1 else settings.part(self.shape)

    def is_live(self, settings: Settings) -> bool:
        """Whether what is in view can be stacked at full resolution while a slider moves."""
        rows, cols = self._spans(settings)
        return self.ifgs.sizes["pair"] * (rows.stop - rows.start) * (cols.stop - cols.start) <= self._live

    def quick(self, settings: Settings) -> Picture:
        """Stack at once: what is in view at full resolution if it is small enough, else the scene at a lower one."""
        began = time.perf_counter()
        chosen = self.chosen(settings)
        if self.is_live(settings):
            rows, cols = self._spans(settings)
            stack = _stacked(_taken(self._part(settings), chosen), settings.estimator, settings.window, settings.lag)
            return _picture(stack, settings, (rows.start, cols.start), began)
        step = self.step
        window = max(1, 2 * round((settings.window / step - 1) / 2) + 1)
        lag = max(1, round(settings.lag / step))
        # a sum that was wrapped cannot be scaled: it is wrapped afterwards
        estimator = "sum" if settings.estimator == "rewrapped" else settings.estimator
        stack = _stacked(_taken(self._whole(), chosen), estimator, window, lag)
        stack = stack.assign_attrs(gradient_share=settings.lag / (lag * step), estimator=settings.estimator)
        return _picture(stack, settings, (0, 0), began, step)

    def sharp(self, settings: Settings) -> Picture:
        """Stack what is in view at full resolution, from where the pairs lie."""
        began = time.perf_counter()
        rows, cols = self._spans(settings)
        pairs = self.ifgs.isel(pair=self.chosen(settings), y=rows, x=cols)
        stack = _stacked(pairs, settings.estimator, settings.window, settings.lag)
        return _picture(stack, settings, (rows.start, cols.start), began)

    def _spans(self, settings: Settings) -> Part:
        return self.part(settings) or (slice(0, self.shape[0]), slice(0, self.shape[1]))

    def _part(self, settings: Settings) -> xr.Dataset:
        part = self.part(settings)
        if self._held is None or self._held[0] != part:
            self._held = None  # what was held before makes room first
            rows, cols = self._spans(settings)
            self._held = part, _in_memory(self.ifgs.isel(y=rows, x=cols))
        return self._held[1]

    def _whole(self) -> xr.Dataset:
        if self._overview is None:
            self._overview = _in_memory(multilook(self.ifgs, looks=(self.step, self.step)))
        return self._overview


def _picture(stack: xr.Dataset, settings: Settings, at: tuple[int, int], began: float, step: int = 1) -> Picture:
    """A stack that begins at this row and column, without what is masked; a preview where it has a step."""
    outlines = settings.outlines((at[1], at[0]), step)
    stack = mask_outlines(stack, outlines) if outlines else stack
    return Picture(stack, at[0], at[1], step, step == 1, time.perf_counter() - began, outlines)


def _without_pixels(ifgs: xr.Dataset, coherence: npt.NDArray[np.float64]) -> xr.Dataset:
    """The pairs with their dates and mean coherence, of one pixel each: what choosing among them needs."""
    image = np.asarray(coherence, np.float32)[:, None, None]
    dims = ("pair", "y", "x")
    light = ifgs[["phase", "coherence"]].isel(y=slice(0, 1), x=slice(0, 1))
    return light.assign(phase=(dims, np.zeros_like(image)), coherence=(dims, image))


def _in_memory(ifgs: xr.Dataset) -> xr.Dataset:
    """Read pair by pair, as the kernel wants them; what is in memory stays where it is."""
    names = ("phase", "coherence")
    if all(isinstance(ifgs[name].variable._data, np.ndarray) for name in names):
        return ifgs[list(names)]
    shape = tuple(ifgs.sizes[d] for d in ("pair", "y", "x"))
    held = {name: np.empty(shape, np.float32) for name in names}
    for k in tqdm(range(shape[0]), desc="reading", unit="pair"):
        one = ifgs[list(names)].isel(pair=k).compute(scheduler="synchronous")
        for name, images in held.items():
            images[k] = one[name].values
    return ifgs[list(names)].assign({name: (("pair", "y", "x"), images) for name, images in held.items()})


def _taken(ifgs: xr.Dataset, chosen: npt.NDArray[np.intp]) -> xr.Dataset:
    """Some of the pairs; a run of neighbours is not copied."""
    run = slice(int(chosen[0]), int(chosen[-1]) + 1)
    return ifgs.isel(pair=run if run.stop - run.start == len(chosen) else chosen)


def _stacked(ifgs: xr.Dataset, estimator: str, window: int, lag: int) -> xr.Dataset:
    return stack_gradients(ifgs, estimator, window, lag, progress=False)
