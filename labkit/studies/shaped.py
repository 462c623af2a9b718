"""Stacks that labkit's compiled kernels do not make, in NumPy and for studies alone: other windows, pairs weighted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import correlate1d

from labkit import schema
from labkit.errors import LabkitError

Image = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]

#: The weight of the least squares, |P| / (LIMIT − |P|), as :func:`labkit.stack_gradients` has it.
_WEIGHT_LIMIT = np.float32(1.02)

#: Pairs quieter than this, rad per pixel, weigh alike.
_LEAST_NOISE_RAD = 1e-3


@dataclass(frozen=True)
class Window:
    """The window that filters a pair, seen from the direction of the gradient.

    Attributes
    ----------
    along, across : int
        Edges along the gradient and across it, px, odd.
    parabola : str
        "": all weigh alike; "along" or "both": weights 1 − (d / (n/2 + ½))² by the distance d from the centre along the
        gradient, or in both axes.

    Raises
    ------
    LabkitError
        An edge is even or below 1, or ``parabola`` is none of the three.

    Notes
    -----
    The difference of two neighbouring parabolic means is the slope of a straight line fitted to the pixels of both by
    least squares: of all linear estimates of a slope the least noisy one where the noise is white. Two neighbouring
    plain means differ in their two outermost columns alone, and in nothing of what lies between.
    """

    along: int
    across: int
    parabola: str = ""

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("along", "across"):
            if getattr(self, name) < 1 or getattr(self, name) % 2 == 0:
                raise LabkitError(f"{name} must be odd and at least 1 px, instead got {name}={getattr(self, name)}")
        if self.parabola not in ("", "along", "both"):
            raise LabkitError(f"parabola must be '', 'along' or 'both', instead got parabola={self.parabola!r}")

    def weights(self) -> tuple[Image, Image]:
        """Give the weights along and across, each of sum 1."""
        return _weights(self.along, bool(self.parabola)), _weights(self.across, self.parabola == "both")


def _weights(edge: int, parabola: bool) -> Image:
    distance = np.arange(edge) - edge // 2
    weights = 1 - (distance / (edge // 2 + 1)) ** 2 if parabola else np.ones(edge)
    return (weights / weights.sum()).astype(np.float32)


def stack_shaped(
    ifgs: xr.Dataset, window: Window, *, estimator: str = "lsq", weigh_pairs: bool = False, filter_first: bool = True
) -> xr.Dataset:
    """Stack gradients with a window of any shape, and pairs weighted by how noisy they are; for small scenes.

    Parameters
    ----------
    ifgs : xarray.Dataset
        interferograms, in radar geometry; all of them are held in memory.
    window : Window
        Turned with the direction: ``along`` is along y for azimuth and along x for range.
    estimator : str
        "lsq" or "circular", as in :func:`labkit.stack_gradients`.
    weigh_pairs : bool
        Weigh each pair besides: "circular" sums √T / s · P, "lsq" divides its weights by s², where s is the pair's own
        root median square gradient over the scene.
    filter_first : bool
        Filter the pair and then take the products of neighbours; else filter the products.

    Returns
    -------
    xarray.Dataset
        gradients with ``standard_error`` (sandwich, pairs taken as independent). With weighted pairs "circular" is
        scaled by ΣT over the median effective temporal baseline; in a plain one N · arg ΣP.

    Raises
    ------
    LabkitError
        The estimator is neither of the two.

    Notes
    -----
    With a plain window and unweighted pairs the gradients are those of :func:`labkit.stack_gradients`, up to half a
    window from the edge and from pixels without data.
    """
    if estimator not in ("lsq", "circular"):
        raise LabkitError(f"estimator must be 'lsq' or 'circular', instead got estimator={estimator!r}")
    schema.check_interferograms(ifgs)
    years = (ifgs["temporal_baseline"].values / schema.DAYS_PER_YEAR).astype(np.float32)
    pixels = ifgs["coherence"].values * np.exp(1j * ifgs["phase"].values)
    z = np.nan_to_num(pixels.astype(np.complex64))
    gradient = np.full((2, *z.shape[1:]), np.nan, np.float32)
    error = gradient.copy()
    for axis in (0, 1):
        along, across = window.weights()
        weights = (along, across) if axis == 0 else (across, along)
        products = _products(_filtered(z, weights), axis) if filter_first else _filtered(_products(z, axis), weights)
        value, spread = (_lsq if estimator == "lsq" else _circular)(products, years, weigh_pairs)
        inner = (axis, slice(0, value.shape[0]), slice(0, value.shape[1]))
        gradient[inner], error[inner] = value, spread
    images = {"gradient": gradient, "standard_error": error}
    attrs = {
        **ifgs.attrs,
        "estimator": estimator,
        "lag": 1,
        "n_pairs": len(years),
        "sum_temporal_baseline": float(years.sum(dtype=np.float64)),
    }
    dims = ("direction", "y", "x")
    return xr.Dataset(
        {name: (dims, image) for name, image in images.items()}, {"direction": list(schema.DIRECTIONS)}, attrs
    )


def _filtered(z: Complex, weights: tuple[Image, Image]) -> Complex:
    out = np.empty_like(z)
    for source, target in ((z.real, out.real), (z.imag, out.imag)):
        smooth = correlate1d(
            correlate1d(source, weights[0], axis=1, mode="constant"), weights[1], axis=2, mode="constant"
        )
        target[:] = smooth
    return out


def _products(z: Complex, axis: int) -> Complex:
    return z[:, 1:] * z[:, :-1].conj() if axis == 0 else z[:, :, 1:] * z[:, :, :-1].conj()


def _noise_of_pairs(angle: Image) -> Image:
    """Root median square gradient of each pair, (pair, 1, 1)."""
    squares = np.median(angle.reshape(len(angle), -1) ** 2, axis=1)
    return np.asarray(np.sqrt(np.maximum(squares, _LEAST_NOISE_RAD**2))[:, None, None], np.float32)


def _lsq(products: Complex, years: Image, weigh: bool) -> tuple[Image, Image]:
    angle, size = np.angle(products), np.abs(products)
    t = years[:, None, None]
    w = size / (_WEIGHT_LIMIT - size)
    if weigh:
        w = w / _noise_of_pairs(angle) ** 2
    information = (w * t * t).sum(0)
    velocity = (w * t * angle).sum(0) / information
    spread = np.sqrt(((w * t * (angle - velocity * t)) ** 2).sum(0)) / information
    return years.sum() * velocity, years.sum() * spread


def _circular(products: Complex, years: Image, weigh: bool) -> tuple[Image, Image]:
    t = years[:, None, None]
    k = np.sqrt(t) / _noise_of_pairs(np.angle(products)) if weigh else np.ones_like(t)
    total = (k * products).sum(0)
    theta, size = np.angle(total), np.abs(total)
    turned = np.exp(-1j * theta)
    scale = np.float32(len(years))
    if weigh:
        effective = ((k * t * products).sum(0) * turned).real / size
        scale = years.sum() / np.median(effective)
    spread = np.sqrt(((k * (products * turned).imag) ** 2).sum(0))
    return scale * theta, scale * spread / size
