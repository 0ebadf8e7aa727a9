"""A published model in NumPy beside the library that it was published for, module by module.

A bisection judges by the twin, which has the weights and the settings that npformer has read. What
was read wrongly, two matrices in each other's place for example, shows only beside the library
itself. Its modules are found by the family's own table: where a parameter is a tensor, the two
modules that hold them take and give the same arrays.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npformer import seam
from npformer.errors import VerifyError
from npformer.ops.array import Array
from npformer.pretrained import Pretrained
from npformer.pretrained.load import Renamed
from npformer.pretrained.tensors import Exported

WEIGHT = ".weight"
SAME = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-3}
"""The largest error, relative to the largest entry, of arrays that are the same."""


class Compared(NamedTuple):
    """One module on both sides; errors are relative to the library's largest entry."""

    path: str
    theirs: str
    """The library's path of it."""
    input: float
    output: float
    doutput: float
    """Of the gradient that arrives at the output."""
    weight: float
    """Of the gradient of its weight."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; falsy if anything differs."""

    rows: tuple[Compared, ...]
    """The modules in the order of the forward."""
    logits: float
    gradients: dict[str, float]
    """Of every tensor, by the family's name of it."""
    same: float
    """What error passes."""

    @property
    def passed(self) -> bool:
        return max(self.logits, *self.gradients.values()) <= self.same

    def __bool__(self) -> bool:
        return self.passed

    @property
    def activation(self) -> str | None:
        """The first module whose output differs though its input is the same, by its path.

        Where an input differs first, it is what lies between two modules. None where none differs.
        """
        before = "the embedding"
        for row in self.rows:
            if row.input > self.same:
                return f"between {before} and {row.path}"
            if row.output > self.same:
                return row.path
            before = row.path
        return f"after {before}" if self.logits > self.same else None

    @property
    def gradient(self) -> str | None:
        """The same of the first gradient on its way back, where every activation is the same."""
        if self.passed or self.activation is not None:
            return None
        after = "the logits"
        for row in reversed(self.rows):
            if row.doutput > self.same:
                return f"between {row.path} and {after}"
            if row.weight > self.same:
                return row.path
            after = row.path
        return f"before {after}"

    def __str__(self) -> str:
        lines = [f"{'':48}  {'output':>8}  {'gradient':>8}  {'weight':>8}"]
        lines += [
            f"{row.path:48}  {row.output:8.1e}  {row.doutput:8.1e}  {row.weight:8.1e}"
            for row in self.rows
        ]
        worst = max(self.gradients, key=self.gradients.__getitem__)
        lines.append(
            f"{'logits':48}  {self.logits:8.1e}\n"
            f"the worst of {len(self.gradients)} gradients is {worst}: {self.gradients[worst]:.1e}"
        )
        for what, where in (("activation", self.activation), ("gradient", self.gradient)):
            if where is not None:
                lines.append(f"the first {what} that differs is made {_in(where)}")
        return "\n".join(lines)


def compare(found: Pretrained, model: Any, ids: Array, dlogits: Array) -> Comparison:
    """ids (B, T), dlogits (B, T, V): one forward and backward of both, in lockstep.

    ``model`` is the library's, in the precision that it is to be run in; its gradients and those
    of ``found`` are replaced. Raises VerifyError for a model without any module of the family's.
    """
    parameters = dict(model.named_parameters())
    names = found.family.own_names(list(parameters))
    pairs = _pairs(found, names)
    if not pairs:
        raise VerifyError(
            f"a {type(model).__name__} has no module of {type(found.family).__name__}"
        )
    ours = _Watched({path: module for path, module in found.model.named_modules() if path in pairs})
    with seam.watching(ours):
        logits, cache = found.model.forward(ids)
        for parameter in found.model.parameters():
            parameter.grad = None
        found.model.backward(dlogits, cache)
    with _hooked(model, set(pairs.values())) as theirs:
        right, gradients = _run(model, ids, dlogits)
    own = Exported(
        found.family.entries(found.model.config),
        {
            path: np.zeros_like(parameter.data) if parameter.grad is None else parameter.grad
            for path, parameter in found.model.named_parameters()
        },
    )
    expected = Renamed(gradients, names)
    errors = {name: _apart(own[name], expected[name]) for name in own}
    tensors = {path.removesuffix(WEIGHT): name for name, path in _weights(found).items()}
    rows = [
        Compared(path, pairs[path], came, went, back, errors[tensors[path]])
        for path, seen in ours.seen.items()
        for came, went, back in [map(_apart, seen, theirs[pairs[path]])]
    ]
    return Comparison(tuple(rows), _apart(logits, right), errors, SAME[logits.dtype])


