"""What is read on a page: its tokens, what the model expected, and the model's sizes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from npformer.explorer.arrays import rounded
from npformer.inspect.reading import Reading, shown
from npformer.models.loss import LOSS
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.text.tokenizer import Tokenizer

_CONTINUES = "##"  # as WordPiece writes what goes on with a word
_SPACE = "▁"  # alone it begins the word behind it
_BYTE = "‹›"  # around a byte that is a part of a letter

GUESSES = 3
"""Likeliest next tokens that the page lists for each position."""


def sentence_data(tokenizer: Tokenizer, reading: Reading, logits: Array) -> dict[str, Any]:
    """logits (1, T, V) -> texts, tokens, and for each target position its loss and best guesses."""
    batch = reading.batch
    losses, _ = LOSS.forward(
        logits.astype(np.float64), batch.targets, ignore_index=None, reduction="none"
    )
    wide = logits[0].astype(np.float64)
    probs = np.exp(wide - wide.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)  # (T, V)
    best = np.argsort(-probs, axis=-1, kind="stable")[:, :GUESSES]  # (T, GUESSES)
    return {
        "source": {
            "text": reading.source,
            "tokens": list(reading.sources),
            "joined": _joined(tokenizer, batch.inputs.get("source")),
            "heard": reading.starts is not None,
        },
        "target": {
            "text": reading.target,
            "read": shown(tokenizer, batch.inputs["target"][0]),
            "written": shown(tokenizer, batch.targets[0]),
            "joined": _joined(tokenizer, batch.targets),
            "loss": [rounded(loss) for loss in losses[0]],
            "guesses": [
                [[name, rounded(probs[t, i])] for name, i in zip(names, row, strict=True)]
                for t, row in enumerate(best)
                for names in [shown(tokenizer, row)]
            ],
        },
    }


def _joined(tokenizer: Tokenizer, ids: Array | None) -> list[bool]:
    """ids (1, T) -> for each token whether it goes on with the word of the one before."""
    names = [] if ids is None else tokenizer.tokens(int(i) for i in ids[0])
    return [
        name.startswith(_CONTINUES)
        or ((before == _SPACE or _in_word(before[-1:])) and _in_word(name[:1]))
        for before, name in itertools.pairwise(["", *names])
    ]


def _in_word(sign: str) -> bool:
    return sign.isalnum() or (sign != "" and sign in _BYTE)


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
