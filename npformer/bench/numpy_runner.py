"""NumPy, its twin or JAX, timed: ``python -m npformer.bench.numpy_runner NAME PRESET SETTINGS``.

SETTINGS are a ``BenchConfig`` as JSON. It is asked for so many training ``step``s, or to ``decode``
so many tokens (see ``process.py``).
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

import numpy as np

from npformer.bench.process import Answer, serve, timed
from npformer.bench.settings import BenchConfig
from npformer.bench.shapes import bench_config, random_batch
from npformer.config import RunConfig
from npformer.text.batches import Batch
from npformer.text.tokenizer import BOS
from npformer.train.engine import Engine
from npformer.train.memory import peak_memory

LEARNING_RATE = 1e-4


def make_step(name: str, preset: str, bench: BenchConfig) -> Callable[[int], None]:
    """One training step of the implementation ``name``, as a function of the step's number."""
    config = bench_config(preset, bench.model, workers=bench.workers, dropout=bench.dropout)
    batch = random_batch(preset, bench.model)
    if name == "jax":
        return _jax_step(config, batch)
    engine = _engine(name, config)

    def step(number: int) -> None:
        engine.gradients(batch, (0, number))
        engine.update(LEARNING_RATE)

    return step


def _jax_step(config: RunConfig, batch: Batch) -> Callable[[int], None]:
    from npformer.bench.jax_transformer import JaxTransformer

    trained = JaxTransformer(config)

    def step(number: int) -> None:
        trained.train(batch, number, LEARNING_RATE)

    return step


def make_decode(name: str, preset: str, bench: BenchConfig) -> Callable[[int], None]:
    """Cached greedy decoding of one sentence, as a function of how many tokens to write."""
    model = _engine(name, bench_config(preset, bench.model, workers=bench.workers)).model
    if name == "numpy":
        model.lay_by_columns()  # as the commands that decode do
    inputs = random_batch(preset, bench.model).inputs
    read = [inputs[stream][:1] for stream in inputs if stream != "target"]

    def decode(tokens: int) -> None:
        # No stop at the end of the sentence: random weights would end it at chance.
        state = model.start(*read)
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
    twin = dataclasses.replace(config.twin, compile=name == "torch.compile")
    return TorchEngine(dataclasses.replace(config, twin=twin))


def main(arguments: list[str]) -> None:
    """Answer requests until standard input ends."""
    name, preset, settings = arguments
    bench = BenchConfig.from_json(settings)
    step = decode = None
    number = 0

    def answer(what: str, count: int) -> Answer:
        nonlocal step, decode, number
        if what == "step":
            step = step or make_step(name, preset, bench)
            times = timed(step, range(number, number + count))
            number += count
        else:
            decode = decode or make_decode(name, preset, bench)
            times = [seconds / count for seconds in timed(decode, [count])]
        return {"times": times, "peak_memory": peak_memory()}

    serve(answer)


if __name__ == "__main__":
    main(sys.argv[1:])
