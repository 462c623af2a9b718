"""Tell from the values whether a flat file was written in the other byte order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: So many values, taken evenly over the file, are looked at.
JUDGED = 20_000


def is_swapped(stored: npt.NDArray[Any]) -> bool:
    """Whether floats or complex floats make sense in the other byte order only.

    Parameters
    ----------
    stored : numpy.ndarray (lines, samples)
        Values as they lie in the file, in the byte order that its format prescribes; other types are never swapped.

    Returns
    -------
    bool
        False where both orders make sense, or neither, or where all of the values looked at are 0.

    Notes
    -----
    Floats read in the wrong order have their exponents scattered over the whole range: more than a tenth of them are
    infinite, beyond 1e12 or below 1e-18.
    """
    if stored.dtype.kind not in "fc":
        return False
    # Evenly in both axes: a frame of zeros must not hide the image.
    step = max(1, int(np.sqrt(stored.size / JUDGED)))
    some = np.ascontiguousarray(stored[..., ::step, ::step])
    return _is_senseless(some) and not _is_senseless(some.byteswap())


def _is_senseless(stored: npt.NDArray[Any]) -> bool:
    values = np.ascontiguousarray(stored.astype(stored.dtype.newbyteorder("=")))
    parts = np.abs(values.view(values.real.dtype))
    used = parts[(parts != 0) & ~np.isnan(parts)]
    if used.size == 0:
        return False
    odd = ~np.isfinite(used) | (used > 1e12) | (used < 1e-18)
    return float(odd.mean()) > 0.1
