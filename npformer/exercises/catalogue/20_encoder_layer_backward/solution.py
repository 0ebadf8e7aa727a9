"""Exercise 20: the backward of an encoder layer."""


def encoder_layer_backward(layer, dy, cache):
    """dy (B, S, D) -> dx (B, S, D)."""
    # The last frame first. Its x was used twice, by the skip path and by the branch.
    dx, dh = layer.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    dx = dx + layer.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)

    # The same around self-attention, which read one array as queries and as memory: both of its
    # gradients belong to that array.
    dx, dh = layer.self_attn_residual.leave_backward(dx, cache.self_attn_leave)
    dquery, dmemory = layer.self_attn.backward(dh, cache.self_attn)
    dh = dquery + dmemory
    return dx + layer.self_attn_residual.enter_backward(dh, cache.self_attn_enter)
