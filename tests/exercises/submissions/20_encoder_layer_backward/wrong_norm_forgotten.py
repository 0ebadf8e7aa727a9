# diagnosis: the norm of both branches is left out
def residual_backward(residual, dy, cache, sublayer_backward):
    dsum = dy if residual.pre_norm else residual.norm.backward(dy, cache.norm)
    dh = residual.dropout.backward(dsum, cache.dropout)
    dh = sublayer_backward(dh, cache.sublayer)
    return dsum + dh


def layer_backward(layer, dy, cache):
    dx = residual_backward(
        layer.feed_forward_residual, dy, cache.feed_forward, layer.feed_forward.backward
    )
    return residual_backward(
        layer.self_attn_residual, dx, cache.self_attn, layer.self_attn.backward
    )
