import dataclasses

import pytest

from labkit import LabkitError
from labkit.train.settings import DetectorSettings, FitSettings

ANCHORS = (((10.0, 10.0),), ((30.0, 30.0),))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop", 16),
        ("batch_size", 0),
        ("draws", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
        ("background", 1.0),
        ("min_inside", 0.0),
        ("patience", -1),
    ],
)
def test_a_fit_setting_out_of_its_bounds_is_refused_by_name(name, value):
    with pytest.raises(LabkitError, match=f"{name} must be .* instead got {name}="):
        FitSettings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", ""),
        ("kind", "phase"),
        ("size", 8),
        ("width", 0),
        ("nms_iou", 0.0),
        ("anchors", ((), ((4.0, 5.0),))),
        ("anchors", (((0.0, 5.0),),)),
        ("anchors", (((float("inf"), 5.0),),)),
        ("directions", 3),
        ("validity", 2),
        ("standard_error", "yes"),
        ("attention", "yes"),
        ("box_loss", "giou"),
        ("dropblock", 1.0),
        ("smoothing", -0.1),
    ],
)
def test_a_detector_setting_out_of_its_bounds_is_refused_by_name(name, value):
    good = {"name": "d", "kind": "gradients", "size": 416, "anchors": ANCHORS}
    with pytest.raises(LabkitError, match=f"{name} must be"):
        DetectorSettings(**good | {name: value})


def test_rates_have_one_direction_only():
    with pytest.raises(LabkitError, match="directions must be 1 for rates"):
        DetectorSettings("d", "rates", 512, ANCHORS, directions=2)


def test_the_channels_are_the_directions_and_validity():
    fields = {"name": "d", "kind": "gradients", "size": 416, "anchors": ANCHORS}
    given = [(1, False), (2, False), (1, True), (2, True)]
    assert [DetectorSettings(**fields, directions=d, validity=v).channels for d, v in given] == [1, 2, 2, 3]


def test_each_direction_is_seen_once_more_over_its_standard_error():
    fields = {"name": "d", "size": 416, "anchors": ANCHORS, "standard_error": True}
    assert DetectorSettings(**fields, kind="rates").limits == (50.0, 10.0)
    both = DetectorSettings(**fields, kind="gradients", directions=2, validity=True)
    assert both.limits == (4.0, 4.0, 10.0, 10.0) and both.channels == 5


def test_noise_whose_standard_error_is_not_known_is_refused():
    with pytest.raises(LabkitError, match=r"noise must be 0 with standard_error=True, instead got noise=0\.5"):
        FitSettings(noise=0.5, standard_error=True)


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FitSettings().crop = 64  # type: ignore[misc]


def test_a_network_sees_four_rad_or_fifty_mm_per_year_as_one():
    limits = {kind: DetectorSettings("d", kind, 416, ANCHORS).limit for kind in ("gradients", "rates")}
    assert limits == {"gradients": 4.0, "rates": 50.0}
