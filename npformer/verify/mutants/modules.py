"""Wrong compositions: each op is right, and what stands between them is not."""

from __future__ import annotations

import math

import numpy as np

from npformer.models.transformer import Transformer
from npformer.nn.activation import Activation
from npformer.nn.feed_forward import FeedForward
from npformer.nn.layer import Layer
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.linear import Linear
from npformer.nn.module import Parameter
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.nn.positions import LearnedPositions
from npformer.nn.residual import Residual
from npformer.nn.stack import Stack, StackCache
from npformer.ops.attention import attention_backward
from npformer.ops.layer_norm import layer_norm_backward
from npformer.ops.linear import linear_backward, linear_forward
from npformer.ops.masks import padding_mask
from npformer.verify.mutants.family import Family

linear = Family("Linear")


@linear.method("bias-not-accumulated", "dbias is computed and dropped", Linear, "backward")
def _no_bias(self, dy, cache):
    dx, dweight, _ = linear_backward(dy, cache)
    self.weight.accumulate(dweight)
    return dx


norm = Family("LayerNorm")


@norm.method("gradients-exchanged", "dweight and dbias change places", LayerNorm, "backward")
def _exchanged(self, dy, cache):
    dx, dweight, dbias = layer_norm_backward(dy, cache)
    self.weight.accumulate(dbias)
    self.bias.accumulate(dweight)
    return dx


feed_forward = Family("FeedForward")


@feed_forward.method(
    "activation-skipped", "the activation is skipped on the way back", FeedForward, "backward"
)
def _skipped(self, dy, cache):
    return self.linear1.backward(self.linear2.backward(dy, cache.linear2), cache.linear1)


@feed_forward.method(
    "activation-twice", "the activation's backward runs twice", Activation, "backward"
)
def _run_twice(self, dy, cache):
    return self.backward(self.backward(dy, cache), cache)


positions = Family("LearnedPositions")


@positions.method("one-sentence", "only the first sentence's share is kept, not the sum",
                  LearnedPositions, "backward")  # fmt: skip
def _one_sentence(self, dy, cache):
    self.backward(dy[:1], cache)
    return dy


@positions.method("mean-for-sum", "the mean over the sentences is taken, not their sum",
                  LearnedPositions, "backward")  # fmt: skip
def _mean(self, dy, cache):
    self.backward(dy / max(len(dy), 1), cache)
    return dy


@positions.method("first-positions", "the gradient goes to the first rows of the table, not to "
                  "those that were read", LearnedPositions, "backward")  # fmt: skip
def _first(self, dy, cache):
    self.backward(dy, cache._replace(at=0))
    return dy


residual = Family("Residual")


def _residual_backward(skip, branch):
    """The backward with another gradient on one of its paths."""

    def backward(self, dy, cache, sublayer_backward):
        dsum = dy if self.pre_norm else self.norm.backward(dy, cache.norm)
        dh = self.dropout.backward(dsum, cache.dropout)
        dh, *others = _several(sublayer_backward(branch(dsum, dh), cache.sublayer))
        if self.pre_norm:
            dh = self.norm.backward(dh, cache.norm)
        dx = skip(dy, dsum, dh) + dh
        return (dx, *others) if others else dx

    return backward


def _several(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)


def _residual_mutant(name, text, skip, branch=lambda dsum, dh: dh):
    residual.method(name, text, Residual, "backward")(_residual_backward(skip, branch))


_residual_mutant(
    "skip-dropped", "the skip path's gradient is dropped", lambda dy, dsum, dh: np.zeros_like(dsum)
)
_residual_mutant("skip-doubled", "the skip path counts twice", lambda dy, dsum, dh: 2 * dsum)
_residual_mutant("norm-bypassed", "the skip path bypasses the norm", lambda dy, dsum, dh: dy)


@residual.method("dropout-on-skip", "dropout's mask is on both paths", Residual, "backward")
def _both(self, dy, cache, sublayer_backward):
    dsum = dy if self.pre_norm else self.norm.backward(dy, cache.norm)
    dropped = self.dropout.backward(dsum, cache.dropout)
    dh, *others = _several(sublayer_backward(dropped, cache.sublayer))
    dx = dropped + (self.norm.backward(dh, cache.norm) if self.pre_norm else dh)
    return (dx, *others) if others else dx


attention = Family("MultiHeadAttention")


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


attention.method("values-forgotten", "dmemory lacks the values", MultiHeadAttention, "backward")(
    _without(2, "v_proj")
)
attention.method("keys-forgotten", "dmemory lacks the keys' share", MultiHeadAttention, "backward")(
    _without(1, "k_proj")
)


@attention.method(
    "heads-not-permuted-back",
    "(B, N, T, H) is reshaped to (B, T, N H) without the swap",
    MultiHeadAttention,
    "backward",
)
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


@attention.method("causal-ignored", "causal is not passed on", MultiHeadAttention, "forward")
def _not_causal(self, x, memory=None, mask=None, *, causal=False, kept=None):
    return self.forward(x, memory, mask, kept=kept)


layer = Family("Layer")


def _one_of_self(pick):
    """Self-attention whose input gradient takes one of its two paths."""

    def backward(self, dy, cache):
        if cache.has_memory:
            return self.backward(dy, cache)
        return pick(*self.backward(dy, cache._replace(has_memory=True)))

    return backward


for _name, _text, _pick in (
    ("query-path-only", "self-attention's gradient by keys and values is left out",
     lambda dquery, dmemory: dquery),
    ("memory-path-only", "self-attention's gradient by the queries is left out",
     lambda dquery, dmemory: dmemory),
):  # fmt: skip
    layer.method(_name, _text, MultiHeadAttention, "backward")(_one_of_self(_pick))


