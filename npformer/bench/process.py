"""An implementation's process, seen from both ends: one line of JSON asks, one line answers.

A process of its own keeps one library's threads, allocator and imports out of another's times and
memory, and lets implementations take turns, so that the machine's drift affects all of them alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

Answer = dict[str, Any]


class BenchProcess:
    """The process of ``python -m module arguments...``, on ``threads`` threads."""

    def __init__(self, module: str, *arguments: str, threads: int) -> None:
        # A file, not a pipe: a pipe that nobody reads would fill up and stop the process.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (``close`` closes it)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    def ask(self, **request: Any) -> Answer | None:
        """The answer, or None if the process could not give one."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        answer = self._process.stdout.readline()
        return json.loads(answer) if answer else None

    def close(self) -> str:
        """End the process; returns the last line that it wrote as an error, if any."""
        self._process.communicate()
        with self._errors as errors:
            errors.seek(0)
            return (errors.read().strip().splitlines() or [""])[-1]


def serve(answer: Callable[..., Answer]) -> None:
    """Answer every request, its fields as keywords, until standard input ends."""
    for request in sys.stdin:
        print(json.dumps(answer(**json.loads(request))), flush=True)


def timed(step: Callable[[int], None], numbers: Iterable[int]) -> list[float]:
    """The seconds that each of the steps takes."""
    times = []
    for number in numbers:
        began = time.perf_counter()
        step(number)
        times.append(time.perf_counter() - began)
    return times


def take_turns(
    processes: dict[str, BenchProcess], rounds: int, **request: Any
) -> tuple[dict[str, list[Answer]], dict[str, str]]:
    """Each process's answers of ``rounds`` rounds after a first one that warms up; the failures.

    A process that fails is closed and taken out of ``processes``; the second result has the last
    line that it wrote.
    """
    answers: dict[str, list[Answer]] = {name: [] for name in processes}
    failures = {}
    for turn in range(rounds + 1):
        for name, process in list(processes.items()):
            answer = process.ask(**request)
            if answer is None:
                failures[name] = processes.pop(name).close()
            elif turn:
                answers[name].append(answer)
    return answers, failures
