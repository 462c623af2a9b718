"""A matched filter for the couplets of slides of many sizes and orientations, over a whole stack."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import gaussian_filter, maximum_filter
from tqdm.auto import tqdm

from labkit.detect.couplet_field import Field, half_lag

Image = npt.NDArray[np.float32]

#: How much each direction's weights count.
Balance = tuple[float, ...]

#: Standard deviation of the smallest bump, px: the window of a stack spreads smaller slides to about this.
LEAST_SIGMA_PX = 1.5

#: Scales follow each other by this factor; long shapes have axes 2 : 1 of the same area.
SCALE_STEP = math.sqrt(2.0)
_ANGLES = (0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4)

#: Bumps wider than this, px of the level, are sought on an image of half as many rows and columns.
_WIDEST_SIGMA_PX = 3.0

#: Nothing is sought where less than this share of the surroundings has data.
_LEAST_DATA = 0.7

#: The spread of the noise is measured for bumps of which at least so many fit into the scene side by side.
_LEAST_CELLS = 100

#: Where there is next to no noise, rounding takes its place: no spread is taken to be below this.
_LEAST_SPREAD = 0.1

#: A quarter of the absolute values of a normal variable lie below this.
_QUARTER = 0.31864

_SPREAD_SAMPLES = 200_000


@dataclass(frozen=True)
class Shape:
    """A Gaussian bump: standard deviations along its axes, px, and the angle of the long one from x toward y, rad."""

    long: float
    short: float
    angle: float

    @property
    def sigma(self) -> float:
        """Geometric mean of the standard deviations, px."""
        return math.sqrt(self.long * self.short)

    def covariance(self) -> npt.NDArray[np.float64]:
        """Of the bump as a distribution over (y, x), px²."""
        along = np.array([math.sin(self.angle), math.cos(self.angle)])
        across = np.array([along[1], -along[0]])
        return self.long**2 * np.outer(along, along) + self.short**2 * np.outer(across, across)


@dataclass(frozen=True)
class Candidate:
    """A place (y, x; px, pixel edges) where a bump of some shape answers more than all around it.

    ``snr`` is the answer over the spread of the noise, ``gain`` that spread over the one of independent pixels, and
    ``balance`` (direction,) how much each direction's weights count at this size.
    """

    y: float
    x: float
    shape: Shape
    snr: float
    gain: float
    balance: Balance


def shapes_between(shortest_px: float, longest_px: float) -> list[Shape]:
    """List the bumps to be sought, by rising size: round ones, and from the second size on long ones at four angles.

    Parameters
    ----------
    shortest_px, longest_px : float
        Lengths of slides, px; a slide is about four standard deviations long. Below 1.5 px of standard deviation
        nothing is sought.
    """
    least = max(shortest_px / 4, LEAST_SIGMA_PX)
    steps = max(0, math.floor(math.log(max(longest_px / 4, least) / least, SCALE_STEP) + 1e-9))
    found = []
    for step in range(steps + 1):
        sigma = least * SCALE_STEP**step
        found.append(Shape(sigma, sigma, 0.0))
        if step:
            found += [Shape(sigma * SCALE_STEP, sigma / SCALE_STEP, angle) for angle in _ANGLES]
    return found


def find_candidates(field: Field, shapes: list[Shape], least_snr: float, progress: bool = True) -> list[Candidate]:
    """Find where some bump's couplets stand out, best first.

    Parameters
    ----------
    field : Field
        The stack.
    shapes : list of Shape
        By rising size (:func:`shapes_between`).
    least_snr : float
        Least signal-to-noise ratio.
    progress : bool
        Show a bar over the shapes.

    Notes
    -----
    A bump r moves at some rate; direction d sees its derivative t_d = v_d · ∇r. With the gradients g_d and the weights
    w_d = 1 / standard error², N = Σ_d Σ w g t and D = Σ_d Σ w t² give its amplitude N / D and, were the noise of all
    pixels independent, its signal-to-noise ratio N / √D. Pixels without data have w = 0 in both sums. The real noise
    is not independent: a window makes neighbours alike, decorrelation cancels over a couplet, air adds up with its
    size. So the spread of N / √D is measured for each shape over the scene (from the quarter of pixels with the least
    answer, which slides hardly touch) and divided out. Where bumps are too large for the scene to measure it, the
    spread is taken to grow with their size, as it does for air. Directions of unlike noise are balanced first: for
    each size both sums take w_d / spread_d² in place of w_d, with the spread of round bumps in that direction alone.

    Here D takes the mean weight around the place; :mod:`labkit.detect.couplet_fit` sums it pixel by pixel.
    """
    noise = _Noise(field)
    found: list[Candidate] = []
    with tqdm(total=len(shapes), desc="couplets", unit="shape", disable=not progress) as bar:
        for size, group in _levels(shapes):
            level = _Level(field, size, max(shape.long for shape in group))
            found += _peaks(level, group, noise, least_snr, bar)
    return sorted(found, key=lambda c: (-c.snr, c.y, c.x))


class _Level:
    """The stack on an image of ``size`` times fewer rows and columns, ready for one shape after another."""

    def __init__(self, field: Field, size: int, widest: float) -> None:
        self.size = size
        self.vectors = field.vectors
        self._weights = [_blocks(w, size) for w in field.weights]
        self._data = _blocks(np.asarray((field.weights > 0).any(axis=0), np.float32), size)
        # room for the widest bump, so that one edge does not answer to the other
        margin = math.ceil(4 * widest / size)
        self._padded = [fft.next_fast_len(n + margin, real=True) for n in self._data.shape]
        self._ky = (2 * np.pi * fft.fftfreq(self._padded[0])).astype(np.float32)[:, None]
        self._kx = (2 * np.pi * fft.rfftfreq(self._padded[1])).astype(np.float32)[None, :]
        self._derivatives = [
            self._derivative(_blocks(v * w, size), vector, field.lag / size)
            for v, w, vector in zip(field.values, field.weights, field.vectors, strict=True)
        ]
        self._around: tuple[float, Image, list[Image]] | None = None

    def _derivative(self, weighted: Image, vector: npt.NDArray[np.float64], lag: float) -> npt.NDArray[np.complex64]:
        """Spectrum of the correlation with the derivative along ``vector``, whose values stand half a lag early."""
        spectrum = fft.rfft2(weighted, s=self._padded, workers=-1)
        along = np.float32(vector[0]) * self._ky + np.float32(vector[1]) * self._kx
        late = half_lag(vector, lag).astype(np.float32)
        shift = np.exp(np.complex64(-1j) * (late[0] * self._ky + late[1] * self._kx))
        return np.asarray(np.complex64(-1j) * along * shift * spectrum, np.complex64)

    def answer(self, shape: Shape, balance: Balance) -> Image:
        """Give N / √D of a shape, 0 where too little data is around."""
        share, means = self._surroundings(shape.sigma)
        covariance = shape.covariance() / self.size**2
        area = 2 * math.pi * math.sqrt(float(np.linalg.det(covariance)))
        yy, xx, yx = (np.float32(c) for c in (covariance[0, 0], covariance[1, 1], covariance[0, 1]))
        spectrum = np.exp(-0.5 * (yy * self._ky**2 + xx * self._kx**2) - yx * (self._ky * self._kx)) * np.float32(area)
        inverse = np.linalg.inv(covariance)
        derivative: npt.NDArray[np.complex64] = np.zeros(spectrum.shape, np.complex64)
        energy: Image = np.zeros(share.shape, np.float32)
        for part, vector, mean, counts in zip(self._derivatives, self.vectors, means, balance, strict=True):
            if counts:
                derivative += np.float32(counts) * part
                energy += np.float32(counts * 0.25 * area * float(vector @ inverse @ vector)) * mean
        rows, cols = share.shape
        total = fft.irfft2(derivative * spectrum, s=self._padded, workers=-1)[:rows, :cols]
        usable = (share > _LEAST_DATA) & (energy > 0)
        answer = total * np.float32(self.size) / np.sqrt(np.where(usable, energy, np.float32(1)))
        return np.where(usable, answer, np.float32(0))

    def _surroundings(self, sigma: float) -> tuple[Image, list[Image]]:
        """Share of data, and mean weight of each direction, around each place."""
        if self._around is None or self._around[0] != sigma:
            width = sigma / self.size
            self._around = (sigma, _smooth(self._data, width), [_smooth(w, width) for w in self._weights])
        return self._around[1:]


class _Noise:
    """What noise alone answers, measured on the scene for one shape after another, by rising size."""

    def __init__(self, field: Field) -> None:
        self._pixels = field.shape[0] * field.shape[1]
        self._directions = len(field.directions)
        self._known: tuple[float, float] | None = None
        self._balance: tuple[float, Balance] = (0.0, (1.0,) * self._directions)

    def balance(self, level: _Level, sigma: float) -> Balance:
        """Give the share of each direction in the weights: one over the variance of its noise, 1 on average."""
        if self._directions > 1 and sigma != self._balance[0] and (self._known is None or self._measurable(sigma)):
            alone = np.eye(self._directions)
            spreads = [_spread(level.answer(Shape(sigma, sigma, 0.0), tuple(one))) for one in alone]
            shares = 1 / np.array(spreads) ** 2
            self._balance = (sigma, tuple((shares / shares.mean()).tolist()))
        return self._balance[1]

    def spread(self, shape: Shape, answer: Image) -> float:
        """Measure it, or where the scene is too small carry on the last round shape's, growing with the size."""
        if self._known is not None and not self._measurable(shape.sigma):
            return self._known[0] * shape.sigma / self._known[1]
        spread = _spread(answer)
        if shape.long == shape.short:
            self._known = (spread, shape.sigma)
        return spread

    def _measurable(self, sigma: float) -> bool:
        return self._pixels / (4 * math.pi * sigma**2) >= _LEAST_CELLS


