"""Exercises are graded without PyTorch, whose import alone takes more than two seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
sys.modules["torch"] = None  # an import of it fails
from npformer.exercises.catalogue import catalogue, find
from npformer.exercises.grade import grade
from npformer.exercises.load import load_python

def check(exercise, sign=1):
    module = load_python(exercise.folder / "solution.py")
    if sign < 0:
        right = module.softmax_backward
        module.softmax_backward = lambda dy, cache: -right(dy, cache)
    return grade(exercise, module, cases=3)

for exercise in catalogue():
    outcome = check(exercise)
    assert outcome.passed, (exercise.name, outcome)
wrong = check(find("softmax_backward", catalogue()), -1)
assert wrong.kind == "wrong" and "wrong sign" in wrong.diagnosis and wrong.example, wrong
"""


def test_right_and_wrong_submissions_are_graded_without_torch():
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
