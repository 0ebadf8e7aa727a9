"""Muon (Jordan et al., 2024; Liu et al., 2025, arXiv:2502.16982), as PyTorch has it.

Chapter     walkthroughs/23_steps_that_are_matrices.md
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from npformer.nn.module import Array
from npformer.optim.adam import adam_update
from npformer.optim.flat import FlatParameters
from npformer.optim.newton_schulz import newton_schulz
from npformer.optim.optimizer import Optimizer
from npformer.optim.whole_parameters import WholeParameters
from npformer.seam import op

Adjust = Literal["match_rms_adamw", "original"]


@op
def muon_update(
    weight: Array,
    gradient: Array,
    momentum: Array,
    *,
    learning_rate: float,
    beta: float,
    weight_decay: float,
    adjust: Adjust,
) -> None:
    """One step of a matrix (O, I), in place.

        momentum = beta momentum + (1 - beta) g
        m        = beta momentum + (1 - beta) g          as Nesterov, a step ahead
        weight   = (1 - learning_rate weight_decay) weight
        weight  -= learning_rate adjusted(O, I) newton_schulz(m)

    The learning rate alone scales the decay.
    """
    one = gradient.dtype.type(1 - beta)
    momentum += one * (gradient - momentum)
    m = gradient + gradient.dtype.type(beta) * (momentum - gradient)
    if weight_decay:
        weight *= 1 - learning_rate * weight_decay
    weight -= learning_rate * adjusted(weight.shape, adjust) * newton_schulz(m)


@op
def adjusted(shape: tuple[int, ...], adjust: Adjust) -> float:
    """The factor of the learning rate for a matrix (O, I), O outputs and I inputs.

    An orthogonal matrix of that shape has min(O, I) singular values of 1, so the root mean square
    of its entries is sqrt(min(O, I) / (O I)) = 1 / sqrt(max(O, I)): the larger the matrix, the
    smaller each step.

        match_rms_adamw    0.2 sqrt(max(O, I)), so that the entries' is 0.2, about that of AdamW's
                           steps, and one learning rate serves both (Liu et al., 2025)
        original           sqrt(max(1, O / I)), so that what a step changes in the outputs, for
                           inputs whose entries are of size 1, is of one size (Jordan et al., 2024)

    Where weights are kept as (I, O), the two letters change places.
    """
    outputs, inputs = shape
    if adjust == "original":
        return math.sqrt(max(1.0, outputs / inputs))
    return 0.2 * math.sqrt(max(outputs, inputs))


@op
def is_hidden(path: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter is a matrix of a layer: what Muon updates, where AdamW does the others.

    A layer's path has its number in it. Embeddings and the output projection lie outside, and
    positions are left out where they are a layer's own, as T5's biases are: what enters these
    tables is a choice and no vector, and so is what leaves the output projection. A stack of
    matrices (E, O, I) is one for each expert.
    """
    parts = path.split(".")
    layer, table = any(part.isdigit() for part in parts), "positions" in parts
    return layer and not table and len(shape) >= 2 and parts[-1] != "bias"


class Muon(WholeParameters, Optimizer):
    """Orthogonal steps for the matrices of the layers, AdamW for everything else."""

    def __init__(
        self,
        flat: FlatParameters,
        *,
        muon_momentum: float = 0.95,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        adjust_lr_fn: Adjust = "match_rms_adamw",
    ) -> None:
        super().__init__(flat)
        self.muon_momentum, self.weight_decay, self.adjust = (
            muon_momentum,
            weight_decay,
            adjust_lr_fn,
        )
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.kept = {
            path: {
                name: np.zeros(shape, flat.data.dtype)
                for name in (("momentum",) if is_hidden(path, shape) else ("m", "v"))
            }
            for path, shape in flat.shapes.items()
        }

    def update_one(
        self, weight: Array, gradient: Array, kept: dict[str, Array], learning_rate: float
    ) -> None:
        """``momentum`` is kept of the layers' matrices, ``m`` and ``v`` of all other parameters."""
        if "momentum" in kept:
            stacks = [weight, gradient, kept["momentum"]]
            if weight.ndim == 2:
                stacks = [a[None] for a in stacks]
            for each in zip(*stacks, strict=True):
                muon_update(
                    *each,
                    learning_rate=learning_rate,
                    beta=self.muon_momentum,
                    weight_decay=self.weight_decay,
                    adjust=self.adjust,
                )
            return
        weight *= 1 - learning_rate * self.weight_decay
        adam_update(
            weight,
            gradient,
            kept["m"],
            kept["v"],
            np.empty_like(weight),
            step=self.steps,
            learning_rate=learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
        )
