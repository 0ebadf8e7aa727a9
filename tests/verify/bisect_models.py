"""Models of 6 + 6 layers, a batch, and what a mistake changes in all, for the tests of bisect."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import torch

from npformer.models import Model, model_config
from npformer.models import make_model as made
from npformer.models.loss import LOSS
from npformer.text.batches import Batch
from npformer.verify.bisect import Reference
from npformer.verify.lockstep.numpy_side import LossPair
from torch_ref.bridge import to_torch
from torch_ref.models import twin_class

SMOOTHING = 0.1
VARIANTS: dict[str, tuple[dict[str, Any], int | None]] = {
    "the paper's": ({}, 3),
    "pre-norm, untied, gelu, padding 2": (
        {"norm": "pre", "tie_output": False, "activation": "gelu", "padding_id": 2},
        3,
    ),
    "inference, tanh form, heads of their own sizes": (
        {"activation": "gelu_tanh", "norm": "pre", "d_k": 3, "d_v": 1},
        None,
    ),
    "silu, learned positions": ({"activation": "silu", "positions": "learned"}, 3),
    "a decoder alone: groups, windows, gates, norms of heads": (
        {
            "family": "gpt",
            "norm": "sandwich",
            "norm_type": "rms_norm_plus_one",
            "activation": "swiglu",
            "positions": "rotary_interleaved",
            "rotary_fraction": 0.5,
            "rotary_scaling": "yarn",
            "rotary_factor": 4.0,
            "rotary_original_length": 3,
            "head_size": 8,
            "heads": 4,
            "kv_heads": 2,
            "qk_norm": "head",
            "attention_gate": True,
            "window": 2,
            "window_pattern": "LG",
            "global_head_size": 12,
            "global_kv_heads": 4,
            "value_norm": True,
            "values_from_keys": True,
            "layer_scalar": "learned",
        },
        3,
    ),
    "a decoder alone: sinks, soft caps, norms of branches, rows of each layer": (
        {
            "family": "gpt",
            "norm": "branch",
            "activation": "geglu_tanh",
            "positions": "t5",
            "sinks": True,
            "softcap": 2.0,
            "logit_softcap": 5.0,
            "qk_norm": "full",
            "feed_forward_bias": False,
            "attention_bias": "qkv",
            "per_layer_size": 3,
            "per_layer_vocab": 10,
        },
        None,
    ),
    "a decoder alone: halves that turn, the exact form of geglu, factors, in parallel": (
        {
            "family": "gpt",
            "norm_type": "rms_norm",
            "activation": "geglu",
            "positions": "rotary",
            "rotary_scaling": "proportional",
            "rotary_fraction": 0.5,
            "head_size": 4,
            "parallel": True,
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.5,
            "logit_multiplier": 0.5,
            "value_tables": 1,
            "value_norm": True,
        },
        3,
    ),
    "a decoder alone: latents and a shared key, rows of each layer": (
        {
            "family": "gpt",
            "norm_type": "rms_norm",
            "positions": "rotary_interleaved",
            "head_size": 7,
            "rotary_fraction": 4 / 7,
            "latent_size": 6,
            "query_latent_size": 5,
            "value_size": 3,
            "per_layer_size": 4,
            "attention_bias": "none",
        },
        None,
    ),
}


class Right(NamedTuple):
    """A right model and the right side of its bisections."""

    model: Model
    batch: Batch
    seed: int | None
    reference: Reference
    outcome: list[np.ndarray]
    modules: frozenset[str]
    """The paths of the model's modules."""


def make_model(layers: int = 6, dtype: Any = np.float64, **changes: Any) -> Model:
    """Tiny, with every parameter off its initial value."""
    sizes = dict(vocab_size=11, d_model=4, heads=2, d_ff=5, max_length=6, dropout=0.25)
    family = changes.get("family")
    depths = {"layers": layers} if family else {"encoder_layers": layers, "decoder_layers": layers}
    config = model_config({**sizes, **depths, **changes})
    rng = np.random.default_rng(0)
    model = made(config, rng=rng, dtype=dtype)
    for parameter in model.parameters():
        parameter.data += (0.2 * rng.standard_normal(parameter.data.shape)).astype(dtype)
    return model


def make_twin(model: Model) -> Any:
    """Its twin, in float64, with the same weights."""
    twin = twin_class(model.config)(model.config, dtype=torch.float64)
    to_torch(model.state_dict(), twin)
    return twin


def same_weights(module: Any, original: Any) -> Any:
    """``module`` with the weights of another."""
    module.load_state_dict(original.state_dict())
    return module


def make_batch(padding: int = 0, streams: Collection[str] = ("source", "target")) -> Batch:
    """Words that repeat, padding at ends, in the middle of a target, and a source of nothing else.

    The last two are in no corpus; they are what some mistakes need to show.
    """
    rng = np.random.default_rng(1)
    source, target_in, target_out = (rng.integers(4, 11, (3, n)) for n in (4, 3, 3))
    for ids in (source, target_in, target_out):
        ids[0, -1:] = padding
    source[1, 1] = source[1, 0]
    target_in[2, 1] = target_in[2, 2]
    target_in[1, 1] = padding
    source[2] = padding
    batch = Batch.of_pairs(source, target_in, target_out)
    return Batch({name: batch.inputs[name] for name in streams}, batch.targets)


@functools.cache
def right(variant: str, layers: int = 6) -> Right:
    """Made once for all tests of a process."""
    changes, seed = VARIANTS[variant]
    model = make_model(layers, **changes)
    batch = make_batch(model.config.padding_id, model.streams)
    reference = Reference(model, batch, model.state_dict(), label_smoothing=SMOOTHING, seed=seed)
    modules = frozenset(dict(model.named_modules()))
    return Right(model, batch, seed, reference, outcome(model, LOSS, batch, seed), modules)


def outcome(model: Model, loss: LossPair, batch: Batch, seed: int | None) -> list[np.ndarray]:
    """Logits, loss and every parameter's gradient of an ordinary run, without a lockstep."""
    rng = None if seed is None else np.random.default_rng(seed)
    forward, backward = loss
    static = {"ignore_index": model.config.padding_id, "weight": None, "reduction": "mean"}
    with np.errstate(all="ignore"):
        logits, cache = model.forward(**batch.inputs, rng=rng)
        value, loss_cache = forward(logits, batch.targets, label_smoothing=SMOOTHING, **static)
        model.backward(backward(np.ones_like(value), loss_cache), cache)
    gradients = [np.zeros_like(p.data) if p.grad is None else p.grad for p in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = None
    return [logits, value, *gradients]


def shows(loss: LossPair, right: Right) -> bool:
    """Whether what is planted now changes the logits, the loss or a gradient by more than rounding.

    A gradient that is zero but for rounding, such as a key bias's, is measured by the others.
    """
    wrong = outcome(right.model, loss, right.batch, right.seed)
    largest = max(np.abs(a).max(initial=0.0) for a in right.outcome[2:])
    return any(
        not np.allclose(a, b, rtol=1e-9, atol=1e-10 * largest, equal_nan=True)
        for a, b in zip(wrong, right.outcome, strict=True)
    )
