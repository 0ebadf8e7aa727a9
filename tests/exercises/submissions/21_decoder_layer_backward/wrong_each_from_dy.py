# diagnosis: every residual starts from dy
def layer_backward(layer, dy, cache):
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    dx, dmemory = layer.cross_attn_residual.backward(
        dy, cache.cross_attn, layer.cross_attn.backward
    )
    dx = layer.self_attn_residual.backward(dy, cache.self_attn, layer.self_attn.backward)
    return dx, dmemory
