"""SNAPHU after re-wrapping, the last step of the published method."""

from __future__ import annotations

import numpy as np
import pytest
from stack_scenes import interferograms

import labkit as lk


def test_a_smooth_stack_beyond_pi_is_recovered_from_its_wrapped_values() -> None:
    y, x = np.indices((120, 120))
    bump = 36 * np.exp(-((y - 60) ** 2 + (x - 60) ** 2) / (2 * 14.0**2))
    ifgs = interferograms(np.broadcast_to(bump, (12, 120, 120)) / 4, np.full((120, 120), 0.95))
    plain = lk.stack_gradients(ifgs, "sum", 3, progress=False)
    rewrapped = lk.stack_gradients(ifgs, "rewrapped", 3, progress=False)
    assert float(np.nanmax(np.abs(plain["gradient"]))) > np.pi * 1.1
    restored = lk.stack.unwrap(rewrapped)
    difference = (restored["gradient"] - plain["gradient"]).values
    assert np.nanmax(np.abs(difference)) < 1e-2


def test_gradients_that_were_never_wrapped_are_refused() -> None:
    ifgs = interferograms(np.cumsum(np.ones((9, 30, 30)), axis=1) * 0.9, np.full((30, 30), 0.9))
    with pytest.raises(lk.LabkitError, match="estimator='rewrapped'"):
        lk.stack.unwrap(lk.stack_gradients(ifgs, "sum", 1, progress=False))
