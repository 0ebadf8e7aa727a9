"""Wrong versions of what a multi-head attention may have: norms, rotation, windows, gate, sinks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.nn.multi_head_attention import card
from npformer.cards.ordinary import OUTPUT, only
from npformer.nn.key_value_cache import KeysValues
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.nn.positions import RotaryPositions
from npformer.nn.rms_norm import RMSNorm
from npformer.ops.array import finite
from npformer.ops.attention import attention_backward, attention_forward
from npformer.ops.sigmoid import sigmoid_backward, sigmoid_forward


def _has(name: str, *values: Any) -> Any:
    """Whether a case's setting is one of these, or any that is not false."""

    def has(case: Case) -> bool:
        given = case.static["settings"].get(name)
        return given in values if values else bool(given)

    return has


def _plain_heads(case: Case) -> bool:
    return case.static["settings"].get("qk_norm", "none") == "none"


def _turns_all(case: Case) -> bool:
    positions = case.static["settings"].get("positions")
    build = case.static["build"]
    size = build[2] or build[0] // build[1]
    return positions is None or positions.get("rotary_width", size) == size


@card.invariant(
    "with a norm of queries and keys, a projection twice as large changes nothing",
    broken_by="norms-skipped",
)
def _any_size(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    settings = case.static["settings"]
    if settings.get("qk_norm", "none") == "none" or not finite(result["y"]):
        return
    if settings["values_from_keys"] and not settings["value_norm"]:
        return  # which the values see
    if settings["norm_type"] == "layer_norm":
        return  # of heads of two columns a step, which no factor leaves where it is
    small = np.finfo(case.dy.dtype).tiny
    static = {**case.static, "settings": {**settings, "eps": float(small)}}
    case = dataclasses.replace(case, static=static)
    larger = {name: 2 * array for name, array in case.inputs.items() if name.startswith("k_proj.")}
    expected = component.forward(case)
    yield Finding(component.forward(case.with_inputs(larger)), expected, scales["y"])


@card.invariant(
    "a gate of zeros halves what goes into the last projection", broken_by="gate-of-tanh"
)
def _half_open(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if not _has("gate")(case) or not finite(result["y"]):
        return
    shut = {n: np.zeros_like(a) for n, a in case.inputs.items() if n.startswith("gate_proj.")}
    half = {"out_proj.weight": case.inputs["out_proj.weight"] / 2}
    settings = {**case.static["settings"], "gate": False}
    without = {n: a for n, a in case.inputs.items() if not n.startswith("gate_proj.")}
    plain = dataclasses.replace(
        case, inputs={**without, **half}, static={**case.static, "settings": settings}
    )
    yield Finding(component.forward(case.with_inputs(shut)), component.forward(plain), scales["y"])


@card.invariant(
    "normed values do not see how large their projection is", broken_by="value-norm-skipped"
)
def _large_values(own: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    settings = case.static["settings"]
    name = "k_proj" if settings.get("values_from_keys") else "v_proj"
    keys_seen = name == "k_proj" and settings["qk_norm"] == "none"
    if not settings.get("value_norm") or keys_seen or not finite(result["y"]):
        return
    if name == "k_proj" and settings["norm_type"] == "layer_norm":
        return  # of heads of two columns a step, which no factor leaves where it is
    small = float(np.finfo(case.dy.dtype).tiny)
    case = dataclasses.replace(case, static={**case.static, "settings": {**settings, "eps": small}})
    larger = {n: 2 * array for n, array in case.inputs.items() if n.startswith(f"{name}.")}
    yield Finding(own.forward(case.with_inputs(larger)), own.forward(case), scales["y"])


@card.wrong_method(
    "turned-twice",
    "queries and keys are turned twice, once before and once in a fused kernel",
    RotaryPositions.rotate,
    seen="NVIDIA/TensorRT-LLM#4040",
    smallest="x (1, 2, 3)",
    missed_by=only("no rotary positions", lambda case: not _has("positions")(case)),
)
def _twice(self, x, at=0):
    return self.rotate(self.rotate(x, at)[0], at)


@card.wrong_method(
    "norms-skipped",
    "the norms of queries and keys are not found under their names, and are left out",
    MultiHeadAttention.forward,
    seen="vllm-project/vllm-metal#659",
    smallest="x (1, 1, 2)",
    missed_by=only("no norms of queries and keys", _plain_heads),
)
def _skipped(self, x, *args, **options):
    with ExitStack() as stack:
        for norm in (self.q_norm, self.k_norm):
            if norm is not None:
                right = norm.forward
                stack.enter_context(altered(norm, forward=lambda x, f=right: (x, f(x)[1])))
        return self.forward(x, *args, **options)


@card.wrong_method("norm-after-rotation", "queries and keys turn first and are normed then",
                   MultiHeadAttention.forward)  # fmt: skip
def _after(self, x, *args, **options):
    if self.full_norm or self.q_norm is None or self.positions is None:
        return self.forward(x, *args, **options)

    def to_heads(x, heads, norm, at):
        turned, _ = self.positions.rotate(self._split(x, heads), at)
        _, cache = type(self)._to_heads(self, x, heads, norm, at)
        return norm.forward(turned)[0], cache

    with altered(self, _to_heads=to_heads):
        return self.forward(x, *args, **options)


@card.wrong_method(
    "first-heads-norm",
    "with some columns turning, heads after the first are divided by the first one's root mean "
    "square",
    MultiHeadAttention.forward,
    seen="vllm-project/vllm#51049",
    smallest="x (1, 1, 5)",
    missed_by=only("a rotation of all columns", _turns_all),
)
def _first_heads(self, x, *args, **options):
    turns = self.positions is not None and self.positions.rotates
    partial = turns and 2 * self.positions.tables.cos.shape[-1]
    norms = [n for n in (self.q_norm, self.k_norm) if isinstance(n, RMSNorm)]
    if self.full_norm or not partial or not norms:
        return self.forward(x, *args, **options)

    def wrong(norm, right):
        def forward(x):
            y, cache = right(x)
            if x.shape[-1] == partial:
                return y, cache
            rms = np.sqrt((x * x).mean(axis=-1, keepdims=True) + norm.eps)
            return y * rms / rms[..., :1, :], cache

        return forward

    with ExitStack() as stack:
        for norm in norms:
            stack.enter_context(altered(norm, forward=wrong(norm, norm.forward)))
        return self.forward(x, *args, **options)


@card.wrong_method("value-norm-skipped", "the norm of values, which has no weight in a file, is "
                   "left out", MultiHeadAttention.forward)  # fmt: skip
def _value_norm_skipped(self, x, *args, **options):
    if self.v_norm is None:
        return self.forward(x, *args, **options)
    right = self.v_norm.forward
    with altered(self.v_norm, forward=lambda v: (v, right(v)[1])):
        return self.forward(x, *args, **options)


@card.wrong_method(
    "values-of-turned-keys",
    "values that come from the keys are taken after these were normed and turned",
    MultiHeadAttention.forward,
    seen="ml-explore/mlx-swift-lm#300",
    smallest="x (1, 1, 2), memory (1, 1, 2)",
    missed_by=only("values of their own", lambda case: not _has("values_from_keys")(case)),
)
def _values_of_turned_keys(self, x, *args, **options):
    def to_keys_values(projected, at, rows=None):
        (k, v), cache = type(self)._to_keys_values(self, projected, at, rows)
        if self.v_proj is None:
            v = k if self.v_norm is None else self.v_norm.forward(k)[0]
            if rows is not None:
                v = self.value_mix.forward(v, self._split(rows, self.kv_heads))[0]
        return KeysValues(k, v), cache

    with altered(self, _to_keys_values=to_keys_values):
        return self.forward(x, *args, **options)


@card.wrong_method("keys-gradient-alone", "the projection that makes keys and values gets the "
                   "gradient of the keys alone", MultiHeadAttention.backward)  # fmt: skip
def _keys_alone(self, dy, cache):
    def backward(dk, dv, of):
        dv = np.zeros_like(dv) if self.v_proj is None else dv
        return type(self)._keys_values_backward(self, dk, dv, of)

    with altered(self, _keys_values_backward=backward):
        return self.backward(dy, cache)


@card.wrong_method("window-not-handed-on", "every layer sees all keys", MultiHeadAttention.forward)
def _no_window(self, x, *args, **options):
    with altered(self, window=None):
        return self.forward(x, *args, **options)


@card.wrong_method("softcap-not-handed-on", "scores are not held", MultiHeadAttention.forward)
def _no_softcap(self, x, *args, **options):
    with altered(self, softcap=None):
        return self.forward(x, *args, **options)


@card.wrong_method(
    "sinks-frozen",
    "the kernel returns no gradient of the sinks, and they stay as they are",
    attention_backward,
    seen="Dao-AILab/flash-attention#1895",
    smallest="x (1, 1, 2)",
    missed_by=OUTPUT,
)
def _frozen_sinks(dy, cache):
    gradients = attention_backward(dy, cache)
    if cache.sink_probs is None:
        return gradients
    return *gradients[:-1], np.zeros_like(gradients[-1])


@card.wrong_method("gate-constant", "the gate is taken for a constant: nothing goes back by it",
                   sigmoid_backward)  # fmt: skip
def _constant_gate(dy, cache):
    return np.zeros_like(dy)


@card.wrong_method("gate-of-tanh", "the gate is tanh, which lets nothing through where it is 0",
                   sigmoid_forward)  # fmt: skip
def _tanh(x):
    return np.tanh(x), sigmoid_forward(x)[1]


@card.wrong_method("gate-left-out-of-dy", "what the heads found gets the whole dy",
                   MultiHeadAttention.backward)  # fmt: skip
def _whole_dy(self, dy, cache):
    if cache.gate is None:
        return self.backward(dy, cache)
    open_ = cache.gate._replace(open=np.ones_like(cache.gate.open))
    return self.backward(dy, cache._replace(gate=open_))


@card.wrong_method("gates-interleaved", "a projection that holds query and gate of each head by "
                   "turns is cut into halves", MultiHeadAttention.forward)  # fmt: skip
def _halves(self, x, *args, **options):
    if self.gate_proj is None or self.gate_proj.weight.data.shape != self.q_proj.weight.data.shape:
        return self.forward(x, *args, **options)
    both = (self.q_proj, self.gate_proj)
    before = [linear.weight.data for linear in both]
    rows = np.stack([w.reshape(self.heads, -1, w.shape[1]) for w in before], axis=1)
    halves = rows.reshape(2, -1, before[0].shape[1])
    for linear, weight in zip(both, halves, strict=True):
        linear.weight.data = weight
    try:
        return self.forward(x, *args, **options)
    finally:
        for linear, weight in zip(both, before, strict=True):
            linear.weight.data = weight


@card.wrong_method("scale-of-all-heads", "scores are divided by the root of the model's width, not "
                   "of a head's", attention_forward)  # fmt: skip
def _wide_scale(q, k, v, *args, scale=None, **options):
    scale = 1 / np.sqrt(q.shape[2] * q.shape[3]) if scale is None else scale
    return attention_forward(q, k, v, *args, scale=float(scale), **options)
