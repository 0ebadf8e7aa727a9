"""How long each op, and each module's own lines, take on each thread: an observer of the seam."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from npformer.seam import Call


class Key(NamedTuple):
    """What a time belongs to."""

    name: str
    """An op, or a class of modules: what its methods do beside the calls that are watched too."""
    kind: str
    """``forward``, ``backward``, or ``other``, such as an optimizer's update."""


def key_of(call: Call) -> Key:
    """The op's name, or the class of the method's owner; ops and classes differ in their case."""
    name = call.pair if call.owner is None else type(call.owner).__name__
    if call.is_backward:
        return Key(name, "backward")
    paired = call.name.endswith("forward") if call.owner is None else call.pair != "accumulate"
    return Key(name, "forward" if paired else "other")


class Spent(NamedTuple):
    """What all calls of a key took."""

    calls: int
    seconds: float
    """Of the processor, without those of watched calls inside."""


class _Thread(threading.local):
    """What one thread has gathered."""

    spent: dict[Key, Spent] | None = None
    inside: float = 0.0  # seconds of the calls that the one at work has made


class OpTimes:
    """Gathers the calls, and their time, of everything that is watched.

    It is the thread's processor time, in which other programs and waiting do not count; BLAS's own
    threads do not either, so hold it to one.
    """

    def __init__(self) -> None:
        self._thread = _Thread()
        self._every: dict[str, dict[Key, Spent]] = {}

    def __call__(self, call: Call, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        mine = self._thread
        if mine.spent is None:
            mine.spent = self._every.setdefault(threading.current_thread().name, {})
        before, mine.inside = mine.inside, 0.0
        began = time.thread_time()
        try:
            return run(*args, **kwargs)
        finally:
            took = time.thread_time() - began
            key = key_of(call)
            calls, seconds = mine.spent.get(key, (0, 0.0))
            mine.spent[key] = Spent(calls + 1, seconds + took - mine.inside)
            mine.inside = before + took

    def of_threads(self) -> list[dict[Key, Spent]]:
        """What each thread spent that made any call, by the threads' names."""
        return [self._every[name] for name in sorted(self._every)]
