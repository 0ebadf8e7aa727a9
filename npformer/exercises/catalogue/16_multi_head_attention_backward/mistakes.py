"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

from npformer.ops import attention_backward


def _split(a, n):
    return a.reshape(*a.shape[:2], n, a.shape[2] // n)


def _merge(a):
    return a.reshape(*a.shape[:2], a.shape[2] * a.shape[3])


def _unswapped(a):
    return _merge(a.swapaxes(1, 2).reshape(a.shape))


def _components_first(a):
    return _merge(a.swapaxes(2, 3))


def _split_components_first(a, n):
    return a.reshape(*a.shape[:2], a.shape[2] // n, n).swapaxes(2, 3)


def _through(layer, dy, cache):
    return layer.out_proj.backward(dy, cache.out_proj)


def _backward(
    through=_through,
    split=_split,
    merge=(_merge, _merge, _merge),
    join=lambda dx, dmemory: dx + dmemory,
):
    """The backward with another dz, other splits and merges, or another sum in self-attention."""

    def backward(layer, dy, cache):
        dz = through(layer, dy, cache)
        gradients = attention_backward(split(dz, layer.heads), cache.attention)
        dq, dk, dv = (m(g) for m, g in zip(merge, gradients, strict=True))
        dx = layer.q_proj.backward(dq, cache.q_proj)
        dmemory = layer.k_proj.backward(dk, cache.keys_values.k_proj)
        dmemory = dmemory + layer.v_proj.backward(dv, cache.keys_values.v_proj)
        return (dx, dmemory) if cache.has_memory else join(dx, dmemory)

    return {"multi_head_attention_backward": backward}


MISTAKES = [
    ("out_proj is left out: dy itself stands for dz",
     _backward(through=lambda layer, dy, cache: dy)),
    ("in self-attention the gradient by keys and values is left out: x is all three",
     _backward(join=lambda dx, dmemory: dx)),
    ("in self-attention the gradient by the queries is left out: x is all three",
     _backward(join=lambda dx, dmemory: dmemory)),
    ("the heads of dz are read as (H, N): the numbers of one head stand together, so it is (N, H)",
     _backward(split=_split_components_first)),
    ("dq, dk and dv are merged as (H, N); head 0's numbers come first, then head 1's",
     _backward(merge=(_components_first,) * 3)),
    ("positions and heads change places in dz before it is split",
     _backward(split=lambda a, n: _split(a, n).swapaxes(1, 2).reshape(*a.shape[:2], n, -1))),
    ("positions and heads change places in dk and dv before they are merged",
     _backward(merge=(_merge, _unswapped, _unswapped))),
    ("positions and heads change places in dq, dk and dv before they are merged",
     _backward(merge=(_unswapped,) * 3)),
]  # fmt: skip
