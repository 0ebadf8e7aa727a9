"""What every decoder shares: the model it needs, the length limit, and token-by-token decoding.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from npformer.errors import ConfigError, NonFiniteError, ShapeError
from npformer.ops.array import Array
from npformer.seam import quiet

EXTRA_LENGTH = 50
"""An output may be this many tokens longer than its input (Vaswani et al., 2017, section 6.1)."""


class DecoderState(Protocol):
    """The key/value cache of a batch that is being decoded, and how far each row has come."""

    def select(self, rows: Array) -> None:
        """Make the batch ``rows`` (R',) of the old one, in place: reorder, repeat or drop rows."""


class CachedModel(Protocol):
    """What a decoder asks of a model; the NumPy Transformer and its twin both answer.

    A model may also choose by itself (``npformer/decode/choice.py``), where its logits are:
    ``step_best(ids, state, banned) -> logits (R,), ids (R,)`` for greedy decoding and
    ``step_top(ids, state, k, banned) -> log probabilities (R, K), ids (R, K)`` for beam search.
    """

    config: Any
    """Has ``max_length``, the most positions that the model accepts."""

    def start(self, source: Array) -> Any:
        """source (B, S) ids -> the state before the first token."""

    def step(self, ids: Array, state: Any) -> Array:
        """ids (R,), each row's newest token -> logits (R, V), an array the caller may change."""


class Begun:
    """A model whose every output begins with ``ids``, before the one that a search begins with.

    So BART begins with two: the id that ended the source, and the one that begins a text.
    """

    def __init__(self, model: CachedModel, ids: Sequence[int]) -> None:
        self._model, self._ids = model, tuple(ids)
        self.config = SimpleNamespace(max_length=model.config.max_length - len(self._ids))

    def start(self, source: Array) -> Any:
        """source (B, S) ids -> the state after ``ids``."""
        state = self._model.start(source)
        for each in self._ids:
            self._model.step(np.full(len(source), each, np.int64), state)
        return state

    def step(self, ids: Array, state: Any) -> Array:
        """ids (R,) -> logits (R, V), the model's own."""
        return self._model.step(ids, state)

    def __getattr__(self, name: str) -> Any:
        """What else the model has, such as ways to choose by itself."""
        return getattr(self._model, name)


def output_limits(model: CachedModel, source: Array, pad: int, max_length: int | None) -> Array:
    """How many tokens, the end token included, each row of ``source`` (B, S) may get: (B,).

    A sound is (B, C, L), and needs ``max_length``. Without it a row gets its own input length plus
    50, whatever it shares a batch with. The model's own ``max_length`` bounds both. Raises
    ``ShapeError`` or ``ConfigError``.
    """
    if source.ndim != 2 and (max_length is None or source.ndim != 3):
        raise ShapeError(f"source has shape {source.shape}; it must be (batch, length)")
    if max_length is not None and max_length < 1:
        raise ConfigError(f"max_length is {max_length}; it must be 1 or more")
    if max_length is None:
        wanted = np.count_nonzero(source != pad, axis=1) + EXTRA_LENGTH
    else:
        wanted = np.full(len(source), max_length)
    return np.minimum(wanted, model.config.max_length)


def unwritten(pad: int, bos: int, eos: int, banned: Collection[int] = ()) -> tuple[int, ...]:
    """The ids that are never chosen: PAD and BOS, but where a text begins with what ends it.

    And those that are ``banned`` besides, be it the end.
    """
    return tuple(sorted(({pad, bos} - {eos}).union(banned)))


def check_finite(best: Array) -> None:
    """Raise ``NonFiniteError`` unless each row's best logit ``best`` (R,) is a finite number."""
    if not np.isfinite(best).all():
        raise NonFiniteError(
            "the model's logits are not finite, so there is no best token; its weights are "
            "damaged or training has diverged: use an earlier checkpoint"
        )


@quiet()
def roll_out(
    model: CachedModel,
    source: Array,
    next_ids: Callable[[Array, Any, Array], Array],
    *,
    bos: int,
    eos: int,
    pad: int,
    max_length: int | None,
) -> list[list[int]]:
    """Decode every row of ``source`` (B, S), one chosen token a step -> tokens without BOS, EOS.

    ``next_ids(ids (R,), state, rows (R,)) -> ids (R,)`` makes a step of the model and chooses the
    next tokens; ``rows`` says which rows of ``source`` are still being decoded. It must not choose
    PAD or BOS: the model never saw either as a target, so whatever mass it gives them is noise,
    and a PAD in the output would be cut away silently.

    A row that ends leaves the batch at once (``state.select`` keeps the others), so the cost
    of a step falls with the number of unfinished sentences.
    """
    limits = output_limits(model, source, pad, max_length)
    if len(source) == 0:
        return []
    lengths = limits.copy()
    tokens = np.empty((len(source), limits.max()), dtype=np.int64)
    rows = np.arange(len(source))
    ids = np.full(len(source), bos, dtype=np.int64)
    state = model.start(source)
    for position in range(tokens.shape[1]):
        ids = next_ids(ids, state, rows)
        tokens[rows, position] = ids
        ended = ids == eos
        lengths[rows[ended]] = position
        live = np.flatnonzero(~ended & (limits[rows] > position + 1))
        if len(live) == 0:
            break
        if len(live) < len(rows):
            state.select(live)
            rows, ids = rows[live], ids[live]
    return [row[:length].tolist() for row, length in zip(tokens, lengths, strict=True)]
