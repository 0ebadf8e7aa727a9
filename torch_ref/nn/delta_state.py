"""What a gated delta net keeps from one decoding step to the next."""

from __future__ import annotations

import torch
from torch import Tensor

from npformer.errors import ShapeError


class DeltaState:
    """The state of each head, and what the convolutions look back on, a row for each hypothesis."""

    def __init__(self) -> None:
        self.length = 0
        self.state: Tensor | None = None  # (R, N, H, Hv), 0 at first
        self.inputs: dict[str, Tensor] = {}  # by convolution, (R, width - 1, channels)

    def looked_back(self, name: str, x: Tensor, width: int, at: int | Tensor) -> Tensor:
        """x (R, T, channels) -> with the width - 1 positions before it, which x's last replace.

        Where ``at`` are positions, what is kept of another text than the last one is 0.
        """
        before = self.inputs.get(name)
        if before is None:
            before = x.new_zeros(len(x), width - 1, x.shape[2])
        both = torch.cat([before, x], 1)
        kept = both[:, both.shape[1] - (width - 1) :]
        if not isinstance(at, int):
            back = torch.arange(width - 1, 0, -1, device=at.device)
            kept = kept * (back <= at[:, -1:] + 1)[:, :, None]
        self.inputs[name] = kept
        return both

    def rewind(self, length: int) -> None:
        """Raises ``ShapeError`` unless ``length`` is all: a state has lost what it was before."""
        if length != self.length:
            raise ShapeError(
                f"{self.length - length} positions to take back; a state that is written over has "
                "lost what it was before"
            )

    def select(self, rows: Tensor) -> None:
        """Keep ``rows``, in that order; a row may come more than once."""
        if self.state is not None:
            self.state = self.state.index_select(0, rows)
        self.inputs = {name: kept.index_select(0, rows) for name, kept in self.inputs.items()}
