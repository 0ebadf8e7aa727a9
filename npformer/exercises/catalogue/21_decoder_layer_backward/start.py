"""Exercise 21: the backward of a decoder layer.

    x (B, T, D)    memory (B, S, D)    y (B, T, D)

The forward, with X_residual around each sub-layer X:

    h, cache.X_enter = layer.X_residual.enter(x)
    h, cache.X       = layer.X.forward(...)
    x, cache.X_leave = layer.X_residual.leave(x, h, rng)

for X = self_attn, with forward(h, h, causal=True), then X = cross_attn, with forward(h, memory,
memory_mask), then X = feed_forward, with forward(h). Write decoder_layer_backward, then:

    npformer exercise check decoder_layer_backward
    npformer exercise hint decoder_layer_backward
"""

import numpy as np

from npformer.models.transformer import TransformerConfig
from npformer.nn import DecoderLayer


def decoder_layer_backward(layer, dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D).

    layer.X_residual.leave_backward(dy, cache.X_leave) -> dx by the skip path, dh
    layer.X_residual.enter_backward(dh, cache.X_enter) -> dx by the branch
    layer.self_attn.backward(dh, cache.self_attn) -> dquery, dmemory; cross_attn's likewise
    layer.feed_forward.backward(dh, cache.feed_forward) -> dh
    """
    raise NotImplementedError("return dx, dmemory")
