"""Learning from judged answers on two ranks: the references and the steps are those of one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npformer.config import TwinConfig
from npformer.train.feed import Feed
from npformer.train.judged_validation import JudgedValidation, measure_references
from npformer.train.ranks import Alone
from tests.torch_ref.distributed.harness import results, with_ranks
from tests.train.test_judged import LOSSES, batches_of, config_of
from torch_ref.train import TorchEngine

MODEL = dataclasses.replace(config_of(LOSSES["dpo"]).model, dropout=0.0)


def learned(preferences, ranks, weights=None, parallel="ddp"):
    """The references, two steps, and what validation says of the model then."""
    config = config_of(preferences, MODEL)
    config = dataclasses.replace(config, twin=TwinConfig(device="cpu", parallel=parallel))
    engine = TorchEngine(config, ranks=ranks, weights=weights)
    batches = batches_of(preferences, budget=60)
    (batches.reference,) = measure_references(engine, [batches], ranks)
    feed, steps = Feed(batches, share=(ranks.rank, ranks.size)), []
    for update in range(2):
        engine.gradients(feed.next(), (0, update))
        steps.append([*engine.update(0.03)])
    found = JudgedValidation(batches, preferences).measure(engine, ranks=ranks)
    return [batches.reference.tolist(), steps, [*found.values()]]


@pytest.mark.parametrize(("name", "parallel"), [("dpo", "ddp"), ("kto", "fsdp"), ("simpo", "ddp")])
def test_two_ranks_learn_what_one_does(name, parallel):
    config = config_of(LOSSES[name], MODEL)
    weights = TorchEngine(config, device="cpu").model.state_dict()
    weights = {path: tensor.numpy() for path, tensor in weights.items()}
    alone = learned(LOSSES[name], Alone(), weights)
    for found in results(
        with_ranks(2, lambda ranks: learned(LOSSES[name], ranks, weights, parallel))
    ):
        for mine, expected in zip(found, alone, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-9)
