# diagnosis: cross-attention is walked back without its residual
def layer_backward(layer, dy, cache):
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    dx, dmemory = layer.cross_attn.backward(dx, cache.cross_attn.sublayer)
    dx = layer.self_attn_residual.backward(dx, cache.self_attn, layer.self_attn.backward)
    return dx, dmemory
