"""What an observer saw, as a recording holds it.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import inspect
import sys

import numpy as np

from npformer import seam
from npformer.inspect.caches import arrays, fields, owner
from npformer.inspect.observer import ModelObserver, SeenCall
from npformer.inspect.recording import RecordedCall
from npformer.ops.array import Array


def recorded_calls(observer: ModelObserver, weights: list[Array]) -> tuple[RecordedCall, ...]:
    """The calls that had a backward, in the order of the forward.

    ``weights``, in whatever shape an op is given them, are no inputs.
    """
    owners = {id(owner(weight)) for weight in weights}
    kept = _kept(observer.returned, owners)
    return tuple(
        _call(seen, order, kept[id(seen)], owners)
        for order, seen in enumerate(observer.seen)
        if seen.backward_order is not None
    )


def _call(seen: SeenCall, order: int, kept: dict[str, int], weights: set[int]) -> RecordedCall:
    """What was seen, as a recording holds it; ``weights`` are known by who owns their memory."""
    assert seen.backward_order is not None
    given = {name: a for name, a in seen.arguments.items() if isinstance(a, np.ndarray)}
    inputs = {name: array for name, array in given.items() if id(owner(array)) not in weights}
    real = [name for name, array in given.items() if array.dtype.kind == "f"]
    several = seen.gradients if isinstance(seen.gradients, tuple) else (seen.gradients,)
    dinputs = {
        name: gradient
        for name, gradient in zip(real, several, strict=False)
        if name in inputs and gradient is not None
    }
    known = {id(array) for array in (*inputs.values(), seen.output)}
    internals = {
        name: value
        for name, value in fields(seen.cache)
        if isinstance(value, np.ndarray) and name not in inputs and id(value) not in known
        if id(owner(value)) not in weights
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
        settings={
            n: a for n, a in seen.arguments.items() if isinstance(a, bool | int | float | str)
        },
    )


def _inside(op: seam.Call, seen: SeenCall) -> dict[str, Array]:
    """What an op's file has to show besides its cache: ``X_inside(dy, cache, ...)``, if there.

    Its other arguments are those of the forward that it names.
    """
    inside = getattr(sys.modules[op.function.__module__], f"{op.pair}_inside", None)
    if inside is None:
        return {}
    names = inspect.signature(inside).parameters
    again = {name: a for name, a in seen.arguments.items() if name in names}
    return inside(seen.doutput, seen.cache, **again)


def _kept(returned: list[SeenCall], weights: set[int]) -> dict[int, dict[str, int]]:
    """Identity of a call -> bytes of the memory that its cache holds and no cache before it.

    Children return before their parent, so their share is already theirs.
    """
    owned = set(weights)
    found: dict[int, dict[str, int]] = {}
    for seen in returned:
        kept = found[id(seen)] = {}
        for name, array in arrays(seen.cache):
            whole = owner(array)
            if id(whole) not in owned:
                owned.add(id(whole))
                kept[name] = kept.get(name, 0) + whole.nbytes
    return found
