# diagnosis: the skip path around self-attention is dropped
def residual_backward(residual, dy, cache, sublayer_backward):
    dsum = dy if residual.pre_norm else residual.norm.backward(dy, cache.norm)
    dh = residual.dropout.backward(dsum, cache.dropout)
    dh = sublayer_backward(dh, cache.sublayer)
    if residual.pre_norm:
        dh = residual.norm.backward(dh, cache.norm)
    return dh


def layer_backward(layer, dy, cache):
    dx = layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    return residual_backward(
        layer.self_attn_residual, dx, cache.self_attn, layer.self_attn.backward
    )
