"""What training makes small: the sum of a batch's token losses, as one module."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from torch_ref.models.transformer import Transformer
from torch_ref.train.linear_cross_entropy import linear_cross_entropy
from torch_ref.train.precision import Precision


class Objective(nn.Module):
    """A model and its loss together, at the precision that they are to have.

    One module, so that whatever wraps a module's forward and backward (``torch.distributed`` does)
    sees all of them. What a kind of model needs more is in its subclass.
    """

    def __init__(self, model: nn.Module, precision: Precision) -> None:
        super().__init__()
        self.model = model
        self.precision = precision

    def forward(
        self,
        source: Tensor,
        target_in: Tensor,
        target_out: Tensor,
        rng: np.random.Generator | None = None,
        *,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """source (B, S), target_in, target_out (B, T) ids -> (), the sum of losses in nats.

        Positions where ``target_out`` is padding add nothing.
        """
        raise NotImplementedError


MakeObjective = Callable[[], Objective]


class TwinObjective(Objective):
    """The twin, its output projection and its loss.

    With ``chunk`` > 0, the logits of so many target positions exist at one time.
    """

    model: Transformer

    def __init__(
        self, model: Transformer, precision: Precision, *, chunk: int = 0, compiled: bool = False
    ) -> None:
        super().__init__(model, precision)
        self.chunk = chunk
        self.compiled = compiled

    def forward(
        self,
        source: Tensor,
        target_in: Tensor,
        target_out: Tensor,
        rng: np.random.Generator | None = None,
        *,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """As ``Objective.forward``; ``rng`` and what is raised are ``Transformer.forward``'s."""
        padding_id = self.model.config.padding_id
        targets = target_out.flatten()  # (B T,)
        with self.precision.autocast(source.device):
            hidden = self.model.hidden(source, target_in, rng).flatten(0, 1)  # (B T, D)
            if self.chunk:
                return linear_cross_entropy(
                    hidden,
                    self.model.output_weight,
                    targets,
                    chunk=self.chunk,
                    ignore_index=padding_id,
                    label_smoothing=label_smoothing,
                    compiled=self.compiled,
                )
            return F.cross_entropy(
                F.linear(hidden, self.model.output_weight),
                targets,
                ignore_index=padding_id,
                reduction="sum",
                label_smoothing=label_smoothing,
            )
