# diagnosis: what both residuals return is added
def layer_backward(layer, dy, cache):
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    return dx + layer.self_attn_residual.backward(dy, cache.self_attn, layer.self_attn.backward)
