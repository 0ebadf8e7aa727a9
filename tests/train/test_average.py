from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from npformer.errors import CheckpointError
from npformer.train.average import average_weights
from npformer.train.checkpoint import Position, save_arrays, save_checkpoint
from tests.train.fakes import TOKENIZER, run_config


def save(path, **weights):
    state = {f"model/{name}": array for name, array in weights.items()}
    save_checkpoint(path, run_config(), partial(save_arrays, state=state), TOKENIZER, Position())
    return path


def test_the_mean_is_taken_in_float64_and_kept_in_the_weights_dtype(tmp_path):
    rng = np.random.default_rng(0)
    arrays = [(1e4 + rng.standard_normal((5, 4))).astype(np.float32) for _ in range(5)]
    paths = [save(tmp_path / str(n), w=array) for n, array in enumerate(arrays)]
    mean = average_weights(paths)["w"]
    assert mean.dtype == np.float32
    want = np.mean([a.astype(np.float64) for a in arrays], axis=0).astype(np.float32)
    np.testing.assert_array_equal(mean, want)


def test_the_average_of_one_is_itself(tmp_path):
    array = np.random.default_rng(0).standard_normal(3)
    np.testing.assert_array_equal(average_weights([save(tmp_path / "c", w=array)])["w"], array)


def test_checkpoints_of_different_models_are_refused(tmp_path):
    one = save(tmp_path / "one", w=np.ones(2))
    for other in (dict(w=np.ones(3)), dict(v=np.ones(2)), dict(w=np.ones(2), v=np.ones(2))):
        with pytest.raises(CheckpointError, match="different models"):
            average_weights([one, save(tmp_path / "two", **other)])


def test_nothing_has_no_average():
    with pytest.raises(CheckpointError, match="no checkpoint to average"):
        average_weights([])
