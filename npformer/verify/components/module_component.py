"""A module or a whole model as a component, beside the class of the same name in the twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, live
from npformer.cards.pytorch import bridge
from npformer.cards.strategies import Source
from npformer.seam import replacing
from npformer.verify.component import Component, Invariant
from npformer.verify.reference.autograd import gradients, to_tensor, to_tensors, torch_dtype
from npformer.verify.units.noise import noise_scales


@dataclass(frozen=True)
class ModuleComponent(Component):
    """A module or a model, beside the class of the same name in ``torch_ref``."""

    name: str
    draw_from: Callable[[Source, Any], Case]
    build: Callable[..., Any]
    """(static, dtype) -> the NumPy module."""
    build_twin: Callable[..., Any]
    """(static, torch dtype) -> the PyTorch module."""
    inputs: tuple[str, ...]
    """Names of the forward's array arguments, those that a case has; its others are parameters."""
    call: Callable[..., Any]
    """(module, inputs, static) -> y, backward: how the NumPy module is run."""
    call_twin: Callable[..., Any]
    """(module, inputs, static) -> y: how the twin is run."""
    invariants: tuple[Invariant, ...] = ()
    scale: Callable[[Component, Case], Result] = noise_scales
    """S of every result; by ``sum_scales`` for a module that calls no op."""
    replacements: Mapping[Any, Any] = field(default_factory=dict)
    """What the implementation under test calls in place of what: how a mutant is planted."""
    frozen: Callable[[Case], dict[str, int | None]] = lambda case: {}
    """See ``frozen_rows``: the padding row of an embedding, by convention."""
    kind: str = "module"

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.draw_from(source, dtype)

    def forward(self, case: Case) -> Array:
        with replacing(self.replacements):
            module = self._module(case)
            return self.call(module, self._arguments(case), live(case.static))[0]

    def run(self, case: Case) -> Result:
        with replacing(self.replacements):
            return self.extended(case)

    def extended(self, case: Case) -> Result:
        module = self._module(case)
        y, backward = self.call(module, self._arguments(case), live(case.static))
        gradients = backward(case.dy)
        if gradients is None:
            gradients = ()
        elif not isinstance(gradients, tuple):
            gradients = (gradients,)
        result = {"y": y}
        for name, gradient in zip(self._inputs(case), gradients, strict=True):
            result[f"d{name}"] = gradient
        for path, parameter in module.named_parameters():
            gradient = parameter.grad
            result[f"grad {path}"] = np.zeros_like(parameter.data) if gradient is None else gradient
        return result

    def twin(self, case: Case) -> Result:
        module = self.build_twin(case.static, torch_dtype(case.dy.dtype))
        bridge.to_torch(
            {name: a for name, a in case.inputs.items() if name not in self.inputs}, module
        )
        names = self._inputs(case)
        inputs = {name: to_tensor(case.inputs[name]).requires_grad_() for name in names}
        y = self.call_twin(module, list(inputs.values()), to_tensors(live(case.static)))
        parameters = dict(module.named_parameters())
        found = gradients(y, {**inputs, **parameters}, case.dy)
        return {
            "y": y.detach().numpy(),
            **{f"d{name}": found[name] for name in inputs},
            **{f"grad {name}": found[name] for name in parameters},
        }

    def scales(self, case: Case) -> Result:
        return self.scale(self, case)

    def frozen_rows(self, case: Case) -> dict[str, int | None]:
        return self.frozen(case)

    def _inputs(self, case: Case) -> list[str]:
        return [name for name in self.inputs if name in case.inputs]

    def _arguments(self, case: Case) -> list[Array]:
        return [case.inputs[name] for name in self._inputs(case)]

    def _module(self, case: Case) -> Any:
        module = self.build(case.static, case.dy.dtype)
        for path, parameter in module.named_parameters():
            parameter.data = case.inputs[path]
        return module
