# diagnosis: the residuals are walked back in the order of the forward
def layer_backward(layer, dy, cache):
    dx = layer.self_attn_residual.backward(dy, cache.self_attn, layer.self_attn.backward)
    return layer.feed_forward_residual.backward(dx, cache.feed_forward, layer.feed_forward.backward)
