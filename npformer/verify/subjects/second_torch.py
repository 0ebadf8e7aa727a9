"""The gradients of tensors as a function of tensors, which autograd differentiates once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from npformer.cards.case import Case
from npformer.cards.pytorch import torch
from npformer.verify.subjects.outputs import in_form_of
from npformer.verify.subjects.subjects import by_input
from npformer.verify.subjects.torch_by_hand import TorchPair, TorchVJP
from npformer.verify.subjects.torch_subjects import TorchCallable

Tensors: TypeAlias = "dict[str, torch.Tensor]"  # PyTorch is imported when it is used


@dataclass(frozen=True)
class Second(TorchCallable):
    """The gradients of another subject, of its inputs and its upstream gradients.

    Those of a function or a module are autograd's. Those of a pair or a VJP are what its backward
    computes: autograd follows the operations in it, back to the inputs through what is cached.
    """

    first: TorchCallable = field(default_factory=lambda: TorchCallable("", None))
    """Whose gradients they are."""
    upstream: tuple[str, ...] = ()
    """What its upstream gradients are called among the inputs."""

    def _call(self, case: Case, leaves: Mapping[str, torch.Tensor]) -> Any:
        with torch.enable_grad():
            given = {
                n: leaves[n] if n in leaves else self.tensor(a) for n, a in case.inputs.items()
            }
            # One that is frozen has a first gradient all the same, for the others' second ones.
            given = {n: t if t.requires_grad else t.requires_grad_() for n, t in given.items()}
            above = {n: given.pop(n) for n in self.upstream}
            inner = Case({n: case.inputs[n] for n in given}, case.static, case.dy)
            by_hand = isinstance(self.first, TorchPair | TorchVJP)
            found = (self._written if by_hand else self._by_autograd)(inner, given, above)
            return tuple(found[n] for n in given)

    def _by_autograd(self, case: Case, given: Tensors, above: Tensors) -> Tensors:
        outputs = self.first._outputs(self.first.forwarded(case, given)[0])
        reached = {
            n: (y, dy)
            for (n, y), dy in zip(outputs.items(), above.values(), strict=True)
            if y.requires_grad
        }
        gradients = torch.autograd.grad(
            [y for y, _ in reached.values()],
            list(given.values()),
            [dy for _, dy in reached.values()],
            create_graph=True,
            materialize_grads=True,
        )
        if _is_closed(gradients):
            raise RuntimeError("its backward is marked with once_differentiable")
        return dict(zip(given, gradients, strict=True))

    def _written(self, case: Case, given: Tensors, above: Tensors) -> Tensors:
        positional, keywords = self.first.tensor_arguments(case, given)
        origin = self.first.origin
        if isinstance(self.first, TorchPair):
            returned, cache = origin[0](*positional, **keywords)
            gradients = origin[1](in_form_of(returned, above), cache)
        else:
            returned = origin.function(*positional, **keywords)
            gradients = origin.vjp(in_form_of(returned, above), *positional, **keywords)
        found: Tensors = by_input(gradients, case, self.first.call)
        return found

    def _named(self, name: str) -> str:
        return f"d{name}" if name in self.upstream else self.first._named(name)


def _is_closed(gradients: tuple[torch.Tensor, ...]) -> bool:
    """Whether autograd ends at a once_differentiable backward on its way to the inputs.

    ``Tensor.backward`` raises there; ``torch.autograd.grad`` finds no way and says nothing.
    """
    open_ = [g.grad_fn for g in gradients]
    seen: set[object] = set()
    while open_:
        node = open_.pop()
        if node is None or node in seen:
            continue
        if node.name() == "torch::autograd::Error":
            return True
        seen.add(node)
        open_ += [following for following, _ in node.next_functions]
    return False
