"""A debugger in the learner's function, at the smallest input that shows what is wrong."""

from __future__ import annotations

import bdb
import contextlib
import inspect
import pdb
from pathlib import Path

from npformer.exercises.exercise import Exercise
from npformer.exercises.load import load_python
from npformer.exercises.outcome import Outcome


def debug(exercise: Exercise, path: Path, outcome: Outcome) -> None:
    """Run the outcome's example under pdb, which stops where a function of the exercise begins.

    The file runs in this process, without limits.
    """
    module = load_python(path.resolve())
    debugger = pdb.Pdb()
    for name in exercise.functions:
        function = inspect.unwrap(getattr(module, name))
        code = getattr(function, "__code__", None)
        if code is not None:
            debugger.set_break(code.co_filename, code.co_firstlineno, funcname=code.co_name)
    debugger.cmdqueue.append("continue")  # from the first line of the example
    with contextlib.suppress(bdb.BdbQuit):
        debugger.run(compile(outcome.example, "the example", "exec"), vars(module))
