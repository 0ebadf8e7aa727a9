# diagnosis: walked in the order of the forward
def layer_backward(layer, dy, cache):
    dx = layer.self_attn_residual.backward(dy, cache.self_attn, layer.self_attn.backward)
    dx, dmemory = layer.cross_attn_residual.backward(
        dx, cache.cross_attn, layer.cross_attn.backward
    )
    dx = layer.feed_forward_residual.backward(dx, cache.feed_forward, layer.feed_forward.backward)
    return dx, dmemory
