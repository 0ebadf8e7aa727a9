"""The bench counts the right products, and every implementation answers."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest

from npformer.bench.numpy_runner import make_decode, make_step
from npformer.bench.products import step_products
from npformer.bench.shapes import (
    WORKLOADS,
    Workload,
    bench_config,
    random_batch,
    shards,
    workload,
)
from npformer.bench.suite import BenchConfig, run_bench, tables
from npformer.config import ModelConfig
from npformer.errors import ConfigError
from npformer.models import DEFAULT, families, make_model
from npformer.models.transformer import TransformerConfig
from npformer.presets import model_preset

ODD = [
    TransformerConfig(
        vocab_size=11, d_model=6, heads=3, d_ff=10, d_k=4, d_v=5, encoder_layers=1,
        decoder_layers=2, dropout=0.0, max_length=7,
    ),
    model_preset("tiny", "gpt", vocab_size=11, d_model=6, heads=3, d_ff=10, layers=2, dropout=0.0),
]  # fmt: skip


@pytest.mark.parametrize("config", ODD)
def test_the_products_are_those_of_the_model(config: ModelConfig) -> None:
    """Counts each product, or its transpose, of a forward and backward of the NumPy model."""
    counted: Counter[tuple[int, ...]] = Counter()

    class Counting(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            plain = [np.asarray(x) for x in inputs]
            if out := kwargs.get("out"):
                kwargs["out"] = tuple(np.asarray(x) for x in out)
            result = getattr(ufunc, method)(*plain, **kwargs)
            if ufunc is np.matmul and min(x.ndim for x in plain) > 1:
                *stack, m, n = result.shape
                k = plain[0].shape[-1]
                count = math.prod(stack)
                if plain[1].ndim == 2:  # a weight multiplies all rows at once
                    count, m = 1, m * count
                counted[count, k, *sorted((m, n))] += 1
            return result.view(Counting) if isinstance(result, np.ndarray) else result

    model = make_model(config, rng=np.random.default_rng(0))
    for parameter in model.parameters():
        parameter.data = parameter.data.view(Counting)
    ids = np.ones((3, 7), int)
    logits, cache = model.forward(*[ids for _ in model.streams])
    model.backward(np.ones_like(logits), cache)
    expected: Counter[tuple[int, ...]] = Counter()
    for p in step_products(config, 3, 7):
        expected[p.stack, p.k, *sorted((p.m, p.n))] += p.times
    assert counted == expected


def test_shards_share_the_rows() -> None:
    assert shards(5, 2) == [3, 2] and shards(1, 2) == [1] and sum(shards(32, 3)) == 32


def test_a_random_batch_has_no_padding() -> None:
    batch = random_batch("tiny", DEFAULT)
    rows, length = workload("tiny")
    vocab_size = bench_config("tiny", DEFAULT, workers=1).model.vocab_size
    assert batch.inputs["source"].shape == (rows, length) and batch.tokens == rows * length
    assert batch.inputs["source"].min() >= 4  # no special token
    assert batch.inputs["source"].max() < vocab_size


def test_a_preset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'tiny'"):
        BenchConfig(presets=("tini",))
    with pytest.raises(ConfigError, match="rounds is 0"):
        BenchConfig(rounds=0)


def test_baselines_that_translate_need_a_model_that_does() -> None:
    with pytest.raises(ConfigError, match="gpt does not; measure it with --engine numpy"):
        BenchConfig(engine="torch", model="gpt")


SHORT = BenchConfig(presets=("tiny",), rounds=1, steps=1, decode_tokens=2, workers=1, compile=False)


def test_a_short_bench_measures_everyone() -> None:
    results = run_bench(SHORT)
    rows = results["presets"]["tiny"]["implementations"]
    assert rows.keys() == {"numpy", "torch", "floor"}
    assert all(row["step"] > 0 and row["peak_memory"] > 0 for row in rows.values())
    assert rows["numpy"]["decode_tokens_per_s"] > 0 < rows["torch"]["decode_tokens_per_s"]
    assert results["machine"]["cores"] >= 1 and len(tables(results)) == 1


@pytest.mark.parametrize("family", sorted(families().keys() - {DEFAULT}))
@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_a_family_steps_and_decodes(family: str, name: str, monkeypatch) -> None:
    """In this process: what the processes add is seen above."""
    monkeypatch.setitem(WORKLOADS, "tiny", Workload(2, 8))
    config = dataclasses.replace(SHORT, model=family)
    make_step(name, "tiny", config)(0)
    if families()[family].decodes:
        make_decode(name, "tiny", config)(2)
