"""What the air adds over a landslide, told from the quiet ground around it, and how well that is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Structure function of turbulent air over less than the thickness of its layer: squared differences ∝ distance^(5/3).
_EXPONENT = 5 / 3

#: Quiet ground is averaged in square cells, as small as leaves no more than this many.
_MOST_CELLS = 250

#: Ratio of white noise (a pixel) to air (at 1 km) from which the estimate begins.
_FIRST_RATIO = 1.0

#: The strength of the air is judged by differences over more than this, km: over less, what is measured there depends
#: on how the pixels were made, while the error over a landslide comes from wavelengths of its own size.
_JUDGED_KM = 0.6


@dataclass(frozen=True)
class Cells:
    """Square cells of quiet ground: ``places`` (cell, 2) km; ``sizes`` (cell,) pixels; ``of_pixel`` (pixel,) or −1."""

    places: Array
    sizes: Array
    of_pixel: npt.NDArray[np.intp]

    def mean(self, images: Array) -> Array:
        """Average images (n, pixel) over the cells, (n, cell)."""
        used = self.of_pixel >= 0
        return np.stack([np.bincount(self.of_pixel[used], image[used], len(self.sizes)) for image in images]) / (
            self.sizes
        )


@dataclass(frozen=True)
class Screen:
    """What was measured on quiet ground.

    Attributes
    ----------
    images : (n, pixel)
        The images less the air and the slope that quiet ground tells.
    air : (n,)
        Half the mean squared difference of air 1 km apart, in squared units of the images.
    noise : (n,)
        Variance of the white noise of a pixel of quiet ground.
    """

    images: Array
    air: Array
    noise: Array
    _cells: Cells
    _places: Array
    _weights: Array

    def variance(self, area: Mask) -> Array:
        """Variance (n,) of what is taken off the mean over an area (pixel,), against the air that is there.

        Notes
        -----
        air · (2 λᵀΓ(cells, area) − λᵀΓ(cells, cells)λ − mean Γ(area, area)) + noise · Σ λ² / n, with Γ = distance^(5/3)
        and λ the area's mean weights of the cells of n pixels.
        """
        weights = self._weights[:, area].mean(1)
        there = self._places[area]
        across = _structure(self._cells.places, there).mean(1)
        within = weights @ _structure(self._cells.places, self._cells.places) @ weights
        own = _structure(there, there).mean() if len(there) > 1 else 0.0
        told = max(2 * weights @ across - within - own, 0.0)
        return np.asarray(self.air * told + self.noise * (weights**2 / self._cells.sizes).sum())

    def pixel_variance(self) -> Array:
        """The same of every pixel by itself, (n, pixel)."""
        across = _structure(self._cells.places, self._places)
        inner = _structure(self._cells.places, self._cells.places) @ self._weights
        told = np.maximum((self._weights * (2 * across - inner)).sum(0), 0.0)
        white = (self._weights**2 / self._cells.sizes[:, None]).sum(0)
        return np.asarray(self.air[:, None] * told + self.noise[:, None] * white)


def take_off_air(images: Array, quiet: Mask, spacing_km: tuple[float, float]) -> Screen:
    """Take the air off images by kriging from quiet ground.

    Parameters
    ----------
    images : (n, y, x)
        NaN = no data; linear in the phase of the dates.
    quiet : (y, x) bool
        Ground that does not move and is known in every image.
    spacing_km : (float, float)
        Of rows and columns on the ground.

    Notes
    -----
    The air is taken as a field of stationary increments, γ(h) = air · h^(5/3), over a slope in y and x, the rest as
    white noise. Universal kriging with the ratio of both that most images have gives weights λ of the quiet cells for
    every pixel; they sum to 1 and carry a slope through unchanged. The two variances of each image are estimated from
    quadratic forms of the quiet cells (MINQUE), so that they hold what two dates share and what the inversion did.

    References
    ----------
    Hanssen (2001), Radar Interferometry, chapter 4.7 (structure function); Cressie (1993), Statistics for Spatial Data,
    chapters 2.6 (MINQUE of variograms) and 3.4 (universal kriging).
    """
    shape = quiet.shape
    rows, cols = np.indices(shape)
    places = np.column_stack([rows.ravel() * spacing_km[0], cols.ravel() * spacing_km[1]])
    flat = images.reshape(len(images), -1)
    cells = _cells(quiet, places)
    values = cells.mean(flat)
    ratio = _FIRST_RATIO
    for _ in range(3):
        air, noise = _variances(values, cells, ratio)
        moved = air + noise > 0
        if not moved.any():
            break
        ratio = float(np.clip(np.median(noise[moved]) / max(float(np.median(air[moved])), 1e-12), 1e-3, 1e6))
    weights = _weights(cells, places, ratio)
    return Screen(flat - values @ weights, air, noise, cells, places, weights)


def _structure(here: Array, there: Array) -> Array:
    return np.asarray(np.hypot(*(here[:, None] - there[None]).transpose(2, 0, 1)) ** _EXPONENT)


def _cells(quiet: Mask, places: Array) -> Cells:
    rows, cols = np.indices(quiet.shape)
    edge = 1
    while True:
        number = rows // edge * quiet.shape[1] + cols // edge
        found, of_quiet = np.unique(number[quiet], return_inverse=True)
        if len(found) <= _MOST_CELLS:
            break
        edge += 1
    of_pixel = np.full(quiet.size, -1, np.intp)
    of_pixel[quiet.ravel()] = of_quiet
    sizes = np.bincount(of_quiet).astype(float)
    centres = np.column_stack([np.bincount(of_quiet, axis[quiet.ravel()]) / sizes for axis in places.T])
    return Cells(centres, sizes, of_pixel)


def _slope(places: Array, middle: Array) -> Array:
    return np.column_stack([np.ones(len(places)), places - middle])


def _covariance(cells: Cells, ratio: float) -> Array:
    """Generalised covariance of the cells: valid for combinations that a constant and a slope do not enter."""
    return np.asarray(-_structure(cells.places, cells.places) + ratio * np.diag(1 / cells.sizes))


def _variances(values: Array, cells: Cells, ratio: float) -> tuple[Array, Array]:
    """Estimate air and white noise of each image by MINQUE; neither is below 0."""
    drift = _slope(cells.places, cells.places.mean(0))
    # An orthonormal basis of the combinations in which constant and slope vanish: the covariance is positive there.
    ratio = max(ratio, _JUDGED_KM**_EXPONENT * float(np.median(cells.sizes)))
    basis = np.linalg.qr(drift, mode="complete")[0][:, drift.shape[1] :]
    parts = [basis.T @ part @ basis for part in (-_structure(cells.places, cells.places), np.diag(1 / cells.sizes))]
    inverse = np.linalg.inv(parts[0] + ratio * parts[1])
    whitened = inverse @ (basis.T @ values.T)
    forms = np.stack([(whitened * (part @ whitened)).sum(0) for part in parts])
    products = [inverse @ part for part in parts]
    expected = np.array([[(a * b.T).sum() for b in products] for a in products])
    air, noise = np.linalg.solve(expected, forms)
    alone = forms / np.diag(expected)[:, None]
    return np.where(noise < 0, alone[0], np.maximum(air, 0)), np.where(air < 0, alone[1], np.maximum(noise, 0))


def _weights(cells: Cells, places: Array, ratio: float) -> Array:
    """Kriging weights of the cells for every pixel, (cell, pixel)."""
    middle = cells.places.mean(0)
    drift = _slope(cells.places, middle)
    n, order = drift.shape
    system = np.zeros((n + order, n + order))
    system[:n, :n], system[:n, n:], system[n:, :n] = _covariance(cells, ratio), drift, drift.T
    right = np.vstack([-_structure(cells.places, places), _slope(places, middle).T])
    return np.asarray(np.linalg.solve(system, right)[:n])
