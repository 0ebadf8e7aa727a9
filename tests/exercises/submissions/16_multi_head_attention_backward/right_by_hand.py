import numpy as np


def multi_head_attention_backward(layer, dy, cache):
    q, k, v, probs, scale = cache.attention[:5]
    z = np.einsum("bnts,bsnh->btnh", probs, v)
    layer.out_proj.weight.accumulate(np.einsum("btd,bte->de", dy, z.reshape(*z.shape[:2], -1)))
    layer.out_proj.bias.accumulate(dy.sum(axis=(0, 1)))
    dx, dmemory = 0, 0
    n_heads, h, hv = layer.heads, q.shape[-1], v.shape[-1]
    rows = {name: [] for name in "qkv"}
    for n in range(n_heads):
        dz = dy @ layer.out_proj.weight.data[:, n * hv : (n + 1) * hv]
        p = probs[:, n]
        dp = dz @ v[:, :, n].mT
        da = scale * p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        dq, dk, dv = da @ k[:, :, n], da.mT @ q[:, :, n], p.mT @ dz
        dx = dx + dq @ layer.q_proj.weight.data[n * h : (n + 1) * h]
        dmemory = dmemory + dk @ layer.k_proj.weight.data[n * h : (n + 1) * h]
        dmemory = dmemory + dv @ layer.v_proj.weight.data[n * hv : (n + 1) * hv]
        for name, gradient in zip("qkv", (dq, dk, dv)):
            rows[name].append(gradient)
    for name, gradients in rows.items():
        projection = getattr(layer, f"{name}_proj")
        read = getattr(cache if name == "q" else cache.keys_values, f"{name}_proj").x
        every = np.concatenate(gradients, axis=-1)
        projection.weight.accumulate(np.einsum("bto,bti->oi", every, read))
        projection.bias.accumulate(every.sum(axis=(0, 1)))
    return (dx, dmemory) if cache.has_memory else dx + dmemory
