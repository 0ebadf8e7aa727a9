"""Wrong compositions: each op is right, and what stands between them is not."""

from __future__ import annotations

import math

import numpy as np

from npformer.models.transformer import Transformer
from npformer.nn.decoder import Decoder
from npformer.nn.decoder_layer import DecoderLayer
from npformer.nn.encoder import Encoder, EncoderCache
from npformer.nn.encoder_layer import EncoderLayer
from npformer.nn.feed_forward import ACTIVATIONS, FeedForward
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.linear import Linear
from npformer.nn.module import Parameter
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.nn.residual import Residual
from npformer.ops.attention import attention_backward
from npformer.ops.layer_norm import layer_norm_backward
from npformer.ops.linear import linear_backward, linear_forward
from npformer.ops.masks import padding_mask
from npformer.verify.mutants.family import Family

# The originals, by which a wrong version does the rest of its work.
_leave_backward = Residual.leave_backward
_attention_forward = MultiHeadAttention.forward
_attention_backward = MultiHeadAttention.backward
_encoder_layer_backward = EncoderLayer.backward
_decoder_layer_backward = DecoderLayer.backward
_embed_backward = Transformer._embed_backward
_project_backward = Transformer._project_backward
_transformer_forward = Transformer.forward

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
    "activation-twice", "the activation's backward runs twice", FeedForward, "backward"
)
def _run_twice(self, dy, cache):
    _, activation_backward = ACTIVATIONS[self.activation]
    dh = self.linear2.backward(dy, cache.linear2)
    dh = activation_backward(activation_backward(dh, cache.activation), cache.activation)
    return self.linear1.backward(dh, cache.linear1)


residual = Family("Residual")


@residual.method("skip-dropped", "the skip path's gradient is dropped", Residual, "leave_backward")
def _dropped(self, dy, cache):
    dx, dh = _leave_backward(self, dy, cache)
    return np.zeros_like(dx), dh


@residual.method("skip-doubled", "the skip path counts twice", Residual, "leave_backward")
def _doubled(self, dy, cache):
    dx, dh = _leave_backward(self, dy, cache)
    return 2 * dx, dh


@residual.method("dropout-on-skip", "dropout's mask is on both paths", Residual, "leave_backward")
def _both(self, dy, cache):
    _, dh = _leave_backward(self, dy, cache)
    return dh, dh


@residual.method("norm-bypassed", "the skip path bypasses the norm", Residual, "leave_backward")
def _bypassed(self, dy, cache):
    _, dh = _leave_backward(self, dy, cache)
    return dy, dh


attention = Family("MultiHeadAttention")


@attention.method("values-forgotten", "dmemory lacks the values", MultiHeadAttention, "backward")
def _no_values(self, dy, cache):
    dx, dmemory = _attention_backward(self, dy, cache)
    return dx, dmemory - _share(self, dy, cache, 2, self.v_proj.weight.data)


@attention.method("keys-forgotten", "dmemory lacks the keys' share", MultiHeadAttention, "backward")
def _no_keys(self, dy, cache):
    dx, dmemory = _attention_backward(self, dy, cache)
    return dx, dmemory - _share(self, dy, cache, 1, self.k_proj.weight.data)


def _share(self, dy, cache, which, weight):
    """What reaches the memory through the keys (1) or values (2); no parameter is touched."""
    inner = linear_backward(dy, cache.out_proj)[0]
    gradient = attention_backward(self._split(inner), cache.attention)[which]
    return gradient.reshape(*gradient.shape[:2], len(weight)) @ weight


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
    dmemory = self.k_proj.backward(dk.reshape(*dk.shape[:2], n * h), cache.k_proj)
    dv = dv.reshape(*dv.shape[:2], n * dv.shape[-1])
    return dx, dmemory + self.v_proj.backward(dv, cache.v_proj)


@attention.method("causal-ignored", "causal is not passed on", MultiHeadAttention, "forward")
def _not_causal(self, x, memory, mask=None, *, causal=False):
    return _attention_forward(self, x, memory, mask)


encoder_layer = Family("EncoderLayer")


