"""What the configuration of every family of models has (``npformer.models``)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from npformer.fields import check, check_types

LARGEST = 2**31 - 1
"""An integer of a model, at most: neither NumPy nor PyTorch has a size that 64 bits do not hold."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The settings that all families share; each adds its own."""

    family: str
    """Name of the family; its file in ``npformer/models``."""
    vocab_size: int
    """Entries of the vocabulary (V)."""
    d_model: int
    """Width of the residual stream (D)."""
    max_length: int
    """Longest sequence, in tokens, that the model accepts."""
    padding_id: int | None
    """Token id that fills a batch; attention and loss ignore it. None if a model has none."""
    layer_norm_eps: float
    """Added to the variance inside layer norm's root."""
    dropout: float
    """Probability of dropping a unit."""
    init_std: float | None
    """Initial matrices from N(0, init_std^2), or the family's own."""

    def __post_init__(self) -> None:
        check_types(self)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            check(
                type(value) is not int or value <= LARGEST,
                f"{field.name} is {value}; it must be {LARGEST} or less",
            )
        for name in ("vocab_size", "max_length"):
            size = getattr(self, name)
            check(size >= 1, f"{name} is {size}; it must be 1 or more")
        check(0.0 <= self.dropout < 1.0, f"dropout is {self.dropout}; it must be in [0, 1)")
        check(
            self.padding_id is None or 0 <= self.padding_id < self.vocab_size,
            f"padding_id is {self.padding_id}; it must be in [0, {self.vocab_size})",
        )
        check(self.layer_norm_eps > 0, f"layer_norm_eps is {self.layer_norm_eps}; it must be > 0")
        check(
            self.init_std is None or self.init_std > 0,
            f"init_std is {self.init_std}; it must be > 0, or not given",
        )

    @property
    def width_factor(self) -> float:
        """How many times wider than the model whose learning rate it takes; 1 without muP."""
        return 1.0

    @property
    def idle(self) -> str:
        """What of the settings has no effect, and why, in a sentence; or nothing."""
        return ""

    @property
    def alike(self) -> bool:
        """Whether all layers of a stack have the same parts, so that a few tell of all."""
        return True

    @property
    def depths(self) -> tuple[int, ...]:
        """Layers of each stack: the fields whose names end in ``layers``."""
        names = (f.name for f in dataclasses.fields(self) if f.name.endswith("layers"))
        return tuple(getattr(self, name) for name in names)

    @property
    def shape(self) -> str:
        """In words: ``6+6 layers of width 512``."""
        return f"{'+'.join(map(str, self.depths))} layers of width {self.d_model}"
