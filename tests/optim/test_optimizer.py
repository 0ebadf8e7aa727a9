from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from npformer.config import OptimConfig
from npformer.errors import ShapeError
from npformer.nn.module import Parameter
from npformer.optim import SGD, Adam, AdamW, FlatParameters, make_optimizer, optimizers
from npformer.optim.optimizer import BLOCK, Optimizer

CONFIGS = [
    OptimConfig(name=name, weight_decay=decay) for name in optimizers() for decay in (0.0, 0.1)
]
SIZE = 2 * BLOCK + 1234  # a buffer that ends inside a block


def make(config, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    parts = {
        "a": rng.random(SIZE - 6 - 3500).astype(dtype),
        "b": rng.random((2, 3)).astype(dtype),
        "layers.0.weight": rng.random((50, 70)).astype(dtype),
    }
    flat = FlatParameters({name: Parameter(array) for name, array in parts.items()})
    flat.grad[...] = rng.standard_normal(SIZE)
    return flat, make_optimizer(config, flat)


@pytest.mark.parametrize("config", CONFIGS)
def test_ranges_on_threads_give_the_same_bits_as_one_step(config):
    whole, one = make(config)
    cut, two = make(config)
    elementwise = type(one).ranges is Optimizer.ranges
    bounds = [0, 1, 777, BLOCK + 5, SIZE]
    cuts = [slice(*pair) for pair in zip(bounds[:-1], bounds[1:], strict=True)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            one.step(0.01, 0.5)
            two.advance()
            jobs = [
                pool.submit(two.apply, 0.01, 0.5, cut.start, cut.stop)
                for cut in (cuts if elementwise else two.ranges(4))
            ]
            for job in jobs:
                job.result()
    assert one.steps == two.steps == 3
    np.testing.assert_array_equal(whole.data, cut.data)
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, two.state()[name])


@pytest.mark.parametrize("config", CONFIGS)
def test_the_gradient_is_only_read(config):
    flat, optimizer = make(config)
    before = flat.grad.copy()
    optimizer.step(0.01)
    np.testing.assert_array_equal(flat.grad, before)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_restored_optimizer_goes_on_bit_for_bit(config):
    flat, optimizer = make(config)
    for _ in range(3):
        optimizer.step(0.01)
    saved = {name: array.copy() for name, array in optimizer.state().items()}
    other_flat, other = make(config, seed=9)
    other_flat.data[...], other_flat.grad[...] = flat.data, flat.grad
    other.restore(saved)
    optimizer.step(0.01)
    other.step(0.01)
    np.testing.assert_array_equal(flat.data, other_flat.data)
    assert other.steps == 4


@pytest.mark.parametrize(
    ("name", "kind", "moments"),
    [("adam", Adam, "mv"), ("adamw", AdamW, "mv"), ("sgd", SGD, ["momentum"])],
)
def test_state_names_are_those_both_engines_use(name, kind, moments):
    _, optimizer = make(OptimConfig(name=name))
    assert type(optimizer) is kind
    state = optimizer.state()
    paths = ("a", "b", "layers.0.weight")
    assert set(state) == {"step", *(f"{m}/{path}" for m in moments for path in paths)}
    assert state["step"].dtype == np.int64 and state["step"].shape == ()
    assert all(state[f"{m}/b"].shape == (2, 3) for m in moments)


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing():
    _, optimizer = make(OptimConfig(name="adam"))
    optimizer.step(0.1)
    before = {name: array.copy() for name, array in optimizer.state().items()}
    lacking = {name: array for name, array in before.items() if name != "v/b"}
    for wrong, message in [
        (lacking, "v/b"),
        ({**before, "m/z": np.ones(1)}, "m/z"),
        ({**before, "m/b": np.zeros((3, 2), np.float32)}, "m/b"),
        ({**before, "m/b": np.zeros((2, 3))}, "m/b"),
        (make(OptimConfig(name="sgd"))[1].state(), "m/a"),
    ]:
        with pytest.raises(ShapeError, match=message):
            optimizer.restore(wrong)
    for name, array in optimizer.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_adam_takes_steps_of_the_learning_rate_whatever_the_gradients_scale():
    for scale in (1e-15, 1.0, 1e15):
        flat = FlatParameters({"w": Parameter(np.zeros(3, np.float32))})
        flat.grad[...] = scale * np.array([1, -2, 3])
        Adam(flat, eps=1e-30).step(0.1)
        np.testing.assert_allclose(flat.data, [-0.1, 0.1, -0.1], rtol=1e-6)


def test_grad_scale_is_applied_before_squaring():
    flat = FlatParameters({"w": Parameter(np.zeros(2, np.float32))})
    flat.grad[...] = 1e25  # whose square is beyond float32
    Adam(flat).step(0.1, 1e-25)
    np.testing.assert_allclose(flat.data, -0.1, rtol=1e-6)


def test_decoupled_decay_shrinks_every_weight_alike():
    flat = FlatParameters({"w": Parameter(np.array([1.0, 10.0]))})
    AdamW(flat, weight_decay=0.5).step(0.1)
    np.testing.assert_allclose(flat.data, [0.95, 9.5])
