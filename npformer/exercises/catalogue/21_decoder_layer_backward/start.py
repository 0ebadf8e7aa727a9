"""Exercise 21: the backward of a decoder layer.

    x (B, T, D)    memory (B, S, D)    y (B, T, D)

The forward, with X_residual around each sub-layer X:

    x, cache.X = layer.X_residual.forward(x, X, rng)

for X = self_attn, then X = cross_attn, which reads the memory too, then X = feed_forward. Write
layer_backward, then:

    npformer exercise check decoder_layer_backward
    npformer exercise hint decoder_layer_backward
"""

import numpy as np

from npformer.nn import Layer


def layer_backward(layer, dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D).

    layer.X_residual.backward(dy, cache.X, sublayer_backward) -> dx, and after it whatever else
                                                                 sublayer_backward returns
    layer.self_attn.backward(dh, its cache) -> dh; feed_forward's likewise
    layer.cross_attn.backward(dh, its cache) -> dh, dmemory
    """
    raise NotImplementedError("return dx, dmemory")
