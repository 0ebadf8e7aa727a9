"""A gradient beside its witnesses, in a few lines: what a walkthrough shows and a reader can break.

``finite_differences`` knows nothing but the forward; ``autograd_gradients`` knows PyTorch's
forward. For a verdict in rounding units over generated cases, see ``check``.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.errors import ShapeError
from npformer.verify.reference.autograd import gradients, to_tensor

Array = np.ndarray
Gradients = tuple[Array | None, ...]


def finite_differences(
    function: Callable[..., Array], *arrays: Any, dy: Array, step: float = 1e-5
) -> Gradients:
    """Gradients of ``<dy, function(*arrays)>`` by central differences, one entry at a time.

    ``function`` gives y, of ``dy``'s shape. float64 throughout; two evaluations an entry, so for
    small arrays. The entry of an argument that is not a floating-point array is None.
    """
    arrays = tuple(_copy(array) for array in arrays)
    return tuple(
        _differences(lambda: np.sum(dy * function(*arrays)), array, step)
        if _differentiable(array)
        else None
        for array in arrays
    )


def autograd_gradients(function: Callable[..., Any], *arrays: Any, dy: Array) -> Gradients:
    """The same gradients by PyTorch: ``function`` takes and gives tensors, the rest is NumPy."""
    arguments = [to_tensor(a) if isinstance(a, np.ndarray) else a for a in arrays]
    leaves = {
        str(i): arguments[i].requires_grad_() for i, a in enumerate(arrays) if _differentiable(a)
    }
    found = gradients(function(*arguments), leaves, np.asarray(dy))
    return tuple(found.get(str(i)) for i in range(len(arrays)))


@dataclass(frozen=True)
class Agreement:
    """How far each gradient is from each witness, as a part of the gradient's largest entry."""

    names: tuple[str, ...]
    witnesses: dict[str, tuple[float, ...]]
    """By witness, one number a name."""

    @property
    def worst(self) -> float:
        """The largest of them; NaN if one is NaN."""
        return float(np.max([gap for gaps in self.witnesses.values() for gap in gaps]))

    def __str__(self) -> str:
        headings = [name.replace("_", " ") for name in self.witnesses]
        width = max(map(len, ("gradient", *self.names)))
        lines = ["  ".join([f"{'gradient':{width}}", *headings])]
        for i, name in enumerate(self.names):
            gaps = [
                f"{gaps[i]:{len(heading)}.1e}"
                for heading, gaps in zip(headings, self.witnesses.values(), strict=True)
            ]
            lines.append("  ".join([f"{name:{width}}", *gaps]))
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        headings = ["gradient", *(f"against {n.replace('_', ' ')}" for n in self.witnesses)]
        rows = [
            [f"`{name}`", *(f"{gaps[i]:.1e}" for gaps in self.witnesses.values())]
            for i, name in enumerate(self.names)
        ]
        rule = ["---", *("--:" for _ in self.witnesses)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))


def agreement(
    names: str | Iterable[str], ours: Any, **witnesses: Iterable[Array | None]
) -> Agreement:
    """A table of how far ``ours`` is from each witness.

    ``names`` ("dx dweight dbias") are of the gradients in ``ours``, a tuple or, if there is only
    one, an array. A witness is a tuple too, of which None entries are left out. Raises
    ``ShapeError`` if numbers or shapes of gradients differ: a gradient that would broadcast is
    wrong.
    """
    names = tuple(names.split()) if isinstance(names, str) else tuple(names)
    ours = _tuple(ours)
    _same_number(names, ours, "ours")
    gaps = {}
    for witness, given in witnesses.items():
        theirs = tuple(g for g in _tuple(given) if g is not None)
        _same_number(names, theirs, witness)
        gaps[witness] = tuple(
            _gap(*each, witness) for each in zip(names, ours, theirs, strict=True)
        )
    return Agreement(names, gaps)


def _gap(name: str, ours: Array, theirs: Array, witness: str) -> float:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape:
        raise ShapeError(f"{name} has shape {ours.shape}, and {theirs.shape} by {witness}")
    difference = np.abs(ours - theirs).max(initial=0.0)
    size = np.abs(theirs).max(initial=0.0)
    return float(difference / size) if size > 0 else float(difference)


def _same_number(names: tuple[str, ...], given: tuple[Any, ...], whose: str) -> None:
    if len(given) != len(names):
        raise ShapeError(
            f"{whose} has {len(given)} gradients for the {len(names)} names {' '.join(names)}"
        )


def _differences(function: Callable[[], Any], array: Array, step: float) -> Array:
    gradient = np.empty_like(array)
    for i in np.ndindex(array.shape):
        at = array[i]
        array[i] = at + step
        above = function()
        array[i] = at - step
        gradient[i] = (above - function()) / (2 * step)
        array[i] = at
    return gradient


def _copy(array: Any) -> Any:
    return np.array(array, np.float64) if _differentiable(array) else array


def _differentiable(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f"


def _tuple(gradients: Any) -> tuple[Any, ...]:
    return gradients if isinstance(gradients, tuple) else (gradients,)
