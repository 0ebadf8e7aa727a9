"""The floor under a NumPy training step: its matrix products alone, on arrays made beforehand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import ThreadpoolController

from npformer.bench.shapes import Product, shards, step_products
from npformer.models.transformer import TransformerConfig


def floor_step(
    config: TransformerConfig, rows: int, length: int, workers: int
) -> Callable[[int], None]:
    """The products of one step, the batch cut over worker threads as the engine cuts it."""
    parts = [
        [_operands(product) for product in step_products(config, share, length)]
        for share in shards(rows, workers)
    ]
    times = [product.times for product in step_products(config, rows, length)]
    pool = ThreadPoolExecutor(workers)
    controller = ThreadpoolController()

    def run(part: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
        for (a, b, out), count in zip(part, times, strict=True):
            for _ in range(count):
                np.matmul(a, b, out=out)

    def step(number: int) -> None:
        with controller.limit(limits=1, user_api="blas"):
            list(pool.map(run, parts))

    return step


def _operands(product: Product) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stack, m, k, n, _ = product
    rng = np.random.default_rng(0)
    front = () if stack == 1 else (stack,)
    a, b = (rng.random((*front, *shape), np.float32) for shape in ((m, k), (k, n)))
    return a, b, np.empty((*front, m, n), np.float32)
