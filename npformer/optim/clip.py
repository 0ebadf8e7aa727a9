"""The norm of a whole gradient, and the factor that bounds it (Pascanu et al., 2013, alg. 1).

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from npformer.nn.module import Array

BLOCK = 65_536
"""Elements squared at a time, so that their float64 copy stays in cache."""


def gradient_norm(*gradients: Array) -> float:
    """The Euclidean norm of ``gradients``, taken as one vector; NaN or infinite if an element is.

    Squares are taken in float64 and added without rounding error between blocks. No float32
    element can overflow or vanish there; float64 elements near the ends of their own range are
    first divided by the largest. Norms of parts combine through ``math.hypot``.
    """
    blocks = _blocks(gradients)
    total = _sum_of_squares(blocks, 1.0)
    if 1e-250 < total < math.inf or not blocks:
        return math.sqrt(total)
    largest = max(
        (float(np.max(np.abs(block))) for block in blocks),
        key=lambda value: math.inf if math.isnan(value) else value,
    )
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(_sum_of_squares(blocks, largest))


def clip_factor(norm: float, max_norm: float) -> float:
    """What to multiply a gradient of ``norm`` by so that its norm is at most ``max_norm``.

    1 when it is so already, or when ``max_norm`` is 0, which stands for no limit.
    """
    return max_norm / norm if 0 < max_norm < norm else 1.0


def _blocks(arrays: Iterable[Array]) -> list[Array]:
    flat = [array.reshape(-1) for array in arrays]
    return [a[start : start + BLOCK] for a in flat for start in range(0, a.size, BLOCK)]


def _sum_of_squares(blocks: list[Array], unit: float) -> float:
    sums = []
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for block in blocks:
            wide = block.astype(np.float64)
            if unit != 1.0:
                wide /= unit
            sums.append(float(np.dot(wide, wide)))
    # fsum refuses infinities of both kinds and NaN in some mixtures; a plain sum carries them.
    return math.fsum(sums) if all(map(math.isfinite, sums)) else sum(sums)
