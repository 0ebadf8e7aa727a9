# diagnosis: walked in the order of the forward


def decoder_layer_backward(layer, dy, cache):
    dx, dh = layer.self_attn_residual.leave_backward(dy, cache.self_attn_leave)
    dquery, dkey = layer.self_attn.backward(dh, cache.self_attn)
    dx = dx + layer.self_attn_residual.enter_backward(dquery + dkey, cache.self_attn_enter)

    dx, dh = layer.cross_attn_residual.leave_backward(dx, cache.cross_attn_leave)
    dh, dmemory = layer.cross_attn.backward(dh, cache.cross_attn)
    dx = dx + layer.cross_attn_residual.enter_backward(dh, cache.cross_attn_enter)

    dx, dh = layer.feed_forward_residual.leave_backward(dx, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    dx = dx + layer.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)
    return dx, dmemory
