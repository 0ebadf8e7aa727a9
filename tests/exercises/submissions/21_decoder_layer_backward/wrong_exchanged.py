# diagnosis: stops with ValueError
def layer_backward(layer, dy, cache):
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    dmemory, dx = layer.cross_attn_residual.backward(
        dx, cache.cross_attn, layer.cross_attn.backward
    )
    dx = layer.self_attn_residual.backward(dx, cache.self_attn, layer.self_attn.backward)
    return dx, dmemory
