"""Which line of source does something, for whoever has to change it."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from pathlib import Path
from typing import Any

import npformer.seam
from npformer.cards.pytorch import torch


@functools.cache
def _passed_over() -> tuple[str, ...]:
    """Where the lines are that only pass a call on."""
    return (
        str(Path(__file__).parent),
        str(Path(torch.__file__).parent),
        npformer.seam.__file__,
    )


def caller() -> str:
    """File and line of the code that makes the call which is being watched."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_passed_over()) and not file.endswith("functools.py"):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def beginning(function: Any) -> str:
    """File and line at which a function of Python begins; empty for any other."""
    function = inspect.unwrap(getattr(function, "func", function))
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def shown(line: str) -> str:
    """A file and line, from the working directory where the file is below it."""
    return line.removeprefix(f"{Path.cwd()}{os.sep}")
