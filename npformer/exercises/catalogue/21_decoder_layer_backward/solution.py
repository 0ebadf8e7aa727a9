"""Exercise 21: the backward of a decoder layer."""


def layer_backward(layer, dy, cache):
    """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D)."""
    # The reverse of the forward: a node's backward runs when all its users' backwards have.
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    # The queries came from the decoder, and their gradient continues down it. Keys and values
    # came from the memory, and theirs leaves the layer here.
    dx, dmemory = layer.cross_attn_residual.backward(
        dx, cache.cross_attn, layer.cross_attn.backward
    )
    # Self-attention read one array in three roles, and its backward has added the three.
    dx = layer.self_attn_residual.backward(dx, cache.self_attn, layer.self_attn.backward)
    return dx, dmemory
