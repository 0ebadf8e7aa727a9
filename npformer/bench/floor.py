"""The floor under a NumPy training step: its matrix products alone, on arrays made beforehand.

``python -m npformer.bench.floor PARTS`` is asked for so many ``step``s (see ``process.py``); PARTS
lists the products of each thread in JSON, for the batch is cut over threads as the engine cuts it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import ThreadpoolController

from npformer.bench.process import Answer, serve, timed
from npformer.train.memory import peak_memory

Size = Sequence[int]
"""A product's stack, m, k, n, and how many times it is made (``products.Product``)."""


def floor_step(parts: Sequence[Sequence[Size]]) -> Callable[[int], None]:
    """One step's products, those of each part on a thread of its own."""
    operands = [[(*_operands(*size), times) for *size, times in part] for part in parts]
    pool = ThreadPoolExecutor(len(parts))
    controller = ThreadpoolController()

    def run(part: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]]) -> None:
        for a, b, out, times in part:
            for _ in range(times):
                np.matmul(a, b, out=out)

    def step(number: int) -> None:
        with controller.limit(limits=1, user_api="blas"):
            list(pool.map(run, operands))

    return step


def _operands(stack: int, m: int, k: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    front = () if stack == 1 else (stack,)
    a, b = (rng.random((*front, *shape), np.float32) for shape in ((m, k), (k, n)))
    return a, b, np.empty((*front, m, n), np.float32)


def main(arguments: list[str]) -> None:
    """Answer requests until standard input ends."""
    step = floor_step(json.loads(arguments[0]))

    def answer(what: str, count: int) -> Answer:
        return {"times": timed(step, range(count)), "peak_memory": peak_memory()}

    serve(answer)


if __name__ == "__main__":
    main(sys.argv[1:])
