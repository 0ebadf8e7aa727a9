# diagnosis: positions and heads change places in dq, dk and dv
from npformer.ops import attention_backward


def merge(a):
    b, t, n, h = a.shape
    return a.transpose(0, 2, 1, 3).reshape(b, t, n * h)


def multi_head_attention_backward(layer, dy, cache):
    dz = layer.out_proj.backward(dy, cache.out_proj)
    dz = dz.reshape(*dz.shape[:2], layer.heads, -1)
    dq, dk, dv = attention_backward(dz, cache.attention)
    dx = layer.q_proj.backward(merge(dq), cache.q_proj)
    dmemory = layer.k_proj.backward(merge(dk), cache.keys_values.k_proj)
    dmemory = dmemory + layer.v_proj.backward(merge(dv), cache.keys_values.v_proj)
    return (dx, dmemory) if cache.has_memory else dx + dmemory
