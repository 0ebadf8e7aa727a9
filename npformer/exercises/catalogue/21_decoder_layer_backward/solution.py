"""Exercise 21: the backward of a decoder layer."""


def decoder_layer_backward(layer, dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D)."""
    # The reverse of the forward: a node's backward runs when all its users' backwards have.
    dx, dh = layer.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    # x went down the skip path and into the branch: two uses, so the sum of two gradients.
    dx = dx + layer.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)

    dx, dh = layer.cross_attn_residual.leave_backward(dx, cache.cross_attn_leave)
    # The queries came from the decoder, and their gradient continues down it. Keys and values came
    # from the memory, and theirs leaves the layer here.
    dh, dmemory = layer.cross_attn.backward(dh, cache.cross_attn)
    dx = dx + layer.cross_attn_residual.enter_backward(dh, cache.cross_attn_enter)

    dx, dh = layer.self_attn_residual.leave_backward(dx, cache.self_attn_leave)
    # Here queries, keys and values all came from the same h.
    dquery, dkey = layer.self_attn.backward(dh, cache.self_attn)
    dx = dx + layer.self_attn_residual.enter_backward(dquery + dkey, cache.self_attn_enter)
    return dx, dmemory
