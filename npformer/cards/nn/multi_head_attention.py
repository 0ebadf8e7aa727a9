"""The card of multi-head attention."""

from __future__ import annotations

import copy
from typing import Any

from npformer.cards.altered import altered
from npformer.cards.attention_draws import draw_attention
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_mask, draw_settings
from npformer.cards.ordinary import only, option
from npformer.cards.strategies import Source
from npformer.nn.key_value_cache import KeysValues
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.ops.attention import attention_backward, attention_forward
from npformer.ops.linear import linear_backward

card = ModuleCard.of(MultiHeadAttention)
card.inputs, card.output = {"x": "BTD", "memory": "BSD", "rows": "BTC"}, "BTD"
card.causal, card.keeps = lambda static: static["causal"], ("causal",)
card.plain = lambda case: not case.static["settings"]
card.words = {
    "dmemory": "the sum of the keys' and the values' gradients",
    "drows": "the share of the values' gradient that their rows have",
}


def _named(module: Any, inputs: list[Any]) -> dict[str, Any]:
    """A memory, if there is one, and rows by themselves: the card draws no rows of a memory."""
    names = ("x", "memory") if module.value_mix is None else ("x", "rows")
    return dict(zip(names, inputs, strict=False))


def _call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    y, cache = module.forward(**_named(module, inputs), **keywords)
    return y, lambda dy: module.backward(dy, cache)


card.call = _call
card.call_twin = lambda module, inputs, keywords: module(**_named(module, inputs), **keywords)
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
    """Self-attention, and over a memory of another length; causal, masked, both, neither.

    With everything else that attention may have, or as it was in 2017.
    """
    c = draw_settings(source)
    b, t, s = draw_lengths(source)
    memory = {"S": s} if source.choice((True, False)) else {}
    size = c["d_k"] or c["d_model"] // c["heads"]
    settings = draw_attention(source, c["heads"], size, max(t, s), as_wide=c["d_k"] == c["d_v"])
    static = {
        "build": (c["d_model"], c["heads"], c["d_k"], c["d_v"]),
        "settings": settings,
        "mask": draw_mask(source, b, memory.get("S", t)),
        # Over a memory of a fixed length, a prefix of the queries would be aligned otherwise.
        "causal": source.choice((False, True)) and not memory,
    }
    rows = {}
    if settings and not memory and source.choice((False, True)):
        settings["value_mix"] = True
        rows = {"C": settings["kv_heads"] * (c["d_v"] or c["d_model"] // c["heads"])}
    return {"B": b, "T": t, "D": c["d_model"], **memory, **rows}, static


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
        if cache.gate is not None:
            inner = inner * cache.gate.open
        share = attention_backward(self._split(inner), cache.attention)[which]
        if which == 2 and self.value_mix is not None:
            share = share * self.value_mix.mix.data[0]
        matrix = (getattr(self, weight) or self.k_proj).weight.data
        if which == 2 and self.v_norm is not None:
            share = self.v_norm.backward(share, cache.keys_values.v_norm)
        if which == 1:
            norm = copy.deepcopy(self.k_norm)  # whose own gradients are nobody's
            share = self._from_heads(share, norm, cache.keys_values.k_heads)
        share = share.reshape(*share.shape[:2], len(matrix)) @ matrix
        dx, *others = gradients if isinstance(gradients, tuple) else (gradients,)
        if cache.has_memory:
            return dx, others[0] - share, *others[1:]
        return (dx - share, *others) if others else dx - share

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
    def unpermuted(dx, norm, heads):
        b, t, n, h = dx.shape
        if norm is self.q_norm and n == self.heads and heads is cache.q_heads:
            dx = dx.swapaxes(1, 2).reshape(b, t, n, h)
        return type(self)._from_heads(self, dx, norm, heads)

    with altered(self, _from_heads=unpermuted):
        return self.backward(dy, cache)


@card.wrong_method(
    "causal-ignored",
    "causal is not passed on",
    MultiHeadAttention.forward,
    seen="keras-team/keras#23038",
    smallest="x (1, 2, 4)",
    missed_by=option("no causal mask", causal=False),
)
def not_causal(self, x, *args, causal=False, **options):
    """Sees the future."""
    return self.forward(x, *args, **options)


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
def _split_by_reshape(q, k, v, *masks, **options):
    def turned(a):
        b, t, n, h = a.shape
        return a.reshape(b, n, t, h).swapaxes(1, 2)

    return attention_forward(turned(q), turned(k), turned(v), *masks, **options)


@card.wrong_method(
    "heads-merged-by-reshape",
    "the heads' outputs (B, N, T, H) are reshaped to (B, T, N H) without the swap",
    attention_forward,
    seen="jsbaan/transformer-from-scratch#6",
    smallest="x (1, 2, 4)",
    missed_by=only("a single head", _one_head),
)
def _merged_by_reshape(q, k, v, *masks, **options):
    y, cache = attention_forward(q, k, v, *masks, **options)
    return y.swapaxes(1, 2).reshape(y.shape), cache


@card.wrong_method("rows-before-the-norm", "rows are mixed into the values before these are "
                   "normed", MultiHeadAttention.forward)  # fmt: skip
def _rows_normed(self, x, *arguments, **more):
    if self.value_mix is None or self.v_norm is None:
        return self.forward(x, *arguments, **more)

    def to_keys_values(projected, at, rows=None):
        (k, _), cache = type(self)._to_keys_values(self, projected, at, rows)
        v = self._split((self.v_proj or self.k_proj).forward(x)[0], self.kv_heads)
        v = self.value_mix.forward(v, self._split(rows, self.kv_heads))[0]
        return KeysValues(k, self.v_norm.forward(v)[0]), cache

    with altered(self, _to_keys_values=to_keys_values):
        return self.forward(x, *arguments, **more)
