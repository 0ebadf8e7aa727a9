"""The seam: what an observer sees, in which order, and that nobody else sees it."""

from __future__ import annotations

import contextlib
import threading
from contextvars import copy_context

import numpy as np
import pytest

from npformer.nn import Linear, Residual
from npformer.nn.module import Module, Parameter
from npformer.ops import linear_backward, linear_forward, softmax_forward
from npformer.seam import op, quiet, replacing, watching

X = np.arange(6.0).reshape(2, 3)


def linear():
    return Linear(3, 2, rng=np.random.default_rng(0), dtype=np.float64)


class Noting:
    """An observer that notes what is called."""

    def __init__(self):
        self.names = []

    def __call__(self, call, run, *args, **kwargs):
        self.names.append(f"{type(call.owner).__name__}.{call.name}" if call.owner else call.name)
        return run(*args, **kwargs)


def test_ops_methods_and_accumulation_are_seen_in_order():
    layer, seen = linear(), Noting()
    with watching(seen):
        y, cache = layer(X)
        layer.backward(np.ones_like(y), cache)
    assert seen.names == [
        "Linear.forward",
        "linear_forward",
        "Linear.backward",
        "linear_backward",
        "Parameter.accumulate",
        "Parameter.accumulate",
    ]
    layer(X)
    assert len(seen.names) == 6  # nobody watches any more


def test_what_an_observer_returns_is_what_the_caller_gets():
    with watching(lambda call, run, *args, **kwargs: "instead"):
        assert softmax_forward(X) == "instead"
    assert softmax_forward(X)[0].shape == X.shape


def test_the_last_to_watch_sees_a_call_first():
    order = []

    def named(name):
        def observer(call, run, *args, **kwargs):
            order.append(name)
            return run(*args, **kwargs)

        return observer

    with watching(named("outer")), watching(named("inner")):
        softmax_forward(X)
    assert order == ["inner", "outer"]


def test_another_thread_is_not_watched():
    seen = Noting()
    with watching(seen):
        thread = threading.Thread(target=softmax_forward, args=(X,))
        thread.start()
        thread.join()
    assert seen.names == []


def test_watching_ends_with_an_exception():
    seen = Noting()
    with pytest.raises(ZeroDivisionError), watching(seen):
        raise ZeroDivisionError
    softmax_forward(X)
    assert seen.names == []


def test_a_replacement_may_call_the_original():
    def doubled(dy, cache):
        dx, dweight, dbias = linear_backward(dy, cache)
        return 2 * dx, dweight, dbias

    layer = linear()
    y, cache = layer.forward(X)
    right = layer.backward(np.ones_like(y), cache)
    with replacing({linear_backward: doubled}):
        np.testing.assert_array_equal(layer.backward(np.ones_like(y), cache), 2 * right)
    np.testing.assert_array_equal(layer.backward(np.ones_like(y), cache), right)


def test_two_threads_that_make_one_call_at_once_both_make_the_replacement():
    met = threading.Barrier(2, timeout=60)

    def doubled(x, weight, bias):
        met.wait()  # neither is done before the other has begun
        y, cache = linear_forward(x, weight, bias)
        return 2 * y, cache

    layer, found = linear(), []
    right, _ = layer.forward(X)
    with replacing({linear_forward: doubled}):
        contexts = [copy_context() for _ in range(2)]
        threads = [
            threading.Thread(target=each.run, args=(lambda: found.append(layer.forward(X)[0]),))
            for each in contexts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    np.testing.assert_array_equal(found, [2 * right, 2 * right])


def test_a_method_is_replaced_in_a_class_or_in_one_object():
    one, other = linear(), linear()

    def nothing(self, x):
        return np.zeros(2), None

    with replacing({Linear.forward: nothing}):
        assert not one.forward(X)[0].any() and not other.forward(X)[0].any()
    with replacing({one.forward: nothing}):
        assert not one.forward(X)[0].any()
        assert other.forward(X)[0].any()


def test_a_replacement_is_watched_like_the_original():
    seen = Noting()
    with replacing({linear_forward: lambda x, weight, bias: (x, None)}), watching(seen):
        y, _ = linear().forward(X)
    assert y is X
    assert seen.names == ["Linear.forward", "linear_forward"]


def test_every_pair_of_methods_is_seen_and_nothing_else():
    class Doubler(Module):
        def twice(self, x):
            return self.helper(x), None

        def twice_backward(self, dy, cache):
            return self.helper(dy)

        def helper(self, x):
            return 2 * x

    seen = Noting()
    with watching(seen):
        Doubler().twice(X)
        Doubler().twice_backward(X, None)
    assert seen.names == ["Doubler.twice", "Doubler.twice_backward"]


@op
def overflowing(x):
    return np.exp(x)


def test_an_op_leaves_the_error_state_to_quiet():
    """Once a step, not once a call: in the block an op enters no ``np.errstate`` of its own."""
    big = np.array([1e4])
    with quiet():
        assert np.exp(big) == overflowing(big) == np.inf  # neither warns; warnings are errors here
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            overflowing(big)
    with np.errstate(over="raise"):
        assert overflowing(big) == np.inf
        with pytest.raises(FloatingPointError):
            np.exp(big)


def test_who_watches_sees_the_calls_inside_quiet():
    outer, inner = Noting(), Noting()
    with watching(outer), quiet(), watching(inner):
        linear()(X)
    assert outer.names == inner.names == ["Linear.forward", "linear_forward"]
    with quiet(), watching(inner):
        linear()(X)
    assert len(inner.names) == 4


@pytest.mark.parametrize("quiet_first", [True, False])
def test_an_op_that_is_watched_leaves_the_error_state_to_quiet_too(quiet_first):
    big, blocks = np.array([1e4]), [quiet(), watching(Noting())]
    with contextlib.ExitStack() as stack:
        for block in blocks if quiet_first else blocks[::-1]:
            stack.enter_context(block)
        assert overflowing(big) == np.inf
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            overflowing(big)
    with watching(Noting()), np.errstate(over="raise"):
        assert overflowing(big) == np.inf


def test_pairs_and_backwards_by_name():
    calls = []

    def observer(call, run, *args, **kwargs):
        calls.append((call.pair, call.is_backward))
        return run(*args, **kwargs)

    residual = Residual(3, 0.0, dtype=np.float64)
    with watching(observer):
        y, cache = residual.forward(X, lambda h: (h, None))
        residual.backward(np.ones_like(y), cache, lambda dh, _: dh)
    assert ("forward", False) in calls and ("forward", True) in calls
    assert ("layer_norm", False) in calls and ("layer_norm", True) in calls


def test_a_parameter_that_is_not_trainable_gathers_nothing():
    layer = linear()
    layer.weight.trainable = False
    y, cache = layer.forward(X)
    layer.backward(np.ones_like(y), cache)
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
    assert Parameter(X).trainable
