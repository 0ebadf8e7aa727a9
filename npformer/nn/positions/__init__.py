"""What tells a model where a token is: one file a kind, and the hooks that they share.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from npformer.nn.positions.alibi import AlibiPositions
from npformer.nn.positions.base import Positions, PositionsCache
from npformer.nn.positions.learned import LearnedPositions
from npformer.nn.positions.make import POSITIONS, make_positions
from npformer.nn.positions.relative import RelativePositions
from npformer.nn.positions.rotary import RotaryPositions
from npformer.nn.positions.sinusoidal import SinusoidalPositions

__all__ = [
    "POSITIONS",
    "AlibiPositions",
    "LearnedPositions",
    "Positions",
    "PositionsCache",
    "RelativePositions",
    "RotaryPositions",
    "SinusoidalPositions",
    "make_positions",
]
