"""Modules: owners of parameters, built from the ops; the same tree as in ``torch_ref.nn``."""

from npformer.nn.decoder import Decoder
from npformer.nn.decoder_layer import DecoderLayer
from npformer.nn.dropout import Dropout
from npformer.nn.embedding import Embedding
from npformer.nn.encoder import Encoder
from npformer.nn.encoder_layer import EncoderLayer
from npformer.nn.feed_forward import FeedForward
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.linear import Linear
from npformer.nn.module import Module, Parameter
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.nn.residual import Residual

__all__ = [
    "Decoder",
    "DecoderLayer",
    "Dropout",
    "Embedding",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "LayerNorm",
    "Linear",
    "Module",
    "MultiHeadAttention",
    "Parameter",
    "Residual",
]
