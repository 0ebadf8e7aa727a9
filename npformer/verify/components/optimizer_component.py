"""An optimizer as a component: a few steps of it beside those of ``torch.optim``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, joined
from npformer.cards.invariant import Invariant
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

    @property
    def invariants(self) -> tuple[Invariant, ...]:  # type: ignore[override]
        return tuple(self.card.invariants)

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.card.drawn(source, dtype)

    def run(self, case: Case) -> Result:
        with replacing(self.replacements):
            return self.extended(case)

    def extended(self, case: Case) -> Result:
        settings = dict(case.static)
        gradients, rate = settings.pop("gradients"), settings.pop("learning_rate")
        parameters = {path: Parameter(np.array(a)) for path, a in case.inputs.items()}
        optimizer = self.card.optimizer(FlatParameters(parameters), **settings)
        for gradient in gradients:
            optimizer.train()
            for path, part in _parts(case, gradient).items():
                grad = parameters[path].grad
                assert grad is not None  # a view of the flat buffer from here on
                grad[...] = part
            optimizer.step(rate)

        def weights() -> Array:
            return joined({path: parameter.data.copy() for path, parameter in parameters.items()})

        found = {}
        if vars(type(optimizer)).get("train"):
            optimizer.train()
            found["y_training"] = weights()
        optimizer.eval()
        return {"y": weights(), **found}

    def twin(self, case: Case) -> Result:
        settings = dict(case.static)
        gradients, rate = settings.pop("gradients"), settings.pop("learning_rate")
        fields = fields_taken(self.card.optimizer)
        values = {fields[name][0]: value for name, value in settings.items()}
        given = twin_arguments(self.card.optimizer, self.card.twin, values)
        weights = {path: to_tensor(a) for path, a in case.inputs.items()}
        optimizer = self.card.twin(list(weights.items()), lr=rate, **given)
        train, evaluate = (getattr(optimizer, name, lambda: None) for name in ("train", "eval"))
        for gradient in gradients:
            train()
            for path, part in _parts(case, gradient).items():
                weights[path].grad = to_tensor(part)
            optimizer.step()

        def arrays() -> Array:
            return joined({path: weight.numpy().copy() for path, weight in weights.items()})

        found = {}
        if hasattr(optimizer, "eval"):
            train()
            found["y_training"] = arrays()
        evaluate()
        return {"y": arrays(), **found}

    def scales(self, case: Case) -> Result:
        tiny = float(np.finfo(case.dy.dtype).tiny)
        case = case.cast(np.float64)
        parts = [_parts(case, gradient) for gradient in case.static["gradients"]]
        found = {}
        for path, weight in case.inputs.items():
            gradients = np.array([part[path] for part in parts])
            found[path] = self.card.scales(weight, gradients, {**case.static, "path": path}) + tiny
        y = joined(found)
        two = vars(self.card.optimizer).get("train")
        return {"y": y, "y_training": y} if two else {"y": y}

    def smooth(self, case: Case) -> bool:
        return False  # there is no gradient to check


def _parts(case: Case, gradient: Array) -> dict[str, Array]:
    """A step's gradient by path: they come one after another where there are several weights."""
    if len(case.inputs) == 1:
        return dict.fromkeys(case.inputs, gradient)
    ends = np.cumsum([a.size for a in case.inputs.values()])[:-1]
    cut = zip(case.inputs.items(), np.split(gradient, ends), strict=True)
    return {path: part.reshape(a.shape) for (path, a), part in cut}
