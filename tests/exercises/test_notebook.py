"""An exercise as a notebook: its cells run, and check what is written in them."""

from __future__ import annotations

import ast
import json

import jupytext
import pytest

from npformer.exercises.catalogue import catalogue, find
from npformer.exercises.exercise import ExerciseError
from npformer.exercises.notebook import check, hint, notebook
from npformer.exercises.outcome import Outcome
from npformer.exercises.progress import read_progress

EXERCISES = {e.name: e for e in catalogue()}
LINEAR = find("linear_backward", catalogue())


def code_cells(exercise, form="ipynb"):
    fmt = "ipynb" if form == "ipynb" else "md:myst"
    read = jupytext.reads(notebook(exercise, form), fmt=fmt)
    return [cell.source for cell in read.cells if cell.cell_type == "code"]


def run(cells, names):
    """Execute the cells; the value of the last one's last line."""
    for cell in cells:
        tree = ast.parse(cell)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        value = eval(ast.unparse(last.value), names) if last else None
    return value


@pytest.mark.parametrize("form", ["ipynb", "myst"])
def test_both_forms_have_the_same_cells(form):
    assert code_cells(LINEAR, form) == code_cells(LINEAR)


def test_it_is_a_notebook():
    made = json.loads(notebook(LINEAR))
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    assert "Hint 1" not in notebook(LINEAR)


@pytest.mark.parametrize("name", EXERCISES)
def test_its_cells_run_and_the_check_asks_for_what_is_blank(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = run(code_cells(EXERCISES[name])[:-1], {})
    assert isinstance(outcome, Outcome)
    assert outcome.kind == "blank", outcome
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_in_its_cells_passes(name, tmp_path, monkeypatch):
    """The blanks are filled as a learner would fill them: by defining the functions again."""
    monkeypatch.chdir(tmp_path)
    cells = code_cells(EXERCISES[name])
    call = cells[-2]
    outcome = run([*cells[:-2], EXERCISES[name].solution, call], {})
    assert outcome.passed, outcome


def test_progress_is_kept_where_there_is_some(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    progress = read_progress(tmp_path)
    progress.start(LINEAR.name)
    progress.save()
    names: dict = {}
    exec(LINEAR.solution, names)
    outcome = check("linear_backward", names["linear_forward"], names["linear_backward"])
    assert outcome.passed
    hint("linear_backward", 2)
    assert capsys.readouterr().out.strip() == LINEAR.hints[1]
    entry = read_progress(tmp_path).of(LINEAR.name)
    assert (entry.state, entry.checks, entry.hints) == ("passed", 1, 2)


def test_there_is_no_fourth_hint():
    with pytest.raises(ExerciseError, match="hints 1 to 3"):
        hint("linear_backward", 4)
