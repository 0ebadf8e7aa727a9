# diagnosis: enter_backward is left out


def decoder_layer_backward(layer, dy, cache):
    dx, dh = layer.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    dx = dx + dh

    dx, dh = layer.cross_attn_residual.leave_backward(dx, cache.cross_attn_leave)
    dh, dmemory = layer.cross_attn.backward(dh, cache.cross_attn)
    dx = dx + dh

    dx, dh = layer.self_attn_residual.leave_backward(dx, cache.self_attn_leave)
    dquery, dkey = layer.self_attn.backward(dh, cache.self_attn)
    dx = dx + dquery + dkey
    return dx, dmemory
