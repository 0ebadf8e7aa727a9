"""The settings of an optimizer and of its learning rate."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from npformer.errors import ConfigError
from npformer.fields import check, check_types
from npformer.optim.discovery import optimizers


@dataclass(frozen=True)
class OptimConfig:
    """The optimizer and its learning-rate schedule (paper, section 5.3)."""

    name: Literal[*optimizers()] = "adam"  # type: ignore[valid-type]
    """Which optimizer makes the step, by the name of its file in npformer/optim."""
    beta1: float = 0.9
    """Adam's decay of the gradient's mean; SGD's momentum; schedule_free's share of the average."""
    beta2: float = 0.98
    """Adam's decay of the squared gradient's mean."""
    eps: float = 1e-9
    """Adam's term beside the root."""
    weight_decay: float = 0.0
    """Added to the gradient for adam and sgd, decoupled for all others."""
    beta3: float = 0.9999
    """AdEMAMix's decay of the slow mean."""
    slow_factor: float = 5.0
    """AdEMAMix's factor of the slow mean (its alpha)."""
    slow_warmup: int = 0
    """Updates over which AdEMAMix's two reach their values; the paper takes all of a run's."""
    muon_momentum: float = 0.95
    """Muon's decay of the mean that it makes orthogonal; the betas are those of its AdamW."""
    adjust_lr_fn: Literal["match_rms_adamw", "original"] = "match_rms_adamw"
    """Muon's factor for a matrix (O, I): 0.2 sqrt(max(O, I)), or sqrt(max(1, O / I))."""
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
        for name in ("beta1", "beta2", "beta3", "muon_momentum"):
            beta = getattr(self, name)
            check(0.0 <= beta < 1.0, f"{name} is {beta}; it must be in [0, 1)")
        for name in (
            "eps",
            "weight_decay",
            "slow_factor",
            "slow_warmup",
            "clip_norm",
            "learning_rate",
            "warmup",
        ):
            value = getattr(self, name)
            check(value >= 0, f"{name} is {value}; it must be 0 or more")

    def arguments(self, optimizer: Callable[..., Any]) -> dict[str, Any]:
        """What ``optimizer``, a class of ``npformer.optim``, takes of these settings."""
        return {name: getattr(self, of) for name, (of, *_) in fields_taken(optimizer).items()}

    def twin_arguments(self, twin: type) -> dict[str, Any]:
        """What ``twin``, a class of PyTorch's engine, takes of them; raises ``ConfigError``."""
        return twin_arguments(optimizers()[self.name], twin, dataclasses.asdict(self))


_NAMES = {"momentum": ("beta1",), "alpha": ("beta2",), "betas": ("beta1", "beta2")}


def fields_taken(optimizer: Callable[..., Any]) -> dict[str, tuple[str, ...]]:
    """Of each argument of ``optimizer``, a class of either engine: the fields of OptimConfig in it.

    They have the fields' names, but for ``momentum``, which is beta1, RMSprop's ``alpha``, which
    is beta2, and ``betas``, as ``torch.optim`` has them, the pair.
    """
    known = {field.name: (field.name,) for field in dataclasses.fields(OptimConfig)} | _NAMES
    return {name: known[name] for name in inspect.signature(optimizer).parameters if name in known}


def twin_arguments(own: type, twin: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """``values``, by fields of ``OptimConfig``, under the twin's names.

    Both classes compute by the same settings: one that ``own`` does not take keeps the twin's
    default, and one that it takes and the twin does not raises ``ConfigError``.
    """
    ours = {field for fields in fields_taken(own).values() for field in fields}
    theirs = {
        name: fields for name, fields in fields_taken(twin).items() if ours.issuperset(fields)
    }
    if missing := sorted(ours - {field for fields in theirs.values() for field in fields}):
        raise ConfigError(
            f"{own.__name__} takes {', '.join(missing)} and its twin, {twin.__module__}."
            f"{twin.__name__}, does not; they would train by different rules"
        )
    return {
        name: values[fields[0]] if len(fields) == 1 else tuple(values[field] for field in fields)
        for name, fields in theirs.items()
        if values.keys() >= set(fields)
    }
