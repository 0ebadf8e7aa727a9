"""What is read on a page: its tokens, what the model expected, and the model's sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.explorer.arrays import rounded
from npformer.inspect.reading import Reading, shown
from npformer.models.loss import LOSS
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.text.tokenizer import Tokenizer

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
            "heard": reading.starts is not None,
        },
        "target": {
            "text": reading.target,
            "read": shown(tokenizer, batch.inputs["target"][0]),
            "written": shown(tokenizer, batch.targets[0]),
            "loss": [rounded(loss) for loss in losses[0]],
            "guesses": [
                [[name, rounded(probs[t, i])] for name, i in zip(names, row, strict=True)]
                for t, row in enumerate(best)
                for names in [shown(tokenizer, row)]
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
