"""Balance loss: one-hot choices and probabilities, their means over each text, their product."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from torch_ref.seam import op


@op
def balance_loss(probs: Tensor, chosen: Tensor, texts: Tensor) -> Tensor:
    """probs (R, E), chosen (R, k), texts (R,), -1 of what is not counted -> ()."""
    experts, k = probs.shape[-1], chosen.shape[-1]
    counted = (texts >= 0)[:, None]
    of = texts.clamp(min=0)

    def by_text(values: Tensor) -> Tensor:
        return probs.new_zeros(len(probs), values.shape[1]).index_add(0, of, values * counted)

    tokens = by_text(probs.new_ones(len(probs), 1))  # (R, 1), 0 where no text is
    load = by_text(F.one_hot(chosen, experts).sum(-2).to(probs.dtype)) / tokens.clamp(min=1)
    mean = by_text(probs) / tokens.clamp(min=1)
    return (tokens * experts / k * load * mean).sum()
