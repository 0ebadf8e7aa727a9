"""The card of multi-head attention."""

from __future__ import annotations

from typing import Any

from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_mask, draw_settings
from npformer.cards.ordinary import only, option
from npformer.cards.strategies import Source
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.ops.attention import attention_backward, attention_forward
from npformer.ops.linear import linear_backward

card = ModuleCard.of(MultiHeadAttention)
card.inputs, card.output = {"x": "BTD", "memory": "BSD"}, "BTD"
card.causal, card.keeps = lambda static: static["causal"], ("causal",)
card.words = {"dmemory": "the sum of the keys' and the values' gradients"}
card.passes = {
    ("forward", "mask", "attention"): "the mask",
    ("forward", "causal", "attention"): "the causal mask",
    ("forward", "scale", "attention"): "the scale of the scores",
    ("forward", "q", "attention"): "the split into heads",
    ("forward", "k", "attention"): "the split into heads",
    ("forward", "v", "attention"): "the split into heads",
    ("forward", "x", "out_proj"): "the merge of the heads",
    ("backward", "dy", "q_proj"): "the merge of the heads' dq",
    ("backward", "dy", "k_proj"): "the merge of the heads' dk",
    ("backward", "dy", "v_proj"): "the merge of the heads' dv",
    ("backward", "dy", "attention"): "the split into heads",
}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Self-attention, and over a memory of another length; causal, masked, both, neither."""
    c = draw_settings(source)
    b, t, s = draw_lengths(source)
    memory = {"S": s} if source.choice((True, False)) else {}
    static = {
        "build": (c["d_model"], c["heads"], c["d_k"], c["d_v"]),
        "mask": draw_mask(source, b, memory.get("S", t)),
        "causal": source.choice((False, True)),
    }
    return {"B": b, "T": t, "D": c["d_model"], **memory}, static


@card.steps
def step(visit: Any, result: str) -> str:
    """Which sum dx is."""
    if result != "dx":
        return ""
    if visit.arguments.get("memory") is not None:
        return "the queries' gradient"
    return "the sum of the queries', the keys' and the values' gradients"


def _without(which, weight):
    """A backward that forgets what reaches the memory through the keys (1) or the values (2)."""

    def backward(self, dy, cache):
        gradients = self.backward(dy, cache)
        inner = linear_backward(dy, cache.out_proj)[0]
        share = attention_backward(self._split(inner), cache.attention)[which]
        matrix = getattr(self, weight).weight.data
        share = share.reshape(*share.shape[:2], len(matrix)) @ matrix
        if not cache.has_memory:
            return gradients - share
        dx, dmemory = gradients
        return dx, dmemory - share

    return backward


card.wrong_method("values-forgotten", "dmemory lacks the values", MultiHeadAttention.backward)(
    _without(2, "v_proj")
)
card.wrong_method("keys-forgotten", "dmemory lacks the keys' share", MultiHeadAttention.backward)(
    _without(1, "k_proj")
)


@card.wrong_method("heads-not-permuted-back", "(B, N, T, H) is reshaped to (B, T, N H) without "
                   "the swap", MultiHeadAttention.backward)  # fmt: skip
def _not_permuted(self, dy, cache):
    inner = self.out_proj.backward(dy, cache.out_proj)
    dq, dk, dv = attention_backward(self._split(inner), cache.attention)
    b, t, n, h = dq.shape
    dx = self.q_proj.backward(dq.swapaxes(1, 2).reshape(b, t, n * h), cache.q_proj)
    keys_values = cache.keys_values
    dmemory = self.k_proj.backward(dk.reshape(*dk.shape[:2], n * h), keys_values.k_proj)
    dv = dv.reshape(*dv.shape[:2], n * dv.shape[-1])
    dmemory = dmemory + self.v_proj.backward(dv, keys_values.v_proj)
    return (dx, dmemory) if cache.has_memory else dx + dmemory


@card.wrong_method(
    "causal-ignored",
    "causal is not passed on",
    MultiHeadAttention.forward,
    seen="keras-team/keras#23038",
    smallest="x (1, 2, 2)",
    missed_by=option("no causal mask", causal=False),
)
def not_causal(self, x, memory=None, mask=None, *, causal=False, kept=None):
    """Sees the future."""
    return self.forward(x, memory, mask, kept=kept)


def _one_head(case):
    return case.static["build"][1] == 1


@card.wrong_method(
    "heads-split-by-reshape",
    "(B, T, N H) is reshaped to (B, N, T, H) without the swap",
    attention_forward,
    seen="reczoo/FuxiCTR#30",
    smallest="x (1, 2, 4)",
    missed_by=only("a single head", _one_head),
)
def _split_by_reshape(q, k, v, mask=None, **options):
    def turned(a):
        b, t, n, h = a.shape
        return a.reshape(b, n, t, h).swapaxes(1, 2)

    return attention_forward(turned(q), turned(k), turned(v), mask, **options)


@card.wrong_method(
    "heads-merged-by-reshape",
    "the heads' outputs (B, N, T, H) are reshaped to (B, T, N H) without the swap",
    attention_forward,
    seen="jsbaan/transformer-from-scratch#6",
    smallest="x (1, 2, 4)",
    missed_by=only("a single head", _one_head),
)
def _merged_by_reshape(q, k, v, mask=None, **options):
    y, cache = attention_forward(q, k, v, mask, **options)
    return y.swapaxes(1, 2).reshape(y.shape), cache
