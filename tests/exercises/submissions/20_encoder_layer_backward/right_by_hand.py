def norm_backward(norm, dy, cache):
    xhat, rstd = cache.xhat, cache.rstd
    norm.weight.accumulate((dy * xhat).sum(axis=(0, 1)))
    norm.bias.accumulate(dy.sum(axis=(0, 1)))
    g = dy * norm.weight.data
    along = (g * xhat).mean(axis=-1, keepdims=True)
    return rstd * (g - g.mean(axis=-1, keepdims=True) - xhat * along)


def frame_backward(residual, branch, dy, cache):
    if not residual.pre_norm:
        dy = norm_backward(residual.norm, dy, cache.norm)
    keep, scale = cache.dropout
    dh = branch(dy if keep is None else dy * keep * scale, cache.sublayer)
    return dy + (norm_backward(residual.norm, dh, cache.norm) if residual.pre_norm else dh)


def layer_backward(layer, dy, cache):
    dx = frame_backward(
        layer.feed_forward_residual, layer.feed_forward.backward, dy, cache.feed_forward
    )
    return frame_backward(layer.self_attn_residual, layer.self_attn.backward, dx, cache.self_attn)
