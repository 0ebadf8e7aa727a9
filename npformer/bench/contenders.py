"""The contenders, each in a process of its own: ``python -m npformer.bench.contenders NAME ...``.

A process of its own keeps one library's threads, allocator and imports out of another's times and
memory. It reads ``step N`` or ``decode N`` on standard input and answers with one line of JSON;
``suite.py`` asks them in turn, so that the machine's drift meets all of them alike.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np

from npformer.bench.floor import floor_step
from npformer.bench.shapes import bench_config, random_batch, workload
from npformer.config import RunConfig
from npformer.text.tokenizer import BOS
from npformer.train.engine import Engine

CONTENDERS = ("numpy", "torch", "torch.compile", "floor")
LEARNING_RATE = 1e-4


def make_step(name: str, preset: str, workers: int, dropout: float | None) -> Callable[[int], None]:
    """One whole training step of contender ``name``, as a function of the step's number."""
    config = bench_config(preset, workers=workers, dropout=dropout)
    if name == "floor":
        rows, length = workload(preset)
        return floor_step(config.model, rows, length, workers)
    engine = _engine(name, config)
    batch = random_batch(preset)

    def step(number: int) -> None:
        _, tokens = engine.gradients(batch, (0, number))
        engine.update(LEARNING_RATE, tokens)

    return step


def make_decode(name: str, preset: str, workers: int) -> Callable[[int], None]:
    """Cached greedy decoding of one sentence, as a function of how many tokens to write."""
    model = _engine(name, bench_config(preset, workers=workers)).model
    source = random_batch(preset).source[:1]

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


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(arguments: list[str]) -> None:
    """Answer requests until standard input ends."""
    name, preset, workers, dropout = arguments
    share = None if dropout == "preset" else float(dropout)
    step = decode = None
    number = 0
    for request in sys.stdin:
        what, count = request.split()
        times = []
        if what == "step":
            step = step or make_step(name, preset, int(workers), share)
            for _ in range(int(count)):
                begin = time.perf_counter()
                step(number)
                times.append(time.perf_counter() - begin)
                number += 1
        else:
            decode = decode or make_decode(name, preset, int(workers))
            begin = time.perf_counter()
            decode(int(count))
            times.append((time.perf_counter() - begin) / int(count))
        print(json.dumps({"times": times, "peak_memory": peak_memory()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
