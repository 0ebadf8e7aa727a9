"""The gradient's own gradient: a backward as a function, whose derivative is checked in turn."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.sources import Source
from npformer.cards.strategies import GeneratorSource
from npformer.errors import VerifyError
from npformer.verify.component import Component
from npformer.verify.inputs import InputSource
from npformer.verify.subjects.jax_subjects import JaxCallable
from npformer.verify.subjects.second_torch import Second
from npformer.verify.subjects.subjects import VJP, ArgumentNames, Pair, Subject
from npformer.verify.subjects.torch_by_hand import TorchPair, TorchVJP
from npformer.verify.subjects.torch_subjects import TorchCallable
from npformer.verify.subjects.user_component import UserComponent


@dataclass(frozen=True)
class JaxSecond(JaxCallable):
    """The gradients of a function of JAX, of its inputs and its upstream gradients."""

    first: JaxCallable = field(default_factory=lambda: JaxCallable("", None))
    """Whose gradients they are."""
    upstream: tuple[str, ...] = ()
    """What its upstream gradients are called among the inputs."""

    def called(self, case: Case) -> Any:
        inner, above = _parted(case, self.upstream)
        found = self.first.differentiated(inner, inner.inputs, above)[1]
        return tuple(found[name] for name in inner.inputs)  # JAX's dictionaries are sorted


@dataclass(frozen=True)
class Gradients(Subject):
    """The gradients of NumPy's arrays, or another engine's: numbers, whose derivative nobody has.

    Good for a reference, which is then differentiated by differences.
    """

    first: Subject = field(default_factory=lambda: Subject("", None))
    """Whose gradients they are."""
    upstream: tuple[str, ...] = ()
    """What its upstream gradients are called among the inputs."""
    has_gradient = False

    def returned(self, case: Case) -> Any:
        inner, above = _parted(case, self.upstream)
        dy, *more = above.values()
        result = self.first.run(dataclasses.replace(inner, dy=dy, more=tuple(more)))
        return tuple(result[f"d{name}"] for name in inner.inputs)


def _parted(case: Case, upstream: tuple[str, ...]) -> tuple[Case, dict[str, Array]]:
    """The case of the first backward, and its upstream gradients."""
    inputs = {n: a for n, a in case.inputs.items() if n not in upstream}
    return Case(inputs, case.static, case.dy), {n: case.inputs[n] for n in upstream}


class _WithUpstream(InputSource):
    """What goes in at first, and the upstream gradients beside it."""

    def __init__(self, first: UserComponent) -> None:
        self.first = first
        self.only_hypothesis = first.only_hypothesis

    def sizes(self, arrays: Any) -> dict[str, int]:
        return self.first.inputs.sizes(arrays[: len(self.first.names)])

    def draw(self, source: Source, dtype: Any) -> list[Array | None]:
        case = self.first.draw(source, dtype)
        every = {**case.inputs, **case.static}
        return [*(every.get(n) for n in self.first.names), *case.upstream.values()]


def second(component: Component, dtype: Any) -> UserComponent:
    """The check of a component's backward as a function of its inputs and upstream gradients.

    Raises ``VerifyError`` where nothing differentiates that backward, or where the reference has
    no gradient.
    """
    if not isinstance(component, UserComponent):
        raise VerifyError(
            f"for a double backward of {component.name} give inputs, 'bd' say, and as against a "
            "function of tensors, such as torch.nn.functional.silu, or nothing"
        )
    mine, other = component.subject, component.against
    if component.sixteen:
        raise VerifyError("a double backward is checked in float64 and float32")
    if other is not None and not other.has_gradient:
        raise VerifyError(
            f"{other.name} has no gradient whose gradient could be compared; give a function of "
            "tensors, a pair or WithVJP, or no reference"
        )
    upstream = component.draw(GeneratorSource(np.random.default_rng(0)), dtype).upstream
    names = tuple(f"up_{name}" for name in upstream)  # dy is that of the gradients
    if set(names) & {*component.names, *component.initial}:
        raise VerifyError(f"for a double backward no input may be called {' or '.join(names)}")
    mine = _differentiable(mine, component, names, dtype)
    if not isinstance(mine, TorchCallable | JaxCallable):
        raise VerifyError(
            f"a double backward is what autograd makes of a backward, and that of {mine.name} is "
            f"of {mine.engine} arrays, which nothing differentiates; if you have written its "
            "derivative, check WithVJP(backward, derivative), with dy among the inputs"
        )
    backward = _backward_of(mine, names)
    return UserComponent(
        backward.name,
        backward,
        None if other is None else _backward_of(other, names),
        _WithUpstream(component),
        (*component.names, *names),
        component.static,
        component.initial,
        component.remarks,
    )


def _differentiable(
    subject: Subject, component: UserComponent, upstream: tuple[str, ...], dtype: Any
) -> Subject:
    """The subject, or the same on tensors if it takes those too: operators alone take either."""
    kind = {Pair: TorchPair, VJP: TorchVJP}.get(type(subject))
    if kind is None:
        return subject
    of_tensors = kind(subject.name, subject.origin, subject.call)
    case = component.draw(GeneratorSource(np.random.default_rng(0)), dtype)
    above = dict(zip(upstream, case.upstream.values(), strict=True))
    try:
        _backward_of(of_tensors, upstream).outputs(case.with_inputs(above))
    except Exception:
        return subject
    return of_tensors


def _backward_of(first: Subject, upstream: tuple[str, ...]) -> Subject:
    """The gradients of ``first`` as a function that takes the upstream gradients too."""
    call = ArgumentNames((*first.call.positional, *upstream), first.call.keywords, first.call.lists)
    name = f"the backward of {first.name}"
    if isinstance(first, TorchCallable):
        return Second(name, first.origin, call, device=first.device, first=first, upstream=upstream)
    if isinstance(first, JaxCallable):
        return JaxSecond(
            name, first.origin, call, engine=first.engine, first=first, upstream=upstream
        )
    return Gradients(name, first.origin, call, first=first, upstream=upstream)
