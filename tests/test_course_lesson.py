"""The lessons: solutions pass their own checks, the mistakes that they know are mistakes, and hints come in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labkit.course import LESSONS, Exercise, Lesson, Material, open_lesson, open_material, prepare
from labkit.course.answers import Choice, judge
from labkit.errors import FileError, LabkitError

#: What asks for more chips and more landslides than the smallest scene has.
LARGER = {("c6_training", "samples"), ("c7_measuring", "by_blocks")}

EXERCISES = [
    pytest.param(lesson, name, marks=[pytest.mark.slow] if (lesson, name) in LARGER else [])
    for lesson, plan in LESSONS.items()
    for name in plan.exercises
]


def exercise_of(lesson: str, name: str) -> Exercise:
    return LESSONS[lesson].exercises[name]


#: What people type besides answers.
NONSENSE = (None, "something", float("nan"), [[1.0, 2.0]], object())


@pytest.mark.parametrize(("lesson", "name"), EXERCISES)
def test_the_truth_is_right_and_mistakes_and_nonsense_are_told_apart(
    lesson: str, name: str, request: pytest.FixtureRequest
) -> None:
    material = request.getfixturevalue("larger_material" if (lesson, name) in LARGER else "course_material")
    truth, rule, slips = Lesson(LESSONS[lesson], material).known(name)
    assert judge(truth, truth, rule, slips) == (True, "Right.")
    for words, mistaken in slips.items():
        assert judge(mistaken, truth, rule, slips) == (False, f"Not yet: {words}")
    for answer in NONSENSE:
        right, words = judge(answer, truth, rule, slips)
        assert not right
        assert words.startswith("Not yet")
    if isinstance(rule, Choice):
        assert str(truth) in rule.options


def test_the_second_wrong_try_brings_the_hint_and_the_right_answer_the_count(
    course_material: Material, own_progress: Path
) -> None:
    lesson = open_lesson("c1_seeing", course_material.folder)
    hint = exercise_of("c1_seeing", "fringe").hint
    assert lesson.check("fringe", ...).state == "open"
    assert hint not in lesson.check("fringe", 9.0).words
    assert hint in lesson.check("fringe", 9.0).words
    assert lesson.check("fringe", 27.73).words == "Right. 1 of 5 exercises of this lesson are right."
    assert lesson.progress() == {
        "fringe": "right",
        **dict.fromkeys(["toward", "slope", "one_side", "coherence"], "open"),
    }


def test_a_page_shows_verdicts_as_words_and_folds_solutions(course_material: Material, own_progress: Path) -> None:
    lesson = open_lesson("c2_wrapping", course_material.folder)
    solution = lesson.solution("jump")
    assert solution.code not in repr(solution)
    assert solution._repr_html_().startswith("<details><summary")
    assert "<details open" not in solution._repr_html_()
    assert "Still open" in lesson.check("jump", ...)._repr_html_()
    assert "<td style='text-align:left'>jump</td>" in lesson._repr_html_()


def test_names_that_are_not_there_are_named(course_material: Material) -> None:
    with pytest.raises(LabkitError, match="name must be one of .*'c2_wrapping'"):
        open_lesson("c0", course_material.folder)
    lesson = Lesson(LESSONS["c1_seeing"], course_material)
    for act in (lambda: lesson.check("fringes", 1), lambda: lesson.solution("fringes")):
        with pytest.raises(LabkitError, match="name must be one of .*'fringe'.* instead got name='fringes'"):
            act()


def test_the_material_is_what_the_scene_knows(course_material: Material) -> None:
    pairs, truth = course_material.pairs(), course_material.part_truth()
    assert pairs.sizes["pair"] == 120
    assert len(truth) and set(truth["scene"]) == {pairs.attrs["scene"]}
    for track in ("ascending", "descending"):
        stack, rate = course_material.gradients(track), course_material.true_rate(track)
        assert rate.shape == stack["gradient"].shape[1:]
        assert np.isclose(np.linalg.norm(course_material.line_of_sight(track)), 1)
        rows = course_material.table("truth").query("track == @track")
        assert set(rows["scene"]) == {stack.attrs["scene"]}
    # a box of the part lies on the same ground as that of the whole scene
    whole = course_material.table("truth").set_index(["landslide_id", "track", "direction"])
    for box in truth.itertuples():
        of_scene = whole.loc[(box.landslide_id, "ascending", box.direction)]
        assert (box.ymin + course_material.part[0], box.xmin + course_material.part[1]) == tuple(
            of_scene[["ymin", "xmin"]]
        )
    for act in (lambda: course_material.table("roads"), lambda: course_material.gradients("north")):
        with pytest.raises(LabkitError, match="must be one of"):
            act()


def test_material_is_never_half_made(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="must hold the material of the course"):
        open_material(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(FileError, match="must hold the material of the course"):
        prepare(tmp_path / "other", scene="tiny", progress=False)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["mine.txt"]
    with pytest.raises(LabkitError, match="name must be one of"):
        prepare(tmp_path / "new", scene="huge", progress=False)
    assert not (tmp_path / "new").exists()


def test_material_of_another_version_is_refused(tmp_path: Path, course_material: Material) -> None:
    (tmp_path / "about.json").write_text('{"labkit": "0.0.1", "scene": "demo", "part": [0, 0]}')
    with pytest.raises(FileError, match="instead it is of 0.0.1. Remove it"):
        open_material(tmp_path)
