"""The norm of a whole gradient, and the factor that bounds it (Pascanu et al., 2013, alg. 1).

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

import math

import numpy as np

from npformer.nn.module import Array

BLOCK = 65_536
"""Elements squared at a time, so that their float64 copy stays in cache."""


def gradient_norm(gradient: Array) -> float:
    """The Euclidean norm of a flat ``gradient`` (P,); NaN or infinite where an element is.

    Squares are taken in float64 and added without rounding error between blocks. No float32
    element can overflow or vanish there; float64 elements near the ends of their own range are
    first divided by the largest. Norms of parts combine through ``math.hypot``.
    """
    total = _sum_of_squares(gradient, 1.0)
    if 1e-250 < total < math.inf or not gradient.size:
        return math.sqrt(total)
    largest = max(
        (float(np.max(np.abs(block))) for block in _blocks(gradient)),
        key=lambda value: math.inf if math.isnan(value) else value,
    )
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(_sum_of_squares(gradient, largest))


def clip_factor(norm: float, max_norm: float) -> float:
    """What to multiply a gradient of ``norm`` by so that its norm is at most ``max_norm``.

    1 when it is so already, or when ``max_norm`` is 0, which stands for no limit.
    """
    return max_norm / norm if 0 < max_norm < norm else 1.0


def _blocks(array: Array) -> list[Array]:
    return [array[start : start + BLOCK] for start in range(0, array.size, BLOCK)]


def _sum_of_squares(gradient: Array, unit: float) -> float:
    sums = []
    for block in _blocks(gradient):
        wide = block.astype(np.float64) / unit if unit != 1.0 else block.astype(np.float64)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            sums.append(float(np.dot(wide, wide)))
    # fsum refuses infinities of both kinds and NaN in some mixtures; a plain sum carries them.
    return math.fsum(sums) if all(map(math.isfinite, sums)) else sum(sums)
