"""What tells a model where a token is: one file a kind, and the hooks that they share."""

from torch_ref.nn.positions.alibi import AlibiPositions
from torch_ref.nn.positions.base import Positions
from torch_ref.nn.positions.learned import LearnedPositions
from torch_ref.nn.positions.make import make_positions
from torch_ref.nn.positions.relative import RelativePositions
from torch_ref.nn.positions.rotary import RotaryPositions
from torch_ref.nn.positions.sinusoidal import SinusoidalPositions

__all__ = [
    "AlibiPositions",
    "LearnedPositions",
    "Positions",
    "RelativePositions",
    "RotaryPositions",
    "SinusoidalPositions",
    "make_positions",
]
