"""Lockstep: the NumPy model and the twin train side by side and may not drift apart.

Both begin with the same weights, see the same batches, drop the same units and follow the same
schedule for 100 updates, in float64. An error that a single gradient check would forgive, in the
optimizer, the schedule, the loss's normalisation or the order of the dropout masks, grows from
step to step here. The learning rates are ones at which training is stable: there losses stay
within 1e-15 of each other. At three times this Noam rate training is chaotic: even the NumPy model
parts from itself, to 3e-3 in 100 updates, when one weight is moved by one unit in its last place.
"""

from __future__ import annotations

import numpy as np
import pytest

from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.models import family
from npformer.models.gpt import GPTConfig
from npformer.models.transformer import TransformerConfig
from npformer.optim import learning_rate
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine
from tests.models.decoders import DEEPSEEK, GEMMA, QWEN, SIZES
from torch_ref.train import TorchEngine

UPDATES = 100
FEWER = 40  # enough for an optimizer by itself

CONFIGS = {
    "the paper's recipe": RunConfig(
        model=TransformerConfig(
            vocab_size=29, d_model=16, heads=4, d_ff=32, encoder_layers=2, decoder_layers=2
        ),
        optim=OptimConfig(learning_rate=0.3, warmup=40),
        train=TrainConfig(dtype="float64", workers=1, seed=3),
    ),
    "everything else": RunConfig(
        model=TransformerConfig(
            vocab_size=29,
            d_model=16,
            heads=4,
            d_ff=32,
            encoder_layers=2,
            decoder_layers=2,
            d_k=3,
            d_v=6,
            dropout=0.3,
            norm="pre",
            activation="gelu",
            tie_output=False,
            share_embeddings=False,
            output_bias=True,
        ),
        optim=OptimConfig(
            name="adamw",
            schedule="cosine",
            learning_rate=3e-3,
            warmup=10,
            weight_decay=0.05,
            clip_norm=0.5,
        ),
        train=TrainConfig(
            dtype="float64", workers=1, seed=4, accumulate=2, checkpoint_activations=True
        ),
    ),
    "descent with momentum": RunConfig(
        model=TransformerConfig(
            vocab_size=29, d_model=16, heads=2, d_ff=32, encoder_layers=1, decoder_layers=1
        ),
        optim=OptimConfig(name="sgd", schedule="constant", learning_rate=0.1, weight_decay=1e-4),
        train=TrainConfig(dtype="float64", workers=1, seed=5),
    ),
    "decoder alone": RunConfig(
        model=GPTConfig(
            vocab_size=29, d_model=16, heads=4, d_ff=32, layers=2, max_length=16, dropout=0.1
        ),
        optim=OptimConfig(schedule="cosine", learning_rate=3e-3, warmup=10),
        train=TrainConfig(dtype="float64", workers=1, seed=6),
    ),
    "everything since": RunConfig(
        model=GPTConfig(
            **{
                **SIZES,
                **GEMMA,
                "qk_norm": "full",
                "sinks": True,
                "output_bias": True,
                "dropout": 0.1,
            }
        ),
        optim=OptimConfig(schedule="cosine", learning_rate=3e-3, warmup=10),
        train=TrainConfig(dtype="float64", workers=1, seed=7, z_loss=1e-2),
    ),
    "a gate and a part that turns": RunConfig(
        model=GPTConfig(**{**SIZES, **QWEN, "attention_bias": "qkv", "dropout": 0.0}),
        optim=OptimConfig(schedule="cosine", learning_rate=3e-3, warmup=10),
        train=TrainConfig(dtype="float64", workers=1, seed=8),
    ),
    "experts": RunConfig(
        model=GPTConfig(**{**SIZES, **DEEPSEEK, "expert_z_loss": 1e-3}),
        optim=OptimConfig(name="muon", schedule="constant", learning_rate=0.05),
        train=TrainConfig(dtype="float64", workers=1, seed=9, checkpoint_activations=True),
    ),
}

