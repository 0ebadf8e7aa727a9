# diagnosis: only the feed-forward half is walked back
def encoder_layer_backward(layer, dy, cache):
    dx, dh = layer.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
    dh = layer.feed_forward.backward(dh, cache.feed_forward)
    dx = dx + layer.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)
    return dx
