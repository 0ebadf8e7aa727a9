"""The NumPy model, watched: as the suspect, whose every call is noted, and as the reference.

As the reference it runs once on the suspect's own numbers (``numpy_force``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from npformer.models.loss import LOSS, asked
from npformer.seam import watching
from npformer.text.batches import Batch
from npformer.verify.lockstep.numpy_force import NumpyForce
from npformer.verify.lockstep.numpy_observer import NumpyObserver
from npformer.verify.lockstep.numpy_watch import NumpyWatch
from npformer.verify.lockstep.verdicts import Verdicts
from npformer.verify.lockstep.visits import Array, Trace, real

LossPair = tuple[Callable[..., Any], Callable[..., Any]]


def trace(
    model: Any,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
    loss: LossPair = LOSS,
    light: bool = False,
) -> Trace:
    """One forward, the loss and one backward of ``model``, with every call that it made.

    The model's gradients are afterwards as they were. Here what is frozen
    has one, too. Raises ``Stopped`` for an exception of the
    model's own that is none of npformer's.
    """
    watch = NumpyWatch(model, light)
    before = [(parameter, parameter.grad) for _, parameter in model.named_parameters()]
    frozen = [parameter for parameter, _ in before if not getattr(parameter, "trainable", True)]
    try:
        for parameter, _ in before:
            parameter.grad = None
        for parameter in frozen:
            parameter.trainable = True
        value = _run(model, batch, watch, loss, label_smoothing, rng)
        gradients = watch.finish()
    finally:
        for parameter, gradient in before:
            parameter.grad = gradient
        for parameter in frozen:
            parameter.trainable = False
    dtype = before[0][0].data.dtype
    return Trace(
        watch.visits, value, gradients, watch.accumulations, dtype, watch.ticks, watch.unseen
    )


def force(
    model: Any,
    batch: Batch,
    suspect: Trace,
    own: Trace,
    judge: Verdicts,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
) -> None:
    """Run the reference ``model`` (float64) on the numbers of ``suspect``, and judge each call.

    ``own`` is the reference's own trace: where the suspect makes more calls of a name than it does,
    its last ones count.
    """
    forced = NumpyForce(model, suspect, own, judge)
    _run(model, batch, forced, LOSS, label_smoothing, rng)
    for _, parameter in model.named_parameters():
        parameter.grad = None


def widened(model: Any, weights: dict[str, Array]) -> Any:
    """A copy of ``model`` in float64, with other weights."""
    wide = copy.deepcopy(model)
    for _, module in wide.named_modules():
        for name, value in vars(module).items():
            if real(value):
                setattr(module, name, value.astype(np.float64))
    for path, parameter in wide.named_parameters():
        parameter.data = weights[path].astype(np.float64)
        parameter.grad = None
        if not getattr(parameter, "trainable", True):
            parameter.trainable = True
    return wide


def _run(
    model: Any,
    batch: Batch,
    observer: NumpyObserver,
    loss: LossPair,
    label_smoothing: float,
    rng: np.random.Generator | None,
) -> float:
    with watching(observer), np.errstate(all="ignore"):
        if batch.targets.dtype.kind == "f":  # of vectors, whose gradient is given
            vectors, cache = model.encode(**batch.inputs, rng=rng)
            dvectors = batch.targets.astype(vectors.dtype)
            model.encode_backward(dvectors, cache)
            return float((vectors * dvectors).sum())
        beside = getattr(model, "auxiliary", False)
        more = {"targets": asked(batch.targets, batch.no_target)} if beside else {}
        logits, cache = model.forward(**batch.inputs, rng=rng, **more)
        value, loss_cache = observer.loss(
            "forward",
            loss[0],
            logits,
            batch.targets,
            label_smoothing=label_smoothing,
            ignore_index=batch.no_target,
            weight=None,
            reduction="mean",
        )
        dlogits = observer.loss("backward", loss[1], np.ones_like(value), loss_cache)
        model.backward(dlogits, cache)
    return float(value) + (float(cache.auxiliary.loss) if beside else 0.0)
