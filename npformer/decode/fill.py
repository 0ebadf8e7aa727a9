"""Hidden tokens of a text, by a model that sees it whole.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npformer.decode.rollout import check_finite
from npformer.errors import ConfigError, ShapeError
from npformer.models import family
from npformer.ops.array import Array
from npformer.ops.softmax import softmax_forward
from npformer.text.tokenizer import MASK, Tokenizer


class Guess(NamedTuple):
    """An id for a hidden token, and its probability."""

    id: int
    probability: float


class Filled(NamedTuple):
    """A text with hidden tokens, and what a model says they are."""

    ids: Array
    """(n,) of the text, the best guess in each hidden place, without what stands around it."""
    places: list[list[Guess]]
    """Of each hidden token, in order, the most probable ids, the best first."""


def fill(model: Any, tokenizer: Tokenizer, text: str, *, top: int = 5) -> Filled:
    """``text`` with ``[MASK]`` for each hidden token -> the ``top`` most probable ids of each.

    Several are predicted each by itself, beside the others hidden. ``model`` is the NumPy model or
    its twin. The softmax is over the whole vocabulary; ids that are no text are passed over. Raises
    ConfigError for a model that predicts no hidden tokens, a text without one, and ``top`` below 1,
    TokenizerError for a tokenizer without a mask, ShapeError for a text longer than the model
    takes.
    """
    if family(model.config.family).decodes or not model.config.masked_head:
        raise ConfigError(
            "this model predicts no hidden tokens; give one that was trained to, such as a BERT "
            "with its head"
        )
    if top < 1:
        raise ConfigError(f"top is {top}; it must be 1 or more")
    ids = np.array(tokenizer.encode_masked(text), np.int64)
    places = np.flatnonzero(ids == tokenizer.mask)
    if not len(places):
        raise ConfigError(f"the text has no {MASK}, which stands for what is to be filled in")
    whole = tokenizer.whole(ids.tolist())
    if len(whole) > model.config.max_length:
        raise ShapeError(
            f"the text has {len(whole)} tokens with those around it; the model takes "
            f"{model.config.max_length} at most: shorten it"
        )
    at = places + len(tokenizer.begin)
    logits = model.predictions(np.array([whole]))[0, at]  # (places, V)
    check_finite(logits)
    probabilities, _ = softmax_forward(logits)
    silent = {*tokenizer.silent, *tokenizer.begin, *tokenizer.close, tokenizer.mask}
    words = np.setdiff1d(np.arange(tokenizer.vocab_size), list(silent))
    found = []
    for place, row in zip(places, probabilities[:, words], strict=True):
        best = np.argsort(-row, kind="stable")[:top]
        found.append([Guess(int(words[i]), float(row[i])) for i in best])
        ids[place] = found[-1][0].id
    return Filled(ids, found)