def _one_of_self(pick):
    """Self-attention whose input gradient takes one of its two roads."""

    def backward(self, dy, cache):
        dquery, dmemory = _attention_backward(self, dy, cache)
        return pick(dquery, dmemory)

    return backward


for _name, _text, _pick in (
    ("query-road-only", "self-attention's gradient by keys and values is left out",
     lambda dquery, dmemory: (dquery, np.zeros_like(dmemory))),
    ("memory-road-only", "self-attention's gradient by the queries is left out",
     lambda dquery, dmemory: (np.zeros_like(dquery), dmemory)),
):  # fmt: skip
    encoder_layer.method(_name, _text, MultiHeadAttention, "backward")(_one_of_self(_pick))


@encoder_layer.method("gradient-of-last-half", "only the feed-forward half is walked back",
                      EncoderLayer, "backward")  # fmt: skip
def _half(self, dy, cache):
    dx, dh = self.feed_forward_residual.leave_backward(dy, cache.feed_forward_leave)
    dh = self.feed_forward.backward(dh, cache.feed_forward)
    return dx + self.feed_forward_residual.enter_backward(dh, cache.feed_forward_enter)


decoder_layer = Family("DecoderLayer")


@decoder_layer.method("memory-gradient-lost", "dmemory is zero", DecoderLayer, "backward")
def _memory_lost(self, dy, cache):
    dx, dmemory = _decoder_layer_backward(self, dy, cache)
    return dx, np.zeros_like(dmemory)


@decoder_layer.method("not-causal", "self-attention sees the future", MultiHeadAttention, "forward")
def _sees_future(self, x, memory, mask=None, *, causal=False):
    return _attention_forward(self, x, memory, mask, causal=False)


encoder = Family("Encoder")


@encoder.method("mask-in-first-layer-only", "later layers attend to padding", Encoder, "forward")
def _first_mask(self, x, mask=None, rng=None):
    layers = []
    for layer in self.layers:
        x, cache = layer.forward(x, mask, rng)
        layers.append(cache)
        mask = None
    norm_cache = None
    if self.norm is not None:
        x, norm_cache = self.norm.forward(x)
    return x, EncoderCache(layers, norm_cache)


@encoder.method("last-norm-skipped", "the last norm is not walked back", Encoder, "backward")
def _no_last_norm(self, dmemory, cache):
    dx = dmemory
    for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
        dx = layer.backward(dx, layer_cache)
    return dx


decoder = Family("Decoder")


def _memory_of(layers):
    """A decoder whose memory gradient comes from some of its layers only."""

    def backward(self, dy, cache):
        dx = dy
        if self.norm is not None and cache.norm is not None:
            dx = self.norm.backward(dx, cache.norm)
        shares = []
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx, share = layer.backward(dx, layer_cache)
            shares.append(share)
        return dx, layers(shares)

    return backward


decoder.method(
    "memory-of-last-layer", "dmemory comes from the last layer alone", Decoder, "backward"
)(_memory_of(lambda shares: shares[0]))
decoder.method(
    "memory-of-first-layer", "dmemory comes from the first layer alone", Decoder, "backward"
)(_memory_of(lambda shares: shares[-1]))
decoder.method("memory-averaged", "dmemory is the mean over the layers", Decoder, "backward")(
    _memory_of(lambda shares: sum(shares) / len(shares))
)

transformer = Family("Transformer")


@transformer.method(
    "tied-without-lookup", "the tied weight gets the projection's gradient alone",
    Transformer, "_embed_backward",
)  # fmt: skip
def _no_lookup(self, dx, cache):
    self.dropout.backward(dx, cache.dropout)


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
    self.embedding.backward(self.dropout.backward(dx, cache.dropout), cache.embedding)


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
        y, cache = _transformer_forward(self, source, target, rng)
    if hidden.all() or not y.size:
        return y, cache
    config, self.config = self.config, _Unpadded(self.config)
    try:
        return _transformer_forward(self, source, target, rng)
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
        residual,
        attention,
        encoder_layer,
        decoder_layer,
        encoder,
        decoder,
        transformer,
    )
    for mutant in family.mutants
)
