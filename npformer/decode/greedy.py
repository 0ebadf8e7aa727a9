"""Greedy decoding: the most probable next token, step by step.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

from npformer.decode.choice import best_next
from npformer.decode.rollout import CachedModel, roll_out, unwritten
from npformer.ops.array import Array


def greedy(
    model: CachedModel,
    source: Array,
    *,
    bos: int,
    eos: int,
    pad: int = 0,
    max_length: int | None = None,
    banned: Collection[int] = (),
    banned_first: Collection[int] = (),
) -> list[list[int]]:
    """source (B, S) ids, padded with ``pad`` -> one list of token ids a row, without BOS and EOS.

    The largest logit is the largest probability, so no softmax is taken. Of equal logits the
    smallest id wins. PAD and BOS are never chosen, nor what is ``banned``; what is
    ``banned_first`` is no text's first id. A row ends at EOS, or is cut after
    ``max_length`` tokens (EOS counted; its input length + 50 unless given), and then leaves
    the batch. Raises ``NonFiniteError`` if the model's logits are not finite.
    """
    never = unwritten(pad, bos, eos, banned)
    first = unwritten(pad, bos, eos, {*banned, *banned_first})
    step = itertools.count()

    def next_ids(ids: Array, state: Any, rows: Array) -> Array:
        return best_next(model, ids, state, never if next(step) else first)

    return roll_out(model, source, next_ids, bos=bos, eos=eos, pad=pad, max_length=max_length)
