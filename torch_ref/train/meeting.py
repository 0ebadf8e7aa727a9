"""Where the processes of one run meet, and agree on who speaks when something goes wrong.

They meet at a key-value store (``torch.distributed.TCPStore``). torchrun's agent keeps it, and it
then outlives every rank; otherwise rank 0 does. Here each rank says that it has come, so that the
others can name who has not, and what it failed of, so that one of them tells it and not all.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import torch.distributed as dist

from npformer.errors import ConfigError, RankError
from torch_ref.train.place import Place

SETTLE = 2.0
"""Seconds that a rank that failed waits for what the others say of it."""
LOOK = 0.02
"""Seconds between two looks at the store."""


class LostError(RankError):
    """A rank that cannot go on because others could not."""


class RankFailure(NamedTuple):
    """What one rank ended with."""

    rank: int
    message: str
    lost: bool
    """Whether it failed only because others did."""


def speaks(failures: list[RankFailure], rank: int) -> bool:
    """Whether ``rank`` is to tell what it failed of.

    What several ranks failed of alike, the first of them tells. To have lost the others is worth
    telling only if none of them has a reason of its own.
    """
    own = [failure for failure in failures if not failure.lost]
    told: dict[str, int] = {}
    for failure in sorted(own or failures):
        told.setdefault(failure.message if own else "lost", failure.rank)
    return rank in told.values()


class Meeting:
    """The store at which the ranks of ``place`` meet; none waits longer than ``timeout`` seconds.

    A process by itself has no store. Raises ``RankError`` if it cannot be reached, or opened.
    """

    store: dist.Store

    def __init__(self, place: Place, timeout: float) -> None:
        self.place, self.timeout = place, timeout
        self._host = place.rank == 0 and not place.hosted
        if place.size == 1:
            return
        if not self._host:
            self._find()
        try:
            store = dist.TCPStore(
                place.host,
                place.port,
                is_master=self._host,
                timeout=timedelta(seconds=timeout),
                wait_for_workers=False,
            )
        except (RuntimeError, ValueError) as error:
            doing = "listen at" if self._host else "join the others at"
            raise RankError(
                f"rank {place.rank} cannot {doing} {place.host}:{place.port}, where the ranks are "
                f"to meet ({first(error)}); choose another --master-port"
            ) from error
        self.store = dist.PrefixStore(f"npformer/{place.restarts}", store)
        self._over = threading.Event()
        self._beat = timeout / 8
        self._heart = threading.Thread(target=self._live, name="signs of life", daemon=True)
        self._heart.start()

    def _find(self) -> None:
        """Wait until somebody listens. PyTorch's own wait ends in pages of C++."""
        place, deadline = self.place, time.monotonic() + self.timeout
        while True:
            left = max(deadline - time.monotonic(), LOOK)
            try:
                socket.create_connection((place.host, place.port), left).close()
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise RankError(
                        f"rank {place.rank} found nobody at {place.host}:{place.port} within "
                        f"{self.timeout:g} seconds, where the ranks are to meet "
                        f"({error.strerror or error}): see that rank 0 runs, and that this machine "
                        "reaches it"
                    ) from error
                time.sleep(LOOK)

    def _live(self) -> None:
        with contextlib.suppress(RuntimeError):  # the store is gone: others see that, too
            while not self._over.wait(self._beat):
                self.store.add(f"sign/{self.place.rank}", 1)

    def close(self) -> None:
        """Give no more signs of life."""
        self._over.set()
        self._heart.join()

    def check_in(self) -> None:
        """Say that this rank has come, and wait until all have.

        Raises ``ConfigError`` if two ranks have the same number or another ``size``, ``RankError``
        naming the ranks that did not come in time.
        """
        rank, size = self.place.rank, self.place.size
        if size == 1:
            return
        known = self.store.compare_set("size", "", str(size)).decode()
        if known != str(size):
            raise ConfigError(
                f"rank {rank} was started with WORLD_SIZE {size}, others with {known}; start all "
                "ranks of a run with the same"
            )
        if self.store.add(f"came/{rank}/count", 1) > 1:
            raise ConfigError(f"two processes have RANK {rank}; each needs a number of its own")
        keys = [f"came/{other}" for other in range(size)]
        self.store.set(keys[rank], "")
        deadline = time.monotonic() + self.timeout
        for _ in self._looks(keys):
            if time.monotonic() > deadline:
                missing = [other for other in range(size) if not self.store.check([keys[other]])]
                raise RankError(
                    f"of {size} ranks, {_names(missing)} did not come within {self.timeout:g} "
                    "seconds; see that all are started, with the same --master-addr and "
                    "--master-port or the same --rdzv-id and --rdzv-endpoint"
                )

    def wait_for(self, keys: list[str]) -> None:
        """Wait until each rank has set its of the ``keys``, as long as those that have not live.

        Raises ``LostError`` once one of them gives no sign of life for ``timeout`` seconds.
        """
        signs: dict[int, tuple[int, float]] = {}
        next_look = time.monotonic()
        for now in self._looks(keys):
            if now < next_look:
                continue
            next_look = now + self._beat
            for rank, key in enumerate(keys):
                sign = self.store.add(f"sign/{rank}", 0)
                before, since = signs.get(rank, (-1, now))
                signs[rank] = (sign, since if sign == before else now)
                if now - signs[rank][1] > self.timeout and not self.store.check([key]):
                    raise LostError(
                        f"rank {self.place.rank} lost the others: rank {rank} gave no sign of life "
                        f"for {self.timeout:g} seconds; continue with --resume"
                    )

    def _looks(self, keys: list[str]) -> Iterator[float]:
        """The time, now and then, until all ``keys`` are set; LostError once a rank has failed."""
        pause = LOOK / 16
        while not self.store.check(keys):
            self.check_failures()
            yield time.monotonic()
            time.sleep(pause)
            pause = min(2 * pause, LOOK)

    def check_failures(self) -> None:
        """Raise ``LostError`` once another rank has failed."""
        if self.store.add("failures", 0):
            raise LostError(f"rank {self.place.rank} gave up, for another rank failed")

    def fail(self, message: str, *, lost: bool) -> bool:
        """Leave word of what this rank failed of; say whether this rank is to tell it.

        ``lost``: it failed because others did. Takes no longer than ``SETTLE`` seconds, twice that
        where the store ends with this rank. If the store is gone, every rank is on its own.
        """
        rank, size = self.place.rank, self.place.size
        if size == 1:
            return True
        try:
            number = self.store.add("failures", 1)
            self.store.set(f"failure/{number}", json.dumps(RankFailure(rank, message, lost)))
            deadline = time.monotonic() + SETTLE
            while self.store.add("failures", 0) < size and time.monotonic() < deadline:
                time.sleep(LOOK)
            count = self.store.add("failures", 0)
            keys = [f"failure/{number}" for number in range(1, count + 1)]
            failures = [RankFailure(*json.loads(self.store.get(key))) for key in keys]
            # Another rank may have told the same already, which did not know yet of this one.
            told = speaks(failures, rank) and self._first_to_tell("" if lost else message)
            self.store.add("heard", 1)
            deadline = time.monotonic() + SETTLE
            while self._host and self.store.add("heard", 0) < count:
                if time.monotonic() > deadline:
                    break
                time.sleep(LOOK)
            return told
        except RuntimeError:
            return True

    def _first_to_tell(self, message: str) -> bool:
        own = str(self.place.rank)
        return self.store.compare_set(f"told/{message}", "", own).decode() == own


def first(error: BaseException) -> str:
    """The first line of an error's text, which for PyTorch's is followed by a C++ trace."""
    return str(error).strip().partition("\n")[0]


def _names(ranks: list[int]) -> str:
    shown = ", ".join(map(str, ranks[:8])) + (", ..." if len(ranks) > 8 else "")
    return f"rank{'s' * (len(ranks) > 1)} {shown}"
