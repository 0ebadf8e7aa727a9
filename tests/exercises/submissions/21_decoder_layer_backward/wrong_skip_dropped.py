# diagnosis: the skip path around cross-attention is dropped
def residual_backward(residual, dy, cache, sublayer_backward):
    dsum = dy if residual.pre_norm else residual.norm.backward(dy, cache.norm)
    dh = residual.dropout.backward(dsum, cache.dropout)
    dh, dmemory = sublayer_backward(dh, cache.sublayer)
    if residual.pre_norm:
        dh = residual.norm.backward(dh, cache.norm)
    return dh, dmemory


def layer_backward(layer, dy, cache):
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    dx, dmemory = residual_backward(
        layer.cross_attn_residual, dx, cache.cross_attn, layer.cross_attn.backward
    )
    dx = layer.self_attn_residual.backward(dx, cache.self_attn, layer.self_attn.backward)
    return dx, dmemory
