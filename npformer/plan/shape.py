"""What the plan is for: the batch that a GPU holds at one time, and how it computes."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from npformer.config import DataConfig, RunConfig

DeviceKind = Literal["cpu", "cuda"]


class Shape(NamedTuple):
    """One padded batch on one GPU: B pairs, S source and T target positions each."""

    rows: int
    source: int
    target: int

    @property
    def source_tokens(self) -> int:
        """B S."""
        return self.rows * self.source

    @property
    def target_tokens(self) -> int:
        """B T."""
        return self.rows * self.target


def full_batch(data: DataConfig, length: int, ranks: int = 1) -> Shape:
    """A rank's share of a batch that fills the budget with pairs of ``length`` tokens a side."""
    rows = max(1, data.batch_tokens // length)
    return Shape(math.ceil(rows / ranks), length, length)


class NumberBytes(NamedTuple):
    """Bytes of a number: as weights are stored, as products are computed."""

    full: int
    product: int

    @classmethod
    def of(cls, config: RunConfig) -> NumberBytes:
        """Float32 or float64, with bfloat16 products under autocast."""
        full = 8 if config.train.dtype == "float64" else 4
        return cls(full, 2 if config.twin.precision == "bf16" else full)

    @property
    def mixed(self) -> bool:
        """Whether each product first casts what it multiplies."""
        return self.product < self.full
