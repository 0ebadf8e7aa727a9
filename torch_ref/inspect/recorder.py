"""``record`` of the twin: the same tree of calls as the NumPy model's, by way of autograd.

An array that is used in several places has one gradient, the sum over its uses, while a call's
share of it is what a hand-written backward returns. So every call is given an alias of each of its
inputs, and hands one of its output on (``observer.py``): a node of its own in autograd's graph,
with the same numbers in the same memory. One ``torch.autograd.grad`` then finds the gradients of
all aliases; the parameters' ``grad`` is never written to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from npformer.inspect.recording import RecordedCall, Recording
from torch_ref import ops
from torch_ref.bridge import to_array
from torch_ref.inspect.attention import INSIDE
from torch_ref.inspect.observer import ModelObserver, SeenCall, innermost
from torch_ref.models.decoding import inference
from torch_ref.models.looks_ahead import NO_TARGET
from torch_ref.models.model import Model

if TYPE_CHECKING:
    from npformer.text.batches import Batch


def record(
    twin: Model,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
    auxiliary: bool = False,
) -> Recording:
    """One forward, the loss, and one backward of ``twin`` on ``batch``, with all that passed.

    The loss is the mean cross-entropy of the targets that are not ``batch.no_target``; of a model
    of vectors it is the sum of them times the targets, which so are their gradient. With
    ``auxiliary`` it is what training sums before it divides: the targets' cross-entropies, and
    the losses beside them that the model has, of its experts and of later tokens. ``rng`` draws the
    dropout that the NumPy model draws from it; None drops nothing, whatever the twin's mode. The
    twin and its parameters' gradients are afterwards as they were. A call's ``kept`` holds what
    PyTorch saved for its backward during the call, by dtype and shape; its ``internals`` hold
    attention's probabilities and the gradients around them, which the fused kernel does not show
    and are computed beside it. Raises as the model's ``forward``.
    """
    like = twin.embedding.weight
    device = like.device
    inputs = {name: torch.tensor(read, device=device) for name, read in batch.inputs.items()}
    for name, read in inputs.items():
        if read.is_floating_point():  # a sound has a gradient
            inputs[name] = read.to(like.dtype).requires_grad_()
    observer = ModelObserver(twin)
    with innermost(observer):
        with inference(twin), observer.watching(twin), torch.enable_grad():
            targets = torch.tensor(batch.targets, device=device)
            if targets.is_floating_point():
                vectors = twin.encode(**inputs, rng=rng)
                loss = (vectors * targets.to(vectors)).sum()
            else:
                beside = auxiliary and twin.auxiliary
                asked = targets.masked_fill(targets == batch.no_target, NO_TARGET)
                y = twin(**inputs, rng=rng, **({"targets": asked} if beside else {}))
                logits, *losses = y if beside else (y,)
                loss = ops.cross_entropy(
                    logits,
                    targets,
                    label_smoothing=label_smoothing,
                    ignore_index=batch.no_target,
                    reduction="sum" if auxiliary else "mean",
                )
                loss = sum((one.loss for one in losses), loss)
        return _recording(observer, loss, twin)


def _recording(observer: ModelObserver, loss: Tensor, twin: Model) -> Recording:
    """Everything seen, with the gradients that ``loss`` sends there."""
    parameters = dict(twin.named_parameters())
    aliases = [
        tensor
        for seen in observer.seen
        for tensor in (*seen.inputs.values(), seen.output)
        if tensor.requires_grad  # ids and masks have no gradient
    ]
    frozen = [one for one in parameters.values() if not one.requires_grad]
    leaves = [*(one for one in parameters.values() if one.requires_grad), *aliases]
    found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    gradient = {id(leaf): g for leaf, g in zip(leaves, found, strict=True)}
    gradient |= {id(one): torch.zeros_like(one) for one in frozen}
    backward_order = {order: n for n, order in enumerate(observer.arrived)}
    calls = tuple(_call(seen, gradient, backward_order[seen.order]) for seen in observer.seen)
    # In autograd's own memory: copies would be as large as the model.
    gradients = {path: gradient[id(one)].detach().cpu().numpy() for path, one in parameters.items()}
    return Recording(calls, loss.item(), gradients, twin.streams)


def _call(seen: SeenCall, gradient: dict[int, Tensor], backward_order: int) -> RecordedCall:
    doutput = gradient[id(seen.output)]
    internals = {}
    if seen.kind in INSIDE:
        arguments: dict[str, Any] = {**seen.inputs, **seen.static}
        internals = INSIDE[seen.kind](**arguments, dy=doutput)
    return RecordedCall(
        path=seen.path,
        call=seen.number,
        kind=seen.kind,
        op=None,
        inputs={name: to_array(tensor) for name, tensor in seen.inputs.items()},
        output=to_array(seen.output),
        dinputs={
            name: to_array(gradient[id(tensor)])
            for name, tensor in seen.inputs.items()
            if id(tensor) in gradient
        },
        doutput=to_array(doutput),
        internals={name: to_array(tensor) for name, tensor in internals.items()},
        kept=seen.kept,
        forward_order=seen.order,
        backward_order=backward_order,
        caller=seen.caller,
    )
