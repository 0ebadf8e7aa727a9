"""The baseline in JAX is the twin's own model: loss, norm, and the weights that Adam leaves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npformer.config import OptimConfig
from npformer.errors import ConfigError
from tests.bench.baselines import MODEL, ragged_batch, run_config, twin_off_its_start, weights
from tests.extras import skip_if_not_installed

skip_if_not_installed("jax")

import jax  # noqa: E402

from npformer.bench.jax_transformer import JaxTransformer  # noqa: E402


@pytest.fixture
def _float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize(
    ("activation", "smoothing", "clip_norm"), [("relu", 0.0, 0.5), ("gelu", 0.1, 0.0)]
)
def test_it_trains_as_the_twin_does_from_the_same_weights(activation, smoothing, clip_norm):
    config = run_config(
        dataclasses.replace(MODEL, activation=activation), label_smoothing=smoothing
    )
    config = dataclasses.replace(config, optim=OptimConfig(clip_norm=clip_norm))
    twin = twin_off_its_start(config)
    trained = JaxTransformer(config)
    assert trained.weights.keys() == weights(twin).keys()
    trained.restore(weights(twin))
    for update in range(2):
        batch = ragged_batch(update)
        twin.gradients(batch, (0, update))
        ours, theirs = twin.update(1e-3), trained.train(batch, update, 1e-3)
        assert theirs == pytest.approx(ours, rel=1e-12)
    for path, array in weights(twin).items():
        # Adam divides by a root of the gradient's square: where that is all rounding, it is 1e-3.
        np.testing.assert_allclose(trained.weights[path], array, rtol=0, atol=1e-7, err_msg=path)


def test_dropout_drops_as_often_as_it_should_and_keeps_the_mean():
    from npformer.bench.jax_transformer import Drops

    x = np.ones((200, 100), np.float32)
    dropout = Drops(0.3, jax.random.key(0))
    first, second = (np.asarray(dropout(x)) for _ in range(2))
    assert not np.array_equal(first, second)
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (first == 0).mean() == pytest.approx(0.3, abs=0.02)


def test_what_it_cannot_have_is_refused():
    with pytest.raises(ConfigError, match="JAX cannot have norm"):
        JaxTransformer(run_config(dataclasses.replace(MODEL, norm="pre")))
