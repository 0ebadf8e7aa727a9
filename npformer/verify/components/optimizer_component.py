"""An optimizer as a component: a few steps of it beside those of ``torch.optim``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.optimizer_card import OptimizerCard
from npformer.cards.strategies import Source
from npformer.nn.module import Parameter
from npformer.optim.config import fields_taken, twin_arguments
from npformer.optim.flat import FlatParameters
from npformer.seam import replacing
from npformer.verify.component import Component
from npformer.verify.reference.autograd import to_tensor


@dataclass(frozen=True)
class OptimizerComponent(Component):
    """An optimizer, beside the one of ``torch.optim`` that its card names."""

    card: OptimizerCard
    replacements: Mapping[Any, Any] = field(default_factory=dict)
    kind: str = "optimizer"

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.card.name

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.card.drawn(source, dtype)

    def run(self, case: Case) -> Result:
        with replacing(self.replacements):
            return self.extended(case)

    def extended(self, case: Case) -> Result:
        settings = dict(case.static)
        gradients, rate = settings.pop("gradients"), settings.pop("learning_rate")
        parameter = Parameter(np.array(case.inputs["weight"]))
        optimizer = self.card.optimizer(FlatParameters({"weight": parameter}), **settings)
        for gradient in gradients:
            assert parameter.grad is not None  # a view of the flat buffer from here on
            parameter.grad[...] = gradient
            optimizer.step(rate)
        return {"y": parameter.data.copy()}

    def twin(self, case: Case) -> Result:
        settings = dict(case.static)
        gradients, rate = settings.pop("gradients"), settings.pop("learning_rate")
        fields = fields_taken(self.card.optimizer)
        values = {fields[name][0]: value for name, value in settings.items()}
        given = twin_arguments(self.card.optimizer, self.card.twin, values)
        weight = to_tensor(case.inputs["weight"])
        optimizer = self.card.twin([weight], lr=rate, **given)
        for gradient in gradients:
            weight.grad = to_tensor(gradient)
            optimizer.step()
        return {"y": weight.numpy()}

    def scales(self, case: Case) -> Result:
        tiny = float(np.finfo(case.dy.dtype).tiny)
        case = case.cast(np.float64)
        weight, gradients = case.inputs["weight"], case.static["gradients"]
        return {"y": self.card.scales(weight, gradients, case.static) + tiny}

    def smooth(self, case: Case) -> bool:
        return False  # there is no gradient to check
