"""``torchrun --nproc-per-node N -m torch_ref.train RUN ...``: train the twin on N ranks.

The options are those of ``npformer train``, with ``--engine torch`` set. Without torchrun it is one
process, as that command is. When torchrun has started the ranks anew after a failure
(``--max-restarts``), they go on from the newest whole checkpoint by themselves.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence

from npformer.cli.arguments import parse
from npformer.cli.main import BAD_INPUT
from npformer.cli.main import main as npformer
from npformer.cli.train import Command


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the arguments say, on this process's rank; the exit status."""
    arguments = [*(sys.argv[1:] if argv is None else argv), "--engine", "torch"]
    # Before the ranks have met, what is wrong is wrong on each: one rank of a machine says so.
    if os.environ.get("LOCAL_RANK", "0") != "0" and not is_sound(arguments):
        return BAD_INPUT
    return npformer(["train", *arguments])


def is_sound(arguments: list[str]) -> bool:
    """Whether the command line can be understood; prints nothing."""
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        try:
            parse(Command, "npformer train", arguments, default=Command.default(arguments))
        except (Exception, SystemExit):
            return False
    return True


def run() -> None:
    """``main`` as a process of its own, which ends within a bounded time."""
    try:
        status = main()
    except SystemExit as end:  # --help, or a rank that leaves it to another to tell
        status = end.code if isinstance(end.code, int) else BAD_INPUT
    if status and _is_one_of_many():
        # The others may be gone, and what Python would tidy up wait for them.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _is_one_of_many() -> bool:
    """Whether this process has met other ranks; where PyTorch is missing it has not."""
    distributed = sys.modules.get("torch.distributed")
    return distributed is not None and distributed.is_initialized()


if __name__ == "__main__":
    run()
