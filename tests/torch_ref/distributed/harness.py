"""Ranks as forks of the test's own process, which has imported PyTorch already.

Each rank finds the environment that torchrun would give it, and ends within a bounded time.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch

# What a rank would otherwise import for itself, each time.
import torch._dynamo
import torch.distributed as dist

import torch_ref.train.sharded
import torch_ref.train.sharded_checkpoint  # noqa: F401
from npformer.config import TwinConfig
from tests.forked import Ended, Fork, all_ended
from torch_ref.train import TorchEngine  # noqa: F401
from torch_ref.train.ranks import TorchRanks, join

PATIENCE = 60
"""Seconds that a rank waits for others, unless a test says otherwise."""


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
        forks = []
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
            forks.append(Fork(partial(_rank, work, rank), Path(folder), str(rank), variables))
        with host_store():
            return all_ended(forks, limit)


def _rank(work: Callable[[int], Any], rank: int) -> Any:
    torch.set_num_threads(1)
    return work(rank)


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
