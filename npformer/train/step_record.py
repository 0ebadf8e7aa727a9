"""What a step of the NumPy engine has in memory at each of its moments, as ``tracemalloc`` sees it.

A moment is what lies between two calls of an op or of a module's method, or inside one, and is
named by them: the same moment of a deeper model, or of more rows, has the same name.
"""

from __future__ import annotations

import itertools
import re
import tracemalloc
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from npformer.config import RunConfig
from npformer.models import family
from npformer.models.loss import LOSS
from npformer.models.model import Model
from npformer.nn.module import Array
from npformer.plan.shape import Shape
from npformer.seam import Call, watching
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine

Name = tuple[str, str, int]
"""The module at work, what begins or ends in it, and how often that has happened before."""


class Moment(NamedTuple):
    """Bytes beside weights and optimizer."""

    gradients: int
    """Sums of gradients that were there."""
    logits: int
    """Logits, or their gradient in their place."""
    kept: int
    """What else was there when it began."""
    working: int
    """What was there for the moment alone, at its highest."""


class Record(NamedTuple):
    """A step of one worker; its moments by name."""

    parameters: int
    """Numbers in the model."""
    weights: int
    """Bytes of the weights, and of what goes with them, such as tables of positions."""
    optimizer: int
    moments: dict[Name, Moment]


def record(config: RunConfig, shape: Shape, rows: Iterable[int]) -> list[Record]:
    """A step on each number of rows of ``shape``, by one worker, its last batch and its update."""
    with tracing():
        engine = NumpyEngine(config)
        return [_step(engine, config, shape._replace(rows=count)) for count in rows]


def measure_update(config: RunConfig, shape: Shape) -> int:
    """The most bytes that an engine's arrays have from its making to its second update."""
    batches = [random_batch(config, shape, seed) for seed in range(config.train.accumulate)]
    with tracing():
        engine = NumpyEngine(config)
        for update in range(2):
            for micro, batch in enumerate(batches):
                engine.gradients(batch, (update, micro))
            engine.update(0.0)
        return tracemalloc.get_traced_memory()[1]


@contextmanager
def tracing() -> Iterator[None]:
    """Memory that is taken in the block is traced, and what was traced before it forgotten."""
    if tracemalloc.is_tracing():
        tracemalloc.clear_traces()
        yield
        return
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def random_batch(config: RunConfig, shape: Shape, seed: int = 0) -> Batch:
    """A batch without padding, of uniformly drawn ids."""
    rng = np.random.default_rng(seed)
    size = config.model.vocab_size

    def ids(length: int) -> Array:
        return rng.integers(min(4, size - 1), size, size=(shape.rows, length))

    lengths = {"source": shape.source, "target": shape.target}
    inputs = {name: ids(lengths[name]) for name in family(config.model.family).streams}
    return Batch(inputs, ids(shape.target))


def _step(engine: NumpyEngine, config: RunConfig, shape: Shape) -> Record:
    batch = random_batch(config, shape)
    engine.gradients(batch, (0, 0))
    engine.update(0.0)
    optimizer = sum(array.nbytes for array in engine.optimizer.buffers.values())
    standing = tracemalloc.get_traced_memory()[0]
    if config.train.accumulate > 1:  # its sums of gradients are there from the first batch on
        engine.gradients(batch, (1, 0))
    watch = _Watch(engine, standing)
    with watching(watch):
        engine.gradients(batch, (1, 1))
        watch.begin("", "update")
        engine.update(0.0)
        watch.begin("", "end")
    parameters = engine.model.parameter_count()
    return Record(parameters, standing - optimizer, optimizer, watch.moments())


class _Watch:
    """An observer of the seam that closes a moment at every call's beginning and end."""

    def __init__(self, engine: NumpyEngine, standing: int) -> None:
        self._engine = engine
        self._names: dict[int, str] = {}
        for model in engine.replicas:
            self._names[id(model)] = ""
            self._names |= {id(m): _from_the_end(name, model) for name, m in model.named_modules()}
        self._at = [""]
        self._logits: Any = lambda: None
        self._seen: defaultdict[tuple[str, str], Iterator[int]] = defaultdict(itertools.count)
        self._moments: dict[Name, Moment] = {}
        self._begun: tuple[Name, int, int, int] = (("", "begin", 0), 0, 0, standing)
        self._standing = standing
        tracemalloc.reset_peak()

    def __call__(self, call: Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        where = self._names.get(id(call.owner), self._at[-1])
        self.begin(where, call.name)
        self._at.append(where)
        if call.name == Call(LOSS.forward).name:
            self._logits = weakref.ref(_owner(args[0]))
        result = run(*args, **kwargs)
        self._at.pop()
        self.begin(where, f"{call.name} ended")
        return result

    def begin(self, where: str, what: str) -> None:
        """A moment ends, and one of that name begins."""
        now, highest = tracemalloc.get_traced_memory()
        gradients = sum(g.nbytes for g in self._engine.flat.gradients().values())
        name, before, logits, begun = self._begun
        # A sum of gradients that began in this moment is one for all workers, at its highest too.
        summed = max(before, gradients)
        there = highest - self._standing - summed - logits
        kept = min(there, begun - self._standing - before - logits)
        self._moments[name] = Moment(summed, logits, kept, there - kept)
        array = self._logits()
        name = (where, what, next(self._seen[where, what]))
        self._begun = (name, gradients, 0 if array is None else array.nbytes, now)
        tracemalloc.reset_peak()

    def moments(self) -> dict[Name, Moment]:
        """All that have ended."""
        return self._moments


def _owner(array: Array) -> Array:
    """The array whose memory it is."""
    return _owner(array.base) if isinstance(array.base, np.ndarray) else array


def _from_the_end(name: str, model: Model) -> str:
    """A module's name with its layer's number, but for the first, counted from the last, -1."""
    found = re.match(r"(\w+)\.layers\.(\d+)(.*)", name)
    if not found or found[2] == "0":
        return name
    stack, index, rest = found.groups()
    return f"{stack}.layers.{int(index) - len(getattr(model, stack).layers)}{rest}"
