"""Many ranks train what one does: adapters, z-loss, packed rows, rates of muP."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npformer.config import AdapterConfig, OptimConfig, RunConfig, TrainConfig, TwinConfig
from npformer.models.gpt import GPTConfig
from npformer.text.batches import Batches
from npformer.text.pairs import EncodedPairs
from npformer.train.ranks import Alone
from tests.torch_ref.distributed.example import with_twin
from tests.torch_ref.distributed.harness import results, with_ranks
from torch_ref.train import TorchEngine

MODEL = GPTConfig(
    vocab_size=40, d_model=16, heads=2, d_ff=32, layers=2, max_length=12, dropout=0.0,
    tie_output=False, output_bias=True, positions="rotary",
)  # fmt: skip
CONFIGS = {
    "adapters": (MODEL, AdapterConfig(lora=2, lora_targets="all")),
    "lengths too": (MODEL, AdapterConfig(lora=2, dora=True)),
    "experts": (
        dataclasses.replace(
            MODEL, experts=3, expert_bias_rate=0.01, expert_balance_loss=0.1, expert_z_loss=0.01
        ),
        AdapterConfig(),
    ),
    "rates by the width": (dataclasses.replace(MODEL, mup_base_width=8), AdapterConfig()),
}


def run_of(name: str) -> RunConfig:
    model, adapters = CONFIGS[name]
    return RunConfig(
        model=model,
        optim=OptimConfig(name="adamw", schedule="constant", weight_decay=0.1),
        train=TrainConfig(engine="torch", dtype="float64", z_loss=1e-2, accumulate=2),
        twin=TwinConfig(device="cpu", loss_chunk=5),
        adapters=adapters,
    )


def packed() -> Batches:
    targets = [np.arange(n) % 36 + 4 for n in np.random.default_rng(3).integers(0, 12, 30)]
    sources = [np.zeros(0, np.int32)] * len(targets)
    return Batches(EncodedPairs(sources, targets), 60, 0, ("target",), pack=12)


def two_updates(config: RunConfig, ranks) -> dict[str, np.ndarray]:
    engine, batches = TorchEngine(config, device="cpu", ranks=ranks), packed()
    for number, rows in enumerate(batches.epoch(0)[:4]):
        engine.gradients(batches.batch(rows[ranks.rank :: ranks.size]), (0, number))
        if number % 2:
            engine.update(0.05)
    return engine.state()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_the_state_is_that_of_one_process(parallel, name):
    config = with_twin(run_of(name), parallel=parallel)
    expected = two_updates(config, Alone())
    for state in results(with_ranks(2, lambda ranks: two_updates(config, ranks))):
        assert state.keys() == expected.keys()
        for path, array in expected.items():
            np.testing.assert_allclose(state[path], array, rtol=1e-7, atol=1e-10, err_msg=path)
