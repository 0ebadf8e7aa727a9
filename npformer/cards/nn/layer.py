"""The card of the layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.attention_draws import draw_attention
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_mask, draw_seed, draw_settings
from npformer.cards.module_invariants import adds_up, product, same_product
from npformer.cards.nn.multi_head_attention import not_causal
from npformer.cards.ordinary import OUTPUT
from npformer.cards.strategies import Source
from npformer.nn.layer import Layer
from npformer.nn.multi_head_attention import MultiHeadAttention

card = ModuleCard.of(Layer)
card.inputs, card.output = {"x": "BTD", "memory": "BSD"}, "BTD"
card.inputs |= {"values": "BTC", "rows": "BTP"}
card.causal = lambda static: static["settings"]["causal"]
card.plain = lambda case: (
    "attention" not in case.static["settings"]
    and case.static["settings"]["norm_type"] == "layer_norm"
)
card.words = {
    "dx": "the gradient that its residuals hand on",
    "dmemory": "the memory's gradient",
    "dvalues": "the gradient of the tokens' value embeddings",
    "drows": "the gradient of the tokens' rows of this layer",
}
card.passes = {("forward", "causal", "self_attn"): "the causal mask"}


def named(layer: Any, inputs: list[Any]) -> dict[str, Any]:
    """The inputs of a layer, or of a stack of such, by their names: x comes first."""
    there = {"x": True, "memory": layer.cross_attn}
    there |= {"values": getattr(layer.self_attn, "value_mix", None), "rows": layer.per_layer}
    return dict(zip((n for n, part in there.items() if part is not None), inputs, strict=True))


def _call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    y, cache = module.forward(**named(module, inputs), **keywords)
    return y, lambda dy: module.backward(dy, cache)


card.call = _call
card.call_twin = lambda module, inputs, keywords: module(**named(module, inputs), **keywords)


def draw_layers(source: Source, *counts: int) -> tuple[dict[str, int], dict[str, Any]]:
    """One layer or several: an encoder's, a decoder's, or those of a decoder without a memory."""
    c = draw_settings(source)
    b, t, s = draw_lengths(source)
    causal, cross = source.choice(((False, False), (True, True), (True, False), (False, True)))
    count = (source.choice(counts),) if counts else ()
    same = ("d_k", "d_v", "dropout", "norm", "norm_type", "activation")
    size = c["d_k"] or c["d_model"] // c["heads"]
    attention = draw_attention(source, c["heads"], size, t, as_wide=c["d_k"] == c["d_v"])
    further: dict[str, Any] = {}
    if attention:
        further = {"attention": attention, "bias": source.choice((True, False))}
    if attention and cross:
        further["memory_attention"] = {
            "bias": source.choice(("all", "qkv", "none")),
            "scale": source.choice((None, 1.0)),
        }
    if attention:
        further["first_norm"] = source.choice((True, False))
        further["residual_scale"] = source.choice((1.0, 0.5))
        further["parallel"] = not cross and source.choice((False, True))
        if source.choice((False, True)):
            attention["value_mix"] = True
        if source.choice((False, True)):
            gate = source.choice(("geglu_tanh", "swiglu"))
            further["per_layer"] = {"size": source.choice((3, 2)), "activation": gate}
        further["layer_scalar"] = source.choice((None, {}))
    static = {
        "build": (*count, c["d_model"], c["heads"], c["d_ff"]),
        "settings": {
            "causal": causal,
            "cross_attention": cross,
            **{n: c[n] for n in same},
            **further,
        },
        "mask": None if causal else draw_mask(source, b, t),
        "memory_mask": draw_mask(source, b, s) if cross else None,
        "rng": draw_seed(source),
    }
    sizes = {"B": b, "T": t, "D": c["d_model"], **({"S": s} if cross else {})}
    if "value_mix" in attention:
        sizes["C"] = attention["kv_heads"] * (c["d_v"] or c["d_model"] // c["heads"])
    if "per_layer" in further:
        sizes |= {"P": further["per_layer"]["size"], **({"L": count[0]} if count else {})}
    inside = {"N": c["heads"], "F": c["d_ff"], "H": size, "the number of layers": sum(count)}
    return {**sizes, **inside}, static


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """One layer."""
    return draw_layers(source)


MEMORY = ("cross_attn.k_proj.weight", "cross_attn.v_proj.weight")
READ = tuple(f"self_attn.{name}_proj.weight" for name in ("q", "k", "v", "gate"))
"""What reads a layer's input, or its norm's output."""
FEED = tuple(f"feed_forward.{name}.weight" for name in ("linear1", "gate_proj", "up_proj"))
"""What reads it too, in parallel."""

card.invariant("<dmemory, memory> is the sum of the keys' and the values' products",
               broken_by="memory-gradient-lost")(
    same_product(("memory",), MEMORY, when=lambda case: "memory" in case.inputs)
)  # fmt: skip


@card.invariant("a norm before self-attention has the product that what reads it has",
                broken_by="query-path-only")  # fmt: skip
def _norm(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """<dy, y> of the norm is <dx, x> of the projections, of which each is linear in x."""
    settings = case.static["settings"]
    if settings["norm"] not in ("pre", "sandwich"):
        return
    norm = [f"self_attn_residual.norm.{name}" for name in ("weight", "bias")]
    if norm[0] not in case.inputs:
        return
    left, size = product(case, result, scales, norm)
    if settings["norm_type"] == "rms_norm_plus_one":
        one = f"grad {norm[0]}"
        left, size = left + result[one].sum(dtype=np.float64), size + scales[one].sum()
    readers = READ + FEED if settings.get("parallel") else READ
    right, other = product(case, result, scales, readers)
    yield Finding(left, right, size + other)


card.invariant("two parts of a batch add up to the whole", "first-sentence-s-mask")(
    adds_up("mask", "memory_mask")
)


def _one_of_self(pick):
    """Self-attention whose input gradient takes one of its two paths."""

    def backward(self, dy, cache):
        if cache.has_memory:
            return self.backward(dy, cache)
        dquery, dmemory, *others = self.backward(dy, cache._replace(has_memory=True))
        dx = pick(dquery, dmemory)
        return (dx, *others) if others else dx

    return backward


for _name, _text, _pick, _seen in (
    ("query-path-only", "self-attention's gradient by keys and values is left out",
     lambda dquery, dmemory: dquery,
     {"seen": "TrenTorch/TrenTorch#182", "smallest": "x (1, 1, 2)", "missed_by": OUTPUT}),
    ("memory-path-only", "self-attention's gradient by the queries is left out",
     lambda dquery, dmemory: dmemory, {}),
):  # fmt: skip
    card.wrong_method(_name, _text, MultiHeadAttention.backward, **_seen)(_one_of_self(_pick))


@card.wrong_method("gradient-of-last-half", "only the feed-forward half is walked back",
                   Layer.backward)  # fmt: skip
def _half(self, dy, cache):
    rows = []
    if self.per_layer is not None:
        gate = self.per_layer.backward
        dy, *rows = self.per_layer_residual.backward(dy, cache.per_layer, gate)
    inside = cache.self_attn.sublayer
    if self.self_attn.value_mix is not None:
        of_attention = inside[0] if self.feed_forward_residual is None else inside
        b, t, g, h = of_attention.keys_values.mix.row.shape
        rows = [np.zeros((b, t, g * h), dy.dtype), *rows]
    if self.feed_forward_residual is None:
        _, of_network = inside
        dx = self.self_attn_residual.backward(
            dy, cache.self_attn, lambda dh, _: self.feed_forward.backward(dh, of_network)
        )
        return (dx, *rows) if rows else dx
    dx = self.feed_forward_residual.backward(dy, cache.feed_forward, self.feed_forward.backward)
    if self.cross_attn is None:
        return (dx, *rows) if rows else dx
    across = self.cross_attn.backward
    return (*self.cross_attn_residual.backward(dx, cache.cross_attn, across), *rows)


@card.wrong_method("parallel-attention-alone", "in parallel, x gets what attention returns, and "
                   "not what the network does", Layer._both_backward)  # fmt: skip
def _attention_alone(self, dh, cache):
    right = self.feed_forward.backward
    with altered(self.feed_forward, backward=lambda d, of: 0 * right(d, of)):
        return self._both_backward(dh, cache)


@card.wrong_method("rows-detached", "the tokens' rows of the layer get no gradient", Layer.backward)
def _rows_detached(self, dy, cache):
    gradients = self.backward(dy, cache)
    if self.per_layer is None:
        return gradients
    *others, drows = gradients
    return (*others, np.zeros_like(drows))


@card.wrong_method("memory-gradient-lost", "dmemory is zero", Layer.backward)
def _memory_lost(self, dy, cache):
    gradients = self.backward(dy, cache)
    if self.cross_attn is None:
        return gradients
    dx, dmemory, *others = gradients
    return dx, np.zeros_like(dmemory), *others


card.wrong_method("not-causal", "self-attention sees the future", MultiHeadAttention.forward)(
    not_causal
)


@card.wrong_method("first-sentence-s-mask", "every sentence gets the first one's mask",
                   Layer.forward)  # fmt: skip
def _first_mask(self, x, memory=None, mask=None, memory_mask=None, *others, **more):
    first = [m if m is None or not len(m) else m[:1] for m in (mask, memory_mask)]
    return self.forward(x, memory, *first, *others, **more)


@card.wrong_method("scalar-of-the-branches", "the layer's number multiplies what its branches add, "
                   "and not the stream", Layer.forward)  # fmt: skip
def _of_branches(self, x, *others, **more):
    y, cache = self.forward(x, *others, **more)
    if self.layer_scalar is None:
        return y, cache
    return y + (1 - self.layer_scalar.weight.data[0]) * x, cache
