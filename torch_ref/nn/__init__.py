"""Modules: the same tree, names and shapes as in ``npformer.nn``, from PyTorch's own parts."""

from torch_ref.nn.activation import Activation
from torch_ref.nn.causal_conv1d import CausalConv1d
from torch_ref.nn.checkpointed import Checkpointed
from torch_ref.nn.conv1d import Conv1d
from torch_ref.nn.dora import DoRALinear
from torch_ref.nn.dropout import Dropout
from torch_ref.nn.embedding import Embedding
from torch_ref.nn.experts import Experts
from torch_ref.nn.feed_forward import FeedForward, make_feed_forward
from torch_ref.nn.gated_activation import GatedActivation
from torch_ref.nn.gated_delta_net import GatedDeltaNet
from torch_ref.nn.gated_feed_forward import GatedFeedForward
from torch_ref.nn.grouped_linear import GroupedLinear
from torch_ref.nn.kimi_delta_attention import KimiDeltaAttention
from torch_ref.nn.latent_attention import LatentAttention
from torch_ref.nn.layer import Layer
from torch_ref.nn.layer_norm import LayerNorm
from torch_ref.nn.layer_scalar import LayerScalar
from torch_ref.nn.linear import Linear
from torch_ref.nn.lora import LoRALinear
from torch_ref.nn.mamba2 import Mamba2
from torch_ref.nn.mixture_of_experts import MixtureOfExperts
from torch_ref.nn.multi_head_attention import MultiHeadAttention
from torch_ref.nn.multi_token_prediction import MultiTokenPrediction
from torch_ref.nn.norms import make_norm
from torch_ref.nn.patch_embedding import PatchEmbedding
from torch_ref.nn.per_layer_embedding import PerLayerEmbedding
from torch_ref.nn.per_layer_gate import PerLayerGate
from torch_ref.nn.pooling import Pooling
from torch_ref.nn.positions import (
    AlibiPositions,
    LearnedPositions,
    Positions,
    RelativePositions,
    RotaryPositions,
    SinusoidalPositions,
)
from torch_ref.nn.quantized_linear import QuantizedLinear
from torch_ref.nn.residual import Residual
from torch_ref.nn.rms_norm import RMSNorm
from torch_ref.nn.stack import Stack
from torch_ref.nn.value_mix import ValueMix

__all__ = [
    "Activation",
    "AlibiPositions",
    "CausalConv1d",
    "Checkpointed",
    "Conv1d",
    "DoRALinear",
    "Dropout",
    "Embedding",
    "Experts",
    "FeedForward",
    "GatedActivation",
    "GatedDeltaNet",
    "GatedFeedForward",
    "GroupedLinear",
    "KimiDeltaAttention",
    "LatentAttention",
    "Layer",
    "LayerNorm",
    "LayerScalar",
    "LearnedPositions",
    "Linear",
    "LoRALinear",
    "Mamba2",
    "MixtureOfExperts",
    "MultiHeadAttention",
    "MultiTokenPrediction",
    "PatchEmbedding",
    "PerLayerEmbedding",
    "PerLayerGate",
    "Pooling",
    "Positions",
    "QuantizedLinear",
    "RMSNorm",
    "RelativePositions",
    "Residual",
    "RotaryPositions",
    "SinusoidalPositions",
    "Stack",
    "ValueMix",
    "make_feed_forward",
    "make_norm",
]
