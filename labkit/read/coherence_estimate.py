"""Coherence where a processor left none: how well the phases of neighbours agree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from labkit.errors import LabkitError

#: What ``attrs["coherence_source"]`` says when the coherence was not in the files.
ESTIMATED = "estimated from phase"


def estimate_coherence(phase: npt.NDArray[np.floating], *, window: int = 5) -> npt.NDArray[np.float32]:
    """Estimate the coherence of an interferogram from its phase alone.

    Parameters
    ----------
    phase : numpy.ndarray (y, x)
        rad, wrapped or not; NaN = no data.
    window : int
        Edge of the square window, px; odd, at least 3. Beyond the edge and at no-data fewer pixels enter.

    Returns
    -------
    numpy.ndarray (y, x)
        float32 in 0..1; NaN where ``phase`` is NaN.

    Raises
    ------
    LabkitError
        ``window`` is even or smaller than 3.

    Notes
    -----
    γ̂ = |mean over the window of exp(i φ)|. It is a stand-in for the coherence, with two known biases:

    - Noise looks better than it is: over N independent pixels of pure noise the mean of γ̂ is √(π / 4N) (0.18 for
      N = 25), not 0; more where the processor's looks or filter made neighbours dependent.
    - True slopes look worse than they are: a ramp of s rad per pixel along one axis gives
      |sin(w s / 2) / (w sin(s / 2))| for the window w (0.96 at s = 0.2 and w = 5, but 0.68 at s = 0.6).

    References
    ----------
    Touzi et al. (1999), Coherence estimation for SAR imagery, IEEE TGRS 37(1), for the bias of sample coherence.

    Examples
    --------
    >>> bool(np.allclose(estimate_coherence(np.ones((4, 4))), 1.0))
    True
    """
    if window < 3 or window % 2 == 0:
        raise LabkitError(f"window must be odd and at least 3 px, instead got window={window}")
    known = np.isfinite(phase)
    unit = np.where(known, np.exp(1j * np.where(known, phase, 0.0)), 0.0)
    parts = [uniform_filter(part, window, mode="constant") for part in (unit.real, unit.imag, known.astype(float))]
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = np.hypot(parts[0], parts[1]) / parts[2]
    return np.where(known, np.clip(estimate, 0.0, 1.0), np.nan).astype(np.float32)
