"""Two sequences of weights: which is trained, which is evaluated, which is saved."""

from __future__ import annotations

import numpy as np

from npformer.nn.module import Parameter
from npformer.optim import FlatParameters
from npformer.optim.schedule_free import ScheduleFree

TARGET = np.array([1.0, -2.0, 0.5])


def steps(optimizer, count, *, looks=False):
    """Steps down a bowl with noise; ``looks`` evaluates after each of them."""
    rng = np.random.default_rng(optimizer.steps)
    for _ in range(count):
        optimizer.train()
        optimizer.flat.grad[...] = optimizer.flat.data - TARGET + rng.standard_normal(3)
        optimizer.step(0.1)
        if looks:
            optimizer.eval()
            optimizer.state()


def made():
    return ScheduleFree(FlatParameters({"w": Parameter(np.zeros(3))}))


def test_to_look_at_the_result_changes_nothing():
    plain, watched = made(), made()
    steps(plain, 50)
    steps(watched, 50, looks=True)
    for one, two in zip(plain.state().values(), watched.state().values(), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(plain.flat.data, watched.flat.data)


def test_the_mean_is_the_result_and_nearer_than_what_is_trained():
    optimizer = made()
    steps(optimizer, 400)
    trained = optimizer.flat.data.copy()
    optimizer.eval()
    mean, z = optimizer.flat.data, optimizer.buffers["z"]
    np.testing.assert_allclose(trained, 0.1 * z + 0.9 * mean, rtol=1e-12)
    assert np.abs(mean - TARGET).max() < 0.5 * np.abs(z - TARGET).max()


def test_the_mean_weighs_by_the_squares_of_the_rates():
    optimizer = made()
    rates, zs = [0.1, 0.3, 0.2], []
    for t, rate in enumerate(rates, 1):
        optimizer.train()
        optimizer.flat.grad[...] = [1.0, 2.0, 3.0]
        optimizer.step(rate)
        zs.append((rate**2 * (1 - 0.999**t), optimizer.buffers["z"].copy()))
    optimizer.eval()
    weights = sum(w for w, _ in zs)
    np.testing.assert_allclose(optimizer.flat.data, sum(w * z for w, z in zs) / weights, rtol=1e-12)
    assert float(optimizer.state()["squares/w"]) == np.float64(weights)
