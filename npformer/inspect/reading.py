"""What a model reads when one looks inside it: a pair of texts, a text, or a recording and a text.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npformer.errors import NpformerError
from npformer.models.loss import NO_TARGET
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.text.batches import Batch
from npformer.text.tokenizer import Tokenizer

COLUMNS = 60
"""Stretches of a recording that are told apart: as many as fit beside each other with a name."""


@dataclass(frozen=True)
class Reading:
    """A batch of one, and what to call the positions of its source, if the model has one."""

    batch: Batch
    source: str
    """The source's text, or the name of a recording."""
    target: str
    sources: Sequence[str]
    """Names of its tokens, or of stretches of sound; none where the target alone is read."""
    starts: Array | None = None
    """(columns,) of stretches: the encoder's position at which each begins; None for tokens."""

    def looked_at(self, probs: Array) -> Array:
        """probs (..., T, S) -> (..., T, columns): a stretch is looked at as all of it is."""
        return probs if self.starts is None else np.add.reduceat(probs, self.starts, axis=-1)

    def looking(self, probs: Array) -> Array:
        """probs (..., S, K) -> (..., columns, K): a stretch looks as the mean of its positions."""
        if self.starts is None:
            return probs
        sizes = np.diff(self.starts, append=probs.shape[-2])
        return np.add.reduceat(probs, self.starts, axis=-2) / sizes[:, None]

    def length(self, norms: Array) -> Array:
        """Norms (..., S) of a gradient at positions -> (..., columns) at stretches."""
        if self.starts is None:
            return norms
        length: Array = np.sqrt(np.add.reduceat(np.square(norms), self.starts, axis=-1))
        return length


def read_pair(model: Model, tokenizer: Tokenizer, source: str, target: str) -> Reading:
    """Two texts; a model that reads the target alone is given no source.

    Of one that gives vectors and predicts no token, ``targets`` are a gradient of the vector, drawn
    at random.

    Raises ``NpformerError`` if a text is too long, or nothing at all.
    """
    texts = {"source": ("text", source), "target": ("target", target)}
    limit = model.config.max_length
    ids = {}
    for stream in model.streams:
        name, text = texts[stream]
        encode = tokenizer.encode_written if stream == "target" else tokenizer.encode_batch
        (ids[stream],) = encode([text])
        length = len(tokenizer.whole(ids[stream])) - model.decodes
        if not text.strip():
            raise NpformerError(f"the {name} is empty; there is nothing to look into")
        if length < 1:
            raise NpformerError(
                f"the {name} is one token, and nothing follows it; give a longer one"
            )
        if length > limit:
            raise NpformerError(
                f"the {name} has {length} tokens with its end token; the model takes "
                f"{limit} at most: shorten it"
            )
    whole = np.array([tokenizer.whole(ids["target"])], np.int64)
    if not model.decodes:  # each token is predicted where it stands
        targets: Array = whole
        if not model.config.masked_head:
            targets = np.random.default_rng(0).standard_normal((1, model.config.d_model))
        return Reading(Batch({"target": whole}, targets, NO_TARGET), "", target, ())
    inputs, sources = {"target": whole[:, :-1]}, []
    if "source" in ids:
        read = tokenizer.source(ids["source"])
        inputs = {"source": np.array([read], np.int64), **inputs}
        sources = shown(tokenizer, read)
    return Reading(
        Batch(inputs, whole[:, 1:], NO_TARGET), source if "source" in ids else "", target, sources
    )


def read_recording(
    model: Model,
    frames: Array,
    ids: Sequence[int],
    *,
    source: str,
    target: str,
    seconds: float,
    longest: float,
) -> Reading:
    """A recording of some ``seconds`` as frames (M, A), and the ``ids`` that are said in it.

    ``source`` and ``target`` are the recording's name and the text; ``ids`` are whole, with what
    begins and ends them. The frames are those of a sound of ``longest`` seconds: what is behind the
    recording is one stretch, silence. Raises ``NpformerError`` for more ids than the model takes.
    """
    if len(ids) - 1 > model.config.max_length:
        raise NpformerError(
            f"the target has {len(ids) - 1} tokens with its end token; the model takes "
            f"{model.config.max_length} at most: shorten it"
        )
    positions = model.config.audio_length
    heard = min(max(1, math.ceil(seconds / longest * positions)), positions)
    starts = np.arange(0, heard, math.ceil(heard / COLUMNS))
    names = [f"{start * longest / positions:.2f} s" for start in starts]
    if heard < positions:
        starts, names = np.append(starts, heard), [*names, "silence"]
    whole = np.array([ids], np.int64)
    (sound,) = model.heard
    inputs = {sound: frames[None], "target": whole[:, :-1]}
    return Reading(Batch(inputs, whole[:, 1:], NO_TARGET), source, target, names, starts)


def shown(tokenizer: Tokenizer, ids: Sequence[int] | Array) -> list[str]:
    """Tokens without the mark of the space before a word, which would stand before nearly all."""
    return [token.removeprefix("▁") or "▁" for token in tokenizer.tokens(int(i) for i in ids)]
