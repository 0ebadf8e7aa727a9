"""What every head of a Transformer looks at, read from the caches of one forward pass.

The backward of attention needs the probabilities, so the forward keeps them in its cache. The
caches are nested as the modules are: a module's path leads to its cache too. Nothing is hooked,
recomputed or recorded on the side; the maps are the numbers that the model used.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npformer.models.transformer import Transformer
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.ops.array import Array


def attention_maps(
    model: Transformer, source_ids: Sequence[int], target_ids: Sequence[int]
) -> dict[str, Array]:
    """One sentence's attention: module path -> probabilities (N, T, S), each row's sum 1.

    ``source_ids`` is what the encoder reads (the tokens and EOS), ``target_ids`` what the
    decoder reads (BOS and the tokens), so row t of a decoder map belongs to the position that
    reads target token t and predicts token t + 1. Paths are ``encoder.layers.0.self_attn``,
    ``decoder.layers.0.self_attn``, ``decoder.layers.0.cross_attn`` and so on, in the order of
    the forward. Raises as ``Transformer.forward``.
    """
    _, cache = model.forward(
        np.asarray(source_ids, dtype=np.int64)[None], np.asarray(target_ids, dtype=np.int64)[None]
    )
    return {
        path: _follow(cache, path).attention.probs[0]
        for path, module in model.named_modules()
        if isinstance(module, MultiHeadAttention)
    }


def _follow(cache: Any, path: str) -> Any:
    for name in path.split("."):
        cache = cache[int(name)] if name.isdecimal() else getattr(cache, name)
    return cache
