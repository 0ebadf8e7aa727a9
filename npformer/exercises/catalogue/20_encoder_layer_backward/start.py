"""Exercise 20: the backward of an encoder layer.

    x, y (B, S, D)

    layer      self_attn_residual, self_attn, feed_forward_residual, feed_forward
    cache      self_attn_enter, self_attn, self_attn_leave,
               feed_forward_enter, feed_forward, feed_forward_leave

Write encoder_layer_backward, then:

    npformer exercise check encoder_layer_backward
    npformer exercise hint encoder_layer_backward
"""

import numpy as np


def encoder_layer_backward(layer, dy, cache):
    """dy (B, S, D) -> dx (B, S, D).

    a residual's  leave_backward(dy, leave_cache) -> dx, dh
                  enter_backward(dh, enter_cache) -> dx
    self_attn     backward(dh, self_attn_cache) -> dquery, dmemory
    feed_forward  backward(dh, feed_forward_cache) -> dh
    """
    raise NotImplementedError("return dx")
