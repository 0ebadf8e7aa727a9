"""The modules of ``npformer.nn``, file by file and name by name, in PyTorch."""

from torch_ref.nn.decoder import Decoder
from torch_ref.nn.decoder_layer import DecoderLayer
from torch_ref.nn.dropout import Dropout
from torch_ref.nn.embedding import Embedding
from torch_ref.nn.encoder import Encoder
from torch_ref.nn.encoder_layer import EncoderLayer
from torch_ref.nn.feed_forward import FeedForward
from torch_ref.nn.layer_norm import LayerNorm
from torch_ref.nn.linear import Linear
from torch_ref.nn.multi_head_attention import MultiHeadAttention
from torch_ref.nn.residual import Residual

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
    "MultiHeadAttention",
    "Residual",
]
