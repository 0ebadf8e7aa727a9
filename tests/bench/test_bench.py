"""The bench counts the right products, and every implementation answers."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.bench.shapes import (
    bench_config,
    model_flops,
    random_batch,
    shards,
    step_products,
    workload,
)
from npformer.bench.suite import BenchConfig, run_bench, tables
from npformer.errors import ConfigError
from npformer.models import Transformer
from npformer.models.transformer import TransformerConfig


def test_the_products_are_those_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts each product that a real forward and backward makes."""
    config = TransformerConfig(
        vocab_size=11, d_model=6, heads=3, d_ff=10, d_k=4, d_v=5, encoder_layers=1,
        decoder_layers=2, dropout=0.0, max_length=7,
    )  # fmt: skip
    counted = 0

    class Counting(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            nonlocal counted
            plain = [np.asarray(x) for x in inputs]
            if out := kwargs.get("out"):
                kwargs["out"] = tuple(np.asarray(x) for x in out)
            result = getattr(ufunc, method)(*plain, **kwargs)
            if ufunc is np.matmul and min(x.ndim for x in plain) > 1:
                counted += 2 * result.size * plain[0].shape[-1]
            return result.view(Counting) if isinstance(result, np.ndarray) else result

    model = Transformer(config, rng=np.random.default_rng(0))
    for parameter in model.parameters():
        parameter.data = parameter.data.view(Counting)
    ids = np.ones((3, 7), int)
    logits, cache = model.forward(ids, ids)
    model.backward(np.ones_like(logits), cache)
    assert counted == model_flops(config, 3, 7)


def test_shards_share_the_rows() -> None:
    assert shards(5, 2) == [3, 2] and shards(1, 2) == [1] and sum(shards(32, 3)) == 32


def test_a_random_batch_has_no_padding() -> None:
    batch = random_batch("tiny")
    rows, length = workload("tiny")
    vocab_size = bench_config("tiny", workers=1).model.vocab_size
    assert batch.inputs["source"].shape == (rows, length) and batch.tokens == rows * length
    assert batch.inputs["source"].min() >= 4  # no special token
    assert batch.inputs["source"].max() < vocab_size


def test_a_preset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'tiny'"):
        BenchConfig(presets=("tini",))
    with pytest.raises(ConfigError, match="rounds is 0"):
        BenchConfig(rounds=0)
    assert step_products(TransformerConfig(), 1, 1)


def test_a_short_bench_measures_everyone() -> None:
    config = BenchConfig(
        presets=("tiny",), rounds=1, steps=1, decode_tokens=2, workers=1, compile=False
    )
    results = run_bench(config)
    rows = results["presets"]["tiny"]["implementations"]
    assert rows.keys() == {"numpy", "torch", "floor"}
    assert all(row["step"] > 0 and row["peak_memory"] > 0 for row in rows.values())
    assert rows["numpy"]["decode_tokens_per_s"] > 0 < rows["torch"]["decode_tokens_per_s"]
    assert results["machine"]["cores"] >= 1 and len(tables(results)) == 1
