"""Vectors of texts, by a model that reads a text whole.

Chapter     walkthroughs/15_norms_without_a_mean.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npformer.decode.translator import batches, padded
from npformer.errors import ConfigError, NpformerError
from npformer.models import family
from npformer.ops.array import Array
from npformer.text.tokenizer import Tokenizer


def text_vectors(
    model: Any, tokenizer: Tokenizer, texts: Sequence[str], *, batch_tokens: int = 4096
) -> Array:
    """A vector for each text (N, D), in the order given; those of like length share a batch.

    ``model`` is the NumPy model or its twin. Raises ConfigError for one that gives no vectors, and
    NpformerError for a text longer than it takes.
    """
    if family(model.config.family).decodes:
        raise ConfigError(
            "this model predicts the next token, and gives no vectors of texts; load one that "
            "does, such as a BERT"
        )
    encoded = [tokenizer.whole(ids) for ids in tokenizer.encode_batch(texts)]
    limit = model.config.max_length
    for number, (text, ids) in enumerate(zip(texts, encoded, strict=True), 1):
        if len(ids) > limit:
            shown = text if len(text) <= 60 else text[:57] + "..."
            raise NpformerError(
                f"text {number} ({shown!r}) has {len(ids)} tokens with those around it; the model "
                f"takes {limit} at most: shorten or split it"
            )
    vectors = np.zeros((len(texts), model.config.d_model), np.float32)
    for rows in batches([len(ids) for ids in encoded], batch_tokens):
        block = padded([encoded[row] for row in rows], model.config.padding_id)
        vectors[rows] = model.vectors(block)
    return vectors
