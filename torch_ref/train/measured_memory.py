"""The most memory that an update takes, measured: what ``npformer plan --check`` compares with."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from npformer.config import RunConfig
from npformer.plan.shape import Shape
from npformer.text.batches import Batch
from torch_ref.models import twin_class
from torch_ref.train.engine import TorchEngine


def measure_update(config: RunConfig, shape: Shape) -> int:
    """The peak, in bytes, of an engine's second update of full batches of ``shape``.

    Everything that PyTorch allocates counts, from the engine's making on: on a GPU by its
    allocator's own count, on a CPU by adding up each allocation and release that the profiler sees.
    """
    batches = [random_batch(config, shape, seed) for seed in range(config.train.accumulate)]

    def work() -> None:
        engine = TorchEngine(config)
        for update in range(2):
            for micro, batch in enumerate(batches):
                engine.gradients(batch, (update, micro))
            engine.update(0.0)

    device = config.twin.device
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated()
    return peak_allocated(work)


def peak_allocated(work: Callable[[], object]) -> int:
    """The most bytes of CPU tensors that exist at one time while ``work`` runs."""
    # The profiler's library would say on standard error that it starts and stops.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    assert profiled.profiler is not None
    results = profiled.profiler.kineto_results
    assert results is not None
    changes = [(e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]"]
    changes.sort(key=lambda change: change[0])  # stable: what is simultaneous stays in order
    return max(0, int(np.cumsum([size for _, size in changes], dtype=np.int64).max(initial=0)))


def random_batch(config: RunConfig, shape: Shape, seed: int) -> Batch:
    """A batch without padding, of uniformly drawn ids."""
    rng = np.random.default_rng(seed)

    def ids(length: int) -> np.ndarray:
        low = min(4, config.model.vocab_size - 1)
        return rng.integers(low, config.model.vocab_size, size=(shape.rows, length))

    lengths = {"source": shape.source, "target": shape.target}
    inputs = {name: ids(lengths[name]) for name in twin_class(config.model).streams}
    return Batch(inputs, ids(shape.target))
