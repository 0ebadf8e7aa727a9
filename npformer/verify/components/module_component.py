"""A module or a whole model as a component, beside the class of the same name in the twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Frozen, Result, live
from npformer.cards.discovery import op_card
from npformer.cards.invariant import Invariant
from npformer.cards.module_card import BUILDING, ModuleCard
from npformer.cards.pytorch import bridge
from npformer.cards.strategies import Source
from npformer.seam import replacing
from npformer.verify.component import Component
from npformer.verify.reference.autograd import gradients, to_tensor, to_tensors, torch_dtype
from npformer.verify.units.noise import noise_scales, sum_scales


@dataclass(frozen=True)
class ModuleComponent(Component):
    """A module or a model, beside the class of the same name in ``torch_ref``."""

    card: ModuleCard
    replacements: Mapping[Any, Any] = field(default_factory=dict)
    """What the implementation under test calls in place of what: how a mutant is planted."""
    kind: str = "module"

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.card.name

    @property
    def invariants(self) -> tuple[Invariant, ...]:  # type: ignore[override]
        return tuple(self.card.invariants)

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.card.drawn(source, dtype)

    def forward(self, case: Case) -> Array:
        with replacing(self.replacements):
            return self._call(self._module(case), case)[0]

    def run(self, case: Case) -> Result:
        with replacing(self.replacements):
            return self.extended(case)

    def twice(self, case: Case) -> Result:
        """As ``run``, after a second backward of the same call."""
        with replacing(self.replacements):
            return self._run(case, backwards=2)

    def extended(self, case: Case) -> Result:
        return self._run(case)

    def _run(self, case: Case, backwards: int = 1) -> Result:
        module = self._module(case)
        y, backward = self._call(module, case)
        for _ in range(backwards):
            gradients = backward(case.dy)
        if gradients is None:
            gradients = ()
        elif not isinstance(gradients, tuple):
            gradients = (gradients,)
        result = {"y": y}
        for name, gradient in zip(self.arguments(case), gradients, strict=True):
            result[f"d{name}"] = gradient
        for path, parameter in module.named_parameters():
            gradient = parameter.grad
            result[f"grad {path}"] = np.zeros_like(parameter.data) if gradient is None else gradient
        return result

    def twin(self, case: Case) -> Result:
        module = self.card.build_twin(case.static, torch_dtype(case.dy.dtype))
        names = self.arguments(case)
        bridge.to_torch({name: a for name, a in case.inputs.items() if name not in names}, module)
        inputs = {name: to_tensor(case.inputs[name]).requires_grad_() for name in names}
        y = self.card.call_twin(module, list(inputs.values()), to_tensors(_keywords(case)))
        parameters = dict(module.named_parameters())
        found = gradients(y, {**inputs, **parameters}, case.dy)
        return {
            "y": y.detach().numpy(),
            **{f"d{name}": found[name] for name in inputs},
            **{f"grad {name}": found[name] for name in parameters},
        }

    def scales(self, case: Case) -> Result:
        return sum_scales(self, case) if self.card.only_adds else noise_scales(self, case)

    def smooth(self, case: Case) -> bool:
        """As the card says, or the op's own rule for a module that hands its inputs to one op."""
        if self.card.straight_through:
            return False
        if self.card.clear is not None:
            return self.card.clear(self._module(case.cast(np.float64)), case)
        if self.card.calls is None:
            return True
        card = op_card(self.card.calls(self.card.build(case.static, np.float64)))
        return card.smooth([case.inputs[name] for name in self.card.inputs], {})

    def frozen_rows(self, case: Case) -> Frozen:
        return self.card.frozen(case)

    def plain(self, case: Case) -> bool:
        return self.card.plain(case)

    def arguments(self, case: Case) -> list[str]:
        """The forward's arguments in a case; its other inputs are parameters."""
        return [name for name in self.card.inputs if name in case.inputs]

    def _call(self, module: Any, case: Case) -> Any:
        inputs = [case.inputs[name] for name in self.arguments(case)]
        return self.card.call(module, inputs, _keywords(case))

    def _module(self, case: Case) -> Any:
        module = self.card.build(case.static, case.dy.dtype)
        for path, parameter in module.named_parameters():
            parameter.data = case.inputs[path]
        return module


def _keywords(case: Case) -> dict[str, Any]:
    """The forward's other arguments, a generator for a seed."""
    return {name: value for name, value in live(case.static).items() if name not in BUILDING}
