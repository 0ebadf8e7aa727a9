"""Nothing is computed or kept for frozen parameters; every other gradient is what it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.cards.case import live
from npformer.cards.module_card import BUILDING
from npformer.cards.strategies import HypothesisSource
from npformer.inspect.caches import arrays
from npformer.nn import CausalConv1d, Conv1d, Embedding, Linear, PatchEmbedding
from npformer.verify import seeds
from npformer.verify.components.registry import COMPONENTS
from tests.examples import examples

MODULES = [c for c in COMPONENTS.values() if c.kind == "module"]
RNG = np.random.default_rng


def run(component, case, trainable):
    """dx and the like, and the gradient of each parameter by its path."""
    module = component.card.build(case.static, case.dy.dtype)
    for path, parameter in module.named_parameters():
        parameter.data = case.inputs[path]
        parameter.trainable = parameter.trainable and trainable(path)
    inputs = [case.inputs[name] for name in component.arguments(case)]
    keywords = {k: v for k, v in live(case.static).items() if k not in BUILDING}
    _, backward = component.card.call(module, inputs, keywords)
    gradients = backward(case.dy)
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    return gradients, {path: p.grad for path, p in module.named_parameters()}


@pytest.mark.parametrize("component", MODULES, ids=lambda c: c.name)
@examples(0.2)
@given(data=st.data(), seed=seeds())
def test_what_is_not_frozen_has_the_same_gradient_to_the_bit(component, data, seed):
    """And what is frozen has none; some parameters are, drawn, or all."""
    case = component.draw(HypothesisSource(data.draw), np.dtype(np.float64))
    share = RNG(seed).choice([0.5, 1.0])
    paths = sorted(case.inputs)
    frozen = {
        path for path, u in zip(paths, RNG(seed).random(len(paths)), strict=True) if u < share
    }
    dx, whole = run(component, case, lambda path: True)
    dx_too, part = run(component, case, lambda path: path not in frozen)
    for a, b in zip(dx, dx_too, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    for path, gradient in part.items():
        if path in frozen:
            assert gradient is None, path
        else:
            np.testing.assert_array_equal(gradient, whole[path], strict=True)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Linear(3, 2, rng=RNG(0)), (4, 3)),
        (lambda: Conv1d(3, 2, 3, padding=1, rng=RNG(0)), (1, 4, 3)),
        (lambda: CausalConv1d(3, 2, rng=RNG(0)), (1, 4, 3)),
        (lambda: PatchEmbedding(3, 2, 2, rng=RNG(0)), (1, 3, 4, 4)),
    ],
)
def test_a_product_with_a_frozen_weight_keeps_nothing_but_it(make, shape):
    module = make()
    _, cache = module.forward(np.ones(shape, np.float32))
    assert any(a is not module.weight.data for _, a in arrays(cache))
    module.weight.trainable = False
    _, cache = module.forward(np.ones(shape, np.float32))
    assert all(a is module.weight.data for _, a in arrays(cache))


def test_a_frozen_table_gets_no_gradient_through_its_projection():
    table = Embedding(5, 3, rng=RNG(0), dtype=np.float64)
    table.weight.trainable = False
    x = RNG(1).standard_normal((2, 3))
    logits, cache = table.project(x)
    assert cache.x is None
    np.testing.assert_array_equal(table.project_backward(logits, cache), logits @ table.weight.data)
    assert table.weight.grad is None
