"""A matched filter for the couplets of slides of many sizes and orientations, over a whole stack."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.special import genlaguerre
from tqdm.auto import tqdm

from labkit.detect.couplet_compiled import keep_stronger, moving_mean, over_root_energy, times_bump
from labkit.detect.couplet_field import Field, half_lag
from labkit.detect.couplet_noise import spread, spread_around

Image = npt.NDArray[np.float32]

#: How much each direction's weights count.
Balance = tuple[float, ...]

#: Standard deviation of the smallest bump, px: the window of a stack spreads smaller slides to about this.
LEAST_SIGMA_PX = 1.5

#: Scales follow each other by this factor; long shapes have axes 2 : 1 of the same area.
SCALE_STEP = math.sqrt(2.0)

#: Flatness of the tops sought besides Gaussian bumps: blocks whose speed falls over about a
#: half and a quarter of their radius.
FLAT_ORDERS = (3, 10)
_ANGLES = (0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4)

#: Bumps wider than this, px of the level, are sought on an image of half as many rows and columns.
_WIDEST_SIGMA_PX = 3.0

#: Nothing is sought where less than this share of the surroundings has data.
_LEAST_DATA = 0.7

#: Where this share of a level's pixel is masked, nothing is sought, and its answer is no noise.
_LEAST_MASKED = 0.5

#: The spread of the noise is measured for bumps of which at least so many fit into the scene side by side.
_LEAST_CELLS = 100

#: The noise around a place is measured over so many pixels of the level to each side, or so many rims of the bump,
#: whichever is more: enough places to measure it, and a slide is but a part of them.
_AROUND_PX = 64
_AROUND_RIMS = 9.0


@dataclass(frozen=True)
class Shape:
    """A bump: Gaussian, or of a flat top.

    Attributes
    ----------
    long, short : float
        Standard deviations along its axes, px; of a flat one those of the Gaussian in its formula.
    angle : float
        Of the long axis from x toward y, rad.
    order : int
        Flatness n of the top; 0 is a Gaussian.

    Notes
    -----
    r = e^(−s) (1 + s + s²/2 + … + sⁿ/n!), s = xᵀ C⁻¹ x / 2, is flat up to a rim at √(2n + 1) standard deviations, where
    it is steepest; its gradient is −C⁻¹x e^(−s) sⁿ/n!, a ring. Its spectrum is 2π √|C| e^(−u) L(u), u = kᵀ C k / 2,
    with L the Laguerre polynomial of degree n and parameter 1, and Σ t² = π/2 √|C| · vᵀ C⁻¹ v · (2n + 1)! / (n!² 4ⁿ)
    along v.

    References
    ----------
    Gori (1994), Flattened Gaussian beams.
    """

    long: float
    short: float
    angle: float
    order: int = 0

    @property
    def sigma(self) -> float:
        """Geometric mean of the standard deviations, px."""
        return math.sqrt(self.long * self.short)

    @property
    def radius(self) -> float:
        """Geometric mean of the distances of the rim from the centre along both axes, px."""
        return rim(self.order) * self.sigma

    def covariance(self) -> npt.NDArray[np.float64]:
        """Of the bump as a distribution over (y, x), px²."""
        along = np.array([math.sin(self.angle), math.cos(self.angle)])
        across = np.array([along[1], -along[0]])
        return self.long**2 * np.outer(along, along) + self.short**2 * np.outer(across, across)


def rim(order: int) -> float:
    """Where a bump of this flatness is steepest, in standard deviations from its centre: √(2n + 1)."""
    return math.sqrt(2 * order + 1)


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
    found = []
    for order in (0, *FLAT_ORDERS):
        greatest = longest_px / (4 if order == 0 else 2 * rim(order))
        steps = math.floor(math.log(max(greatest, least) / least, SCALE_STEP) + 1e-9)
        if order and greatest < least:
            continue
        for step in range(steps + 1):
            sigma = least * SCALE_STEP**step
            found.append(Shape(sigma, sigma, 0.0, order))
            if step:
                found += [Shape(sigma * SCALE_STEP, sigma / SCALE_STEP, angle, order) for angle in _ANGLES]
    return sorted(found, key=lambda shape: shape.sigma)


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
    answer, which slides hardly touch) and divided out. Where it is more around a place than over the scene, on rough
    ground and under layered air, what is around the place counts. Where bumps are too large for the scene to measure
    it, the spread is taken to grow with their size, as it does for air. Directions of unlike noise are balanced first:
    for each size both sums take w_d / spread_d² in place of w_d, with the spread of round bumps in that direction
    alone.

    Here D takes the mean weight around the place; :mod:`labkit.detect.couplet_fit` sums it pixel by pixel.
    """
    noise = _Noise(field)
    found: list[Candidate] = []
    with tqdm(total=len(shapes), desc="couplets", unit="shape", disable=not progress) as bar:
        for size, group in _levels(shapes):
            level = _Level(field, size, max(rim(shape.order) * shape.long for shape in group))
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
        self._ky = (2 * np.pi * fft.fftfreq(self._padded[0])).astype(np.float32)
        self._kx = (2 * np.pi * fft.rfftfreq(self._padded[1])).astype(np.float32)
        self._derivatives = np.stack(
            [
                self._derivative(_blocks(v * w, size), vector, field.lag / size)
                for v, w, vector in zip(field.values, field.weights, field.vectors, strict=True)
            ]
        )
        self._closed = _blocks(field.masked.astype(np.float32), size) >= _LEAST_MASKED if field.masked.any() else None
        self._around: dict[int, tuple[Image, Image]] = {}

    def _derivative(self, weighted: Image, vector: npt.NDArray[np.float64], lag: float) -> npt.NDArray[np.complex64]:
        """Spectrum of the correlation with the derivative along ``vector``, whose values stand half a lag early."""
        spectrum = fft.rfft2(weighted, s=self._padded, workers=-1)
        ky, kx = self._ky[:, None], self._kx[None, :]
        late = half_lag(vector, lag).astype(np.float32)
        spectrum *= np.exp(np.complex64(-1j) * late[0] * ky)
        spectrum *= np.exp(np.complex64(-1j) * late[1] * kx)
        spectrum *= np.complex64(-1j) * (np.float32(vector[0]) * ky + np.float32(vector[1]) * kx)
        return np.asarray(spectrum, np.complex64)

    def answer(self, shape: Shape, balance: Balance) -> Image:
        """Give N / √D of a shape, 0 where too little data is around, and where it is masked."""
        share, means = self._surroundings(shape.radius)
        covariance = shape.covariance() / self.size**2
        area = 2 * math.pi * math.sqrt(float(np.linalg.det(covariance)))
        yy, xx, yx = (np.float32(c) for c in (covariance[0, 0], covariance[1, 1], covariance[0, 1]))
        flat = math.factorial(2 * shape.order + 1) / (math.factorial(shape.order) ** 2 * 4**shape.order)
        weighed = np.array(balance, np.float32) * np.float32(area)
        spectrum = np.empty_like(self._derivatives[0])
        laguerre = genlaguerre(shape.order, 1).coeffs.astype(np.float32)
        times_bump(self._derivatives, weighed, (self._ky, self._kx), (yy, xx, yx), laguerre, spectrum)
        total = fft.irfft2(spectrum, s=self._padded, workers=-1, overwrite_x=True)
        inverse = np.linalg.inv(covariance)
        steepness = [0.25 * flat * float(vector @ inverse @ vector) for vector in self.vectors]
        answer = np.empty_like(share)
        energies = weighed * np.array(steepness, np.float32)
        over_root_energy(total, share, means, energies, np.float32(self.size), np.float32(_LEAST_DATA), answer)
        return answer

    def _surroundings(self, sigma: float) -> tuple[Image, Image]:
        """Share of data, and mean weight of each direction, around each place."""
        # sizes are √2 apart: so near a size the surroundings are as good as the same
        key = round(2 * math.log2(sigma))
        if key not in self._around:
            width = 2 ** (key / 2) / self.size
            means = np.stack([_smooth(weight, width) for weight in self._weights])
            share = _smooth(self._data, width)
            if self._closed is not None:
                share[self._closed] = 0
            self._around = {key: (share, means)}
        return self._around[key]


