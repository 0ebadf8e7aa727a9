# diagnosis: only the residual of the feed-forward network is walked back
def layer_backward(layer, dy, cache):
    return layer.feed_forward_residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
