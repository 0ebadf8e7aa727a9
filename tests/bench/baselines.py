"""A small twin and its baselines, each with the twin's weights under its own names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from npformer.bench.module_engine import ModuleEngine
from npformer.config import RunConfig, TrainConfig
from npformer.models.gpt import GPTConfig
from npformer.models.transformer import TransformerConfig
from npformer.presets import LATER
from npformer.text.batches import Batch
from npformer.text.tokenizer import PAD
from torch_ref.train import TorchEngine

MODEL = TransformerConfig(
    vocab_size=23, d_model=12, heads=2, d_ff=20, encoder_layers=2, decoder_layers=2, dropout=0.0,
    max_length=16,
)  # fmt: skip
LLAMA = GPTConfig(
    vocab_size=23, d_model=12, heads=2, d_ff=20, layers=2, dropout=0.0, max_length=16,
    **{**LATER, "kv_heads": None},
)  # fmt: skip
BASELINES = ("marian", "nn")


def run_config(model: TransformerConfig | GPTConfig = MODEL, **train: Any) -> RunConfig:
    """A run in float64 unless told."""
    return RunConfig(model=model, train=TrainConfig(**{"dtype": "float64", **train}))


def baseline(name: str, config: RunConfig) -> tuple[ModuleEngine, Callable[..., dict[str, Any]]]:
    """The engine, and what gives a twin's weights its names."""
    if name == "nn":
        from npformer.bench.torch_transformer import TorchTransformerEngine, twin_weights

        return TorchTransformerEngine(config), twin_weights
    if name == "llama":
        from npformer.bench import llama

        renamed = partial(llama.twin_weights, config=config.model)
        return llama.LlamaEngine(config), renamed
    from npformer.bench import marian

    engine = marian.MarianEngine(config)
    order = np.r_[0:12:2, 1:12:2]
    positions = TorchEngine(config).model.positions.table[:, order].to(torch.float64)
    for side in (engine.module.model.encoder, engine.module.model.decoder):
        table = side.embed_positions.weight
        # Marian computes its table in float32; the twin's is the same, in all its digits.
        assert torch.allclose(table, positions, rtol=0, atol=1e-6)
        table.data.copy_(positions)
    return engine, lambda weights: marian.twin_weights(weights, config.model)


def weights(engine: Any) -> dict[str, np.ndarray]:
    """The parameters in an engine's state, by path."""
    return {
        name.removeprefix("model/"): array
        for name, array in engine.state().items()
        if name.startswith("model/")
    }


def twin_off_its_start(config: RunConfig) -> TorchEngine:
    """A twin whose every parameter, norms and biases too, is some way off its initial value."""
    twin = TorchEngine(config)
    rng = np.random.default_rng(5)
    moved = {f"model/{n}": a + rng.normal(0, 0.2, a.shape) for n, a in weights(twin).items()}
    moved["model/embedding.weight"][PAD] = 0  # as training leaves it
    twin.restore({name: array.astype(config.train.dtype) for name, array in moved.items()})
    return twin


def ragged_batch(seed: int = 0) -> Batch:
    """Three pairs of different lengths, on both sides."""
    rng = np.random.default_rng(seed)
    source, target_in, target_out = rng.integers(4, MODEL.vocab_size, (3, 3, 7))
    source[1, 4:] = target_in[0, 5:] = target_out[0, 5:] = PAD
    target_in[2, 6:] = target_out[2, 6:] = PAD
    return Batch.of_pairs(source, target_in, target_out)
