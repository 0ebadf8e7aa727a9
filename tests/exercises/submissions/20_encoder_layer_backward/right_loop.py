def layer_backward(layer, dy, cache):
    for name in ("feed_forward", "self_attn"):
        residual, sublayer = getattr(layer, f"{name}_residual"), getattr(layer, name)
        dy = residual.backward(dy, getattr(cache, name), sublayer.backward)
    return dy
