# diagnosis: self_attn.backward is called twice
def layer_backward(layer, dy, cache):
    def attention_backward(dh, attention_cache):
        layer.self_attn.backward(dh, attention_cache)
        return layer.self_attn.backward(dh, attention_cache)

    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    return layer.self_attn_residual.backward(dx, cache.self_attn, attention_backward)