def _weights(found: Pretrained) -> dict[str, str]:
    """The family's name of each tensor that is one parameter, perhaps transposed, and its path."""
    return {
        entry.theirs[0]: entry.ours[0]
        for entry in found.family.entries(found.model.config)
        if len(entry.ours) == len(entry.theirs) == 1 and entry.ours[0].endswith(WEIGHT)
    }


def _pairs(found: Pretrained, names: dict[str, str]) -> dict[str, str]:
    """The library's path of each module of ours that takes numbers and holds one of the tensors."""
    model = found.model
    entrances = [model.entrance(stream) for stream in model.streams]
    readers = [part for each in entrances for part in (each.embedding, each.positions)]
    # Of ids and places: a family may scale what these give.
    of_ids = {path for path, m in model.named_modules() if any(m is part for part in readers)}
    return {
        path.removesuffix(WEIGHT): names[name].removesuffix(WEIGHT)
        for name, path in _weights(found).items()
        if name in names and path.removesuffix(WEIGHT) not in of_ids
    }


class _Watched:
    """Of each module by its path: input, output, and the gradient that arrives."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self.seen: dict[str, list[Array]] = {}
        self._paths = {id(module): path for path, module in modules.items()}

    def __call__(self, call: seam.Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        path = self._paths.get(id(call.owner))
        result = run(*args, **kwargs)
        if path is not None and call.name == "forward":
            # Until a gradient arrives, there is none.
            self.seen[path] = [args[0], result[0], np.zeros_like(result[0])]
        elif path is not None and call.name == "backward":
            self.seen[path][2] = args[0]
        return result


@contextmanager
def _hooked(model: Any, paths: set[str]) -> Iterator[dict[str, list[Array]]]:
    """The same of the library's modules."""
    seen: dict[str, list[Array]] = {}

    def hook(path: str) -> Any:
        def look(module: Any, inputs: Any, output: Any) -> None:
            seen[path] = [_numpy(inputs[0]), _numpy(output)]
            output.register_hook(lambda gradient: seen[path].append(_numpy(gradient)))

        return look

    handles = [
        module.register_forward_hook(hook(path))
        for path, module in model.named_modules()
        if path in paths
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _run(model: Any, ids: Array, dlogits: Array) -> tuple[Array, dict[str, Array]]:
    import torch

    model.zero_grad()
    logits = model(torch.from_numpy(ids), use_cache=False).logits
    logits.backward(torch.from_numpy(dlogits).to(logits.dtype))
    gradients = {name: _numpy(p.grad) for name, p in model.named_parameters()}
    return _numpy(logits), gradients


def _numpy(tensor: Any) -> Array:
    array: Array = tensor.detach().cpu().numpy().copy()
    return array


def _in(where: str) -> str:
    return where if " " in where else f"in {where}"


def _apart(ours: Array, theirs: Array) -> float:
    """The largest error relative to the largest entry; heads may come before or after positions."""
    if ours.shape != theirs.shape and ours.ndim == 4:
        theirs = theirs.swapaxes(1, 2)
    if ours.shape != theirs.shape:
        return float("inf")
    largest = float(abs(theirs).max(initial=0))
    return float(abs(ours - theirs).max(initial=0)) / (largest or 1.0)
