"""The card of multi-head latent attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_mask
from npformer.cards.module_invariants import adds_up, gathers
from npformer.cards.ordinary import OWN_FORWARD, only
from npformer.cards.strategies import Source
from npformer.nn.latent_attention import LatentAttention
from npformer.nn.module import Parameter
from npformer.nn.positions import RotaryPositions
from npformer.ops.array import finite
from npformer.ops.attention import attention_backward, attention_forward

card = ModuleCard.of(LatentAttention)
card.inputs, card.output = {"x": "BTD"}, "BTD"
card.causal, card.keeps = lambda static: static["causal"], ("causal", "at")
card.words = {"dx": "the sum of what comes by the queries, the latent and the shared key"}
card.passes = {
    ("forward", "mask", "attention"): "the mask",
    ("forward", "causal", "attention"): "the causal mask",
    ("forward", "scale", "attention"): "the scale of the scores",
    ("forward", "q", "attention"): "the query of its own columns and those that turn",
    ("forward", "k", "attention"): "the key of a head's columns and the shared ones",
    ("forward", "v", "attention"): "the split into heads",
    ("forward", "x", "out_proj"): "the merge of the heads",
    ("backward", "dy", "q_proj"): "the merge of the heads' dq",
    ("backward", "dy", "k_up"): "the heads' own part of dk",
    ("backward", "dy", "v_up"): "the merge of the heads' dv",
    ("backward", "dy", "k_shared"): "the sum of the shared part of dk over the heads",
    ("backward", "dy", "kv_norm"): "the sum of the keys' and the values' gradients",
    ("backward", "dy", "attention"): "the split into heads",
}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """With and without a latent of the queries; values wider and narrower than keys."""
    heads, own, shared = (source.choice(of) for of in ((2, 1, 3), (3, 1), (2, 4)))
    b, t, _ = draw_lengths(source)
    d_model = source.choice((5, 7))
    kind = source.choice(("rotary_interleaved", "rotary", "none"))
    positions = {"name": kind, "max_length": 64, "rotary_width": shared, "theta": 10.0}
    latent = source.choice((4, 3))
    static = {
        "build": (d_model, heads, own + shared, source.choice((2, 6))),
        "settings": {
            "latent_size": latent,
            "shared_size": shared,
            "query_latent_size": source.choice((None, 4)),
            "positions": None if kind == "none" else positions,
            "norm_type": source.choice(("rms_norm", "layer_norm")),
            # Of 4 columns or fewer, some row is nearly constant, where a norm has no digits left.
            "eps": 0.1,
            "scale": source.choice((None, 0.7)),
        },
        "mask": draw_mask(source, b, t),
        "causal": source.choice((False, True)),
        "at": source.choice((0, 5)),
    }
    inside = {"N": heads, "L": latent, "H": own + shared}
    return {"B": b, "T": t, "D": d_model, **inside}, static


@card.invariant(
    "the absorbed form, in which decoding runs, is the same function", "scale-of-the-latent"
)
def _absorbed(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if not finite(result["y"]):
        return
    module = card.build(case.static, case.dy.dtype)
    module.load_state_dict({n: a for n, a in case.inputs.items() if n != "x"})
    options = {name: case.static[name] for name in ("mask", "causal", "at")}
    y, _ = module.forward(case.inputs["x"], **options, kept=module.start(64))
    yield Finding(result["y"], y, 4 * scales["y"])


@card.invariant("only distances count: all tokens at later positions give the same y",
                broken_by="shared-key-not-turned")  # fmt: skip
def _distances(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if not finite(result["y"]):
        return
    later = dataclasses.replace(case, static={**case.static, "at": case.static["at"] + 7})
    yield Finding(component.forward(later), result["y"], 4 * scales["y"])


card.invariant("two parts of a batch add up to the whole", "first-sentence-s-mask")(adds_up("mask"))
card.invariant("a second backward adds to the first", broken_by="replaced")(gathers)


def _one_head(case: Case) -> bool:
    return case.static["build"][1] == 1


def _backward(sum_of: Any = None, own: Any = None, values: Any = None, latent: Any = None) -> Any:
    """A backward in which dk's shared part, its own part, dv or dlatent is made otherwise."""

    def backward(self, dy, cache):
        dy = self._split(self.out_proj.backward(dy, cache.out_proj))
        dq, dk, dv = attention_backward(dy, cache.attention)
        shared = dk[..., self.own_size :]
        dshared = shared.sum(axis=2, keepdims=True) if sum_of is None else sum_of(shared)
        of_k = dk[..., : self.own_size].reshape(*dk.shape[:2], self.heads * self.own_size)
        of_v = dv.reshape(*dv.shape[:2], dv.shape[2] * dv.shape[3])
        dlatent = self.k_up.backward(of_k, cache.k_up)
        dlatent = dlatent if own is None else own * dlatent
        by_values = self.v_up.backward(of_v, cache.v_up)
        dlatent = dlatent + (by_values if values is None else values * by_values)
        if latent is not None:
            dlatent = latent * dlatent
        return self._back_from_queries(dq, cache.queries) + self._back_from_latents(
            dlatent, dshared, cache.latents
        )

    return backward


