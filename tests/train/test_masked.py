"""Training on hidden tokens: both engines in lockstep, and a resumed run the same to the bit."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest

from npformer.config import AdapterConfig, DataConfig, OptimConfig, RunConfig, TrainConfig
from npformer.decode.fill import fill
from npformer.errors import ConfigError, ShapeError
from npformer.models.bert import BERTConfig
from npformer.text.tokenizer import UNK
from npformer.train.numpy_engine import NumpyEngine
from npformer.train.prepare import prepare
from npformer.train.run_directory import load_checkpoint

SHORT = (
    *("--model", "bert", "--model.d-model", 16, "--model.heads", 2, "--model.d-ff", 24),
    *("--model.layers", 1, "--model.max-length", 16, "--max-length", 12, "--tokenizer", "word"),
    *("--batch-tokens", 60, "--checkpoint-every", 3, "--validate-every", 3, "--keep", 2),
    *("--optim.learning-rate", 0.01, "--optim.schedule", "constant", "--optim.warmup", 1),
)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Words one after the other, so that what is hidden can be told from those beside it."""
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    rng = np.random.default_rng(0)
    runs = [rng.integers(9) + np.arange(rng.integers(2, 10)) for _ in range(90)]
    path.write_text("".join(" ".join(f"w{i % 9}" for i in run) + "\n" for run in runs))
    return path


def config_of(texts, *, adapters=None, **train):
    return RunConfig(
        model=BERTConfig(d_model=8, heads=2, d_ff=12, layers=2, max_length=16, dropout=0.2),
        optim=OptimConfig(schedule="constant", learning_rate=0.01),
        data=DataConfig(corpus=str(texts), tokenizer="word", max_length=12, batch_tokens=60),
        train=TrainConfig(dtype="float64", workers=1, **train),
        adapters=adapters or AdapterConfig(),
    )


@pytest.mark.parametrize("adapters", [None, AdapterConfig(lora=2, lora_targets="all")],
                         ids=["whole", "lora"])  # fmt: skip
def test_both_engines_are_in_lockstep(texts, adapters):
    """Two batches an update, of other numbers of hidden tokens: the loss is divided once by all."""
    from torch_ref.train import TorchEngine

    data = prepare(config_of(texts, adapters=adapters, accumulate=2, z_loss=1e-3))
    by_hand = NumpyEngine(data.config)
    weights = by_hand.model.state_dict()
    twin = TorchEngine(data.config, weights=weights, replay_dropout=True, device="cpu")
    batches = [data.batches.batch(rows) for rows in data.batches.epoch(0)[:6]]
    assert len({batch.tokens for batch in batches}) > 1
    for update in range(3):
        pair = batches[2 * update : 2 * update + 2]
        for micro, batch in enumerate(pair):
            for engine in (by_hand, twin):
                engine.gradients(batch, (0, update, micro))
        step, expected = by_hand.update(0.01), twin.update(0.01)
        assert step.tokens == expected.tokens == sum(batch.tokens for batch in pair)
        assert step.loss == pytest.approx(expected.loss, rel=1e-10)
        assert step.norm == pytest.approx(expected.norm, rel=1e-8)
    after, theirs = by_hand.state(), twin.state()
    for path, array in after.items():
        np.testing.assert_allclose(array, theirs[path], rtol=1e-6, atol=1e-8, err_msg=path)
    for batch in data.validation.batches:
        assert by_hand.evaluate(batch) == pytest.approx(twin.evaluate(batch), rel=1e-10)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_resumed_run_ends_with_the_same_bits(npformer, texts, tmp_path, engine):
    run, straight = tmp_path / "run", tmp_path / "straight"
    options = (*SHORT, "--corpus", texts, "--engine", engine, "--updates", 6)
    assert npformer("train", straight, *options).status == 0
    ended = npformer("train", run, *options, "--updates", 3)
    assert ended.status == 0, ended.err
    assert f'fill {run} "Some [MASK]."' in ended.out
    assert npformer("train", run, "--resume", "--updates", 6).status == 0
    one, other = (load_checkpoint(path)[0].weights for path in (run, straight))
    for path, array in one.items():
        assert np.array_equal(array, other[path]), path
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {"validation_loss", "perplexity"} <= {key for line in lines for key in line}
    measured = [
        npformer("evaluate", run, "--engine", each, "--json", "-").out
        for each in ("numpy", "torch")
    ]
    first, second = map(json.loads, measured)
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-5)
    assert "bits_per_byte" not in first
    kept = [line["validation_loss"] for line in lines if "validation_loss" in line]
    assert first["loss"] == pytest.approx(min(kept), rel=1e-6)


def test_it_learns_and_fills_in_what_is_hidden(npformer, texts, tmp_path):
    """A token is told by its neighbours, which rotary positions learn at each of six seeds.

    Learned positions have to learn it anew for each place: with so few lines they filled in
    wrongly at two of the six.
    """
    run = tmp_path / "run"
    options = (*SHORT, "--corpus", texts, "--updates", 200, "--validate-every", 200,
               "--checkpoint-every", 200, "--model.d-model", 32, "--batch-tokens", 300,
               "--model.positions", "rotary", "--label-smoothing", 0,
               "--mask-probability", 0.3)  # fmt: skip
    ended = npformer("train", run, *options)
    assert ended.status == 0, ended.err
    figures = tmp_path / "filled.json"
    asked = ("fill", run, "w1 w2 [MASK] w4", "--top", 3, "--json", figures)
    filled = {engine: npformer(*asked, "--engine", engine) for engine in ("numpy", "torch")}
    assert filled["numpy"].out == filled["torch"].out
    first, second = filled["numpy"].out.splitlines()
    assert first == "w1 w2 w3 w4"
    assert second.startswith("1  w3 ")
    (place,) = json.loads(figures.read_text())["places"]
    assert place[0]["token"] == "w3"
    assert place[0]["probability"] > 2 * place[1]["probability"]
    quiet = npformer("fill", run, "w4 [MASK] w6 w7", "--quiet")
    assert quiet.out == "w4 w5 w6 w7\n"


def test_several_places_and_what_is_refused(texts):
    data = prepare(config_of(texts))
    model = NumpyEngine(data.config).model
    found = fill(model, data.tokenizer, "[MASK] w1 [MASK]", top=4)
    assert [len(place) for place in found.places] == [4, 4]
    assert UNK not in found.ids
    assert all(a.probability >= b.probability for p in found.places for a, b in pairwise(p))
    with pytest.raises(ConfigError, match=r"no \[MASK\]"):
        fill(model, data.tokenizer, "w1")
    with pytest.raises(ConfigError, match="top is 0"):
        fill(model, data.tokenizer, "[MASK]", top=0)
    with pytest.raises(ShapeError, match="16 at most"):
        fill(model, data.tokenizer, "[MASK] " * 15)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(model=dict(masked_head=False)), "no head that predicts tokens"),
        (dict(data=dict(shards="somewhere")), "leave --shards out"),
        (dict(data=dict(pack=True)), "leave --pack out"),
        (dict(data=dict(max_length=2)), "stand around a text"),
    ],
)
def test_what_cannot_be_trained_so_is_refused(texts, changes, said):
    config = config_of(texts)
    for part, fields in changes.items():
        config = dataclasses.replace(
            config, **{part: dataclasses.replace(getattr(config, part), **fields)}
        )
    with pytest.raises(ConfigError, match=said):
        prepare(config)
