"""The gradient's own gradient: a backward as a function, whose derivative is checked in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.pytorch import torch
from npformer.cards.sources import Source
from npformer.cards.strategies import GeneratorSource
from npformer.errors import VerifyError
from npformer.verify.component import Component
from npformer.verify.inputs import InputSource
from npformer.verify.subjects.subjects import ArgumentNames
from npformer.verify.subjects.torch_subjects import FunctionClass, TorchCallable
from npformer.verify.subjects.user_component import UserComponent


@dataclass(frozen=True)
class Second(TorchCallable):
    """The gradients of another subject, of its inputs and its upstream gradients."""

    first: TorchCallable = field(default_factory=lambda: TorchCallable("", None))
    """Whose gradients they are."""

    def _call(self, case: Case, leaves: Mapping[str, torch.Tensor]) -> Any:
        with torch.enable_grad():
            given = {
                n: leaves[n] if n in leaves else self.tensor(a).requires_grad_()
                for n, a in case.inputs.items()
            }
            upstream = [given.pop(n) for n in list(given) if n not in self.first.call.arrays]
            inputs = {n: a for n, a in case.inputs.items() if n in given}
            outputs = self.first._outputs(
                self.first.forwarded(Case(inputs, case.static, case.dy), given)[0]
            )
            return torch.autograd.grad(
                list(outputs.values()),
                list(given.values()),
                upstream,
                create_graph=True,
                materialize_grads=True,
            )


class _WithUpstream(InputSource):
    """What goes in at first, and the upstream gradients beside it."""

    def __init__(self, first: UserComponent) -> None:
        self.first = first
        self.only_hypothesis = first.only_hypothesis

    def sizes(self, arrays: Any) -> dict[str, int]:
        return self.first.inputs.sizes(arrays[: len(self.first.names)])

    def draw(self, source: Source, dtype: Any) -> list[Array]:
        case = self.first.draw(source, dtype)
        every = {**case.inputs, **case.static}
        return [*(every[n] for n in self.first.names), *case.upstream.values()]


def second(component: Component, dtype: Any) -> UserComponent:
    """The check of a component's backward as a function of its inputs and upstream gradients.

    Raises ``VerifyError`` unless subject and reference are functions of tensors.
    """
    if not isinstance(component, UserComponent) or component.sixteen or not _known(component):
        raise VerifyError(
            "a double backward is checked of a function of tensors that autograd differentiates, "
            "with inputs, against another one, in float64 or float32"
        )
    upstream = component.draw(GeneratorSource(np.random.default_rng(0)), dtype).upstream
    names = tuple(f"up_{name}" for name in upstream)  # dy is that of the gradients
    if set(names) & set(component.names):
        raise VerifyError(f"for a double backward no input may be called {' or '.join(names)}")
    first = component.subject.call
    call = ArgumentNames((*first.positional, *names), first.keywords, first.lists)
    mine, other = (
        Second(f"the backward of {s.name}", s.origin, call, first=s)
        for s in (component.subject, component.against)
        if isinstance(s, TorchCallable)
    )
    return UserComponent(
        mine.name, mine, other, _WithUpstream(component), call.arrays, component.static, {}
    )


def _known(component: UserComponent) -> bool:
    every = (component.subject, component.against)
    return not component.initial and all(type(s) in (TorchCallable, FunctionClass) for s in every)
