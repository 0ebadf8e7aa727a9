"""Exercise 20: the backward of an encoder layer.

    x, y (B, T, D)

    layer      self_attn_residual, self_attn, feed_forward_residual, feed_forward
    cache      self_attn, feed_forward, each the cache of a residual

Write layer_backward, then:

    npformer exercise check encoder_layer_backward
    npformer exercise hint encoder_layer_backward
"""

import numpy as np

from npformer.nn import Layer


def layer_backward(layer, dy, cache):
    """dy (B, T, D) -> dx (B, T, D).

    a residual's  backward(dy, its cache, sublayer_backward) -> dx
    self_attn's   backward(dh, the attention's cache) -> dh; feed_forward's likewise
    """
    raise NotImplementedError("return dx")
