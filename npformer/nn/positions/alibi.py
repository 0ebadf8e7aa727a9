"""ALiBi: scores fall with distance. Mathematics: ``npformer/ops/alibi.py``.

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.module import Array, Parameter
from npformer.nn.positions.base import Positions
from npformer.ops.alibi import AlibiCache, alibi_backward, alibi_forward, alibi_slopes


class AlibiPositions(Positions):
    """The bias of ALiBi, with the paper's slopes for ``heads`` heads.

    They are constants, or, if ``learned``, where the parameter ``slopes`` (heads,) begins. Raises
    ConfigError for a number of heads below 1.
    """

    biases = True

    def __init__(self, heads: int, learned: bool = False, *, dtype: DTypeLike = np.float32) -> None:
        slopes = alibi_slopes(heads).astype(dtype)
        self.slopes = Parameter(slopes) if learned else None
        self._slopes = slopes

    def bias(self, t: int, s: int, at: int | None = None) -> tuple[Array, AlibiCache]:
        """Queries t, keys s -> y (1, N, t, s), cache; see ``Positions.bias``."""
        slopes = self._slopes if self.slopes is None else self.slopes.data
        y, cache = alibi_forward(slopes, t=t, s=s, at=at)
        return y[None], cache

    def bias_backward(self, dy: Array, cache: AlibiCache) -> None:
        """dy (B|1, N, t, s) -> nothing; the slopes, if learned, get the sum."""
        if self.slopes is not None and self.slopes.trainable:
            self.slopes.accumulate(alibi_backward(dy.sum(axis=0), cache))
