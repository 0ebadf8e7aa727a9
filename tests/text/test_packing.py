"""Texts packed into rows: each once and whole, within the budget; trained as if each were alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.cli.main import main
from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.models.gpt import GPTConfig
from npformer.text.batches import Batch, Batches, make_batch
from npformer.text.pairs import EncodedPairs
from npformer.text.tokenizer import BOS, EOS, PAD
from npformer.train.numpy_engine import NumpyEngine
from torch_ref.train import TorchEngine

WIDTH = 12


def texts_of(sizes):
    """Texts whose ids tell which one they are of; after every third comes no end but a piece."""
    targets = [np.arange(n) % 3 + 4 + 3 * row for row, n in enumerate(sizes)]
    ends = np.array([EOS if row % 3 else 5 for row in range(len(sizes))])
    sources = [np.zeros(0, np.int32)] * len(sizes)
    return EncodedPairs(sources, targets, following=ends)


def packed(sizes, budget, seed=0):
    return Batches(texts_of(sizes), budget, seed, ("target",), pack=WIDTH)


def apart(batch):
    """What is read and asked of each text of a packed batch, row by row."""
    found = []
    for target, documents, targets in zip(*batch.inputs.values(), batch.targets, strict=True):
        for number in range(1, documents.max() + 1):
            here = np.flatnonzero(documents == number)
            assert np.array_equal(here, np.arange(here[0], here[-1] + 1))
            found.append((target[here].tolist(), targets[here].tolist()))
    return found


sizes = st.lists(st.integers(0, WIDTH - 1), min_size=1, max_size=60)


@given(sizes, st.integers(WIDTH, 5 * WIDTH), st.integers(0, 2**32), st.integers(0, 3))
def test_an_epoch_has_every_text_once_and_whole_within_the_budget(sizes, budget, seed, number):
    batches = packed(sizes, budget, seed)
    epoch = batches.epoch(number)
    assert sorted(np.concatenate(epoch)) == list(range(len(sizes)))
    again = packed(sizes, budget, seed).epoch(number)
    for rows, same in zip(epoch, again, strict=True):
        assert rows.tolist() == same.tolist()
        batch = batches.batch(rows)
        assert batch.targets.size <= budget
        assert batch.targets.shape[1] <= WIDTH
        assert batch.tokens == sum(sizes[row] + 1 for row in rows)
        padded = make_batch(batches.pairs, rows, ("target",))
        alone = [
            (ids[: n + 1].tolist(), asked[: n + 1].tolist())
            for ids, asked, n in zip(
                padded.inputs["target"], padded.targets, np.array(sizes)[rows], strict=True
            )
        ]
        assert sorted(apart(batch)) == sorted(alone)
        assert all(read[0] == BOS for read, _ in alone)
        padding = batch.inputs["documents"] == 0
        assert (batch.inputs["target"][padding] == PAD).all()
        assert (batch.targets[padding] == PAD).all()


def test_few_places_are_left_empty():
    sizes = np.random.default_rng(0).integers(0, WIDTH, 4000).tolist()
    batches = packed(sizes, 32 * WIDTH)
    places = sum(batches.batch(rows).targets.size for rows in batches.epoch(0))
    assert places < 1.06 * (sum(sizes) + len(sizes))


SIZES: dict[str, Any] = dict(
    vocab_size=200, d_model=8, heads=2, d_ff=12, layers=2, max_length=WIDTH
)


@pytest.mark.parametrize("positions", ["learned", "rotary", "t5"])
def test_a_packed_batch_trains_as_its_texts_do_on_both_engines(positions):
    config = RunConfig(
        model=GPTConfig(**SIZES, positions=positions, dropout=0.0),
        optim=OptimConfig(schedule="constant", learning_rate=0.1, name="sgd"),
        train=TrainConfig(dtype="float64", workers=2, seed=1),
    )
    batches = packed(np.random.default_rng(3).integers(0, WIDTH, 20).tolist(), 4 * WIDTH)
    rows = batches.epoch(0)[0]
    batch = batches.batch(rows)
    each = [make_batch(batches.pairs, rows[i : i + 1], ("target",)) for i in range(len(rows))]
    weights = NumpyEngine(config).model.state_dict()
    found = []
    for engine, parts in (
        (NumpyEngine(config), [batch]),
        (NumpyEngine(config), each),
        (TorchEngine(config, weights=weights, device="cpu"), [batch]),
    ):
        for part in parts:
            engine.gradients(part, (0,))
        step = engine.update(0.1)
        found.append((step.loss, step.tokens, step.norm))
        assert engine.evaluate(batch)[0] < step.loss
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, rtol=1e-11)


def test_operations_are_those_of_the_texts():
    config = RunConfig(model=GPTConfig(**SIZES))
    engine = TorchEngine(config, device="cpu")
    batches = packed([3, 5, 2, 7], 2 * WIDTH)
    together = [batches.batch(rows) for rows in batches.epoch(0)]
    alone = [make_batch(batches.pairs, np.array([row]), ("target",)) for row in range(4)]
    assert sum(map(engine.flops, together)) == sum(map(engine.flops, alone))


def test_rows_of_a_packed_batch_are_cut_with_their_documents():
    batches = packed([3, 5, 2, 7], 3 * WIDTH)
    batch = batches.batch(np.arange(4))
    part = batch.rows(slice(1, 2))
    assert isinstance(part, Batch)
    assert {name: len(ids) for name, ids in part.inputs.items()} == {"target": 1, "documents": 1}


def test_from_the_command_line(tmp_path, capsys):
    run, corpus = str(tmp_path / "run"), tmp_path / "names.txt"
    corpus.write_text("\n".join(f"name number {n}" for n in range(60)))
    options = ["--model.layers", "1", "--model.d-model", "16", "--model.d-ff", "16", "--pack"]
    options += ["--corpus", str(corpus), "--tokenizer", "char", "--updates", "3", "--max-length"]
    options += ["40", "--model.heads", "2", "--validate-every", "3", "--workers", "1"]
    assert main(["train", run, "--model", "gpt", *options]) == 0
    assert main(["train", run, "--resume", "--updates", "4"]) == 0
    capsys.readouterr()
    assert main(["train", str(tmp_path / "other"), "--pairs", "50", "--pack"]) == 2
    said = capsys.readouterr().err
    assert "model 'transformer' cannot keep them apart" in said
    assert not (tmp_path / "other").exists()
