"""The settings of every family that is made of stacks of attention layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from npformer.config import ModelConfig
from npformer.fields import check

Placement = Literal["post", "pre", "sandwich", "branch"]
NormType = Literal[
    "layer_norm", "layer_norm_no_bias", "rms_norm", "rms_norm_plus_one", "rms_norm_no_weight"
]
Activation = Literal[
    "relu",
    "gelu",
    "gelu_tanh",
    "silu",
    "relu_squared",
    "swiglu",
    "geglu",
    "geglu_tanh",
    "swiglu_clamped",
]
PositionKind = Literal[
    "sinusoidal",
    "sinusoidal_half",
    "sinusoidal_tensor2tensor",
    "learned",
    "rotary",
    "rotary_interleaved",
    "alibi",
    "t5",
    "none",
]


@dataclass(frozen=True, kw_only=True)
class StackConfig(ModelConfig):
    """What these families share; each has defaults of its own."""

    heads: int
    """Attention heads (N)."""
    d_ff: int
    """Width of the feed-forward network's hidden layer (F)."""
    norm: Placement
    """Norm after each residual sum, as in the paper; at the start of each branch; at start and end
    of it, as in Gemma; at its end, as in OLMo 2."""
    norm_type: NormType = "layer_norm"
    """Kind of every norm."""
    activation: Activation
    """Non-linearity of the feed-forward network; of those that end in glu or clamped, a gate."""
    positions: str
    """The paper's sines and cosines, interleaved, or half and half (Marian); or a learned table."""
    padding_id: int | None = 0
    layer_norm_eps: float = 1e-5
    dropout: float = 0.1
    """Probability of dropping a unit of a sub-layer's output or of an embedding."""
    tie_output: bool = True
    """Use the embedding matrix as the output projection too (paper, section 3.4)."""
    output_bias: bool = False
    """Add a learned number to the logit of each token."""
    init_std: float | None = None
    """Initial matrices from N(0, init_std^2); unless given, Xavier's, embedding 1/sqrt(d_model)."""

    weight_bits: int | None = None
    """Let the products of the layers' linear parts see weights of so many bits, and train through
    the rounding; floats unless given."""
    input_bits: int | None = None
    """The same of what goes into them, with weight_bits; floats unless given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("weight_bits", "input_bits"):
            bits = getattr(self, name)
            check(
                bits is None or 2 <= bits <= 16,
                f"{name} is {bits}; it must be from 2 to 16, or not given",
            )
        check(
            self.weight_bits is not None or self.input_bits is None,
            f"input_bits is {self.input_bits} and the weights are floats; give weight_bits too",
        )
        for name in ("d_model", "heads", "d_ff"):
            size = getattr(self, name)
            check(size >= 1, f"{name} is {size}; it must be 1 or more")
