"""NumPy or one of its baselines, timed: ``python -m npformer.bench.numpy_runner NAME ...``.

It is asked for so many training ``step``s, or to ``decode`` so many tokens (see ``process.py``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from npformer.bench.floor import floor_step
from npformer.bench.process import serve
from npformer.bench.shapes import bench_config, random_batch, workload
from npformer.config import RunConfig
from npformer.text.tokenizer import BOS
from npformer.train.engine import Engine
from npformer.train.memory import peak_memory

LEARNING_RATE = 1e-4


def make_step(name: str, preset: str, workers: int, dropout: float | None) -> Callable[[int], None]:
    """One training step of the implementation ``name``, as a function of the step's number."""
    config = bench_config(preset, workers=workers, dropout=dropout)
    if name == "floor":
        rows, length = workload(preset)
        return floor_step(config.model, rows, length, workers)
    engine = _engine(name, config)
    batch = random_batch(preset)

    def step(number: int) -> None:
        engine.gradients(batch, (0, number))
        engine.update(LEARNING_RATE)

    return step


def make_decode(name: str, preset: str, workers: int) -> Callable[[int], None]:
    """Cached greedy decoding of one sentence, as a function of how many tokens to write."""
    model = _engine(name, bench_config(preset, workers=workers)).model
    source = random_batch(preset).inputs["source"][:1]

    def decode(tokens: int) -> None:
        # No stop at the end of the sentence: random weights would end it at chance.
        state = model.start(source)
        ids = np.array([BOS])
        for _ in range(tokens):
            ids = model.step(ids, state).argmax(axis=-1)

    return decode


def _engine(name: str, config: RunConfig) -> Engine:
    if name == "numpy":
        from npformer.train.numpy_engine import NumpyEngine

        return NumpyEngine(config)
    import torch

    from torch_ref.train.engine import TorchEngine

    torch.set_num_threads(config.train.workers)
    engine = TorchEngine(config)
    if name == "torch.compile":
        engine.model.compile()
    return engine


def main(arguments: list[str]) -> None:
    """Answer requests until standard input ends."""
    name, preset, workers, dropout = arguments
    share = None if dropout == "preset" else float(dropout)
    step = decode = None
    number = 0

    def answer(what: str, count: int) -> dict[str, Any]:
        nonlocal step, decode, number
        times = []
        if what == "step":
            step = step or make_step(name, preset, int(workers), share)
            for _ in range(count):
                begin = time.perf_counter()
                step(number)
                times.append(time.perf_counter() - begin)
                number += 1
        else:
            decode = decode or make_decode(name, preset, int(workers))
            begin = time.perf_counter()
            decode(count)
            times.append((time.perf_counter() - begin) / count)
        return {"times": times, "peak_memory": peak_memory()}

    serve(answer)


if __name__ == "__main__":
    main(sys.argv[1:])
