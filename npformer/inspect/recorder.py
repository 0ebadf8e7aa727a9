"""``record``: run one forward and one backward, and keep everything that passed between modules.

An observer of the seam (``observer.py``) sees each call; this file runs the model under it, and
``recorded_calls.py`` makes the recording of what it saw. The model computes what it always does:
the gradients are those of an ordinary backward, bit for bit.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from npformer.inspect.observer import observing
from npformer.inspect.recorded_calls import recorded_calls
from npformer.inspect.recording import Recording
from npformer.models.loss import LOSS, asked
from npformer.models.model import Model
from npformer.nn.module import Array, Module
from npformer.text.batches import Batch


def record(
    model: Model,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
    auxiliary: bool = False,
) -> Recording:
    """One forward, the loss, and one backward of ``model`` on ``batch``, with all that passed.

    The loss is the mean cross-entropy of the targets that are not ``batch.no_target``; of a model
    of vectors it is the sum of them times the targets, which so are their gradient. With
    ``auxiliary`` it is what training sums before it divides: the targets' cross-entropies, and
    the losses beside them that the model has, of its experts and of later tokens. ``rng``
    draws the dropout; None drops nothing. The gradients that the model's parameters hold are
    afterwards as they were, also when an exception ends the run; meanwhile no other thread may
    train it, while other threads may record other models. The arrays are those that the model made,
    not copies. Raises as the model's ``forward``.
    """
    with _gradients_set_aside(model), observing(model) as observer:
        if batch.targets.dtype.kind == "f":
            vectors, cache = model.encode(**batch.inputs, rng=rng)
            dvectors = batch.targets.astype(vectors.dtype)
            loss = (vectors * dvectors).sum()
            model.encode_backward(dvectors, cache)
        else:
            beside = auxiliary and model.auxiliary
            more = {"targets": asked(batch.targets, batch.no_target)} if beside else {}
            logits, cache = model.forward(**batch.inputs, rng=rng, **more)
            loss, loss_cache = LOSS.forward(
                logits,
                batch.targets,
                label_smoothing=label_smoothing,
                ignore_index=batch.no_target,
                reduction="sum" if auxiliary else "mean",
            )
            dlogits = LOSS.backward(np.ones_like(loss), loss_cache)
            model.backward(dlogits, cache)
            loss = loss + cache.auxiliary.loss if beside else loss
        gradients = {
            path: _zeros(parameter.data) if parameter.grad is None else parameter.grad
            for path, parameter in model.named_parameters()
        }
    calls = recorded_calls(observer, [parameter.data for parameter in model.parameters()])
    return Recording(calls, float(loss), gradients, model.streams)


def _zeros(like: Array) -> Array:
    """Zeros that take no memory: frozen parameters may be most of a model."""
    return np.broadcast_to(np.zeros((), like.dtype), like.shape)


@contextmanager
def _gradients_set_aside(model: Module) -> Iterator[None]:
    """Parameters without a gradient, until the block ends and they have their former one again."""
    before = [(parameter, parameter.grad) for parameter in model.parameters()]
    try:
        for parameter, _ in before:
            parameter.grad = None
        yield
    finally:
        for parameter, gradient in before:
            parameter.grad = gradient
