from npformer.ops import attention_backward, linear_backward


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
    dkeys = linear(attention.k_proj, dk.reshape(b, s, -1), cache.keys_values.k_proj)
    dvalues = linear(attention.v_proj, dv.reshape(b, s, -1), cache.keys_values.v_proj)
    return dx, dkeys, dvalues


def into(residual, dy, cache):
    """To the sum, and through the dropout to the sub-layer's output."""
    if not residual.pre_norm:
        dy = residual.norm.backward(dy, cache.norm)
    mask = cache.dropout.keep
    return dy, dy if mask is None else dy * mask * cache.dropout.scale


def out_of(residual, dh, cache):
    return residual.norm.backward(dh, cache.norm) if residual.pre_norm else dh


def layer_backward(layer, dy, cache):
    skip, dh = into(layer.feed_forward_residual, dy, cache.feed_forward)
    dh = layer.feed_forward.backward(dh, cache.feed_forward.sublayer)
    dx = skip + out_of(layer.feed_forward_residual, dh, cache.feed_forward)

    skip, dh = into(layer.cross_attn_residual, dx, cache.cross_attn)
    dh, dkeys, dvalues = attend(layer.cross_attn, dh, cache.cross_attn.sublayer)
    dx = skip + out_of(layer.cross_attn_residual, dh, cache.cross_attn)

    skip, dh = into(layer.self_attn_residual, dx, cache.self_attn)
    dh = sum(attend(layer.self_attn, dh, cache.self_attn.sublayer))
    dx = skip + out_of(layer.self_attn_residual, dh, cache.self_attn)
    return dx, dkeys + dvalues
