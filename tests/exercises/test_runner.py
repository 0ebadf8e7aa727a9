"""A learner's file cannot hurt: whatever it does ends in one plain sentence."""

from __future__ import annotations

import os
import re
import time

import pytest

from npformer.exercises.catalogue import catalogue, find
from npformer.exercises.exercise import ExerciseError
from npformer.exercises.runner import Limits, check_files, check_submission
from tests.exercises.files import FORWARD, RIGHT, backward, written

LINEAR = find("linear_backward", catalogue())
LIMITS = Limits(seconds=3, megabytes=256)

# What the file is, of which kind the outcome is, and what the sentence says.
FILES = {
    "right": (RIGHT, "passed", "right on 5 generated cases"),
    "endless loop": (
        backward("while True:", "    pass"),
        "stopped",
        "line 1[01] of endless_loop.py was still running after 3 seconds",
    ),
    "endless import": (
        "import time\ntime.sleep(1000)\n",
        "stopped",
        "line 2 of endless_import.py was still running",
    ),
    "ends the process": (
        backward("import os", "os._exit(0)"),
        "stopped",
        "ends_the_process.py ended the process with exit status 0",
    ),
    "crashes": (
        backward("import ctypes", "ctypes.string_at(0)"),
        "stopped",
        r"line 11 of crashes.py crashed the process \(SIGSEGV: a segmentation fault\)",
    ),
    "too much memory": (
        backward("return np.ones((100_000, 100_000))"),
        "broken",
        "line 10 of too_much_memory.py needs more memory than a check allows",
    ),
    "recursion": (
        backward("return linear_backward(dy, cache)"),
        "broken",
        "line 10 of recursion.py calls itself without end",
    ),
    "noise": (
        "print('hello')\n" + RIGHT.replace("    rows =", "    print('x' * 10_000)\n    rows ="),
        "passed",
        "right on 5 generated cases",
    ),
    "says something": (
        backward("print('dy is', dy.shape)", "return -dy @ weight, weight, dy.sum(0)"),
        "wrong",
        "dx",
    ),
    "left something running": (
        "import pathlib, subprocess, threading, time\n"
        "other = subprocess.Popen(['sleep', '1000'])\n"
        "pathlib.Path(__file__).with_name('pid').write_text(str(other.pid))\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n" + RIGHT,
        "passed",
        "right on 5",
    ),
    "wrong and slow": (
        "import time\n" + backward("time.sleep(1)", "return -dy @ weight, weight, dy.sum(0)"),
        "wrong",
        "^d",
    ),
    "waits for input": ("name = input('?')\n" + RIGHT, "broken", "line 1 .* waits for input"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("learner")


@pytest.fixture(scope="module")
def outcomes(folder):
    written(folder, "raise RuntimeError('shadowed')\n", "json.py")
    files = [written(folder, text, f"{re.sub(r'[^a-z]', '_', name)}.py")
             for name, (text, _, _) in FILES.items()]  # fmt: skip
    jobs = [(LINEAR, file) for file in files]
    found = list(check_files(jobs, cases=5, limits=LIMITS))
    assert not list(folder.glob("__pycache__"))
    return dict(zip(FILES, found, strict=True))


@pytest.mark.parametrize("name", FILES)
def test_whatever_a_file_does_is_one_sentence(outcomes, name):
    _, kind, said = FILES[name]
    outcome = outcomes[name]
    assert outcome.kind == kind, outcome
    assert re.search(said, outcome.verdict), outcome.verdict
    assert "\n" not in outcome.verdict
    assert "Traceback" not in str(outcome)


def test_what_it_printed_for_the_example_is_shown_and_no_more(outcomes):
    assert re.fullmatch(r"dy is \(.*\)\n", outcomes["says something"].printed)
    assert outcomes["noise"].printed == ""


def test_nothing_is_left_running(folder, outcomes):
    assert outcomes["left something running"].passed
    pid = int((folder / "pid").read_text())
    for _ in range(100):
        if not alive(pid):
            return
        time.sleep(0.05)
    raise AssertionError("the submission's own process lives on")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def test_a_missing_file(tmp_path):
    with pytest.raises(ExerciseError, match="start makes it"):
        check_submission(LINEAR, tmp_path / "none.py")


@pytest.fixture
def no_torch(tmp_path, monkeypatch):
    """Whoever imports PyTorch in a child fails."""
    (tmp_path / "path").mkdir()
    written(tmp_path / "path", "raise AssertionError('PyTorch is imported')\n", "torch.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))


def test_what_is_no_python_is_answered_without_pytorch(tmp_path, no_torch):
    outcome = check_submission(
        LINEAR, written(tmp_path, "def linear_backward(dy, cache:\n    pass\n")
    )
    assert (outcome.kind, outcome.verdict) == (
        "broken", "line 1 of mine.py is not valid Python: '(' was never closed",
    )  # fmt: skip


def test_a_grader_that_is_wrong_is_no_fault_of_the_learner(tmp_path):
    """A teacher's mistake ends in an error, not in a verdict."""
    own = tmp_path / "01_mine"
    own.mkdir()
    for file in LINEAR.folder.iterdir():
        if file.is_file():
            (own / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    about = (own / "exercise.toml").read_text(encoding="utf-8")
    (own / "exercise.toml").write_text(about.replace("component:linear:backward", "python"))
    (own / "grade.py").write_text("def grade(submission, cases, seed):\n    return 1 / 0\n")
    (exercise,) = catalogue(tmp_path)
    with pytest.raises(ExerciseError, match="ZeroDivisionError"):
        check_submission(exercise, written(tmp_path, FORWARD + RIGHT))
