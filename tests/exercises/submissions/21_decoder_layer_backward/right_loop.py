def block(layer, name, dy, cache):
    """One residual block walked back: the sub-layer's own gradients and the skip path's."""
    residual, enter = getattr(layer, name + "_residual"), getattr(cache, name + "_enter")
    skip, dh = residual.leave_backward(dy, getattr(cache, name + "_leave"))
    back = getattr(layer, name).backward(dh, getattr(cache, name))
    return skip, back, lambda branch: residual.enter_backward(branch, enter)


def decoder_layer_backward(layer, dy, cache):
    total, dmemory = dy, 0
    for name, memory_is_x in (("feed_forward", None), ("cross_attn", False), ("self_attn", True)):
        skip, back, enter_backward = block(layer, name, total, cache)
        if memory_is_x is None:
            branch = back
        elif memory_is_x:
            branch = back[0] + back[1]
        else:
            branch, dmemory = back
        total = enter_backward(branch) + skip
    return [total, dmemory]
