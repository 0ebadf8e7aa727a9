"""What a tape consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Operation(NamedTuple):
    """One entry of the tape; all in bytes."""

    module: str
    keeps: int = 0
    """What its backward reads and no earlier operation keeps."""
    gradient: int = 0
    """Gradients of its parameters, which its backward leaves behind."""
    working: int = 0
    """What exists while its backward runs and at no other time."""
    forward: int = 0
    """The same of its forward, where that is much: the loss."""
    copies: int = 0
    """Of ``keeps``, what autocast itself holds on to until the forward's end."""
    awaits: bool = False
    """Whether the gradient waits for those of the matrix's other uses, to be added to them."""


@dataclass
class Segment:
    """Operations in a row, which may be made again in the backward instead of kept."""

    operations: list[Operation] = field(default_factory=list)
    input: int = 0
    """Bytes of what it reads: all that is kept of it, if it is made again."""
    layer: bool = False
    """Whether it is a layer of a stack."""
    again: bool = False
    """Whether it is made again."""

    @property
    def keeps(self) -> int:
        """Bytes that its operations keep."""
        return sum(operation.keeps for operation in self.operations)
