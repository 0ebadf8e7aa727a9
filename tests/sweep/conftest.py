"""A corpus and a configuration so small that a trial takes a fraction of a second."""

from __future__ import annotations

import pytest
from rich.console import Console

from npformer.config import DataConfig, OptimConfig, RunConfig, TrainConfig
from npformer.models.transformer import TransformerConfig


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> RunConfig:
    path = tmp_path_factory.mktemp("corpus") / "pairs.tsv"
    words = [("dog", "Hund"), ("cat", "Katze"), ("bird", "Vogel"), ("mouse", "Maus")]
    lines = [
        f"{n} {one} and {other}\t{n} {eins} und {anderes}"
        for n in range(4)
        for one, eins in words
        for other, anderes in words
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return RunConfig(
        model=TransformerConfig(
            d_model=8, heads=2, d_ff=8, encoder_layers=1, decoder_layers=1, max_length=24
        ),
        optim=OptimConfig(warmup=5),
        data=DataConfig(corpus=str(path), tokenizer="word", batch_tokens=64, max_length=16),
        train=TrainConfig(
            updates=4, validate_every=2, validation_pairs=0, checkpoint_every=2, workers=1
        ),
    )


@pytest.fixture
def quiet() -> Console:
    return Console(quiet=True)
