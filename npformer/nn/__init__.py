"""Modules: owners of parameters, built from the ops; the same tree as in ``torch_ref.nn``."""

from npformer.nn.activation import Activation
from npformer.nn.causal_conv1d import CausalConv1d
from npformer.nn.checkpointed import Checkpointed
from npformer.nn.conv1d import Conv1d
from npformer.nn.dora import DoRALinear
from npformer.nn.dropout import Dropout
from npformer.nn.embedding import Embedding
from npformer.nn.experts import Experts
from npformer.nn.feed_forward import FeedForward, make_feed_forward
from npformer.nn.gated_activation import GatedActivation
from npformer.nn.gated_delta_net import GatedDeltaNet
from npformer.nn.gated_feed_forward import GatedFeedForward
from npformer.nn.grouped_linear import GroupedLinear
from npformer.nn.kimi_delta_attention import KimiDeltaAttention
from npformer.nn.latent_attention import LatentAttention
from npformer.nn.layer import Layer
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.layer_scalar import LayerScalar
from npformer.nn.linear import Linear
from npformer.nn.lora import LoRALinear
from npformer.nn.mamba2 import Mamba2
from npformer.nn.mixture_of_experts import MixtureOfExperts
from npformer.nn.module import Module, Parameter
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.nn.multi_token_prediction import MultiTokenPrediction
from npformer.nn.norms import make_norm
from npformer.nn.patch_embedding import PatchEmbedding
from npformer.nn.per_layer_embedding import PerLayerEmbedding
from npformer.nn.per_layer_gate import PerLayerGate
from npformer.nn.pooling import Pooling
from npformer.nn.positions import (
    AlibiPositions,
    LearnedPositions,
    Positions,
    RelativePositions,
    RotaryPositions,
    SinusoidalPositions,
)
from npformer.nn.quantized_linear import QuantizedLinear
from npformer.nn.residual import Residual
from npformer.nn.rms_norm import RMSNorm
from npformer.nn.stack import Stack
from npformer.nn.value_mix import ValueMix

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
    "Module",
    "MultiHeadAttention",
    "MultiTokenPrediction",
    "Parameter",
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
