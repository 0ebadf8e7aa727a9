"""Tensors of published files as parameters, and parameters as tensors, by one table.

An entry says which parameters are made of which tensors, and how. Its two directions are inverse,
so that a model is loaded and exported by the same lines.

Chapter     walkthroughs/24_a_model_from_elsewhere.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from npformer.errors import CheckpointError, counted
from npformer.files.array_file import Form
from npformer.nn.module import Parameter
from npformer.ops.array import Array

Shape = tuple[int, ...]


class How(Protocol):
    """A way from tensors to parameters, and back."""

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """Tensors as they are in the file -> arrays for parameters of ``shapes``."""

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """The reverse."""


class Whole:
    """A tensor is a parameter."""

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """The same arrays."""
        return theirs

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """The same arrays."""
        return ours


class Transposed:
    """A matrix is (in, out) in the file."""

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """(in, out) -> (out, in)."""
        return [tensor.T for tensor in theirs]

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """(out, in) -> (in, out)."""
        return [array.T for array in ours]


class Fused:
    """Several parameters are one tensor in the file, one after the other along their first axis.

    A ``transposed`` one is along the last axis there, as each of them is (in, out).
    """

    def __init__(self, *, transposed: bool = False) -> None:
        self.transposed = transposed

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """One tensor -> its parts, by the sizes of the parameters; the last gets what is left."""
        (tensor,) = theirs
        whole = tensor.T if self.transposed else tensor
        return np.split(whole, np.cumsum([shape[0] for shape in shapes[:-1]]))

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """The parts -> one tensor."""
        whole = np.concatenate(ours)
        return [whole.T if self.transposed else whole]


class Stacked:
    """A parameter holds several tensors of the file, along a first axis of its own."""

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """Tensors of one shape -> one array."""
        return [np.stack(theirs)]

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """One array -> its tensors."""
        return list(ours[0])


class Row:
    """A vector is the only row of a matrix in the file."""

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """(1, V) -> (V,)."""
        return [tensor.reshape(-1) if len(tensor) == 1 else tensor for tensor in theirs]

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """(V,) -> (1, V)."""
        return [array[None] for array in ours]


class LaterRows:
    """A table has ``unread`` rows in the file before those that are read; exported they are 0."""

    def __init__(self, unread: int) -> None:
        self.unread = unread

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """(unread + P, D) -> (P, D)."""
        return [tensor[self.unread :] for tensor in theirs]

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """(P, D) -> (unread + P, D)."""
        pad = [(self.unread, 0), (0, 0)]
        return [np.pad(array, pad) for array in ours]


class Entry(NamedTuple):
    """Parameters by their paths, tensors by their names, and the way between them."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    how: How = Whole()


def whole(ours: str, theirs: str) -> Entry:
    """The parameter ``ours`` is the tensor ``theirs``."""
    return Entry((ours,), (theirs,))


def transposed(ours: str, theirs: str) -> Entry:
    """The parameter (out, in) is the tensor (in, out)."""
    return Entry((ours,), (theirs,), Transposed())


def fused(ours: Sequence[str], theirs: str, *, transposed: bool = False) -> Entry:
    """The parameters are parts of one tensor, in this order."""
    return Entry(tuple(ours), (theirs,), Fused(transposed=transposed))


def row(ours: str, theirs: str) -> Entry:
    """The parameter (V,) is the tensor (1, V)."""
    return Entry((ours,), (theirs,), Row())


def later_rows(ours: str, theirs: str, unread: int) -> Entry:
    """The parameter is the tensor without its first ``unread`` rows."""
    return Entry((ours,), (theirs,), LaterRows(unread))


def stacked(ours: str, theirs: Sequence[str]) -> Entry:
    """The parameter is made of several tensors, in this order."""
    return Entry((ours,), tuple(theirs), Stacked())


def read_parameters(
    entries: Sequence[Entry],
    tensors: Mapping[str, Array],
    parameters: Mapping[str, Parameter],
    *,
    ignored: Mapping[str, str],
    tied: Mapping[str, str],
    spelled: Mapping[str, str],
    where: str,
) -> None:
    """Fill every parameter from its tensors, each of which is read once, and converted.

    ``ignored`` are patterns of names that are passed over, with the reasons. ``tied`` are names of
    tensors that may be absent, for another is the same: where both are there they must be equal.
    Messages name a tensor as it is ``spelled`` in the file.

    Raises CheckpointError, before any is read, for a tensor that is missing or that no entry reads;
    then for one whose shape does not fit, and for a tied one that differs.
    """
    wanted = {name for entry in entries for name in entry.theirs}
    if missing := sorted(wanted - tensors.keys()):
        raise CheckpointError(f"{where} lacks {_named(missing)}, by its config")
    unread = [
        spelled[name]
        for name in sorted(tensors.keys() - wanted - tied.keys())
        if not any(re.fullmatch(pattern, name) for pattern in ignored)
    ]
    if unread:
        raise CheckpointError(
            f"{where} holds {_named(unread)}, which no part of the model reads; it may be of "
            "another family"
        )
    for entry in entries:
        for path, array in _loaded(entry, tensors, parameters, spelled, where):
            parameters[path].data = np.require(array, parameters[path].data.dtype, ["C", "W"])
    for name, like in tied.items():
        if name in tensors and not np.array_equal(tensors[name], tensors[like], equal_nan=True):
            raise CheckpointError(
                f"{where} holds {spelled[name]!r}, and its config says that it is "
                f"{spelled[like]!r}; they differ: if "
                'the head is meant, set "tie_word_embeddings": false in the config'
            )


def _loaded(
    entry: Entry,
    tensors: Mapping[str, Array],
    parameters: Mapping[str, Parameter],
    spelled: Mapping[str, str],
    where: str,
) -> Iterator[tuple[str, Array]]:
    shapes = [parameters[path].data.shape for path in entry.ours]
    theirs = [tensors[name] for name in entry.theirs]
    try:
        arrays = entry.how.load(theirs, shapes)
    except ValueError:  # tensors to be stacked that have different shapes
        arrays = []
    if [array.shape for array in arrays] != shapes:
        blank = [np.broadcast_to(np.zeros((), np.int8), shape) for shape in shapes]
        for name, tensor, fits in zip(entry.theirs, theirs, entry.how.store(blank), strict=True):
            if tensor.shape != fits.shape:
                raise CheckpointError(
                    f"{spelled[name]!r} is {tensor.shape} in {where}; by its config it is "
                    f"{fits.shape}"
                )
    return zip(entry.ours, arrays, strict=True)


def _named(names: Sequence[str]) -> str:
    more = f" and {counted(len(names) - 1, 'other tensor')}" if len(names) > 1 else ""
    return f"{names[0]!r}{more}"


class Exported(Mapping[str, Array]):
    """The tensors of a file, by their names, each made of its parameters when asked for."""

    def __init__(self, entries: Sequence[Entry], weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self._homes = {
            name: (entry, index) for entry in entries for index, name in enumerate(entry.theirs)
        }

    def __getitem__(self, name: str) -> Array:
        entry, index = self._homes[name]
        return entry.how.store([self._weights[path] for path in entry.ours])[index]

    def forms(self) -> dict[str, Form]:
        """Of each tensor its dtype and shape."""
        return {name: Form(array.dtype.name, array.shape) for name, array in self.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)
