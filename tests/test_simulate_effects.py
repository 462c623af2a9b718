"""What is switched on is written down, checked, and nothing else."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from labkit.errors import LabkitError
from labkit.simulate.effects import Effects


def test_none_switches_every_effect_off() -> None:
    none = Effects.none()
    for field in fields(Effects):
        if field.name not in ("baseline_m", "subsidence_radius_m"):
            assert not getattr(none, field.name), field.name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("turbulence_mm", -1.0),
        ("dem_error_m", float("nan")),
        ("season", 1.5),
        ("snow_share", 2.0),
        ("looks", 1.0),
        ("water", 1),
        ("coherence_window", 4),
        ("shared_looks", 0.5),
        ("seam_mm", "20"),
        ("subsidence_radius_m", 0.0),
    ],
)
def test_a_value_outside_its_rule_is_named(name: str, value: object) -> None:
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        Effects(**{name: value})  # type: ignore[arg-type]


def test_effects_do_not_change_after_they_are_made() -> None:
    with pytest.raises(FrozenInstanceError):
        Effects().season = 0.0  # type: ignore[misc]