OPTIMIZERS = {
    name: RunConfig(
        model=TransformerConfig(
            vocab_size=29, d_model=16, heads=2, d_ff=32, encoder_layers=1, decoder_layers=1
        ),
        optim=OptimConfig(name=name, schedule="constant", learning_rate=rate, **settings),
        train=TrainConfig(dtype="float64", workers=1, seed=7),
    )
    for name, rate, settings in (
        ("lion", 2e-3, {"beta2": 0.99, "weight_decay": 0.1}),
        ("ademamix", 1e-2, {"beta3": 0.99, "slow_warmup": 50}),
        ("adafactor", 0.1, {"weight_decay": 1e-3}),
        ("muon", 0.03, {"weight_decay": 0.1}),
        ("schedule_free", 0.01, {"warmup": 10}),
    )
}


def copying_batch(rng: np.random.Generator, config: RunConfig) -> Batch:
    """Sentences of 1 to 8 random words and, as their translation, the same words backwards.

    Of a language model, which is given no source, there is then still something to learn.
    """
    streams = family(config.model.family).streams
    batch = _pairs(rng, config.model.vocab_size, ordered="source" not in streams)
    return Batch({name: batch.inputs[name] for name in streams}, batch.targets)


def _pairs(rng: np.random.Generator, vocab_size: int, ordered: bool) -> Batch:
    rows = [rng.integers(4, vocab_size, rng.integers(1, 9)) for _ in range(6)]
    rows = [np.sort(words) for words in rows] if ordered else rows
    width = max(map(len, rows)) + 1
    ids = np.zeros((3, len(rows), width), np.int64)
    for b, words in enumerate(rows):
        n = len(words)
        ids[0, b, : n + 1] = [*words, 3]
        ids[1, b, : n + 1] = [2, *words[::-1]]
        ids[2, b, : n + 1] = [*words[::-1], 3]
    return Batch.of_pairs(*ids)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_hundred_updates_in_lockstep(config):
    in_lockstep(config, UPDATES)


@pytest.mark.parametrize("config", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_other_optimizer_in_lockstep(config):
    in_lockstep(config, FEWER, learnt=0.99)


def in_lockstep(config, updates, learnt=0.95):
    by_hand = NumpyEngine(config)
    twin = TorchEngine(
        config, weights=by_hand.model.state_dict(), replay_dropout=True, device="cpu"
    )
    rng = np.random.default_rng(config.train.seed)
    losses = []
    for update in range(1, updates + 1):
        rate = learning_rate(config.optim, config.model.d_model, update, updates)
        for part in range(config.train.accumulate):
            batch = copying_batch(rng, config)
            for engine in (by_hand, twin):
                engine.gradients(batch, (config.train.seed, update, part))
        step, expected = by_hand.update(rate), twin.update(rate)
        assert step.loss == pytest.approx(expected.loss, rel=1e-9, abs=0), f"update {update}"
        assert step.tokens == expected.tokens
        assert step.norm == pytest.approx(expected.norm, rel=1e-7, abs=0), f"update {update}"
        losses.append(step.loss / step.tokens)
    # They did learn: two frozen models would agree as well.
    assert np.mean(losses[-10:]) < learnt * np.mean(losses[:10])

    unseen = copying_batch(rng, config)
    assert by_hand.evaluate(unseen)[0] == pytest.approx(twin.evaluate(unseen)[0], rel=1e-9, abs=0)
    states = by_hand.state(), twin.state()
    assert states[0].keys() == states[1].keys()
    assert states[0]["optim/step"] == states[1]["optim/step"] == updates


def test_the_twin_replays_dropout_rather_than_doing_without():
    config = CONFIGS["the paper's recipe"]
    by_hand = NumpyEngine(config)
    weights = by_hand.model.state_dict()
    batch = copying_batch(np.random.default_rng(0), config)
    twin = TorchEngine(config, weights=weights, replay_dropout=True, device="cpu")

    def loss(engine, seed):
        engine.gradients(batch, seed)
        return engine.update(0.0).loss

    assert loss(twin, (1,)) == pytest.approx(loss(by_hand, (1,)), rel=1e-12)
    assert loss(twin, (1,)) != pytest.approx(loss(twin, (2,)), rel=1e-6)
