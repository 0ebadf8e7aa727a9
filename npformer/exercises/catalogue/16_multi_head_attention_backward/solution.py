"""Exercise 16: the backward of multi-head attention."""

from npformer.ops import attention_backward


def multi_head_attention_backward(layer, dy, cache):
    """dy (B, T, D) -> dx (B, T, D), and with a memory dmemory (B, S, D) after it."""
    # Last line of the forward first. Every head gets the same dy, through its own columns of Wo.
    dz = layer.out_proj.backward(dy, cache.out_proj)  # (B, T, N Hv)
    dq, dk, dv = attention_backward(_split(dz, layer.heads), cache.attention)
    # Each projection's backward also collects the gradients of its weight and bias.
    dx = layer.q_proj.backward(_merge(dq), cache.q_proj)
    # The memory was read twice, as keys and as values: the sum of both.
    dmemory = layer.k_proj.backward(_merge(dk), cache.keys_values.k_proj)
    dmemory = dmemory + layer.v_proj.backward(_merge(dv), cache.keys_values.v_proj)
    # Without a memory all three maps read x, which gets the sum of all three.
    return (dx, dmemory) if cache.has_memory else dx + dmemory


def _split(a, heads):
    """(B, T, N H) -> (B, T, N, H)."""
    b, t, size = a.shape
    return a.reshape(b, t, heads, size // heads)


def _merge(a):
    """(B, T, N, H) -> (B, T, N H): the backward of a split."""
    b, t, n, h = a.shape
    return a.reshape(b, t, n * h)
