"""What every module promises: paths, accumulation, strict loading, replicas."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from npformer.errors import ConfigError, ShapeError
from npformer.models import Transformer
from npformer.nn import Linear, Module, MultiHeadAttention, Residual
from npformer.nn.module import Parameter
from npformer.presets import model_preset


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def small() -> Transformer:
    config = model_preset("tiny", vocab_size=11, d_model=8, d_ff=12, max_length=9)
    return Transformer(config, rng=rng(), dtype=np.float64)


class Pair(Module):
    def __init__(self) -> None:
        self.layers = [Linear(3, 2, rng=rng()), Linear(2, 3, bias=False, rng=rng())]
        self.scale = Parameter(np.ones(1))


def test_paths_name_parameters_in_the_order_they_were_assigned() -> None:
    paths = [path for path, _ in Pair().named_parameters()]
    assert paths == ["scale", "layers.0.weight", "layers.0.bias", "layers.1.weight"]


def test_a_module_called_twice_gathers_both_gradients() -> None:
    linear = Linear(3, 2, rng=rng(), dtype=np.float64)
    x1, x2, dy1, dy2 = (rng().standard_normal((4, n)) for n in (3, 3, 2, 2))
    (_, cache1), (_, cache2) = linear.forward(x1), linear.forward(x2 + 1)
    linear.backward(dy1, cache1)  # the first call's cache is still its own
    once = linear.weight.grad.copy()
    linear.backward(dy2, cache2)
    np.testing.assert_allclose(linear.weight.grad, dy1.T @ x1 + dy2.T @ (x2 + 1))
    linear.zero_grad()
    linear.backward(dy1, cache1)
    np.testing.assert_array_equal(linear.weight.grad, once)


def test_a_first_gradient_is_taken_and_never_changed() -> None:
    given, other = rng().standard_normal((2, 4, 3))  # views of one array: copied
    parameter = Parameter(np.zeros((4, 3)))
    parameter.accumulate(given)
    assert not np.shares_memory(parameter.grad, given)
    parameter.accumulate(other)
    np.testing.assert_array_equal(parameter.grad, given + other)

    own, kept = given.copy(), given.copy()
    for change in (lambda: parameter.accumulate(other), parameter.clear):
        parameter.grad = None
        parameter.accumulate(own)
        assert parameter.grad is own
        change()
        np.testing.assert_array_equal(own, kept)
    assert not parameter.grad.any()
    buffer = parameter.grad  # its own by now: added to and cleared in place
    parameter.accumulate(other)
    assert parameter.grad is buffer
    parameter.clear()
    assert parameter.grad is buffer and not buffer.any()

    for unfit in (own.astype(np.float32), np.asfortranarray(own)):
        parameter.grad = None
        parameter.accumulate(unfit)
        assert parameter.grad.dtype == np.float64 and parameter.grad.flags.c_contiguous
        assert not np.shares_memory(parameter.grad, unfit)


def test_a_gradient_that_is_dropped_is_no_longer_in_memory() -> None:
    parameter, gradient = Parameter(np.zeros(3)), np.ones(3)
    alive = weakref.ref(gradient)
    parameter.accumulate(gradient)
    del gradient
    parameter.grad = None
    assert alive() is None


def test_loading_wants_the_same_names_shapes_and_dtypes() -> None:
    model, other = small(), small()
    state = {name: array + 1 for name, array in model.state_dict().items()}
    other.load_state_dict(state)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
        assert array is not state[name]
    name = "decoder.layers.1.cross_attn.q_proj.bias"
    for wrong, message in (
        ({k: v for k, v in state.items() if k != name}, "lack"),
        ({**state, "stranger": np.ones(1)}, "stranger"),
        ({**state, name: np.ones(3)}, "shape"),
        ({**state, name: state[name].astype(np.float32)}, "dtype"),
    ):
        with pytest.raises(ShapeError, match=message):
            other.load_state_dict(wrong)


def test_a_replica_shares_weights_and_not_gradients() -> None:
    model = small()
    for parameter in model.parameters():
        parameter.grad = np.ones_like(parameter.data)
    replica = model.replica()
    for (path, own), (_, copied) in zip(
        model.named_parameters(), replica.named_parameters(), strict=True
    ):
        assert copied is not own and copied.data is own.data and copied.grad is None, path
    source, target = np.array([[3, 4, 0]]), np.array([[2, 5]])
    logits, cache = replica.forward(source, target)
    replica.backward(np.ones_like(logits), cache)
    assert all((parameter.grad == 1).all() for parameter in model.parameters())
    model.embedding.weight.data[5] += 1
    assert (replica.embedding.weight.data[5] == model.embedding.weight.data[5]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(0, 3, rng=rng()), "in_features is 0"),
        (lambda: MultiHeadAttention(10, 3, rng=rng()), "heads is 3, which does not divide"),
        (lambda: Residual(4, 0.1, "middle"), "norm is 'middle'"),
        (lambda: Residual(4, 1.0), "dropout probability is 1.0"),
    ],
)
def test_impossible_modules_are_refused(make, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
