"""Every module of ``npformer.nn`` and model of ``npformer.models``, beside its twin.

A case draws the module's configuration too: post and pre norm, tied and untied, every activation,
dropout replayed from a seed, T != S, padding. The parameters are part of the case and far from
their initial values, where a weight of 1 would hide a factor and a bias of 0 a term.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npformer import models, nn
from npformer.cards.case import Case
from npformer.cards.strategies import Source, draw_array, draw_rng, draw_sizes, rarely
from npformer.models.transformer import TransformerConfig
from npformer.nn.activation import ACTIVATIONS
from npformer.verify.components.module_component import ModuleComponent
from npformer.verify.units.noise import sum_scales

Array = np.ndarray
# Sharper magnitudes belong to the ops: here a result must stay within PyTorch's own range.
KINDS = ("generic", "ties", "constant rows")


def draw_parameters(module: Any, rng: np.random.Generator, dtype: Any) -> dict[str, Array]:
    """Generic values for every parameter: matrices that keep a row's size, vectors near 1 or 0."""
    drawn = {}
    for path, parameter in module.named_parameters():
        shape = parameter.data.shape
        values = rng.standard_normal(shape)
        if len(shape) == 1:
            values = 0.3 * values + (1.0 if path.endswith("weight") else 0.0)
        else:
            values /= math.sqrt(shape[-1])
        drawn[path] = values.astype(dtype)
    return drawn


def module_case(
    source: Source,
    dtype: Any,
    build: Callable[..., Any],
    shapes: Mapping[str, tuple[int, ...]],
    static: dict[str, Any],
    dy: tuple[int, ...],
) -> Case:
    """Inputs of the given shapes, parameters as a module that ``build`` makes has them, and dy."""
    inputs = {name: draw_array(source, s, dtype, kinds=KINDS) for name, s in shapes.items()}
    module = build(static, np.float64)
    parameters = draw_parameters(module, draw_rng(source), dtype)
    return Case({**inputs, **parameters}, static, draw_array(source, dy, dtype, kinds=KINDS))


def draw_config(source: Source) -> TransformerConfig:
    """A small configuration; heads may be of another size than d_model / heads."""
    heads = source.choice((1, 2, 3))
    own = source.choice((False, True))
    return TransformerConfig(
        vocab_size=source.choice((7, 11)),
        d_model=heads * source.choice((2, 4)) + (1 if own else 0),
        heads=heads,
        d_ff=source.choice((5, 9)),
        encoder_layers=source.choice((1, 2)),
        decoder_layers=source.choice((1, 2, 3)),
        d_k=3 if own else None,
        d_v=2 if own else None,
        dropout=source.choice((0.0, 0.3)),
        norm=source.choice(("post", "pre")),
        activation=source.choice(("relu", "gelu", "gelu_tanh", "silu")),
        positions=source.choice(("sinusoidal", "learned", "sinusoidal_half")),
        tie_output=source.choice((True, False)),
        max_length=8,
        padding_id=source.choice((0, 2)),
    )


def lengths(source: Source) -> tuple[int, int, int]:
    """B, T, S, all different; now and then one of them 1 or 0 (S at least 1)."""
    sizes = draw_sizes(source, "bts", {"s": 1})
    return sizes["b"], sizes["t"], sizes["s"]


def padded_ids(source: Source, shape: tuple[int, int], config: TransformerConfig) -> Array:
    """Token ids (B, L) with padding on the right; a row keeps at least one token."""
    rng = draw_rng(source)
    words = [i for i in range(config.vocab_size) if i != config.padding_id]
    ids = rng.choice(words, shape)
    if shape[1] and source.choice((False, True)):
        keep = rng.integers(1, shape[1] + 1, (shape[0], 1))
        ids = np.where(np.arange(shape[1]) < keep, ids, config.padding_id)
    return ids


def memory_mask(source: Source, b: int, s: int) -> Array | None:
    """None, or (B, 1, 1, S), where a row may be hidden whole."""
    if not source.choice((False, True)):
        return None
    return draw_rng(source).random((b, 1, 1, s)) < 0.6


def dropout_seed(source: Source) -> int | None:
    """A seed, or None for inference."""
    return None if rarely(source, 3) else source.integer(0, 2**32 - 1)


def plain(*keywords: str) -> Callable[..., Any]:
    """The NumPy call of a module whose forward takes the inputs, then these static arguments."""

    def call(module: Any, inputs: Sequence[Array], static: dict[str, Any]) -> Any:
        y, cache = module.forward(*inputs, **{name: static[name] for name in keywords})
        return y, lambda dy: module.backward(dy, cache)

    return call


def plain_twin(*keywords: str) -> Callable[..., Any]:
    """The twin's call of the same."""

    def call(module: Any, inputs: Sequence[Any], static: dict[str, Any]) -> Any:
        return module(*inputs, **{name: static[name] for name in keywords})

    return call


