"""The settings of an optimizer and of its learning rate."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from npformer.fields import check, check_types
from npformer.optim.discovery import optimizers


@dataclass(frozen=True)
class OptimConfig:
    """The optimizer and its learning-rate schedule (paper, section 5.3)."""

    name: Literal[*optimizers()] = "adam"  # type: ignore[valid-type]
    """Which optimizer makes the step, by the name of its file in npformer/optim."""
    beta1: float = 0.9
    """Adam's decay of the gradient's mean; SGD's momentum."""
    beta2: float = 0.98
    """Adam's decay of the squared gradient's mean."""
    eps: float = 1e-9
    """Adam's term beside the root."""
    weight_decay: float = 0.0
    """Decoupled for adamw, added to the gradient for adam and sgd."""
    clip_norm: float = 0.0
    """Largest norm of the whole gradient; 0 leaves it alone."""
    schedule: Literal["noam", "cosine", "constant"] = "noam"
    """How the learning rate moves with the update number."""
    learning_rate: float = 1.0
    """Factor of the schedule: multiplies Noam's rate; the peak of the other two."""
    warmup: int = 4000
    """Updates over which the rate rises from zero."""

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("beta1", "beta2"):
            beta = getattr(self, name)
            check(0.0 <= beta < 1.0, f"{name} is {beta}; it must be in [0, 1)")
        for name in ("eps", "weight_decay", "clip_norm", "learning_rate", "warmup"):
            value = getattr(self, name)
            check(value >= 0, f"{name} is {value}; it must be 0 or more")

    def arguments(self, optimizer: Callable[..., Any]) -> dict[str, Any]:
        """What ``optimizer``, a class of either engine, takes of these settings, by its own names.

        Its ``momentum`` is beta1, and ``betas``, as ``torch.optim`` has them, is the pair.
        """
        names = inspect.signature(optimizer).parameters
        given = dataclasses.asdict(self)
        given |= {"momentum": self.beta1, "betas": (self.beta1, self.beta2)}
        return {name: value for name, value in given.items() if name in names}
