"""T5's relative bias: a learned score for each distance. Mathematics: ``ops/relative_bias.py``.

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.init import scaled_normal
from npformer.nn.module import Array, require_positive
from npformer.nn.positions.base import Positions
from npformer.ops.relative_bias import (
    RelativeBiasCache,
    relative_bias_backward,
    relative_bias_forward,
    relative_buckets,
)


class RelativePositions(Positions):
    """The bias of T5; ``weight`` is (buckets, heads).

    In T5 one of them serves all layers of a stack: a decoder's looks back alone, an encoder's both
    ways. Raises ConfigError as ``relative_buckets`` does, and for a number of heads below 1.
    """

    biases = True

    def __init__(
        self,
        heads: int,
        buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(heads=heads)
        relative_buckets(np.zeros(0, np.int64), buckets, bidirectional, max_distance)
        self.bidirectional = bidirectional
        self.max_distance = max_distance
        self.weight = scaled_normal(buckets, heads, rng, dtype)

    def bias(self, t: int, s: int, at: int | None = None) -> tuple[Array, RelativeBiasCache]:
        """Queries t, keys s -> y (1, N, t, s), cache; see ``Positions.bias``."""
        y, cache = relative_bias_forward(
            self.weight.data,
            t=t,
            s=s,
            bidirectional=self.bidirectional,
            max_distance=self.max_distance,
            at=at,
        )
        return y[None], cache

    def bias_backward(self, dy: Array, cache: RelativeBiasCache) -> None:
        """dy (B|1, N, t, s) -> nothing; ``weight`` gets the sum over what it was broadcast on."""
        if self.weight.trainable:
            self.weight.accumulate(relative_bias_backward(dy.sum(axis=0), cache))
