# diagnosis: only with norm='pre'
def layer_backward(layer, dy, cache):
    order = layer.cross_attn_residual, layer.feed_forward_residual
    if layer.self_attn_residual.pre_norm:
        order = order[::-1]
    dmemory = None
    for residual in order[::-1]:
        if residual is layer.cross_attn_residual:
            dy, dmemory = residual.backward(dy, cache.cross_attn, layer.cross_attn.backward)
        else:
            dy = residual.backward(dy, cache.feed_forward, layer.feed_forward.backward)
    return layer.self_attn_residual.backward(dy, cache.self_attn, layer.self_attn.backward), dmemory
