"""What a recording holds: every call of one forward and one backward, in plain arrays.

``npformer.inspect.record`` makes one of the NumPy model, ``torch_ref.inspect.record`` one of the
twin, and the two have the same paths, names and shapes.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from npformer.errors import nearest

Array = np.ndarray


@dataclass(frozen=True)
class RecordedCall:
    """One call of a module or an op: what went in and came out, and the gradients of both.

    A module that is called twice has two calls under one path: the embedding reads the source
    (0) and the target (1), and a tied one is the output projection as well (2).
    """

    path: str
    """Through the module tree, as in a parameter's name; ``""`` is the model, ``"loss"`` the loss.

    An op that a module calls besides its children is below it: ``self_attn.attention``.
    """
    call: int
    """Which call of this path it is, from 0."""
    kind: str
    """The module's class (``Linear``; ``Embedding.project`` for another pair of methods than
    forward and backward), or the op's name (``attention``)."""
    op: str | None
    """The op in which it computes: its own name, or that of what a module without children calls.
    None for a module that is made of others, and in the twin's recordings."""
    inputs: dict[str, Array]
    """The forward's array arguments by name, parameters left out."""
    output: Array
    dinputs: dict[str, Array]
    """What this call sends back: the gradient of each input by this call alone.

    An array that others use too (a skip path, a memory) gets the sum of its calls' shares. Ids
    and masks have none.
    """
    doutput: Array
    """The gradient that arrived: of the output, by all its uses."""
    internals: dict[str, Array]
    """What the op kept besides these: ``probs`` of attention (with ``scores``, -inf where a key
    is hidden, ``dprobs`` and ``dscores``), ``xhat`` and ``rstd`` of layer norm, ``gate``,
    ``keep``."""
    kept: dict[str, int]
    """Bytes that the forward left for the backward, by name of the array.

    Children's, parameters, and arrays that an earlier call already keeps are left out, so that
    the sum over all calls is what the whole pass holds.
    """
    forward_order: int
    """When the call began, among all calls of the forward; a module begins before its children."""
    backward_order: int
    """When its backward began, among all of the backward."""
    caller: int | None
    """``forward_order`` of the call that made it; None for the model and the loss."""
    settings: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    """The forward's other arguments: ``causal``, ``window``, ``eps``. None are in the twin's."""

    @property
    def cache_bytes(self) -> int:
        """The bytes of ``kept`` in all."""
        return sum(self.kept.values())


@dataclass(frozen=True)
class Recording:
    """One forward and one backward of a model on one batch."""

    calls: tuple[RecordedCall, ...]
    """In the order of the forward."""
    loss: float
    """What was asked for (``record``): the mean cross-entropy of the target's tokens, or a sum."""
    gradients: dict[str, Array]
    """Of every parameter, by its path."""
    streams: Mapping[str, str]
    """Of each input of the model, the path of the stack that reads it."""

    def __getitem__(self, path: str) -> RecordedCall:
        """The first call of ``path``; KeyError, with the nearest path, where there is none."""
        return self.call(path, 0)

    def __contains__(self, path: object) -> bool:
        return any(call.path == path for call in self.calls)

    def call(self, path: str, number: int) -> RecordedCall:
        """Call ``number`` of ``path``; raises KeyError, with the nearest, if there is none."""
        found = [call for call in self.calls if call.path == path]
        for call in found:
            if call.call == number:
                return call
        if found:
            raise KeyError(f"{path!r} was called {len(found)} times; there is no call {number}")
        raise KeyError(f"no call of {path!r} was recorded{nearest(path, self.paths)}")

    def calls_of(self, call: RecordedCall) -> list[RecordedCall]:
        """What ``call`` itself calls, in the order of the forward."""
        return [other for other in self.calls if other.caller == call.forward_order]

    @functools.cached_property
    def kinds_by_path(self) -> dict[str, list[str]]:
        """The kind of each call of a path, in the order of the forward."""
        kinds: dict[str, list[str]] = {}
        for call in self.calls:
            kinds.setdefault(call.path, []).append(call.kind)
        return kinds

    @property
    def paths(self) -> list[str]:
        """Every path once, in the order of the forward."""
        return list(dict.fromkeys(call.path for call in self.calls))

    @property
    def attention(self) -> dict[str, Array]:
        """Path of a module that attends -> its probabilities (B, N, T, S)."""
        return {
            call.path.rpartition(".")[0]: call.internals["probs"]
            for call in self.calls
            if "probs" in call.internals
        }

    def backward(self) -> list[RecordedCall]:
        """The calls in the order in which their backwards ran."""
        return sorted(self.calls, key=lambda call: call.backward_order)
