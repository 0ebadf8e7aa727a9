"""The settings of every family that is made of stacks of attention layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from npformer.config import ModelConfig
from npformer.fields import check


@dataclass(frozen=True, kw_only=True)
class StackConfig(ModelConfig):
    """What these families share; each has defaults of its own."""

    heads: int
    """Attention heads (N)."""
    d_ff: int
    """Width of the feed-forward network's hidden layer (F)."""
    norm: Literal["post", "pre"]
    """Layer norm after each residual sum, as in the paper, or at the start of each branch."""
    activation: Literal["relu", "gelu", "gelu_tanh", "silu"]
    """Non-linearity of the feed-forward network."""
    positions: Literal["sinusoidal", "sinusoidal_half", "learned"]
    """The paper's sines and cosines, interleaved, or half and half (Marian); or a learned table."""
    padding_id: int = 0
    layer_norm_eps: float = 1e-5
    dropout: float = 0.1
    """Probability of dropping a unit of a sub-layer's output or of an embedding."""
    tie_output: bool = True
    """Use the embedding matrix as the output projection too (paper, section 3.4)."""
    init_std: float | None = None
    """Initial matrices from N(0, init_std^2); unless given, Xavier's, embedding 1/sqrt(d_model)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("d_model", "heads", "d_ff"):
            size = getattr(self, name)
            check(size >= 1, f"{name} is {size}; it must be 1 or more")
