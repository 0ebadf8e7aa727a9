# diagnosis: the heads of dz are read as (H, N)
from npformer.ops import attention_backward


def multi_head_attention_backward(layer, dy, cache):
    b, t, _ = dy.shape
    dz = layer.out_proj.backward(dy, cache.out_proj).reshape(b, t, -1, layer.heads)
    dz = dz.swapaxes(2, 3)
    dq, dk, dv = (a.reshape(b, a.shape[1], -1) for a in attention_backward(dz, cache.attention))
    dx = layer.q_proj.backward(dq, cache.q_proj)
    dmemory = layer.k_proj.backward(dk, cache.keys_values.k_proj)
    dmemory = dmemory + layer.v_proj.backward(dv, cache.keys_values.v_proj)
    return (dx, dmemory) if cache.has_memory else dx + dmemory
