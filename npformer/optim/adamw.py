"""AdamW (Loshchilov & Hutter, 2019, algorithm 2).

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

from npformer.nn.module import Array
from npformer.optim.adam import Adam
from npformer.seam import method


class AdamW(Adam):
    """Adam whose weight decay is decoupled: weights shrink by ``learning_rate * weight_decay``.

    In Adam a penalty's gradient would be divided by sqrt(v), so weights with large gradients
    would decay less; decoupled, every weight decays at the same rate (Loshchilov & Hutter, 2019).
    """

    @method
    def decay(self, weight: Array, gradient: Array, spare: Array, learning_rate: float) -> None:
        weight *= 1 - learning_rate * self.weight_decay