def _class(name: str) -> Any:
    return getattr(nn, name, None) or getattr(models, name)


def _twin_class(name: str) -> Any:
    import torch_ref.models
    import torch_ref.nn

    return getattr(torch_ref.nn, name, None) or getattr(torch_ref.models, name)


def builders(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How a class and its twin are made from a case's ``build`` and ``settings``.

    These are the constructor's arguments, by position and by name.
    """

    def build(static: dict[str, Any], dtype: Any) -> Any:
        more = {"rng": np.random.default_rng(0), "dtype": dtype}
        return _made(_class(name), static, more)

    def build_twin(static: dict[str, Any], dtype: Any) -> Any:
        # eval: dropout comes from the replayed generator or not at all.
        return _made(_twin_class(name), static, {"dtype": dtype}).eval()

    return build, build_twin


def _made(cls: Any, static: dict[str, Any], more: dict[str, Any]) -> Any:
    taken = inspect.signature(cls).parameters
    own = {key: value for key, value in more.items() if key in taken}
    return cls(*static["build"], **static.get("settings", {}), **own)


def draw_linear(source: Source, dtype: Any) -> Case:
    """(B, T, I) -> (B, T, O), with and without bias."""
    z = draw_sizes(source, "btio", {"i": 1, "o": 1})
    static = {"build": (z["i"], z["o"], source.choice((True, False)))}
    x = (z["b"], z["t"], z["i"])
    return module_case(source, dtype, builders("Linear")[0], {"x": x}, static, (*x[:2], z["o"]))


def draw_embedding(source: Source, dtype: Any) -> Case:
    """Ids (B, T), with and without a padding row."""
    z = draw_sizes(source, "btvd", {"v": 1, "d": 1})
    padding = source.choice((None, 0, z["v"] - 1))
    ids = draw_rng(source).integers(0, z["v"], (z["b"], z["t"]))
    static = {"build": (z["v"], z["d"], padding), "ids": ids}
    return module_case(source, dtype, builders("Embedding")[0], {}, static, (*ids.shape, z["d"]))


def call_embedding(module: Any, inputs: Sequence[Array], static: dict[str, Any]) -> Any:
    """Ids are the only argument, and no input that has a gradient."""
    y, cache = module.forward(static["ids"])
    return y, lambda dy: module.backward(dy, cache)


def draw_layer_norm(source: Source, dtype: Any) -> Case:
    """(B, T, D)."""
    z = draw_sizes(source, "btd", {"d": 1})
    x = (z["b"], z["t"], z["d"])
    static = {"build": (z["d"], source.choice((1e-5, 1e-3)))}
    return module_case(source, dtype, builders("LayerNorm")[0], {"x": x}, static, x)


def draw_dropout(source: Source, dtype: Any) -> Case:
    """(B, T, D)."""
    z = draw_sizes(source, "btd")
    x = (z["b"], z["t"], z["d"])
    static = {"build": (source.choice((0.3, 0.0, 0.8)),), "rng": dropout_seed(source)}
    return module_case(source, dtype, builders("Dropout")[0], {"x": x}, static, x)


def draw_attention(source: Source, dtype: Any) -> Case:
    """Self-attention, and over a memory of another length; causal, masked, both, neither."""
    c = draw_config(source)
    b, t, s = lengths(source)
    cross = source.choice((True, False))
    static = {
        "build": (c.d_model, c.heads, c.d_k, c.d_v),
        "mask": memory_mask(source, b, s if cross else t),
        "causal": source.choice((False, True)),
    }
    x, memory = (b, t, c.d_model), (b, s, c.d_model)
    shapes = {"x": x, "memory": memory} if cross else {"x": x}
    return module_case(source, dtype, builders("MultiHeadAttention")[0], shapes, static, x)


def draw_feed_forward(source: Source, dtype: Any) -> Case:
    """Every activation."""
    c = draw_config(source)
    b, t, _ = lengths(source)
    static = {"build": (c.d_model, c.d_ff, c.activation)}
    x = (b, t, c.d_model)
    return module_case(source, dtype, builders("FeedForward")[0], {"x": x}, static, x)


def draw_activation(source: Source, dtype: Any) -> Case:
    """Every activation."""
    z = draw_sizes(source, "btd")
    static = {"build": (source.choice(tuple(ACTIVATIONS)),)}
    x = (z["b"], z["t"], z["d"])
    return module_case(source, dtype, builders("Activation")[0], {"x": x}, static, x)


def draw_positions(name: str, *layouts: str) -> Callable[[Source, Any], Case]:
    """(B, T, D), from the first position or a later one."""

    def draw(source: Source, dtype: Any) -> Case:
        z = draw_sizes(source, "btd", {"d": 1})
        at = source.integer(0, 3)
        layout = (source.choice(layouts),) if layouts else ()
        static = {"build": (z["t"] + at + source.integer(0, 2) or 1, z["d"], *layout), "at": at}
        x = (z["b"], z["t"], z["d"])
        return module_case(source, dtype, builders(name)[0], {"x": x}, static, x)

    return draw


def draw_residual(source: Source, dtype: Any) -> Case:
    """Around the sub-layer e -> e + h."""
    c = draw_config(source)
    b, t, _ = lengths(source)
    static = {"build": (c.d_model, c.dropout, c.norm), "rng": dropout_seed(source)}
    x = (b, t, c.d_model)
    return module_case(source, dtype, builders("Residual")[0], {"x": x, "h": x}, static, x)


def call_residual(module: Any, inputs: Sequence[Array], static: dict[str, Any]) -> Any:
    """A residual around e -> e + h, whose backward gives two gradients."""
    x, h = inputs
    y, cache = module.forward(x, lambda e: (e + h, None), static["rng"])
    return y, lambda dy: module.backward(dy, cache, lambda de, _: (de, de))


def call_residual_twin(module: Any, inputs: Sequence[Any], static: dict[str, Any]) -> Any:
    """The twin of it."""
    x, h = inputs
    return module(x, lambda e: e + h, static["rng"])


def draw_layers(name: str, *counts: int) -> Callable[[Source, Any], Case]:
    """A layer or a stack: an encoder's, a decoder's, or one of a decoder without a memory."""

    def draw(source: Source, dtype: Any) -> Case:
        c = draw_config(source)
        b, t, s = lengths(source)
        causal, cross = source.choice(((False, False), (True, True), (True, False), (False, True)))
        count = (source.choice(counts),) if counts else ()
        settings = {
            "causal": causal,
            "cross_attention": cross,
            "d_k": c.d_k,
            "d_v": c.d_v,
            "dropout": c.dropout,
            "norm": c.norm,
            "activation": c.activation,
        }
        static = {
            "build": (*count, c.d_model, c.heads, c.d_ff),
            "settings": settings,
            "sizes": {"N": c.heads, "F": c.d_ff, "H": c.head_k, "the number of layers": sum(count)},
            "mask": None if causal else memory_mask(source, b, t),
            "memory_mask": memory_mask(source, b, s) if cross else None,
            "rng": dropout_seed(source),
        }
        x = (b, t, c.d_model)
        shapes = {"x": x, "memory": (b, s, c.d_model)} if cross else {"x": x}
        return module_case(source, dtype, builders(name)[0], shapes, static, x)

    return draw


def draw_transformer(source: Source, dtype: Any) -> Case:
    """The whole model: ids in, logits out."""
    c = draw_config(source)
    b, t, s = lengths(source)
    static = {
        "build": (c,),
        "source": padded_ids(source, (b, s), c),
        "target": padded_ids(source, (b, t), c),
        "rng": dropout_seed(source),
    }
    dy = (b, t, c.vocab_size)
    return module_case(source, dtype, builders("Transformer")[0], {}, static, dy)


def _component(
    name: str, draw: Any, inputs: tuple[str, ...], *keywords: str, **more: Any
) -> ModuleComponent:
    build, twin = builders(name)
    call = (plain(*keywords), plain_twin(*keywords))
    return ModuleComponent(name, draw, build, twin, inputs, *call, **more)


MODULES = (
    _component("Linear", draw_linear, ("x",)),
    ModuleComponent(
        "Embedding",
        draw_embedding,
        *builders("Embedding"),
        (),
        call_embedding,
        lambda module, inputs, static: module(static["ids"]),
        frozen=lambda case: {"weight": case.static["build"][2]},
    ),
    _component("LayerNorm", draw_layer_norm, ("x",)),
    _component("Dropout", draw_dropout, ("x",), "rng"),
    _component("MultiHeadAttention", draw_attention, ("x", "memory"), "mask", "causal"),
    _component("Activation", draw_activation, ("x",)),
    _component("FeedForward", draw_feed_forward, ("x",)),
    _component(
        "SinusoidalPositions",
        draw_positions("SinusoidalPositions", "interleaved", "half"),
        ("x",),
        "at",
        scale=sum_scales,
    ),
    _component(
        "LearnedPositions", draw_positions("LearnedPositions"), ("x",), "at", scale=sum_scales
    ),
    ModuleComponent(
        "Residual",
        draw_residual,
        *builders("Residual"),
        ("x", "h"),
        call_residual,
        call_residual_twin,
    ),
    _component("Layer", draw_layers("Layer"), ("x", "memory"), "mask", "memory_mask", "rng"),
    _component(
        "Stack", draw_layers("Stack", 1, 2, 3), ("x", "memory"), "mask", "memory_mask", "rng"
    ),
    _component(
        "Transformer",
        draw_transformer,
        (),
        "source",
        "target",
        "rng",
        frozen=lambda case: {"embedding.weight": case.static["build"][0].padding_id},
    ),
)
