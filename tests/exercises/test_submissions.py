"""Every exercise, as learners would hand it in: right in several ways, and wrong in several."""

from __future__ import annotations

import ast
import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from npformer.cards.strategies import GeneratorSource
from npformer.exercises.catalogue import BUILT_IN, catalogue
from npformer.exercises.grade import grade, on_fault
from npformer.exercises.load import load_python
from npformer.exercises.outcome import Outcome
from npformer.exercises.questions import SolutionBase, question_of
from npformer.verify import finite_differences
from tests.exercises.files import written
from tests.exercises.wrong import SUBMISSIONS, wrong_submissions
from tests.exhaustive import shared

EXERCISES = {e.name: e for e in catalogue()}
RIGHT = sorted(str(p.relative_to(SUBMISSIONS)) for p in SUBMISSIONS.glob("*/right_*.py"))
WRONG = list(wrong_submissions())


def answer(name: str, path: Path, cases: int | None = None):
    return grade(EXERCISES[name], load_python(path), cases)


def few() -> int | None:
    """Cases for what is right, but in ``deep`` as many as a learner's file is tried on."""
    return None if settings.get_current_profile_name() == "deep" else 30


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_passes(name):
    outcome = answer(name, BUILT_IN / name / "solution.py", few())
    assert outcome.passed, outcome


@pytest.mark.parametrize("name", EXERCISES)
def test_the_start_is_blank(name):
    outcome = answer(name, BUILT_IN / name / "start.py")
    assert outcome.kind == "blank", outcome


@pytest.mark.parametrize("name", EXERCISES)
def test_there_are_submissions_of_both_kinds(name):
    assert len([file for file in RIGHT if file.startswith(name + "/")]) >= 2
    assert len([wrong for wrong in WRONG if wrong.exercise == name]) >= 3


def test_every_submission_belongs_to_an_exercise():
    assert {p.name for p in SUBMISSIONS.iterdir() if p.is_dir()} == EXERCISES.keys()


@pytest.mark.parametrize("file", RIGHT)
def test_any_right_formulation_passes(file):
    outcome = answer(Path(file).parts[0], SUBMISSIONS / file, few())
    assert outcome.passed, outcome


class Found(BaseException):
    """Ends the grading at the first fault."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


def stop(outcome: Outcome) -> None:
    """Raises ``Found``."""
    raise Found(outcome)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_mistake_is_found(tmp_path, wrong):
    token = on_fault.set(stop)
    try:
        outcome = answer(wrong.exercise, written(tmp_path, wrong.text, f"{wrong.name}.py"))
    except Found as found:
        outcome = found.outcome
    finally:
        on_fault.reset(token)
    assert outcome.kind in ("wrong", "broken"), outcome


@pytest.mark.parametrize("wrong", shared(WRONG, lambda w: w.exercise, one_in=4), ids=str)
def test_a_mistake_is_named(tmp_path, wrong):
    """With an example that shows it; in CI, one mistake in four of each exercise."""
    outcome = answer(wrong.exercise, written(tmp_path, wrong.text, f"{wrong.name}.py"))
    assert outcome.kind in ("wrong", "broken"), outcome
    assert wrong.says in str(outcome).replace(f"{wrong.name}.py", "")
    assert_runs(wrong.text, outcome.example)
    for line in own_lines(wrong.exercise):
        assert line not in str(outcome), "the answer holds a line of the solution"


def assert_runs(file: str, example: str) -> None:
    """The example runs at the end of the file, whatever the file imports, as far as that does."""
    assert example
    names: dict = {"__name__": "learners_file"}
    exec(compile(file, "file", "exec"), names)
    own = {name: value for name, value in names.items() if name != "np"}
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard):
        try:
            exec(compile(example, "example", "exec"), own)
        except Exception as error:
            assert not isinstance(error, NameError | SyntaxError), error
            return
    assert heard.getvalue().strip() or example.rstrip().splitlines()[-1].startswith("# ")


def own_lines(name: str) -> list[str]:
    """Statements of the solution that the start does not give."""
    folder = BUILT_IN / name
    given = (folder / "start.py").read_text(encoding="utf-8")
    tree = ast.parse((folder / "solution.py").read_text(encoding="utf-8"))
    lines = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Return)
    ]
    return [line for line in lines if line not in given and len(line) > 12]


PAIRS = [
    name
    for name, exercise in EXERCISES.items()
    if exercise.grade.startswith("solution:") and exercise.grade.endswith((":backward", ":pair"))
]


@pytest.mark.parametrize("name", PAIRS)
def test_no_solution_is_its_own_judge(name):
    """Where the solution is the reference, differences of its forward agree with its backward."""
    exercise = EXERCISES[name]
    solution = load_python(BUILT_IN / name / "solution.py")
    question = question_of(exercise, solution, solution)
    base = question.base
    assert isinstance(base, SolutionBase)
    source = GeneratorSource(np.random.default_rng(5))
    for _ in range(5):
        case = question.draw(source)

        def forward(*arrays, case=case):
            found = base.functions["forward"](*arrays, **case.static)
            return found[0]

        slopes = finite_differences(forward, *case.inputs.values(), dy=case.dy)
        right = question.expected(case)
        for argument, slope in zip(case.inputs, slopes, strict=True):
            np.testing.assert_allclose(right[f"d{argument}"], slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_is_written_for_a_reader(name):
    exercise = EXERCISES[name]
    assert exercise.short in exercise.start, "the start says what to type"
    assert all(f"def {f}" in exercise.start for f in exercise.functions)
    assert (Path(__file__).parents[2] / exercise.walkthrough).is_file()
    for heading in ("Hint", "Solution"):
        assert f"## {heading}" not in exercise.task
