def norm_backward(norm, dy, cache):
    xhat, rstd = cache.xhat, cache.rstd
    norm.weight.accumulate((dy * xhat).sum(axis=(0, 1)))
    norm.bias.accumulate(dy.sum(axis=(0, 1)))
    g = dy * norm.weight.data
    along = (g * xhat).mean(axis=-1, keepdims=True)
    return rstd * (g - g.mean(axis=-1, keepdims=True) - xhat * along)


def frame_backward(residual, branch, dy, enter, leave):
    if not residual.pre_norm:
        dy = norm_backward(residual.norm, dy, leave.norm)
    keep, scale = leave.dropout
    dh = branch(dy if keep is None else dy * keep * scale)
    return dy + (norm_backward(residual.norm, dh, enter) if residual.pre_norm else dh)


def encoder_layer_backward(layer, dy, cache):
    dx = frame_backward(
        layer.feed_forward_residual,
        lambda dh: layer.feed_forward.backward(dh, cache.feed_forward),
        dy,
        cache.feed_forward_enter,
        cache.feed_forward_leave,
    )
    return frame_backward(
        layer.self_attn_residual,
        lambda dh: sum(layer.self_attn.backward(dh, cache.self_attn)),
        dx,
        cache.self_attn_enter,
        cache.self_attn_leave,
    )
