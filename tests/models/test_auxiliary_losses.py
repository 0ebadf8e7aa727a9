"""What a model has beside the tokens' loss is recorded, and bisected, like everything else."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.config import RunConfig, TrainConfig
from npformer.inspect import record
from npformer.models.gpt import GPTConfig
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine
from npformer.verify import bisect
from npformer.verify.lockstep.plant import plant, sites
from npformer.verify.mutants import MUTANTS
from tests.models.decoders import DEEPSEEK, MIXTRAL, SIZES
from tests.models.moved import moved
from torch_ref import inspect as twins

SETTINGS = {
    "experts": {**MIXTRAL, "expert_z_loss": 0.1},
    "later tokens": {"predict_ahead": 2},
    "both": {**DEEPSEEK, "predict_ahead": 2, "expert_z_loss": 0.1},
}
settings = pytest.mark.parametrize("changes", SETTINGS.values(), ids=SETTINGS)
WRONG = [
    "balance_loss/load-forgotten",
    "balance_loss/upstream-ignored",
    "z_loss/factor-two-missing",
    "z_loss/every-row-counts",
    "MixtureOfExperts/coefficient-ignored",
    "MixtureOfExperts/padding-balanced",
    "GPT/later-tokens-detached",
    "GPT/later-losses-summed",
    "GPT/one-target-early",
]


def pair(changes):
    return moved(GPTConfig(**{**SIZES, **changes, "dropout": 0.0}))


def some_rows():
    ids = np.random.default_rng(2).integers(1, SIZES["vocab_size"], (3, 9))
    ids[0, 6:] = 0
    return Batch({"target": ids[:, :-1]}, ids[:, 1:])


@settings
def test_both_engines_record_the_same_calls(changes):
    model, twin = pair(changes)
    ours, theirs = (
        of(each, some_rows(), auxiliary=True)
        for of, each in ((record, model), (twins.record, twin))
    )
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-13)
    assert len(ours.calls) == len(theirs.calls)
    for call in ours.calls:
        other = theirs.call(call.path, call.call)
        assert (call.kind, call.dinputs.keys()) == (other.kind, other.dinputs.keys())
        arrays = {"y": call.output, "dy": call.doutput, **call.dinputs}
        expected = {"y": other.output, "dy": other.doutput, **other.dinputs}
        for name, array in arrays.items():
            np.testing.assert_allclose(array, expected[name], 1e-9, 1e-12, err_msg=call.path)
    kinds = {call.kind for call in ours.calls}
    assert ("balance_loss" in kinds) == ("experts" in changes)
    assert ("MultiTokenPrediction" in kinds) == ("predict_ahead" in changes)
    plain = {call.kind for call in record(model, some_rows()).calls}
    assert not plain & {"balance_loss", "z_loss", "MultiTokenPrediction"}


@settings
def test_what_is_recorded_is_the_gradient_of_training(changes):
    model, _ = pair(changes)
    train = TrainConfig(dtype="float64", label_smoothing=0.2, workers=1)
    config = RunConfig(model=model.config, train=train)
    engine = NumpyEngine(config, weights=model.state_dict())
    engine.gradients(some_rows(), (0,))
    recording = record(model, some_rows(), label_smoothing=0.2, auxiliary=True)
    assert engine.loss == pytest.approx(recording.loss, rel=1e-12)
    for path, gradient in engine.flat.gradients().items():
        np.testing.assert_allclose(gradient, recording.gradients[path], 1e-9, 1e-12, err_msg=path)


@settings
def test_bisect_accuses_nobody_who_is_right(changes):
    model, twin = pair(changes)
    for ours, reference in ((model, twin), (twin, model), (twin, twin)):
        found = bisect(ours, reference, some_rows())
        assert found.passed, str(found)
        assert found.loss == pytest.approx(found.reference_loss)


@pytest.mark.parametrize("name", WRONG)
def test_bisect_names_a_wrong_one(name):
    model, twin = pair(SETTINGS["both"])
    path = sites(MUTANTS[name], model)[-1]
    with plant(MUTANTS[name], model, path):
        found = bisect(model, twin, some_rows())
    assert {finding.path for finding in found.findings} == {path}, str(found)
