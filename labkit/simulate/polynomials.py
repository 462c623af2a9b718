"""Functions as short polynomials, which a compiler turns into vector instructions, as it cannot a library's call."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt
from numpy.polynomial import Polynomial, chebyshev

Array = npt.NDArray[np.float64]
Coefficients = tuple[np.float32, ...]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def series(function: Callable[[Array], Array], low: float, high: float, degree: int) -> Coefficients:
    """Give the coefficients, lowest power first, of a function's Chebyshev interpolant on low..high.

    Examples
    --------
    >>> [round(float(c), 3) for c in series(lambda x: 3 * x**2 + x - 1, -2.0, 4.0, 2)]
    [-1.0, 1.0, 3.0]
    """
    middle, half = (low + high) / 2, (high - low) / 2
    nodes = chebyshev.chebpts1(degree + 1)
    fitted = chebyshev.cheb2poly(chebyshev.chebfit(nodes, function(middle + half * nodes), degree))
    shifted = Polynomial(fitted)(Polynomial([-middle / half, 1 / half]))
    return tuple(np.float32(c) for c in shifted.coef)


@_compiled
def polynomial(coefficients: Coefficients, x: np.float32) -> np.float32:
    """Give a polynomial's value, by Horner's rule."""
    value = coefficients[len(coefficients) - 1]
    for i in range(len(coefficients) - 2, -1, -1):
        value = value * x + coefficients[i]
    return value
