"""Ranks as forks of the test's own process, which has imported PyTorch already.

A fork takes a tenth of a second where a fresh process takes four, so that a test can afford many
runs. Each rank finds the environment that torchrun would give it, has its output in files of its
own, and ends within a bounded time: what is left then is killed, and the test fails.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch

# What a rank would otherwise import for itself, each time.
import torch._dynamo
import torch.distributed as dist

import torch_ref.train.sharded
import torch_ref.train.sharded_checkpoint  # noqa: F401
from npformer.config import TwinConfig
from npformer.errors import NpformerError
from torch_ref.train import TorchEngine  # noqa: F401
from torch_ref.train.ranks import TorchRanks, join

PATIENCE = 60
"""Seconds that a rank waits for others, unless a test says otherwise."""


class Ended(NamedTuple):
    """How one rank ended."""

    status: int
    """Its exit status, or minus the signal that killed it."""
    result: Any
    """What its work returned."""
    out: str
    err: str


def launch(
    size: int,
    work: Callable[[int], Any],
    *,
    hosted: bool = True,
    limit: float = 180,
    environment: Callable[[int], dict[str, str | None]] = lambda rank: {},
) -> list[Ended]:
    """Run ``work(rank)`` on ``size`` ranks; how each ended.

    ``hosted``: the store is kept here, as torchrun's agent keeps it, and not by rank 0.
    ``environment`` changes a rank's variables (None unsets one).
    """
    with tempfile.TemporaryDirectory() as folder, _address(hosted) as (port, host_store):
        children = []
        for rank in range(size):
            variables = {
                "RANK": rank,
                "WORLD_SIZE": size,
                "LOCAL_RANK": rank,
                "LOCAL_WORLD_SIZE": size,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
                "TORCHELASTIC_USE_AGENT_STORE": hosted,
                **environment(rank),
            }
            children.append(_fork(rank, work, Path(folder), variables))
        with host_store():
            statuses = _wait(children, limit)
        return [_ended(Path(folder), rank, status) for rank, status in enumerate(statuses)]


def with_ranks(
    size: int, work: Callable[[TorchRanks], Any], *, timeout: int = PATIENCE, **options: Any
) -> list[Ended]:
    """Run ``work(ranks)`` on ``size`` ranks that have joined; how each ended."""

    def joined(rank: int) -> Any:
        with join(TwinConfig(device="cpu", timeout=timeout)) as ranks:
            return work(ranks)

    return launch(size, joined, **options)


def results(ended: list[Ended]) -> list[Any]:
    """What each rank returned; all of them must have ended well."""
    for rank, end in enumerate(ended):
        assert end.status == 0, f"rank {rank} ended with {end.status}:\n{end.err}"
    return [end.result for end in ended]


def lines(ended: list[Ended]) -> list[str]:
    """What all ranks together wrote to standard error, but for warnings of PyTorch's C++ side."""
    return [line for end in ended for line in end.err.splitlines() if not line.startswith("[W")]


@contextlib.contextmanager
def _address(hosted: bool) -> Iterator[tuple[int, Callable[[], Any]]]:
    """A free port, and a context in which the store listens there, if it is to be ``hosted``."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        if not hosted:
            listening.close()
            yield port, contextlib.nullcontext
            return
        listening.listen(64)

        @contextlib.contextmanager
        def store() -> Iterator[None]:
            # Only now, when no fork can take a copy of its thread's locks.
            server = dist.TCPStore(
                "127.0.0.1",
                port,
                is_master=True,
                wait_for_workers=False,
                timeout=timedelta(seconds=PATIENCE),
                master_listen_fd=listening.detach(),
            )
            yield
            del server

        yield port, store


def _fork(rank: int, work: Callable[[int], Any], folder: Path, variables: dict[str, Any]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside other threads
        child = os.fork()
    if child:
        return child
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for number, name in ((1, "out"), (2, "err")):
            with (folder / f"{rank}.{name}").open("wb") as file:
                os.dup2(file.fileno(), number)
        sys.stdout = open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, encoding="utf-8", buffering=1)  # noqa: SIM115
        torch.set_num_threads(1)
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = str(value)
        result = work(rank)
        (folder / f"{rank}.result").write_bytes(pickle.dumps(result))
        status = 0
    except NpformerError as error:
        print(f"npformer: {error}", file=sys.stderr)
        status = 2
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _wait(children: list[int], limit: float) -> list[int]:
    deadline, statuses = time.monotonic() + limit, {}
    try:
        while len(statuses) < len(children) and time.monotonic() < deadline:
            for child in children:
                if child not in statuses:
                    ended, status = os.waitpid(child, os.WNOHANG)
                    if ended:
                        statuses[child] = os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
    finally:
        late = [child for child in children if child not in statuses]
        for child in late:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert not late, f"{len(late)} of {len(children)} ranks still ran after {limit} seconds"
    return [statuses[child] for child in children]


def _ended(folder: Path, rank: int, status: int) -> Ended:
    result = folder / f"{rank}.result"
    return Ended(
        status,
        pickle.loads(result.read_bytes()) if result.exists() else None,
        (folder / f"{rank}.out").read_text(),
        (folder / f"{rank}.err").read_text(),
    )
