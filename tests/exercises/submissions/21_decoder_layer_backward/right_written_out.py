from npformer.ops import attention_backward, linear_backward


def leave(residual, dy, cache):
    if cache.norm is not None:
        dy = residual.norm.backward(dy, cache.norm)
    mask = cache.dropout.keep
    return dy, dy if mask is None else dy * mask * cache.dropout.scale


def linear(map_, dy, cache):
    dx, dweight, dbias = linear_backward(dy, cache)
    map_.weight.accumulate(dweight)
    map_.bias.accumulate(dbias)
    return dx


def attend(attention, dy, cache):
    dy = linear(attention.out_proj, dy, cache.out_proj)
    b, t, n = *dy.shape[:2], attention.heads
    dq, dk, dv = attention_backward(dy.reshape(b, t, n, -1), cache.attention)
    s = dk.shape[1]
    dx = linear(attention.q_proj, dq.reshape(b, t, -1), cache.q_proj)
    dkeys = linear(attention.k_proj, dk.reshape(b, s, -1), cache.k_proj)
    dvalues = linear(attention.v_proj, dv.reshape(b, s, -1), cache.v_proj)
    return dx, dkeys, dvalues


def enter(residual, dh, cache):
    return residual.norm.backward(dh, cache) if residual.pre_norm else dh


def decoder_layer_backward(layer, dy, cache):
    skip, dh = leave(layer.feed_forward_residual, dy, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    dx = skip + enter(layer.feed_forward_residual, dh, cache.feed_forward_enter)

    skip, dh = leave(layer.cross_attn_residual, dx, cache.cross_attn_leave)
    dh, dkeys, dvalues = attend(layer.cross_attn, dh, cache.cross_attn)
    dx = skip + enter(layer.cross_attn_residual, dh, cache.cross_attn_enter)

    skip, dh = leave(layer.self_attn_residual, dx, cache.self_attn_leave)
    dh = sum(attend(layer.self_attn, dh, cache.self_attn))
    dx = skip + enter(layer.self_attn_residual, dh, cache.self_attn_enter)
    return dx, dkeys + dvalues
