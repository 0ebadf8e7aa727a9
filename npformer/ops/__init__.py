"""The mathematics: one file is one op, its forward, its backward, and how that follows.

An op is a pair of pure functions, ``y, cache = op_forward(...)`` and ``dx, ... = op_backward(dy,
cache)``, with a gradient for each array argument that has one, in the arguments' order. The
cache is the exact list of what the backward needs. Inputs are never written to, may have any
strides, may be read-only, and may have no rows. NOTATION.md, one folder up, explains the letters.
"""

from npformer.ops.array import Array
from npformer.ops.attention import AttentionCache, attention_backward, attention_forward
from npformer.ops.cross_entropy import (
    CrossEntropyCache,
    cross_entropy_backward,
    cross_entropy_forward,
)
from npformer.ops.dropout import DropoutCache, dropout_backward, dropout_forward, keep_mask
from npformer.ops.embedding import EmbeddingCache, embedding_backward, embedding_forward
from npformer.ops.gelu import GeluCache, gelu_backward, gelu_forward
from npformer.ops.layer_norm import LayerNormCache, layer_norm_backward, layer_norm_forward
from npformer.ops.linear import LinearCache, linear_backward, linear_forward
from npformer.ops.log_softmax import LogSoftmaxCache, log_softmax_backward, log_softmax_forward
from npformer.ops.masks import causal_mask, padding_mask
from npformer.ops.positions import sinusoidal_positions
from npformer.ops.relu import ReluCache, relu_backward, relu_forward
from npformer.ops.silu import SiluCache, silu_backward, silu_forward
from npformer.ops.softmax import SoftmaxCache, softmax_backward, softmax_forward

__all__ = [
    "Array",
    "AttentionCache",
    "CrossEntropyCache",
    "DropoutCache",
    "EmbeddingCache",
    "GeluCache",
    "LayerNormCache",
    "LinearCache",
    "LogSoftmaxCache",
    "ReluCache",
    "SiluCache",
    "SoftmaxCache",
    "attention_backward",
    "attention_forward",
    "causal_mask",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "dropout_backward",
    "dropout_forward",
    "embedding_backward",
    "embedding_forward",
    "gelu_backward",
    "gelu_forward",
    "keep_mask",
    "layer_norm_backward",
    "layer_norm_forward",
    "linear_backward",
    "linear_forward",
    "log_softmax_backward",
    "log_softmax_forward",
    "padding_mask",
    "relu_backward",
    "relu_forward",
    "silu_backward",
    "silu_forward",
    "sinusoidal_positions",
    "softmax_backward",
    "softmax_forward",
]