class _Noise:
    """What noise alone answers, measured on the scene for one shape after another, by rising size of each flatness."""

    def __init__(self, field: Field) -> None:
        self._pixels = field.shape[0] * field.shape[1]
        self._directions = len(field.directions)
        self._known: dict[int, tuple[float, float]] = {}
        self._balance: tuple[float, Balance] = (0.0, (1.0,) * self._directions)

    def balance(self, level: _Level, sigma: float) -> Balance:
        """Give the share of each direction in the weights: one over the variance of its noise, 1 on average."""
        round_bump = Shape(sigma, sigma, 0.0)
        if self._directions > 1 and sigma != self._balance[0] and (not self._known or self._measurable(round_bump)):
            spreads = [spread(level.answer(round_bump, tuple(one))) for one in np.eye(self._directions)]
            shares = 1 / np.array(spreads) ** 2
            self._balance = (sigma, tuple((shares / shares.mean()).tolist()))
        return self._balance[1]

    def spread(self, shape: Shape, answer: Image) -> float:
        """Measure it, or where the scene is too small carry on the last round shape's, growing with the size."""
        if shape.order in self._known and not self._measurable(shape):
            measured, sigma = self._known[shape.order]
            return measured * shape.sigma / sigma
        measured = spread(answer)
        if shape.long == shape.short:
            self._known[shape.order] = (measured, shape.sigma)
        return measured

    def gains(self, shape: Shape, answer: Image, size: int) -> tuple[Image, int]:
        """Give the spread around each place, never below the scene's own: gains ``step`` pixels of the level apart.

        A scene without room for two squares side by side has its own spread everywhere.
        """
        everywhere = self.spread(shape, answer)
        step = max(_AROUND_PX, math.ceil(_AROUND_RIMS * shape.radius / size))
        if min(answer.shape) < 2 * step:
            return np.full((2, 2), everywhere, np.float32), max(answer.shape)
        return spread_around(answer, step, everywhere), step

    def _measurable(self, shape: Shape) -> bool:
        return self._pixels / (4 * math.pi * shape.radius**2) >= _LEAST_CELLS


