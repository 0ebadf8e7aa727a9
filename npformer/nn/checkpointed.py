"""Activation checkpointing: what a module made is made again in the backward (arXiv:1604.06174).

The forward keeps what the module was *given* and forgets what it made; the backward runs the
forward once more, for its cache, and walks back from there. So a stack of layers keeps one input a
layer, and one layer's activations at a time, for one more forward of arithmetic: a third more,
where a backward is two forwards.

The second run must be the first one over again. What a forward reads besides its arguments is its
parameters, which no one changes between the two, and randomness. A generator is an argument that
the forward *changes*: its state is copied before the first run, into the cache, and the second run
draws from a copy of the copy. So the state belongs to the call and not to the module: two calls
before two backwards, of one module, are each replayed with their own masks, and the caller's
generator ends where one run leaves it.

Chapter     walkthroughs/21_memory_against_arithmetic.md
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from npformer.nn.module import Array, Module


class CheckpointedCache(NamedTuple):
    arguments: tuple[Any, ...]  # as they were given; generators as they were
    keywords: dict[str, Any]
    auxiliary: Any = None  # what the first run added to the loss; the second adds nothing


def checkpointed_forward(
    module: Any, *arguments: Any, **keywords: Any
) -> tuple[Any, CheckpointedCache]:
    """``module.forward(...)`` -> y, cache, of which the cache holds the arguments alone."""
    cache = CheckpointedCache(*_with_copies(arguments, keywords))
    y, inner = module.forward(*arguments, **keywords)
    return y, cache._replace(auxiliary=getattr(inner, "auxiliary", None))


def checkpointed_backward(module: Any, dy: Array, cache: CheckpointedCache) -> Any:
    """What ``module.backward`` gives for dy, after the forward of the same call once more."""
    arguments, keywords = _with_copies(cache.arguments, cache.keywords)
    _, inner = module.forward(*arguments, **keywords)
    return module.backward(dy, inner)


def _with_copies(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The arguments, with a copy of each generator."""
    return tuple(map(_copied, arguments)), {name: _copied(a) for name, a in keywords.items()}


def _copied(argument: Any) -> Any:
    return copy.deepcopy(argument) if isinstance(argument, np.random.Generator) else argument


class Checkpointed(Module):
    """``inner``, whose activations are made again in the backward."""

    def __init__(self, inner: Module) -> None:
        self.inner = inner

    def forward(self, *arguments: Any, **keywords: Any) -> tuple[Any, CheckpointedCache]:
        """As ``inner.forward``; the cache holds the arguments and no activation."""
        return checkpointed_forward(self.inner, *arguments, **keywords)

    def backward(self, dy: Array, cache: CheckpointedCache) -> Any:
        """As ``inner.backward``."""
        return checkpointed_backward(self.inner, dy, cache)