def _spread(answer: Image) -> float:
    """Standard deviation of the noise, from the quarter of the pixels with the least answer."""
    sample = answer[answer != 0]
    sample = sample[:: max(1, len(sample) // _SPREAD_SAMPLES)]
    measured = float(np.quantile(np.abs(sample), 0.25)) / _QUARTER if len(sample) else 0.0
    return max(measured, _LEAST_SPREAD)


def _peaks(level: _Level, shapes: list[Shape], noise: _Noise, least_snr: float, bar: tqdm) -> list[Candidate]:
    """Find the places that answer more to their best shape than the eight around them to theirs."""
    kinds: list[tuple[Shape, float, Balance]] = []
    best: Image | None = None
    winner: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
    for number, shape in enumerate(shapes):
        balance = noise.balance(level, shape.sigma)
        answer = level.answer(shape, balance)
        gain = noise.spread(shape, answer)
        kinds.append((shape, gain, balance))
        strength: Image = np.asarray(np.abs(answer) / gain, np.float32)
        if best is None:
            best, winner = strength, np.zeros(strength.shape, np.uint8)
        else:
            stronger = strength > best
            best[stronger], winner[stronger] = strength[stronger], number
        bar.update()
    if best is None:
        return []
    found = []
    for row, col in np.argwhere((best == maximum_filter(best, 3)) & (best > least_snr)).tolist():
        shape, gain, balance = kinds[int(winner[row, col])]
        place = (row + 0.5) * level.size, (col + 0.5) * level.size
        found.append(Candidate(*place, shape, float(best[row, col]), gain, balance))
    return found


def _levels(shapes: list[Shape]) -> Iterator[tuple[int, list[Shape]]]:
    """Group shapes by the number of pixels per side that are put together before they are sought."""
    levels: dict[int, list[Shape]] = {}
    for shape in shapes:
        # the relative tolerance keeps a scale that is exactly at the border on one side of it
        halvings = math.floor(math.log2(shape.sigma / _WIDEST_SIGMA_PX) + 1 + 1e-9)
        levels.setdefault(2 ** max(0, halvings), []).append(shape)
    yield from levels.items()


def _blocks(image: Image, size: int) -> Image:
    """Means of blocks of ``size`` pixels per side; beyond the scene there is nothing."""
    if size == 1:
        return image
    rows, cols = (-(-n // size) for n in image.shape)
    padded = np.zeros((rows * size, cols * size), np.float32)
    padded[: image.shape[0], : image.shape[1]] = image
    return np.asarray(padded.reshape(rows, size, cols, size).mean(axis=(1, 3)), np.float32)


def _smooth(image: Image, sigma: float) -> Image:
    return np.asarray(gaussian_filter(image, sigma, mode="constant", truncate=3.0), np.float32)
