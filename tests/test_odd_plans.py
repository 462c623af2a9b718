"""Configurations of a region that are odd, or in any script."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from odd_inputs import outcome

from labkit.region import read_plan


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "must"),
        ("out = 3", "must"),
        ("= nonsense", "must"),
        ('out = "r"\ndetector = "couplets"\ntracks = {}', "tracks must name"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nthreads = 0', "threads must be a whole number"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\ndevice = "tpu"', "device must be one of"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nformats = []', "formats must be among"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nformats = ["doc"]', "formats must be among"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nwrong = 1', "wrong"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\ndetect = {score = 0.5}', "detect must fit"),
        (
            'out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nfilter = {min_fraction = nan}',
            "min_fraction must be",
        ),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\nmerge = {max_distance_m = -1}', "max_distance_m must"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\ndensity = {cell_m = 0}', "cell_m must be"),
        ('out = "r"\ndetector = "couplets"\ntracks = {up = "*"}\ncounties = "無.gpkg"', "counties must be a file"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_before_anything_runs(
    text: str, word: str, tmp_path: Path
) -> None:
    path = tmp_path / "region.toml"
    path.write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert word in outcome(lambda: read_plan(path))
    assert list(tmp_path.iterdir()) == [path]


def test_a_plan_takes_names_of_any_script(tmp_path: Path) -> None:
    (tmp_path / "計畫.toml").write_text('out = "結果"\ndetector = "couplets"\ntracks = {"升轨 ↑" = "升-*"}', "utf-8")
    plan = read_plan(tmp_path / "計畫.toml")
    assert plan.results == tmp_path / "結果"
    assert plan.tracks == {"升轨 ↑": ("升-*",)}
