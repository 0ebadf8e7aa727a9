"""What checkpointing keeps, and whose random state it replays."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.nn import Checkpointed, Layer, Stack


@pytest.fixture
def layer():
    return Layer(8, 2, 16, dropout=0.4, norm="pre", rng=np.random.default_rng(0), dtype=np.float64)


X, DY = np.random.default_rng(1).standard_normal((2, 3, 5, 8))


def gradients(module):
    found = {path.removeprefix("inner."): p.grad for path, p in module.named_parameters()}
    for parameter in module.parameters():
        parameter.grad = None
    return found


def test_two_calls_before_two_backwards_are_each_replayed_with_their_own_masks(layer):
    plain, rng = np.random.default_rng(7), np.random.default_rng(7)
    module = Checkpointed(layer)
    own = [layer.forward(X, rng=plain)[1] for _ in range(2)]
    right = [layer.backward(DY, cache) for cache in own]
    grads = gradients(layer)
    kept = [module.forward(X, rng=rng)[1] for _ in range(2)]
    for dx, cache in zip(right, kept, strict=True):
        assert np.array_equal(module.backward(DY, cache), dx)
    assert all(np.array_equal(g, grads[path]) for path, g in gradients(module).items())
    assert not np.array_equal(*right)  # the masks were others
    assert rng.bit_generator.state == plain.bit_generator.state


def test_a_backward_may_be_repeated_and_a_generator_be_an_argument_by_position(layer):
    module = Checkpointed(layer)
    _, by_name = module.forward(X, rng=np.random.default_rng(7))
    _, by_place = module.forward(X, None, None, None, np.random.default_rng(7))
    found = [module.backward(DY, cache) for cache in (by_name, by_name, by_place)]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_the_cache_holds_what_was_given_and_no_activation(layer):
    _, cache = Checkpointed(layer).forward(X, rng=np.random.default_rng(7))
    arrays = [a for a in (*cache.arguments, *cache.keywords.values()) if isinstance(a, np.ndarray)]
    assert len(arrays) == 1
    assert arrays[0] is X


@pytest.mark.parametrize("memory", [None, X[:, :4]], ids=["alone", "with a memory"])
def test_a_stack_gives_the_same_gradients_with_and_without(memory):
    stack = Stack(3, 8, 2, 16, dropout=0.4, norm="pre", cross_attention=memory is not None,
                  rng=np.random.default_rng(0), dtype=np.float64)  # fmt: skip
    found = []
    for stack.checkpointed in (False, True):
        y, cache = stack.forward(X, memory, rng=np.random.default_rng(7))
        dx = stack.backward(DY, cache)
        found.append([y, *(dx if memory is not None else (dx,)), *gradients(stack).values()])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    kept = [a for layer in cache.layers for a in layer.arguments if isinstance(a, np.ndarray)]
    assert len({id(a) for a in kept}) == 3 + (memory is not None)
