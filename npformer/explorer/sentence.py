"""The sentence pair of a page: its tokens, what the model expected, and the model's sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.errors import NpformerError
from npformer.explorer.arrays import rounded
from npformer.models import family
from npformer.models.loss import LOSS, NO_TARGET
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.text.batches import Batch
from npformer.text.tokenizer import Tokenizer

GUESSES = 3
"""Likeliest next tokens that the page lists for each position."""


def one_pair(model: Model, tokenizer: Tokenizer, source: str, target: str) -> Batch:
    """Two texts -> a batch of one pair; a model that reads the target alone is given no source.

    Raises ``NpformerError`` if a text is too long, or nothing at all.
    """
    if not getattr(model.config, "masked_head", True):
        raise NpformerError(
            "this model predicts no token, so it has no loss to look into; npformer attention "
            "shows its heads, and npformer compare every module's activation and gradient"
        )
    texts = {"source": ("text", source), "target": ("target", target)}
    limit = model.config.max_length
    ids = {}
    for stream in model.streams:
        name, text = texts[stream]
        encode = tokenizer.encode_written if stream == "target" else tokenizer.encode_batch
        (ids[stream],) = encode([text])
        length = len(tokenizer.whole(ids[stream])) - family(model.config.family).decodes
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
    if not family(model.config.family).decodes:  # each token is predicted where it stands
        return Batch({"target": whole}, whole, NO_TARGET)
    inputs = {"target": whole[:, :-1]}
    if "source" in ids:
        inputs = {"source": np.array([tokenizer.source(ids["source"])], np.int64), **inputs}
    return Batch(inputs, whole[:, 1:], NO_TARGET)


def sentence_data(
    tokenizer: Tokenizer, batch: Batch, logits: Array, source: str, target: str
) -> dict[str, Any]:
    """logits (1, T, V) -> texts, tokens, and for each target position its loss and best guesses."""
    losses, _ = LOSS.forward(
        logits.astype(np.float64), batch.targets, ignore_index=None, reduction="none"
    )
    wide = logits[0].astype(np.float64)
    probs = np.exp(wide - wide.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)  # (T, V)
    best = np.argsort(-probs, axis=-1, kind="stable")[:, :GUESSES]  # (T, GUESSES)
    read = batch.inputs["source"][0] if "source" in batch.inputs else np.zeros(0, np.int64)
    return {
        "source": {"text": source, "tokens": _shown(tokenizer, read)},
        "target": {
            "text": target,
            "read": _shown(tokenizer, batch.inputs["target"][0]),
            "written": _shown(tokenizer, batch.targets[0]),
            "loss": [rounded(loss) for loss in losses[0]],
            "guesses": [
                [[name, rounded(probs[t, i])] for name, i in zip(names, row, strict=True)]
                for t, row in enumerate(best)
                for names in [_shown(tokenizer, row)]
            ],
        },
    }


def model_facts(model: Model) -> list[list[str]]:
    """Name and value of what a reader wants to know of the model, for the head of the page."""
    c = model.config
    return [
        ["Layers", " + ".join(map(str, c.depths))],
        ["Width D", f"{c.d_model}"],
        ["Heads N", f"{c.heads}"],
        ["Feed-forward F", f"{c.d_ff}, {c.activation}"],
        ["Vocabulary V", f"{c.vocab_size:,}"],
        ["Norms", f"{c.norm}, {c.norm_type}"],
        ["Parameters", f"{model.parameter_count():,}"],
    ]


def _shown(tokenizer: Tokenizer, ids: Array) -> list[str]:
    """Without the mark of the space before a word, which would stand before nearly all."""
    return [token.removeprefix("▁") or "▁" for token in tokenizer.tokens(int(i) for i in ids)]
