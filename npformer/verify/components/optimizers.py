"""The optimizers, a few steps of each beside ``torch.optim``.

An optimizer has no backward: its result is the weight after some steps, on gradients that are
part of the case. Some gradients are tiny, so that Adam's eps counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.nn.module import Parameter
from npformer.optim.adam import Adam, AdamW
from npformer.optim.flat import FlatParameters
from npformer.optim.sgd import SGD
from npformer.seam import replacing
from npformer.verify.case import Case, Component, Result
from npformer.verify.drawing.strategies import Source, draw_array, draw_rng, draw_sizes
from npformer.verify.reference.autograd import to_tensor

Array = np.ndarray


def draw_optimizer(source: Source, dtype: Any, settings: dict[str, Any]) -> Case:
    """A weight (A, B), its gradients (steps, A, B), a learning rate, settings."""
    sizes = draw_sizes(source, "ab")
    shape = (sizes["a"], sizes["b"])
    steps = source.integer(1, 6)
    rng = draw_rng(source)
    size = 10.0 ** rng.uniform(-9, 1, shape)
    static = {
        "gradients": (rng.standard_normal((steps, *shape)) * size).astype(dtype),
        "learning_rate": source.choice((0.1, 1e-3)),
        **settings,
    }
    return Case({"weight": draw_array(source, shape, dtype)}, static, np.zeros(shape, dtype))


def draw_adam(source: Source, dtype: Any) -> Case:
    """The paper's settings and PyTorch's."""
    beta2, eps = source.choice(((0.98, 1e-9), (0.999, 1e-8), (0.9, 1e-3)))
    settings = {
        "beta1": source.choice((0.9, 0.0)),
        "beta2": beta2,
        "eps": eps,
        "weight_decay": source.choice((0.0, 0.1)),
    }
    return draw_optimizer(source, dtype, settings)


def draw_sgd(source: Source, dtype: Any) -> Case:
    """With and without momentum and decay."""
    settings = {"momentum": source.choice((0.0, 0.9)), "weight_decay": source.choice((0.0, 0.1))}
    return draw_optimizer(source, dtype, settings)


@dataclass(frozen=True)
class OptimizerComponent(Component):
    """An optimizer, beside the one of ``torch.optim``."""

    name: str
    draw_from: Callable[[Source, Any], Case]
    make: Callable[..., Any]
    """(flat parameters, settings) -> the NumPy optimizer."""
    torch_name: str
    replacements: Mapping[Any, Any] = field(default_factory=dict)
    kind: str = "optimizer"

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.draw_from(source, dtype)

    def run(self, case: Case) -> Result:
        with replacing(self.replacements):
            return self.extended(case)

    def extended(self, case: Case) -> Result:
        settings = dict(case.static)
        gradients, rate = settings.pop("gradients"), settings.pop("learning_rate")
        parameter = Parameter(np.array(case.inputs["weight"]))
        optimizer = self.make(FlatParameters({"weight": parameter}), **settings)
        for gradient in gradients:
            assert parameter.grad is not None  # a view of the flat buffer from here on
            parameter.grad[...] = gradient
            optimizer.step(rate)
        return {"y": parameter.data.copy()}

    def twin(self, case: Case) -> Result:
        import torch

        settings = dict(case.static)
        gradients, rate = settings.pop("gradients"), settings.pop("learning_rate")
        if "beta1" in settings:
            settings["betas"] = (settings.pop("beta1"), settings.pop("beta2"))
        weight = to_tensor(case.inputs["weight"])
        optimizer = getattr(torch.optim, self.torch_name)([weight], lr=rate, **settings)
        for gradient in gradients:
            weight.grad = to_tensor(gradient)
            optimizer.step()
        return {"y": weight.numpy()}

    def scales(self, case: Case) -> Result:
        """The weight and every step's size; a step is as well conditioned as its gradients.

        A mean of gradients of both signs is off by eps times the mean of their sizes; weight
        decay mixes the weight into the gradient, and both their errors into it.
        """
        tiny = float(np.finfo(case.dy.dtype).tiny)
        case = case.cast(np.float64)
        s = case.static
        weight = np.abs(case.inputs["weight"])
        decay, rate = s["weight_decay"], s["learning_rate"]
        coupled = 0.0 if self.torch_name == "AdamW" else decay
        total, m, signed_w = weight.copy(), np.zeros_like(weight), case.inputs["weight"]
        v = np.zeros_like(weight)
        for step, gradient in enumerate(s["gradients"], 1):
            g = np.abs(gradient) + coupled * total
            if "momentum" in s:
                m = s["momentum"] * m + g
                total = total + rate * m
                continue
            m = s["beta1"] * m + (1 - s["beta1"]) * g
            # The least that v can be: the gradient's signed value, as the decay leaves it.
            v = s["beta2"] * v + (1 - s["beta2"]) * (gradient + coupled * signed_w) ** 2
            root = np.sqrt(v / (1 - s["beta2"] ** step)) + s["eps"]
            quotient = m / (1 - s["beta1"] ** step) / root
            # root's own relative error grows where decay cancelled the gradient: g over root.
            total = total + rate * quotient * (1 + g / root)
        return {"y": total + tiny}

    def smooth(self, case: Case) -> bool:
        return False  # there is no gradient to check


OPTIMIZERS = (
    OptimizerComponent("Adam", draw_adam, Adam, "Adam"),
    OptimizerComponent("AdamW", draw_adam, AdamW, "AdamW"),
    OptimizerComponent("SGD", draw_sgd, SGD, "SGD"),
)
