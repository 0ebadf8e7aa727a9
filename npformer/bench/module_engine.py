"""The twin's engine around another's module, for the models beside the twin.

Only what is trained differs: a module that maps ids to logits, with PyTorch's own cross-entropy of
all of them, as a user of the module would write it. Optimizer, precision, seeds, checkpoints and
what is refused are those of ``TorchEngine``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from torch_ref.train import TorchEngine
from torch_ref.train.objective import Objective, summed_loss
from torch_ref.train.precision import Precision

Forward = Callable[..., Tensor]
"""source (B, S), if there is one, and target (B, T) ids -> logits (B, T, V)."""


class ModuleEngine(TorchEngine):
    """``Engine`` (npformer/train/engine.py) over another's module, on one device.

    A subclass says how the module is made, and what translates with it (``model``). Parameters that
    do not ask for a gradient, such as a table of positions, are no part of the state.
    """

    saves_frozen = False
    streams: ClassVar[Sequence[str]] = ("source", "target")
    """What the module is called with."""
    module: Any
    """The module itself."""

    def module_of(self, config: Any) -> nn.Module:
        """A module of the configuration, its weights drawn from PyTorch's generator."""
        raise NotImplementedError

    def forward_of(self, module: Any) -> Forward:
        """How the module is called: as it is, unless a subclass knows better."""
        return module

    def _make(self) -> Objective:
        self.module = self.module_of(self.config.model)
        self.module.to(device=self.device, dtype=self.precision.weights)
        forward = self.forward_of(self.module)
        if self.config.twin.compile:
            forward = torch.compile(forward)
        return ModuleObjective(self.module, self.streams, self.precision, forward).eval()


class ModuleObjective(Objective):
    """Any module and its loss, over all logits at once. Dropout is PyTorch's own."""

    def __init__(
        self, model: nn.Module, streams: Sequence[str], precision: Precision, forward: Forward
    ) -> None:
        super().__init__(model, streams, precision)
        self._logits = forward

    def summed(
        self,
        inputs: dict[str, Tensor],
        targets: Tensor,
        rng: np.random.Generator | None,
        **options: Any,
    ) -> Tensor:
        """Of what ``forward`` gives for the ids; ``rng`` is not asked."""
        logits = self._logits(*(inputs[name] for name in self.streams)).flatten(0, 1)  # (B T, V)
        return summed_loss(logits, targets, **options)
