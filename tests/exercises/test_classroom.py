"""A directory of submissions becomes one table."""

from __future__ import annotations

import csv
import io
import json

import pytest

from npformer.exercises.catalogue import catalogue
from npformer.exercises.classroom import grade_directory
from npformer.exercises.exercise import ExerciseError
from npformer.exercises.progress import read_progress
from tests.exercises.files import RIGHT, written


def test_each_learner_is_a_row(tmp_path):
    for learner in ("ada", "bob", "eve", "_old", ".git"):
        (tmp_path / learner).mkdir()
    written(tmp_path / "ada", RIGHT, "01_linear_backward.py")
    written(tmp_path / "ada", "1 / 0\n", "bias_broadcast.py")
    written(tmp_path / "ada", "notes\n", "notes.txt")
    written(tmp_path / "bob", RIGHT.replace(".sum(axis=0)", ".mean(axis=0)"), "linear_backward.py")
    written(tmp_path / "_old", RIGHT, "linear_backward.py")
    progress = read_progress(tmp_path / "ada")
    progress.of("01_linear_backward").hints = 2
    progress.save()
    (tmp_path / "bob" / "progress.json").write_text("damaged")

    done = []
    grades = grade_directory(tmp_path, catalogue(), cases=5, progress=done.append)
    assert sorted(done) == ["ada", "bob", "eve"]
    rows = list(csv.reader(io.StringIO(grades.csv())))
    assert rows == [
        ["learner", "01_linear_backward", "02_bias_broadcast", "passed"],
        ["ada", "passed", "broken", "1"],
        ["bob", "wrong", "", "0"],
        ["eve", "", "", "0"],
    ]
    full = json.loads(json.dumps(grades.to_dict()))["learners"]
    assert full["ada"]["01_linear_backward"]["hints"] == 2
    assert "averaged over the batch" in full["bob"]["01_linear_backward"]["diagnosis"]
    assert full["eve"] == {}


def test_a_directory_without_submissions(tmp_path):
    with pytest.raises(ExerciseError, match="holds no submission"):
        grade_directory(tmp_path, catalogue())
    with pytest.raises(ExerciseError, match="is no directory"):
        grade_directory(tmp_path / "none", catalogue())
