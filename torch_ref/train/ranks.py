"""The ranks of a run under torchrun: what they tell each other, within a bounded time.

Gradients travel over NCCL where the ranks have GPUs, over gloo where they have not. What the loop
says of itself (sums, wishes to stop, barriers) always goes over gloo, so that it neither waits for
a GPU nor touches one. Every wait ends after ``timeout`` seconds, and a rank that died is noticed at
once, by its closed connections.

What the loop says is JSON, never a pickle.
"""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from npformer import errors
from npformer.config import TwinConfig
from npformer.errors import ConfigError, NpformerError
from torch_ref.train.meeting import LostError, Meeting, first
from torch_ref.train.place import Place

BAD_INPUT = 2
_ERROR = "an error of npformer"


class TorchRanks:
    """``Ranks`` (see ``npformer/train/ranks.py``) over ``torch.distributed``.

    They find each other at ``meeting``, whose timeout is that of every wait; ``device`` is
    ``auto``, ``cpu`` or ``cuda``. A process by itself makes no process group and waits for nobody.

    Raises ``ConfigError`` for more ranks on this machine than GPUs, and ``RankError`` if the ranks
    do not find each other in time; every method raises it, too.
    """

    device: torch.device
    """Where this rank computes."""

    def __init__(self, meeting: Meeting, device: str = "auto") -> None:
        self._meeting, self.timeout = meeting, meeting.timeout
        self.rank, self.size = meeting.place.rank, meeting.place.size
        self._gathered = 0
        self.device = choose_device(device, meeting.place)
        meeting.check_in()
        if self.size > 1:
            with self.watched():
                self._make_groups()

    def _make_groups(self) -> None:
        cuda = self.device.type == "cuda"
        wait = timedelta(seconds=self.timeout)
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            store=dist.PrefixStore("groups", self._meeting.store),
            rank=self.rank,
            world_size=self.size,
            timeout=wait,
            device_id=self.device if cuda else None,
        )
        self._group = dist.new_group(backend="gloo", timeout=wait)

    def sum(self, *values: float) -> list[float]:
        """Each value summed over all ranks, in float64."""
        if self.size == 1:
            return list(values)
        with self.watched():
            sums = torch.tensor(values, dtype=torch.float64)
            dist.all_reduce(sums, group=self._group)
        return sums.tolist()

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, by rank, on every rank: numbers, text, lists, tables, None, errors.

        One rank may prepare a corpus for an hour before it comes here. The others wait for it as
        long as it takes, but no longer than ``timeout`` after its last sign of life.
        """
        if self.size == 1:
            return [value]
        self._gathered += 1
        came = [f"gathered/{self._gathered}/{rank}" for rank in range(self.size)]
        with self.watched():
            self._meeting.store.set(came[self.rank], json.dumps(value, default=_error_table))
            self._meeting.wait_for(came)
            texts = self._meeting.store.multi_get(came)
            if self._gathered > 1:  # which everybody has read, as they are here
                self._meeting.store.delete_key(f"gathered/{self._gathered - 1}/{self.rank}")
        return [json.loads(text, object_hook=_error_again) for text in texts]

    def barrier(self) -> None:
        """Wait until every rank has come here."""
        self.sum(0.0)  # of no values, gloo would not wait

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Raises ``RankError`` for what PyTorch says of a lost connection or of waiting in vain.

        For any collective, also those inside a backward pass.
        """
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, NpformerError) or not is_loss(error):
                raise
            raise LostError(
                f"rank {self.rank} lost the others: {_shortened(error)}; continue with --resume"
            ) from error

    def close(self) -> None:
        """Part from the others, all together. Not after a failure: who failed waits for nobody."""
        if self.size > 1 and dist.is_initialized():
            self.barrier()
            self._meeting.close()
            dist.destroy_process_group()


@contextmanager
def join(config: TwinConfig) -> Iterator[TorchRanks]:
    """This process's ranks, for the time of a block; raises ``RankError`` as above.

    Of an error that ends the block on several ranks, one alone tells: there it is raised as it
    came, on the others as a silent ``SystemExit`` of the same status.
    """
    meeting = None
    try:
        place = Place.read()
        meeting = Meeting(place, config.timeout)
        ranks = TorchRanks(meeting, config.device)
        with ranks.watched():
            yield ranks
        ranks.close()
    except Exception as error:
        if meeting is None or meeting.place.size == 1:
            raise
        if threading.current_thread() is threading.main_thread():
            # torchrun asks all to go once one has gone; what there is to say is said first.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if meeting.fail(str(error), lost=isinstance(error, LostError)):
            raise
        raise SystemExit(BAD_INPUT) from error


def choose_device(wanted: str, place: Place) -> torch.device:
    """The device of this rank: a GPU of its own if there are any and ``wanted`` allows it.

    Raises ``ConfigError`` if GPUs are wanted and there are too few.
    """
    count = torch.cuda.device_count() if wanted != "cpu" and torch.cuda.is_available() else 0
    if wanted == "cpu" or (wanted == "auto" and not count):
        return torch.device("cpu")
    if not count:
        raise ConfigError(
            "device is cuda, but PyTorch finds no GPU here; use --device cpu, or see that the "
            "driver and a CUDA build of PyTorch are installed"
        )
    if place.local_size > count:
        raise ConfigError(
            f"{place.local_size} ranks were started on this machine, which has {count} "
            f"GPU{'s' * (count > 1)}; start {count} with --nproc-per-node {count}, or train on "
            "the CPU with --device cpu"
        )
    device = torch.device("cuda", place.local_rank)
    torch.cuda.set_device(device)
    return device


def _error_table(value: Any) -> dict[str, str]:
    if not isinstance(value, NpformerError):
        raise TypeError(f"ranks tell each other plain data and errors, not {value!r}")
    kind = type(value).__name__
    return {_ERROR: kind if hasattr(errors, kind) else "NpformerError", "message": str(value)}


def _error_again(table: dict[str, Any]) -> Any:
    return getattr(errors, table[_ERROR])(table["message"]) if _ERROR in table else table


def is_loss(error: BaseException) -> bool:
    """Whether PyTorch says by ``error`` that another rank is gone or does not answer."""
    text = str(error).lower()
    return isinstance(error, dist.DistError) or "gloo" in text or "nccl" in text


def _shortened(error: BaseException) -> str:
    """The reason without the C++ file that it comes from and without the hints after it."""
    text = re.sub(r"^.*\[\S+:\d+\] ", "", first(error))
    return text.partition(". This is typically")[0]