@layer.method("gradient-of-last-half", "only the feed-forward half is walked back",
              Layer, "backward")  # fmt: skip
def _half(self, dy, cache):
    dx = self.feed_forward_residual.backward(dy, cache.feed_forward, self.feed_forward.backward)
    if self.cross_attn is None:
        return dx
    return self.cross_attn_residual.backward(dx, cache.cross_attn, self.cross_attn.backward)


@layer.method("memory-gradient-lost", "dmemory is zero", Layer, "backward")
def _memory_lost(self, dy, cache):
    gradients = self.backward(dy, cache)
    if self.cross_attn is None:
        return gradients
    dx, dmemory = gradients
    return dx, np.zeros_like(dmemory)


@layer.method("not-causal", "self-attention sees the future", MultiHeadAttention, "forward")
def _sees_future(self, x, memory=None, mask=None, *, causal=False, kept=None):
    return self.forward(x, memory, mask, causal=False, kept=kept)


stack = Family("Stack")


@stack.method("mask-in-first-layer-only", "later layers attend to padding", Stack, "forward")
def _first_mask(self, x, memory=None, mask=None, memory_mask=None, rng=None, states=None):
    layers = []
    for layer in self.layers:
        x, cache = layer.forward(x, memory, mask, memory_mask, rng)
        layers.append(cache)
        mask = memory_mask = None
    norm_cache = None
    if self.norm is not None:
        x, norm_cache = self.norm.forward(x)
    return x, StackCache(layers, norm_cache)


def _walked_back(layers, norm=True):
    """A stack whose memory gradient comes from some of its layers, or whose norm is left out."""

    def backward(self, dy, cache):
        dx = self.norm.backward(dy, cache.norm) if self.norm is not None and norm else dy
        shares = []
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx, *share = _several(layer.backward(dx, layer_cache))
            shares += share
        return (dx, layers(shares)) if shares else dx

    return backward


for _name, _text, _function in (
    ("last-norm-skipped", "the last norm is not walked back", _walked_back(sum, norm=False)),
    ("memory-of-last-layer", "dmemory comes from the last layer alone",
     _walked_back(lambda shares: shares[0])),
    ("memory-of-first-layer", "dmemory comes from the first layer alone",
     _walked_back(lambda shares: shares[-1])),
    ("memory-averaged", "dmemory is the mean over the layers",
     _walked_back(lambda shares: sum(shares) / len(shares))),
):  # fmt: skip
    stack.method(_name, _text, Stack, "backward")(_function)

transformer = Family("Transformer")


@transformer.method(
    "tied-without-lookup", "the tied weight gets the projection's gradient alone",
    Transformer, "_embed_backward",
)  # fmt: skip
def _no_lookup(self, dx, cache):
    self.positions.backward(self.dropout.backward(dx, cache.dropout), cache.positions)


@transformer.method(
    "tied-without-projection", "the tied weight gets the look-ups' gradients alone",
    Transformer, "_project_backward",
)  # fmt: skip
def _no_projection(self, dlogits, cache):
    if self.output_proj is not None:
        return self.output_proj.backward(dlogits, cache)
    return linear_backward(dlogits, cache)[0]


@transformer.method(
    "gradient-replaced", "each gradient replaces what was there: of three uses, the last counts",
    Parameter, "accumulate",
)  # fmt: skip
def _replaced(self, gradient):
    self.grad = np.array(gradient)


@transformer.method(
    "root-missing-from-gradient", "the embedding's gradient lacks sqrt(d_model)",
    Transformer, "_embed_backward",
)  # fmt: skip
def _no_root(self, dx, cache):
    dx = self.positions.backward(self.dropout.backward(dx, cache.dropout), cache.positions)
    self.embedding.backward(dx, cache.embedding)


@transformer.method(
    "root-on-projection", "sqrt(d_model) multiplies the tied projection too",
    Transformer, "_project",
)  # fmt: skip
def _root_on_projection(self, y):
    if self.output_proj is not None:
        return self.output_proj.forward(y)
    return linear_forward(y, self.embedding.weight.data * math.sqrt(self.config.d_model))


@transformer.method(
    "source-embedding-frozen", "the loss never reaches the source's embedding",
    Transformer, "backward",
)  # fmt: skip
def _frozen_source(self, dlogits, cache):
    dy = self._project_backward(dlogits, cache.output)
    dy, dmemory = self.decoder.backward(dy, cache.decoder)
    self._embed_backward(dy, cache.embed_target)
    self.encoder.backward(dmemory, cache.encoder)


@transformer.method(
    "padding-attended", "the source's padding is attended to", Transformer, "forward"
)
def _padding(self, source, target, rng=None):
    hidden = padding_mask(source, self.config.padding_id)
    with np.errstate(all="ignore"):
        y, cache = self.forward(source, target, rng)
    if hidden.all() or not y.size:
        return y, cache
    config, self.config = self.config, _Unpadded(self.config)
    try:
        return self.forward(source, target, rng)
    finally:
        self.config = config


class _Unpadded:
    """A configuration in which no id is padding."""

    def __init__(self, config):
        self._config = config
        self.padding_id = -1

    def __getattr__(self, name):
        return getattr(self._config, name)


MUTANTS = tuple(
    mutant
    for family in (
        linear,
        norm,
        feed_forward,
        positions,
        residual,
        attention,
        layer,
        stack,
        transformer,
    )
    for mutant in family.mutants
)
