"""Exercise 16: the backward of multi-head attention.

    x (B, T, D)    memory (B, S, D), or none in self-attention    y (B, T, D)

    layer      q_proj, k_proj, v_proj, out_proj (each with .backward(dy, cache)), heads
    cache      q_proj, keys_values.k_proj, keys_values.v_proj, attention, out_proj, has_memory

Write multi_head_attention_backward, then:

    npformer exercise check multi_head_attention_backward
    npformer exercise hint multi_head_attention_backward
"""

import numpy as np

from npformer.ops import attention_backward


def multi_head_attention_backward(layer, dy, cache):
    """dy (B, T, D) -> dx (B, T, D), and with a memory dmemory (B, S, D) after it.

    attention_backward(dz, cache.attention) takes dz (B, T, N, Hv) and returns
    dq (B, T, N, H), dk (B, S, N, H), dv (B, S, N, Hv).
    """
    raise NotImplementedError("return dx, dmemory, or dx alone")
