# diagnosis: the frames are walked back in the order of the forward
def encoder_layer_backward(layer, dy, cache):
    dx, dh = layer.self_attn_residual.leave_backward(dy, cache.self_attn_leave)
    dh = sum(layer.self_attn.backward(dh, cache.self_attn))
    dx = dx + layer.self_attn_residual.enter_backward(dh, cache.self_attn_enter)
    dx, dh = layer.feed_forward_residual.leave_backward(dx, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    return dx + layer.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)
