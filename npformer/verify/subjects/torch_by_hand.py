"""Functions of tensors with gradients by somebody's own formula, in which autograd has no part.

A VJP, or a pair in the package's convention.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from npformer.cards.case import Case, Result
from npformer.cards.pytorch import torch
from npformer.verify.component import BrokenContract
from npformer.verify.subjects.outputs import a_kind, in_form_of
from npformer.verify.subjects.subjects import flat, gradients_of, parameters_of
from npformer.verify.subjects.torch_subjects import TorchCallable


@dataclass(frozen=True)
class TorchVJP(TorchCallable):
    """A ``WithVJP`` on tensors."""

    freezes = False

    def _call(self, case: Case, leaves: Mapping[str, torch.Tensor]) -> Any:
        positional, keywords = self.tensor_arguments(case, leaves)
        with torch.no_grad():
            return self.origin.function(*positional, **keywords)

    def _gradients(
        self,
        returned: Any,
        leaves: Mapping[str, torch.Tensor],
        upstream: Mapping[str, torch.Tensor],
        case: Case,
    ) -> dict[str, torch.Tensor]:
        positional, keywords = self.tensor_arguments(case, leaves)
        with torch.no_grad():
            found = self.origin.vjp(in_form_of(returned, upstream), *positional, **keywords)
        return _tensors(self, found, case)

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin.function)


@dataclass(frozen=True)
class TorchPair(TorchCallable):
    """A pair of functions of tensors in the package's convention."""

    freezes = False

    def _both(self, case: Case, leaves: Mapping[str, torch.Tensor]) -> tuple[Any, Any]:
        positional, keywords = self.tensor_arguments(case, leaves)
        with torch.no_grad():
            found = self.origin[0](*positional, **keywords)
        if not isinstance(found, tuple) or len(found) != 2:
            raise BrokenContract(
                f"{self.name} returned {a_kind(found)}; the forward of a pair must return y and a "
                "cache"
            )
        return found

    def opened(self, case: Case, frozen: str = "") -> Callable[[Case], Result]:
        y, cache = self._both(case, {})

        def backward(of: Case) -> Result:
            upstream = {name: self.tensor(dy) for name, dy in of.upstream.items()}
            with torch.no_grad():
                found = _tensors(self, self.origin[1](in_form_of(y, upstream), cache), case)
            return {self._named(n): self.array(g) for n, g in found.items()}

        return backward

    def _call(self, case: Case, leaves: Mapping[str, torch.Tensor]) -> Any:
        return self._both(case, leaves)[0]

    def _gradients(
        self,
        returned: Any,
        leaves: Mapping[str, torch.Tensor],
        upstream: Mapping[str, torch.Tensor],
        case: Case,
    ) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            found = self.origin[1](in_form_of(returned, upstream), self._both(case, leaves)[1])
        return _tensors(self, found, case)

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin[0])


def _tensors(of: TorchCallable, gradients: Any, case: Case) -> dict[str, torch.Tensor]:
    arrays = tuple(of.array(g) if isinstance(g, torch.Tensor) else g for g in flat(gradients))
    named = gradients_of(arrays, case, of.call)
    tensors = {n: torch.from_numpy(named[f"d{n}"]) for n in case.inputs if f"d{n}" in named}
    return {n: t.bfloat16() if of.bfloat16 else t for n, t in tensors.items()}
