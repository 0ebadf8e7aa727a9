"""The bench counts the right products, and every implementation answers."""

from __future__ import annotations

import dataclasses
import io
import math
from collections import Counter

import numpy as np
import pytest
from rich.console import Console

from npformer.bench import op_times, profile_runner, rates
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
from npformer.seam import method, op, watching
from tests.extras import installed

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


def test_a_family_without_baselines_is_refused_with_those_that_have_some() -> None:
    with pytest.raises(ConfigError, match="no baselines of bert; measure it with --engine numpy"):
        BenchConfig(engine="torch", model="bert")


READ = {name: family for name, family in families().items() if not family.heard}
SHORT = BenchConfig(presets=("tiny",), rounds=1, steps=1, decode_tokens=2, workers=1, compile=False)


def test_a_short_bench_measures_everyone() -> None:
    results = run_bench(SHORT)
    rows = results["presets"]["tiny"]["implementations"]
    assert rows.keys() == {"numpy", "torch", "floor"} | ({"jax"} if installed("jax") else set())
    assert all(row["step"] > 0 and row["peak_memory"] > 0 for row in rows.values())
    assert rows["numpy"]["decode_tokens_per_s"] > 0 < rows["torch"]["decode_tokens_per_s"]
    assert results["machine"]["cores"] >= 1 and len(tables(results)) == 1


def test_a_profile_has_the_products_of_the_floor_and_all_of_the_time(monkeypatch) -> None:
    """In this process, on a batch of 4 x 8; two workers, each watched."""
    monkeypatch.setitem(WORKLOADS, "tiny", Workload(4, 8))
    monkeypatch.setattr(rates, "SIZE", 64)
    monkeypatch.setattr(rates, "BYTES", 2**16)
    config = dataclasses.replace(SHORT, workers=2, profile=True)
    found = profile_runner.profile("tiny", config, 2)
    model = bench_config("tiny", DEFAULT, workers=2).model
    rows = {(row["name"], row["kind"]): row for row in found["rows"]}
    assert sum(row["flops"] for row in rows.values()) == sum(
        product.flops for product in step_products(model, 4, 8)
    )
    layers = model.encoder_layers + 2 * model.decoder_layers
    for kind in ("forward", "backward"):
        assert sum(rows["attention", kind]["calls"]) == 2 * layers
    b, t, n, h = 4, 8, model.heads, model.d_model // model.heads
    of_one = 4 * (4 * b * t * n * h + b * n * t * t)  # q, k, v and y, and probs
    masks = rows["attention", "forward"]["bytes"] - layers * of_one
    assert 0 <= masks <= layers * b * t
    assert found["rest"] == pytest.approx(
        found["watched"] - sum(sum(row["seconds"]) for row in rows.values())
    )
    assert 0 <= found["rest"] < found["watched"]
    assert all(min(row["seconds"]) >= 0 for row in rows.values())
    result = {"suite": "profile", "batch": "4 x 8", "vocab_size": 9, "dropout": 0.0, **found}
    page = io.StringIO()
    for drawn in tables({"presets": {"tiny": result}}):
        Console(file=page, width=120).print(drawn)
    assert "attention" in page.getvalue() and "flops" in page.getvalue()


def test_a_call_s_time_is_without_that_of_the_calls_inside(monkeypatch) -> None:
    clock = iter([0.0, 1.0, 5.0, 10.0])
    monkeypatch.setattr(op_times.time, "thread_time", lambda: next(clock))

    class Outer:
        @method
        def forward(self) -> None:
            inner_backward()

    @op
    def inner_backward() -> None:
        pass

    times = op_times.OpTimes()
    with watching(times):
        Outer().forward()
    assert times.of_threads() == [{("Outer", "forward"): (1, 6.0), ("inner", "backward"): (1, 4.0)}]


def test_the_twin_has_no_profile() -> None:
    with pytest.raises(ConfigError, match="profile is of the NumPy step"):
        BenchConfig(engine="torch", profile=True)


@pytest.mark.parametrize("family", sorted(READ.keys() - {DEFAULT}))
@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_a_family_steps_and_decodes(family: str, name: str, monkeypatch) -> None:
    """In this process: what the processes add is seen above."""
    monkeypatch.setitem(WORKLOADS, "tiny", Workload(2, 8))
    config = dataclasses.replace(SHORT, model=family)
    make_step(name, "tiny", config)(0)
    if families()[family].decodes:
        make_decode(name, "tiny", config)(2)
