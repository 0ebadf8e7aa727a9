"""What a state of decoding asks of the model that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from npformer.errors import ShapeError
from torch_ref.nn.layer_state import LayerState


class Decodes(Protocol):
    """A model, as its states of decoding see it."""

    config: Any

    def decode(
        self,
        ids: Tensor,
        position: int | Tensor,
        states: Sequence[LayerState],
        memory_mask: Tensor | None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """ids (R,) at ``position`` -> logits (R, V) of the next token."""
        ...

    def read(
        self,
        ids: Tensor,
        position: int | Tensor,
        states: Sequence[LayerState],
        memory_mask: Tensor | None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """ids (R,) or (R, T) at ``position`` -> their last states (R, T, D)."""
        ...

    def logits_of(self, y: Tensor) -> Tensor:
        """Last states (..., D) -> logits (..., V)."""
        ...

    def too_long(self, length: int) -> ShapeError:
        """What to raise for a sequence of ``length`` tokens."""
        ...
