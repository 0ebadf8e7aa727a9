"""Folders of exercises: the package's, a teacher's, and those that are not quite exercises."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from npformer.exercises.catalogue import BUILT_IN, catalogue, find
from npformer.exercises.exercise import ExerciseError, read_exercise
from npformer.exercises.grade import grade
from npformer.exercises.load import load_python

FIRST = "01_linear_backward"
CHAPTERS = Path(__file__).parents[2] / "walkthroughs"


@pytest.fixture
def folder(tmp_path):
    """A teacher's folder with one exercise, a copy of the first."""
    shutil.copytree(
        BUILT_IN / FIRST, tmp_path / FIRST, ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / FIRST


def test_the_exercises_are_numbered_without_a_gap():
    numbers = [int(exercise.number) for exercise in catalogue()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_exercise_says_its_own_number():
    for exercise in catalogue():
        for text in exercise.start, exercise.solution:
            assert text.startswith(f'"""Exercise {exercise.number}: '), exercise.name


def test_a_chapter_names_its_exercises():
    for exercise in catalogue():
        text = (CHAPTERS / f"{exercise.chapter}.md").read_text(encoding="utf-8")
        _, _, exercises = text.partition("\n## Exercises\n")
        assert f"`{exercise.short}`" in exercises.partition("\n1. ")[0], exercise.name


@pytest.mark.parametrize("name", ["linear_backward", FIRST, "linear", "1", "01", f"x/{FIRST}.py"])
def test_an_exercise_is_found_by(name):
    assert find(name, catalogue()).name == FIRST


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("linear_backwrd", "did you mean 'linear_backward'?"),
        ("99", "exercise list shows them all"),
        ("", "exercise list shows them all"),
        ("linaer", "did you mean 'linear'?"),
    ],
)
def test_an_exercise_is_not_found(name, said):
    with pytest.raises(ExerciseError) as raised:
        find(name, catalogue())
    assert said in str(raised.value)


def test_the_hints_are_not_in_the_task():
    for exercise in catalogue():
        assert len(exercise.hints) == 3
        assert not any(hint in exercise.task for hint in exercise.hints)


@pytest.mark.parametrize("name", ["exercise.toml", "task.md", "start.py", "solution.py"])
def test_a_file_is_missing(folder, name):
    (folder / name).unlink()
    with pytest.raises(ExerciseError, match=f"no {name}"):
        read_exercise(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "', "title = ", "not a TOML file"),
        ("minutes = 15", 'minutes = "15"', "minutes is '15'"),
        ("minutes = 15", "", "lacks minutes"),
        ("minutes", "minuts", "did you mean 'minutes'?"),
        ('["linear_backward"]', "[]", "functions is empty"),
        ("component:", "compnent:", "did you mean 'component'?"),
        ("component:linear:backward", "python", "has no grade.py"),
    ],
)
def test_a_description_is_wrong(folder, old, new, said):
    path = folder / "exercise.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ExerciseError) as raised:
        read_exercise(folder)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("component:linaer:backward", "did you mean 'linear'?"),
        ("component:linear:bakward", "did you mean 'backward'?"),
        ("solution:linear:backward", "lacks inputs"),
    ],
)
def test_a_grade_names_nothing(folder, new, said):
    path = folder / "exercise.toml"
    text = path.read_text(encoding="utf-8").replace("component:linear:backward", new)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ExerciseError) as raised:
        grade(read_exercise(folder), load_python(folder / "solution.py"))
    assert said in str(raised.value)


def test_a_task_lacks_a_hint(folder):
    path = folder / "task.md"
    text = path.read_text(encoding="utf-8").partition("## Hint 3")[0]
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ExerciseError, match="Hint 3"):
        read_exercise(folder)


def test_a_folder_without_exercises(tmp_path):
    with pytest.raises(ExerciseError, match="holds no exercise"):
        catalogue(tmp_path)
    with pytest.raises(ExerciseError, match="does not exist"):
        catalogue(tmp_path / "none")


TEACHERS = {
    "exercise.toml": """\
title = "A cube and a factor"
chapter = ""
functions = ["cube_backward"]
grade = "solution:cube:backward"
inputs = "bd, d"
minutes = 5

[static]
factor = [1.0, 2.5]
""",
    "task.md": "# A cube\n\nShapes.\n\n## Hint 1\n\na\n\n## Hint 2\n\nb\n\n## Hint 3\n\nc\n",
    "start.py": "def cube_forward(x, shift, factor=1.0):\n"
    "    return factor * (x + shift) ** 3, (x, shift, factor)\n\n\n"
    "def cube_backward(dy, cache):\n    raise NotImplementedError\n",
    "solution.py": "def cube_forward(x, shift, factor=1.0):\n"
    "    return factor * (x + shift) ** 3, (x, shift, factor)\n\n\n"
    "def cube_backward(dy, cache):\n"
    "    x, shift, factor = cache\n"
    "    dx = 3 * factor * dy * (x + shift) ** 2\n"
    "    return dx, dx.sum(axis=0)\n",
}


def test_a_teachers_own_exercise_needs_no_grader(tmp_path):
    (tmp_path / "cube").mkdir()
    for name, text in TEACHERS.items():
        (tmp_path / "cube" / name).write_text(text, encoding="utf-8")
    (exercise,) = catalogue(tmp_path)
    assert grade(exercise, load_python(tmp_path / "cube" / "solution.py")).passed
    assert grade(exercise, load_python(tmp_path / "cube" / "start.py")).kind == "blank"
    wrong = tmp_path / "wrong.py"
    wrong.write_text(TEACHERS["solution.py"].replace("3 * factor * dy", "3 * dy"), encoding="utf-8")
    outcome = grade(exercise, load_python(wrong))
    assert outcome.kind == "wrong"
    assert "factor=2.5" in outcome.example, "the example needs the factor that shows the mistake"
