def layer_backward(layer, dy, cache):
    gradients = [dy]
    for name in ("feed_forward", "cross_attn", "self_attn"):
        residual, sublayer = getattr(layer, f"{name}_residual"), getattr(layer, name)
        found = residual.backward(gradients[0], getattr(cache, name), sublayer.backward)
        first, *others = found if isinstance(found, tuple) else (found,)
        gradients = [first, *others, *gradients[1:]]
    return gradients
