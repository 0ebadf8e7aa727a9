# diagnosis: enter_backward is left out of both frames
def encoder_layer_backward(layer, dy, cache):
    dx, dh = layer.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    dx = dx + dh
    dx, dh = layer.self_attn_residual.leave_backward(dx, cache.self_attn_leave)
    dquery, dmemory = layer.self_attn.backward(dh, cache.self_attn)
    dh = dquery + dmemory
    return dx + dh
