"""The course as a person takes it: in a real JupyterLab in a real Chromium, figures drawn, solutions folded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from browser import colours_in, run_notebook_in_browser

from labkit.course import LESSONS, Material

ROOT = Path(__file__).resolve().parents[1]

#: Lesson → Bokeh figures and maps that it draws; others are pictures of matplotlib.
DRAWN = {
    "c1_seeing": (6, 0),
    "c2_wrapping": (0, 0),
    "c3_stacking": (4, 0),
    "c4_noise": (0, 0),
    "c5_agreement": (2, 0),
    "c6_training": (3, 0),
    "c7_measuring": (0, 0),
    "c8_mapping": (0, 2),
    "c9_limits": (3, 0),
}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_is_drawn_and_its_solutions_are_folded(
    lesson: str, course_material: Material, tmp_path: Path, test_output: Path
) -> None:
    folder = tmp_path / "notebooks" / "course"
    shutil.copytree(ROOT / "notebooks" / "course", folder, ignore=shutil.ignore_patterns("results", ".*"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "course").symlink_to(course_material.folder)
    exercises = len(LESSONS[lesson].exercises)
    found: dict[str, int] = {}

    def unfold(page: Any) -> None:
        solutions = page.locator(".jp-OutputArea details")
        found["solutions"] = solutions.count()
        found["shown before"] = page.locator(".jp-OutputArea details pre:visible").count()
        solutions.first.locator("summary").click()
        solutions.first.locator("pre").wait_for(state="visible")
        found["open"] = page.get_by_text("Still open: put your answer").count()

    seen = run_notebook_in_browser(
        folder / f"{lesson}.ipynb",
        test_output / "browser",
        400,
        environment={"LABKIT_PROGRESS": str(tmp_path / "progress")},
        then=unfold,
    )
    assert seen.errors == []
    assert seen.outside_requests == []
    assert (seen.figures, seen.maps) == DRAWN[lesson]
    assert found == {"solutions": exercises, "shown before": 0, "open": exercises}
    for picture in [*seen.pictures("figure"), *seen.pictures("map")]:
        assert colours_in(picture) > 20, f"{picture} is blank"
