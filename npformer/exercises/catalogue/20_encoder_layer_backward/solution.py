"""Exercise 20: the backward of an encoder layer."""


def layer_backward(layer, dy, cache):
    """dy (B, T, D) -> dx (B, T, D)."""
    # The last residual first. It calls the sub-layer's backward on the branch, and adds the two
    # paths by which its own x was used.
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    # What arrived at its x is what the first residual put out.
    return layer.self_attn_residual.backward(dx, cache.self_attn, layer.self_attn.backward)
