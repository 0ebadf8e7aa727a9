"""``record``: run one forward and one backward, and keep everything that passed between modules.

An observer of the seam (``observer.py``) sees each call; this file runs the model under it, and
makes the recording of what it saw. The model computes what it always does: the gradients are
those of an ordinary backward, bit for bit.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from npformer import seam
from npformer.inspect.caches import arrays, fields, owner
from npformer.inspect.observer import Seen, observing
from npformer.inspect.recording import RecordedCall, Recording
from npformer.models.loss import LOSS
from npformer.models.model import Model
from npformer.nn.module import Module
from npformer.ops.array import Array
from npformer.text.batches import Batch


def record(
    model: Model,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Recording:
    """One forward, the loss, and one backward of ``model`` on ``batch``, with all that passed.

    The loss is the mean cross-entropy of the target's tokens, padding left out. ``rng`` draws the
    dropout; None drops nothing. The gradients that the model's parameters hold are afterwards as
    they were, also when an exception ends the run; meanwhile no other thread may train it, while
    other threads may record other models. The arrays are those that the model made, not copies.
    Raises as the model's ``forward``.
    """
    with _gradients_set_aside(model), observing(model) as observer:
        logits, cache = model.forward(**batch.inputs, rng=rng)
        loss, loss_cache = LOSS.forward(
            logits,
            batch.targets,
            label_smoothing=label_smoothing,
            ignore_index=model.config.padding_id,
        )
        dlogits = LOSS.backward(np.ones_like(loss), loss_cache)
        model.backward(dlogits, cache)
        gradients = {
            path: np.zeros_like(parameter.data) if parameter.grad is None else parameter.grad
            for path, parameter in model.named_parameters()
        }
    weights = [parameter.data for parameter in model.parameters()]
    kept = _kept(observer.returned, weights)
    known = {id(weight) for weight in weights}
    calls = [
        _call(seen, order, kept[id(seen)], known)
        for order, seen in enumerate(observer.seen)
        if seen.backward_order is not None
    ]
    return Recording(tuple(calls), float(loss), gradients, model.streams)


def _call(seen: Seen, order: int, kept: dict[str, int], weights: set[int]) -> RecordedCall:
    """What was seen, as a recording holds it; ``weights``, by identity, are no inputs."""
    assert seen.backward_order is not None
    given = {name: a for name, a in seen.arguments.items() if isinstance(a, np.ndarray)}
    inputs = {name: array for name, array in given.items() if id(array) not in weights}
    real = [name for name, array in given.items() if array.dtype.kind == "f"]
    several = seen.gradients if isinstance(seen.gradients, tuple) else (seen.gradients,)
    dinputs = {
        name: gradient
        for name, gradient in zip(real, several, strict=False)
        if name in inputs and gradient is not None
    }
    known = {id(array) for array in (*inputs.values(), seen.output)} | weights
    internals = {
        name: value
        for name, value in fields(seen.cache)
        if isinstance(value, np.ndarray) and name not in inputs and id(value) not in known
    }
    if seen.op is not None:
        internals |= _inside(seen.op, seen)
    return RecordedCall(
        path=seen.path,
        call=seen.number,
        kind=seen.kind,
        op=None if seen.op is None else seen.op.pair,
        inputs=inputs,
        output=seen.output,
        dinputs=dinputs,
        doutput=seen.doutput,
        internals=internals,
        kept=kept,
        forward_order=order,
        backward_order=seen.backward_order,
        caller=seen.caller,
    )


def _inside(op: seam.Call, seen: Seen) -> dict[str, Array]:
    """What an op's file has to show besides its cache: ``X_inside(dy, cache)``, if it is there."""
    inside = getattr(sys.modules[op.function.__module__], f"{op.pair}_inside", None)
    return {} if inside is None else inside(seen.doutput, seen.cache)


def _kept(returned: list[Seen], weights: list[Array]) -> dict[int, dict[str, int]]:
    """Identity of a call -> bytes of the memory that its cache holds and no cache before it.

    Children return before their parent, so their share is already theirs.
    """
    owned = {id(owner(weight)) for weight in weights}
    found: dict[int, dict[str, int]] = {}
    for seen in returned:
        kept = found[id(seen)] = {}
        for name, array in arrays(seen.cache):
            whole = owner(array)
            if id(whole) not in owned:
                owned.add(id(whole))
                kept[name] = kept.get(name, 0) + whole.nbytes
    return found


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
