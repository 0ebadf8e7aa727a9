"""What each op has to do at least: bytes to read and write, and the operations of its products."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from npformer.bench.op_times import Key, key_of
from npformer.seam import Call

_tally = threading.local()  # ``flops``: those of this thread's products so far


class OpWork:
    """Counts bytes and floating-point operations of every watched op, and nothing of modules.

    Bytes are those of all arrays that go in or come out, caches among them, each place in memory
    once: also an array that is changed in place, and one of which only some rows are read.
    Operations are those of matrix products, two for each multiplication.
    """

    def __init__(self) -> None:
        self.bytes: Counter[Key] = Counter()
        self.flops: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def __call__(self, call: Call, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if call.owner is not None:
            return run(*args, **kwargs)
        before, _tally.flops = getattr(_tally, "flops", 0), 0
        found = _mapped(run(*_mapped(args, _counted), **_mapped(kwargs, _counted)), np.asarray)
        flops, _tally.flops = _tally.flops, before
        key = key_of(call)
        with self._lock:
            self.flops[key] += flops
            self.bytes[key] += sum(dict(_places((args, kwargs, found))).values())
        return found


class _Counted(np.ndarray):
    """An array whose products are added to the thread's tally."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [_mapped(x, np.asarray) for x in inputs]
        result = getattr(ufunc, method)(*plain, **_mapped(kwargs, np.asarray))
        if ufunc is np.matmul and min(x.ndim for x in plain) > 1:  # no vector, as in the floor
            _tally.flops += 2 * plain[0].shape[-1] * np.size(result)
        return _mapped(result, _counted)


def _counted(array: np.ndarray) -> np.ndarray:
    return array.view(_Counted)


def _mapped(value: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """The value, with every array changed that it is or holds in tuples, lists and dictionaries."""
    if isinstance(value, np.ndarray):
        return change(value)
    if isinstance(value, dict):
        return {name: _mapped(item, change) for name, item in value.items()}
    if isinstance(value, tuple | list):
        items = [_mapped(item, change) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _places(value: Any) -> Iterator[tuple[tuple[int, int], int]]:
    """Where each array lies that a value holds, and its bytes."""
    if isinstance(value, np.ndarray):
        first, end = byte_bounds(value)
        yield (first, end), min(value.nbytes, end - first)  # less, if it is broadcast
    elif isinstance(value, dict):
        yield from _places(list(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _places(item)