def _peaks(level: _Level, shapes: list[Shape], noise: _Noise, least_snr: float, bar: tqdm) -> list[Candidate]:
    """Find the places that answer more to their best shape than the eight around them to theirs."""
    kinds: list[tuple[Shape, Image, int, Balance]] = []
    best: Image | None = None
    winner: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
    for number, shape in enumerate(shapes):
        balance = noise.balance(level, shape.sigma)
        answer = level.answer(shape, balance)
        gains, step = noise.gains(shape, answer, level.size)
        kinds.append((shape, gains, step, balance))
        if best is None:
            best, winner = np.zeros_like(answer), np.zeros(answer.shape, np.uint8)
        keep_stronger(answer, gains, step, np.uint8(number), best, winner)
        bar.update()
    if best is None:
        return []
    found = []
    for row, col in _summits(best, least_snr):
        shape, gains, step, balance = kinds[int(winner[row, col])]
        gain = _between(gains, (row + 0.5) / step, (col + 0.5) / step)
        place = (row + 0.5) * level.size, (col + 0.5) * level.size
        found.append(Candidate(*place, shape, float(best[row, col]), gain, balance))
    return found


def _between(points: Image, y: float, x: float) -> float:
    """Give the value between points, bilinearly; ``y`` and ``x`` count points."""
    top, left = min(int(y), points.shape[0] - 2), min(int(x), points.shape[1] - 2)
    down, across = y - top, x - left
    above = points[top, left] * (1 - across) + points[top, left + 1] * across
    under = points[top + 1, left] * (1 - across) + points[top + 1, left + 1] * across
    return float(above * (1 - down) + under * down)


def _summits(image: Image, least: float) -> list[tuple[int, int]]:
    """Pixels above ``least`` that are no less than the eight around them; only the few above it are asked."""
    rows, cols = np.nonzero(image > least)
    edged = np.pad(image, 1)
    highest = np.max([edged[rows + i, cols + j] for i in range(3) for j in range(3)], axis=0, initial=0)
    top = image[rows, cols] >= highest
    return list(zip(rows[top].tolist(), cols[top].tolist(), strict=True))


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
    # rows first: that leaves little for the slower way along them
    below = padded.reshape(rows, size, cols * size).mean(axis=1)
    return np.asarray(below.reshape(rows, cols, size).mean(axis=2), np.float32)


def _smooth(image: Image, sigma: float) -> Image:
    """Smooth with two moving means of together this standard deviation, whose cost does not grow with it."""
    width = max(1, round(math.sqrt(6 * sigma**2 + 1)))
    once, twice = np.empty_like(image), np.empty_like(image)
    moving_mean(image, width, width // 2, once)
    # an even window is half a pixel off, the second one the other way
    moving_mean(once, width, (width - 1) // 2, twice)
    return twice
