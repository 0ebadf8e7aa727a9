# diagnosis: grad k_proj
from npformer.ops import attention_backward


def multi_head_attention_backward(layer, dy, cache):
    def merge(a):
        return a.reshape(*a.shape[:2], -1)

    dz = layer.out_proj.backward(dy, cache.out_proj)
    dz = dz.reshape(*dz.shape[:2], layer.heads, -1)
    dq, dk, dv = attention_backward(dz, cache.attention)
    dx = layer.q_proj.backward(merge(dq), cache.q_proj)
    dmemory = merge(dk) @ layer.k_proj.weight.data
    dmemory = dmemory + layer.v_proj.backward(merge(dv), cache.keys_values.v_proj)
    return (dx, dmemory) if cache.has_memory else dx + dmemory
