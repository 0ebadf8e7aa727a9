# diagnosis: self-attention is walked back without its residual
def layer_backward(layer, dy, cache):
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    return layer.self_attn.backward(dx, cache.self_attn.sublayer)
