"""Where the gradient of one target position's loss goes: its norm by node and by token.

Each target position gets a copy of the sentence pair in which only its own loss counts. One
backward over the copies, which are rows of a batch and so do not mix, gives every position's
gradient at every node.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from npformer.explorer.arrays import encode
from npformer.explorer.nodes import is_idle, token_side, use
from npformer.inspect import record
from npformer.inspect.recording import RecordedCall, Recording
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.text.batches import Batch

LAYER = re.compile(r"\w+\.layers\.\d+")
COPIES = 16
"""Target positions in one backward; bounds the memory of long sentences."""


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


def flow_data(model: Model, batch: Batch) -> list[dict[str, Any]]:
    """The places from the loss down, each with ``norms`` of its gradient (T, positions).

    Row t is of the loss at target position t alone, not divided by T; each entry is the Euclidean
    norm of dL_t/dy at one position of y.
    """
    places, norms = position_gradients(model, batch)
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
    ]


def position_gradients(model: Model, batch: Batch) -> tuple[list[TokenRows], list[Array]]:
    """Every place in the order of the backward, and each one's norms (T, positions)."""
    positions = batch.targets.shape[1]
    found: list[TokenRows] = []
    rows: list[list[Array]] = []
    for start in range(0, positions, COPIES):
        wanted = np.arange(start, min(start + COPIES, positions))
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


def _copies(batch: Batch, wanted: Array) -> Batch:
    """The one pair of ``batch`` again for each wanted position, with that position's loss alone."""
    copies = len(wanted)
    targets = np.full((copies, batch.targets.shape[1]), batch.no_target)
    targets[np.arange(copies), wanted] = batch.targets[0, wanted]
    inputs = {name: np.repeat(ids, copies, axis=0) for name, ids in batch.inputs.items()}
    return Batch(inputs, targets, batch.no_target)
