"""npformer exercise: what a learner types, from the first list to the last check."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest

from npformer.exercises.catalogue import BUILT_IN
from npformer.exercises.progress import read_progress

NAME = "01_linear_backward"
START = (BUILT_IN / NAME / "start.py").read_text(encoding="utf-8")
SOLUTION = (BUILT_IN / NAME / "solution.py").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def test_list_names_them_all_and_the_first_command(npformer, somewhere):
    ended = npformer("exercise", "list")
    assert ended.status == 0
    for folder in BUILT_IN.iterdir():
        if folder.is_dir() and folder.name[:2].isdigit():
            assert folder.name.partition("_")[2] in ended.out
    assert "Begin with: npformer exercise start linear_backward" in ended.out
    assert not list(somewhere.iterdir())


def test_start_writes_a_file_once(npformer, somewhere):
    first = npformer("exercise", "start")
    path = somewhere / "exercises" / f"{NAME}.py"
    assert first.status == 0
    assert path.read_text(encoding="utf-8") == START
    assert "# The backward of a linear map" in first.out
    assert "Hint" not in first.out
    path.write_text("mine\n")
    again = npformer("exercise", "start", "linear_backward")
    assert again.status == 0
    assert "as you left it" in again.out
    assert path.read_text() == "mine\n"
    assert "02_bias_broadcast.py" in npformer("exercise", "start").out


def test_check_says_not_yet_until_it_passes(npformer, somewhere):
    npformer("exercise", "start", "1")
    path = somewhere / "exercises" / f"{NAME}.py"
    blank = npformer("exercise", "check")
    assert blank.status == 1
    assert "is still blank (return dx, dweight, dbias)" in blank.out
    path.write_text(SOLUTION.replace("dx = dy @ weight", "dx = -dy @ weight"), encoding="utf-8")
    wrong = npformer("exercise", "check", "linear")
    assert wrong.status == 1
    assert "Diagnosis: dx has the wrong sign" in wrong.out
    assert "walkthroughs/01_linear.md" in wrong.out
    path.write_text(SOLUTION, encoding="utf-8")
    right = npformer("exercise", "check", path)
    assert right.status == 0
    assert "Next: npformer exercise start bias_broadcast" in right.out
    entry = read_progress(somewhere / "exercises").of(NAME)
    assert (entry.checks, entry.state) == (3, "passed")
    shown = npformer("exercise", "progress").out
    assert "1 of " in shown
    assert "linear_backward" in shown


def test_check_without_a_name_takes_the_file_that_was_changed_last(npformer, somewhere):
    for number in (1, 2, 3):
        npformer("exercise", "start", number)
    os.utime(somewhere / "exercises" / "02_bias_broadcast.py", (4e9, 4e9))
    assert "02_bias_broadcast.py" in npformer("exercise", "check", "--cases", 1).out


def test_hints_come_one_after_the_other_and_are_counted(npformer, somewhere):
    said = [npformer("exercise", "hint", "softmax_backward").out for _ in range(4)]
    for number in (1, 2, 3):
        assert said[number - 1].startswith(f"Hint {number} of 3")
        assert said[number - 1].count("of 3 for") == 1
    assert said[3].count("of 3 for") == 3
    assert read_progress(somewhere / "exercises").of("03_softmax_backward").hints == 3


def test_the_solution_is_shown_only_after_yes(npformer, somewhere):
    asked = npformer("exercise", "solution", "linear")
    assert asked.status == 1
    assert "--yes" in asked.out
    assert "dweight" not in asked.out
    shown = npformer("exercise", "solution", "linear", "--yes")
    assert (shown.status, shown.out) == (0, SOLUTION)
    assert read_progress(somewhere / "exercises").of(NAME).solution


def test_a_notebook_is_written_once(npformer, refused, somewhere):
    assert npformer("exercise", "notebook", "linear").status == 0
    path = somewhere / "exercises" / f"{NAME}.ipynb"
    assert json.loads(path.read_text(encoding="utf-8"))["nbformat"] == 4
    assert "left as it is" in refused("exercise", "notebook", "linear")
    assert npformer("exercise", "notebook", "linear", "--format", "myst").status == 0
    assert "its own cell" in refused("exercise", "check", path)


def test_grade_makes_a_table(npformer, somewhere):
    for learner, text in (("ada", SOLUTION), ("bob", START)):
        (somewhere / "class" / learner).mkdir(parents=True)
        (somewhere / "class" / learner / f"{NAME}.py").write_text(text, encoding="utf-8")
    ended = npformer("exercise", "grade", "class", "--csv", "g.csv", "--json", "g.json")
    assert ended.status == 0
    assert "ada" in ended.out
    rows = list(csv.DictReader((somewhere / "g.csv").read_text().splitlines()))
    assert [row[NAME] for row in rows] == ["passed", "blank"]
    assert (
        json.loads((somewhere / "g.json").read_text())["learners"]["bob"][NAME]["kind"] == "blank"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chek"], "did you mean 'check'?"),
        ([], "ACTION is missing"),
        (["check", "linear_backwrd"], "did you mean 'linear_backward'?"),
        (["check", "linear_backward"], "start makes it"),
        (["check"], "begin with npformer exercise start"),
        (["check", "nowhere/01_linear_backward.py"], "does not exist"),
        (["grade"], "grade needs a directory"),
        (["grade", "nowhere"], "is no directory"),
        (["list", "--catalogue", "nowhere"], "does not exist"),
        (["check", "linear_backward", "--seconds", "0"], "it must be more than 0"),
        (["check", "linear_backward", "--cases", "-1"], "it must be more than 0"),
    ],
)
def test_a_wrong_word(refused, somewhere, words, said):
    assert said in refused("exercise", *words)
    assert not list(somewhere.iterdir())


def test_a_damaged_progress_file_is_named(npformer, refused, somewhere):
    npformer("exercise", "start", "linear")
    (somewhere / "exercises" / "progress.json").write_text("{")
    assert "progress.json is damaged" in refused("exercise", "hint", "linear")


def test_a_folder_and_a_catalogue_of_ones_own(npformer, somewhere):
    ended = npformer("exercise", "start", "1", "--folder", "here", "--catalogue", BUILT_IN)
    assert ended.status == 0
    assert (somewhere / "here" / f"{NAME}.py").is_file()
    assert f"--catalogue {BUILT_IN} --folder here" in ended.out


def test_progress_names_the_exercise_that_is_begun(npformer, somewhere):
    npformer("exercise", "start", "3")
    shown = npformer("exercise", "progress").out
    assert "Next: npformer exercise check softmax_backward\n" in shown
    assert "A hint: npformer exercise hint softmax_backward" in npformer("exercise", "check").out
    assert "; a hint: npformer" in npformer("exercise", "progress").out
    npformer("exercise", "hint")
    assert "; another hint: npformer" in npformer("exercise", "progress").out


def test_watch_checks_what_is_saved_until_it_passes(npformer, somewhere, monkeypatch):
    npformer("exercise", "start", "1")
    path = somewhere / "exercises" / f"{NAME}.py"
    texts = [None, SOLUTION.replace("dx = dy @ weight", "dx = -dy @ weight"), None, SOLUTION]

    def save(seconds):
        text = texts.pop(0)
        if text is not None:
            path.write_text(text, encoding="utf-8")

    monkeypatch.setattr("npformer.exercises.watch.time.sleep", save)
    ended = npformer("exercise", "check", "--watch", "--cases", 3)
    assert ended.status == 0
    assert texts == []
    assert [ended.out.count(word) for word in ("still blank", "wrong sign", "passed:")] == [1, 1, 1]
    assert ended.out.count("Ctrl-C") == 2


def test_debug_stops_in_the_function_that_is_wrong(npformer, somewhere, monkeypatch):
    npformer("exercise", "start", "1")
    path = somewhere / "exercises" / f"{NAME}.py"
    assert "nothing to stop in yet" in npformer("exercise", "check", "--debug").err
    path.write_text(SOLUTION.replace("dx = dy @ weight", "dx = -dy @ weight"), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("args\nquit\n"))
    ended = npformer("exercise", "check", "--debug", "--cases", 3)
    assert ended.status == 1
    stopped = ended.out.partition("(Pdb)")[0]
    assert f"{NAME}.py" in stopped.splitlines()[-2]
    assert "linear_backward" in stopped
    assert "dy = array(" in ended.out
    assert "--watch and --debug go with check" in npformer("exercise", "list", "--debug").err
