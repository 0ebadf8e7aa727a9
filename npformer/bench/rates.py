"""What bounds an op on this machine: the memory's bandwidth and the rate of matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

BYTES = 2**26
"""Of an array that is copied, too large for any cache."""
SIZE = 1024
"""Rows and columns of a product's factors."""
TIMES = 5


class Rates(NamedTuple):
    """Of one thread while as many others as there are workers do the same."""

    bandwidth: float
    """Bytes a second, read and written, of copying a large array."""
    products: float
    """Floating-point operations a second of a large product in float32."""


def measure_rates(workers: int) -> Rates:
    """The best of a few tries, in processor seconds of a thread, with BLAS held to one thread."""

    def copied() -> Callable[[], object]:
        source, target = np.ones((2, BYTES // 4), np.float32)
        return lambda: np.copyto(target, source)

    def multiplied() -> Callable[[], object]:
        a, b, out = np.ones((3, SIZE, SIZE), np.float32)
        return lambda: np.matmul(a, b, out=out)

    def best(make: Callable[[], Callable[[], object]]) -> float:
        run, times = make(), []
        for _ in range(TIMES):
            began = time.thread_time()
            run()
            times.append(time.thread_time() - began)
        return min(times)

    with (
        ThreadPoolExecutor(workers) as pool,
        ThreadpoolController().limit(limits=1, user_api="blas"),
    ):
        copying, multiplying = (
            max(pool.map(best, [make] * workers)) for make in (copied, multiplied)
        )
    return Rates(2 * BYTES / copying, 2 * SIZE**3 / multiplying)
