"""The course: nine lessons in ``notebooks/course``, each with exercises that say whether an answer is right.

A lesson opens the course's material, a simulated scene whose landslides are known, and checks what a person finds out
in it: :func:`open_lesson`, then ``lesson.check(name, answer)``. What is right is computed from the material, never read
from a list. Each person's progress is one small file (:mod:`labkit.course.progress`).
"""

from __future__ import annotations

from labkit.course.exercises import Exercise, Plan
from labkit.course.lesson import LESSONS, Lesson, open_lesson
from labkit.course.material import Material, open_material, prepare
from labkit.course.progress import read_progress

__all__ = [
    "LESSONS",
    "Exercise",
    "Lesson",
    "Material",
    "Plan",
    "open_lesson",
    "open_material",
    "prepare",
    "read_progress",
]
