"""Wrong versions of attention: its products, its softmax, its scale."""

from __future__ import annotations

import numpy as np

from npformer.cards.ops import attention_by_hand as right
from npformer.cards.ops.attention import card
from npformer.cards.ops.attention_by_hand import backward
from npformer.cards.ordinary import CONTIGUOUS, only
from npformer.ops.attention import attention_backward, attention_forward
from npformer.ops.softmax import softmax_forward


@card.wrong_backward("scale-missing-from-dq", "dq lacks the scale")
def _dq_scale(dy, cache):
    dq, *others = attention_backward(dy, cache)
    return dq / cache.scale, *others


@card.wrong_backward("scale-missing-from-dk", "dk lacks the scale")
def _dk_scale(dy, cache):
    dq, dk, *others = attention_backward(dy, cache)
    return dq, dk / cache.scale, *others


@card.wrong_backward("scale-twice", "dq is scaled twice")
def _twice(dy, cache):
    dq, *others = attention_backward(dy, cache)
    return dq * cache.scale, *others


card.wrong_backward("softmax-diagonal", "the softmax's sum over keys is left out of dscores")(
    backward(dscores=lambda p, dp, sink: (p * dp, right.dscores(p, dp, sink)[1]))
)


@card.wrong_backward("dv-from-uniform-weights", "dv ignores the weights: every key gets the same")
def _uniform(dy, cache):
    even = np.ones_like(cache.probs) / max(cache.probs.shape[-1], 1)
    dq, dk, dv, *others = attention_backward(dy, cache)
    return dq, dk, right.dv(even, dy, cache.k.shape[2]).astype(dv.dtype), *others


@card.wrong_backward("dv-from-unmasked-weights", "dv uses weights that were never masked")
def _unmasked_dv(dy, cache):
    dq, dk, _, *others = attention_backward(dy, cache)
    probs, _ = softmax_forward(right.scores(cache.q, cache.k, cache.scale))
    return dq, dk, right.dv(probs, dy, cache.k.shape[2]), *others


card.wrong_backward("dk-without-transpose", "dscores is reshaped to (S, T), not transposed, in dk")(
    backward(
        dk=lambda ds, q, groups, scale: (
            scale
            * right.summed(
                np.einsum("bnst,btnh->bsnh", ds.reshape(*ds.shape[:2], *ds.shape[:1:-1]), q), groups
            )
        )
    )
)


@card.wrong_backward("heads-mixed", "heads are reshaped without being permuted back")
def _heads(dy, cache):
    dq, *others = attention_backward(dy, cache)
    return dq.swapaxes(1, 2).reshape(dq.shape), *others


@card.wrong_backward("dk-from-k", "dscores is multiplied by k in dk, where q belongs")
def _dk_from_k(dy, cache):
    def dk(ds, q, groups, scale):
        k = right.heads_of(cache.k, q.shape[2])
        return scale * right.summed(np.einsum("bnts,bsnh->bsnh", ds, k), groups)

    return backward(dk=dk)(dy, cache)


@card.wrong_backward(
    "single-precision", "the gradients are computed silently in float32", beyond_forward=True
)
def _float32(dy, cache):
    arrays = {n: a for n, a in cache._asdict().items() if isinstance(a, np.ndarray)}
    narrow = cache._replace(**{n: a.astype(np.float32) for n, a in arrays.items()})
    wrong = attention_backward(dy.astype(np.float32), narrow)
    return tuple(gradient.astype(dy.dtype) for gradient in wrong)


@card.wrong_backward("dv-averaged", "dv is averaged over the queries that read it")
def _dv_mean(dy, cache):
    dq, dk, dv, *others = attention_backward(dy, cache)
    return dq, dk, dv / max(dy.shape[1], 1), *others


@card.wrong_forward("scaled-by-model-width", "the scale is 1 / sqrt(N H), the model's width")
def _width(q, k, v, *masks, scale=None, **options):
    if scale is None:
        scale = 1 / np.sqrt(max(q.shape[-1] * q.shape[-2], 1)).item()
    return attention_forward(q, k, v, *masks, scale=scale, **options)


@card.wrong_forward(
    "scale-forgotten",
    "scores are not divided by sqrt(H)",
    seen="delzac/cntkx#10",
    smallest="q (1, 1, 1, 2), k (1, 1, 1, 2), v (1, 1, 1, 1), sink (1,)",
    missed_by=only("heads of size 1", lambda case: case.inputs["q"].shape[-1] == 1),
)
def _unscaled(q, k, v, *masks, scale=None, **options):
    return attention_forward(q, k, v, *masks, scale=1.0 if scale is None else scale, **options)


@card.wrong_backward(
    "dy-read-as-contiguous",
    "dy's memory is read row after row, whatever its strides",
    seen="Dao-AILab/flash-attention#355",
    smallest="q (1, 2, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 2)",
    missed_by=CONTIGUOUS,
)
def _memory(dy, cache):
    return attention_backward(dy.ravel(order="K").reshape(dy.shape), cache)
