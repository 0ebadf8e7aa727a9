r"""ReLU, the rectified linear unit (Nair & Hinton, 2010).

Shapes      x, y, dy, dx : any, all the same

Forward     y = max(x, 0)

Backward    The slope is 1 where x > 0 and 0 where x < 0. At the kink any number between would
            do; it is 0 here, as in PyTorch's relu:

                dx = dy * (y > 0)

Reading     y itself says which units were on, and it is the next layer's input anyway, so the
            backward keeps nothing of its own. A unit that is off for every row gets no gradient
            and stays off. (A product with the mask: ``np.where`` guesses a branch for each entry,
            and is ten times as slow on a mask without a pattern.)

Chapter     walkthroughs/04_activations.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.seam import op


class ReluCache(NamedTuple):
    y: Array  # (...)


@op
def relu_forward(x: Array) -> tuple[Array, ReluCache]:
    """x (...) -> y (...), cache."""
    y = np.maximum(x, 0)
    return y, ReluCache(y)


@op
def relu_backward(dy: Array, cache: ReluCache) -> Array:
    """dy (...) -> dx (...)."""
    return dy * (cache.y > 0)
