"""Parameters that lie in one tensor of a file by turns: some rows of one, then some of the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npformer.ops.array import Array
from npformer.pretrained.tensors import Entry, Shape


class ByTurns:
    """Of each of ``groups`` groups first the rows of the first parameter, then of the second.

    Heads are such groups, with rows of a key and of a value each; a gate and what it opens are,
    with a row of each. ``transposed`` ones are (..., in, out) in the file; ``vectors`` are of rows
    of one number.
    """

    def __init__(self, groups: int, *, transposed: bool = False, vectors: bool = False) -> None:
        self.groups, self.transposed, self.vectors = groups, transposed, vectors

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """One tensor -> its parts, by the sizes of the parameters."""
        (tensor,) = theirs
        rows = tensor.mT if self.transposed else tensor[..., None] if self.vectors else tensor
        *leading, count, width = rows.shape
        grouped = rows.reshape(*leading, self.groups, count // self.groups, width)
        sizes = [shape[-1 if self.vectors else -2] // self.groups for shape in shapes]
        parts = np.split(grouped, np.cumsum(sizes[:-1]), axis=-2)
        parts = [part.reshape(*leading, -1, width) for part in parts]
        return [part[..., 0] for part in parts] if self.vectors else parts

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """The parts -> one tensor."""
        parts = [array[..., None] for array in ours] if self.vectors else ours
        grouped = [p.reshape(*p.shape[:-2], self.groups, -1, p.shape[-1]) for p in parts]
        whole = np.concatenate(grouped, axis=-2)
        whole = whole.reshape(*whole.shape[:-3], -1, whole.shape[-1])
        whole = whole.mT if self.transposed else whole[..., 0] if self.vectors else whole
        return [whole]


def by_turns(
    ours: Sequence[str],
    theirs: str,
    groups: int,
    *,
    transposed: bool = False,
    vectors: bool = False,
) -> Entry:
    """The parameters are parts of one tensor, by turns in each of the groups."""
    how = ByTurns(groups, transposed=transposed, vectors=vectors)
    return Entry(tuple(ours), (theirs,), how)