card.wrong_method(
    "shared-key-of-some-heads",
    "the shared key's gradient is the sum over the heads of one device",
    LatentAttention.backward,
    seen="NVIDIA/Megatron-LM#6839",
    smallest="x (1, 2, 5)",
    missed_by=only("a single head", _one_head),
)(_backward(lambda shared: shared[:, :, : max(shared.shape[2] // 2, 1)].sum(2, keepdims=True)))
card.wrong_method("shared-key-of-the-mean", "the shared key's gradient is averaged over the heads",
                  LatentAttention.backward)(
    _backward(lambda shared: shared.mean(axis=2, keepdims=True))
)  # fmt: skip
card.wrong_method("shared-key-constant", "the shared key is taken for a table of positions, which "
                  "has no gradient", LatentAttention.backward)(
    _backward(lambda shared: 0 * shared[:, :, :1])
)  # fmt: skip
card.wrong_method("values-forgotten", "the latent gets the keys' gradient alone",
                  LatentAttention.backward)(_backward(values=0))  # fmt: skip
card.wrong_method("keys-forgotten", "the latent gets the values' gradient alone",
                  LatentAttention.backward)(_backward(own=0))  # fmt: skip
card.wrong_method("latent-detached", "the latent is taken from the cache of a decoding, as a "
                  "constant", LatentAttention.backward)(_backward(latent=0))  # fmt: skip


def _scaled(scale: Any) -> Any:
    """A forward with another scale than the one that is 1 / sqrt(d_k)."""

    def forward(self, x, *args, **options):
        d_k = self.own_size + self.shared_size
        if self.scale != d_k**-0.5:
            return self.forward(x, *args, **options)
        with altered(self, scale=scale(self, x)):
            return self.forward(x, *args, **options)

    return forward


for _name, _wrong, _scale, _seen in (
    ("scale-of-the-latent", "scores are divided by the root of the absorbed form's width",
     lambda self, x: (self.latent_size + self.shared_size) ** -0.5, "ollama/ollama#13893"),
    ("scale-of-the-width", "scores are divided by the root of the model's width over the heads",
     lambda self, x: (x.shape[-1] // self.heads) ** -0.5, "NVIDIA/Megatron-LM#1501"),
    ("scale-reversed", "scores are multiplied by the root by which they are to be divided",
     lambda self, x: (self.own_size + self.shared_size) ** 0.5, "AI-Hypercomputer/maxtext#1370"),
):  # fmt: skip
    card.wrong_method(
        _name, _wrong, LatentAttention.forward, seen=_seen, smallest="x (1, 2, 5)",
        missed_by=OWN_FORWARD,
    )(_scaled(_scale))  # fmt: skip


@card.wrong_method("shared-key-not-turned", "the queries' last columns turn, the shared key does "
                   "not", RotaryPositions.rotate)  # fmt: skip
def _not_turned(self, x, at=0):
    y, cache = self.rotate(x, at)
    return (x, cache) if x.shape[2] == 1 else (y, cache)


@card.wrong_method("other-layout", "halves turn for neighbours, or neighbours for halves",
                   RotaryPositions.rotate)  # fmt: skip
def _other_layout(self, x, at=0):
    other = {"half": "interleaved", "interleaved": "half"}[self.layout]
    turned = self.layout if x.shape[-1] == 2 else other
    with altered(self, layout=turned):
        return self.rotate(x, at)


@card.wrong_method("latent-not-normed", "the norm of the latent is left out",
                   LatentAttention.forward)  # fmt: skip
def _not_normed(self, x, *args, **options):
    right = self.kv_norm.forward
    with altered(self.kv_norm, forward=lambda latent: (latent, right(latent)[1])):
        return self.forward(x, *args, **options)


@card.wrong_method("first-sentence-s-mask", "every sentence gets the first one's mask",
                   LatentAttention.forward)  # fmt: skip
def _first_mask(self, x, mask=None, **options):
    return self.forward(x, mask if mask is None or not len(mask) else mask[:1], **options)


@card.wrong_method("not-causal", "every token sees those after it", LatentAttention.forward)
def _not_causal(self, x, mask=None, *, causal=False, at=None, kept=None):
    return self.forward(x, mask, at=at, kept=kept)


@card.wrong_method("replaced", "a gradient takes the place of what was there", Parameter.accumulate)
def _replaced(self, gradient):
    self.grad = np.array(gradient)


@card.wrong_method("parts-by-turns", "the shared part of a key comes first, and of a query last",
                   attention_forward)  # fmt: skip
def _by_turns(q, k, v, *masks, **options):
    return attention_forward(
        q, np.concatenate([k[..., -2:], k[..., :-2]], -1), v, *masks, **options
    )
