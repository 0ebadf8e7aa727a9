"""Where the gradient of one target position's loss goes: its norm by node and by token.

Each target position gets a copy of the sentence pair in which only its own loss counts. One
backward over the copies, which are rows of a batch and so do not mix, gives every position's
gradient at every node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from npformer.explorer.arrays import encode
from npformer.explorer.nodes import is_idle, token_side, use
from npformer.inspect import record
from npformer.inspect.reading import Reading
from npformer.inspect.recording import RecordedCall, Recording
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.text.batches import Batch

LAYER = re.compile(r"\w+\.layers\.(\d+)")
"""The path of a layer, and the beginning of the path of what is in it."""
COPIES, TOKENS = 16, 256
"""Target positions in one backward, and how many tokens or frames they may read together; one
position is always there. They bound the memory of long texts and large models."""


class TokenRows(NamedTuple):
    """One tensor of the model that has a row for each token: a call's output, or its input."""

    call: RecordedCall
    use: str
    side: str
    """Whose tokens: ``source`` or ``target``."""
    stream: bool
    """Whether it is a state of the residual stream, or the logits that are read off it: what the
    model returns, and what a layer or a stack calls besides layers."""
    order: float
    """When its gradient was complete in the backward; the loss's own comes first."""
    gradient: Array
    """dL/dy, (B, positions, features)."""


def flow_data(model: Model, reading: Reading, keeps: Callable[[str], bool]) -> list[dict[str, Any]]:
    """The places from the loss down, each with ``norms`` of its gradient (T, positions).

    Row t is of the loss at target position t alone, not divided by T; each entry is the Euclidean
    norm of dL_t/dy at one position of y. The residual stream is there in every layer, the rest in
    those that the page ``keeps``.
    """
    places, norms = position_gradients(model, reading.batch)
    norms = [
        reading.length(norm) if place.side == "source" else norm
        for place, norm in zip(places, norms, strict=True)
    ]
    return [
        {
            "path": place.call.path,
            "use": place.use,
            "kind": place.call.kind,
            "side": place.side,
            "stream": place.stream,
            "shape": list(norm.shape),
            **encode(norm),
        }
        for place, norm in zip(places, norms, strict=True)
        if place.stream or keeps(place.call.path)
    ]


def position_gradients(model: Model, batch: Batch) -> tuple[list[TokenRows], list[Array]]:
    """Every place in the order of the backward, and each one's norms (T, positions)."""
    positions = batch.targets.shape[1]
    read = max(read.shape[-1] for read in batch.inputs.values())  # tokens, or frames of a sound
    together = min(COPIES, max(1, TOKENS // read))
    found: list[TokenRows] = []
    rows: list[list[Array]] = []
    with _frozen(model):
        for start in range(0, positions, together):
            wanted = np.arange(start, min(start + together, positions))
            found = []  # before the next ones are recorded, which are as large
            found = places(record(model, _copies(batch, wanted)))
            # The recorded loss is the mean over the copies.
            rows.append([np.linalg.norm(p.gradient, axis=-1) * len(wanted) for p in found])
    return found, [np.concatenate(parts) for parts in zip(*rows, strict=True)]


def places(recording: Recording) -> list[TokenRows]:
    """The outputs of all calls, and what each stack reads, in the order of the backward."""
    stacks = recording.streams.values()
    streams = {
        call.forward_order
        for call in recording.calls
        if call.path in stacks or LAYER.fullmatch(call.path)
    }
    found = []
    for call in recording.calls:
        if call.doutput.ndim == 3 and not is_idle(call):
            stream = call.caller in streams and not LAYER.fullmatch(call.path)
            stream = stream or call.path == ""
            side = token_side(call, "y", recording)
            found.append(
                TokenRows(
                    call, use(call, recording), side, stream, call.backward_order, call.doutput
                )
            )
        if call.path in stacks:
            last = max(c.backward_order for c in recording.calls if c.path.startswith(call.path))
            gradient = call.dinputs["x"]
            found.append(
                TokenRows(
                    call, "input", token_side(call, "x", recording), True, last + 0.5, gradient
                )
            )
    return sorted(found, key=lambda place: place.order)


@contextmanager
def _frozen(model: Model) -> Iterator[None]:
    """No parameter gathers a gradient, which would take the memory of a model, in the block."""
    trained = [parameter for parameter in model.parameters() if parameter.trainable]
    try:
        for parameter in trained:
            parameter.trainable = False
        yield
    finally:
        for parameter in trained:
            parameter.trainable = True


def _copies(batch: Batch, wanted: Array) -> Batch:
    """The one pair of ``batch`` again for each wanted position, with that position's loss alone."""
    copies = len(wanted)
    targets = np.full((copies, batch.targets.shape[1]), batch.no_target)
    targets[np.arange(copies), wanted] = batch.targets[0, wanted]
    inputs = {name: np.repeat(ids, copies, axis=0) for name, ids in batch.inputs.items()}
    return Batch(inputs, targets, batch.no_target)
