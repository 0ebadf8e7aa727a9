"""The matrix products of a training step, as the twin makes them on tensors without memory.

``python -m npformer.bench.products PRESET SETTINGS`` is asked for those of a part of the preset's
batch; SETTINGS are a ``BenchConfig`` as JSON. It is a process of its own (see ``process.py``): what
PyTorch takes in the one that starts the others would count as their memory.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from typing import Any, NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from npformer.bench.process import serve
from npformer.bench.settings import BenchConfig
from npformer.bench.shapes import bench_config, workload
from npformer.config import ModelConfig, RunConfig, TwinConfig
from npformer.plan.shape import Shape
from npformer.plan.twin import backward, fake, ids, twin


class Product(NamedTuple):
    """A ``stack`` of products (m, k) @ (k, n), done ``times`` over in one step."""

    stack: int
    m: int
    k: int
    n: int
    times: int

    @property
    def flops(self) -> int:
        """Multiplications and additions, both counted."""
        return 2 * self.stack * self.m * self.k * self.n * self.times


@functools.lru_cache(maxsize=16)
def step_products(model: ModelConfig, rows: int, length: int) -> tuple[Product, ...]:
    """Every matrix product in the forward and backward of one step with S = T = ``length``."""
    run = RunConfig(model=model, twin=TwinConfig(loss_chunk=0))
    with fake("cpu"), sdpa_kernel(SDPBackend.MATH), _Products() as counted:
        objective = twin(run)
        inputs, targets = ids(Shape(rows, length, length), objective)
        backward(objective(inputs, targets))
    return tuple(
        Product(stack, m, k, n, times) for (stack, m, k, n), times in counted.sizes.items()
    )


class _Products(TorchDispatchMode):
    """Counts the products that are made while it is entered, by (stack, m, k, n)."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: Counter[tuple[int, int, int, int]] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _OPERANDS:
            a, b = args[_OPERANDS[func] : _OPERANDS[func] + 2]
            stack = a.shape[0] if a.ndim == 3 else 1
            self.sizes[stack, *a.shape[-2:], b.shape[-1]] += 1
        return func(*args, **(kwargs or {}))


def main(arguments: list[str]) -> None:
    """Answer requests until standard input ends."""
    preset, settings = arguments
    bench = BenchConfig.from_json(settings)
    model = bench_config(preset, bench.model, workers=bench.workers).model
    length = workload(preset).length
    serve(lambda rows: {"products": step_products(model, rows, length)})


_ATEN = torch.ops.aten
_OPERANDS = {
    _ATEN.mm.default: 0,
    _ATEN.bmm.default: 0,
    _ATEN.addmm.default: 1,
    _ATEN.baddbmm.default: 1,
}
"""The operations that multiply matrices, and which argument is the first of the two."""

if __name__ == "__main__":
    main(sys.argv[1:])
