"""The child process that runs a learner's file: ``python -m npformer.exercises.child FD``.

It reads one request from standard input, says ``ready`` on FD when the checker's own imports are
done, sets its limits, and answers each file with one line of JSON.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from npformer.exercises.exercise import read_exercise
from npformer.exercises.load import compiles, load_submission
from npformer.exercises.outcome import Outcome

MEGABYTE = 1 << 20
LARGEST_FILE = 64 * MEGABYTE


def main() -> None:
    """Never returns: what a submission left running must not keep the process alive."""
    request = json.loads(sys.stdin.read())
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as channel:
        try:
            _check_all(request, channel)
        except ModuleNotFoundError as error:
            _say(channel, {"missing": error.name})
    sys.stdout.flush()
    os._exit(0)


def _check_all(request: dict[str, Any], channel: IO[str]) -> None:
    # Before the limits are set: these imports take seconds, and hundreds of megabytes. A file
    # that is no Python needs none of them.
    if any(compiles(Path(file)) for _, file in request["jobs"]):
        importlib.import_module("npformer.exercises.grade")
        importlib.import_module("npformer.verify.diagnosis")
    if any(b"torch" in Path(file).read_bytes() for _, file in request["jobs"]):
        importlib.import_module("torch")  # a learner's own witness is no memory of theirs
    _say(channel, {"ready": True})
    trace = Path(request["trace"]).open("w", encoding="utf-8")  # noqa: SIM115
    faulthandler.enable(trace)
    _limit_memory(request["megabytes"])
    for folder, file in request["jobs"]:
        faulthandler.dump_traceback_later(request["seconds"], exit=True, file=trace)
        try:
            found = load_submission(Path(file))
            if not isinstance(found, Outcome):
                found = _grade(Path(folder), found, request, channel)
            answer: dict[str, Any] = {"outcome": found.to_dict()}
        except Exception as error:  # what a submission raises is an outcome, so it was the grader
            message = " ".join(str(error).split())
            answer = {"error": f"{folder}: the grader stops with {type(error).__name__}: {message}"}
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.flush()
        _say(channel, answer)


def _grade(
    folder: Path, submission: ModuleType, request: dict[str, Any], channel: IO[str]
) -> Outcome:
    from npformer.exercises.grade import grade, on_fault

    on_fault.set(lambda early: _say(channel, {"early": early.to_dict()}))
    return grade(read_exercise(folder), submission, request["cases"], request["seed"])


def _say(channel: IO[str], message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def _limit_memory(megabytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    taken = Path("/proc/self/statm")
    if taken.exists():  # elsewhere there is no telling what the imports have reserved
        now = int(taken.read_text().split()[0]) * resource.getpagesize()
        limit = now + megabytes * MEGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
