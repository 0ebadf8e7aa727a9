"""Preparing from shards gives what preparing in memory gives, and the run is the same."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.errors import CorpusError
from npformer.models.transformer import TransformerConfig
from npformer.text.shards import ShardedPairs
from npformer.text.tokenizer import Tokenizer
from npformer.train import make_shards as module
from npformer.train.prepare import prepare
from npformer.train.run import run_training
from npformer.train.run_directory import load_checkpoint
from tests.text.sharded import content, small_data


@pytest.fixture(params=["apart", "held out"])
def config(request, tmp_path) -> RunConfig:
    changes = {} if request.param == "apart" else {"validation": ""}
    return RunConfig(
        model=TransformerConfig(
            d_model=8, heads=2, d_ff=16, encoder_layers=1, decoder_layers=1, max_length=24
        ),
        optim=OptimConfig(warmup=5),
        data=small_data(tmp_path, rows=80, batch_tokens=64, **changes),
        train=TrainConfig(
            updates=4, validate_every=4, checkpoint_every=4, validation_pairs=0, workers=1
        ),
    )


def sharded(config: RunConfig, directory: Path) -> RunConfig:
    return dataclasses.replace(config, data=dataclasses.replace(config.data, shards=str(directory)))


@pytest.mark.parametrize("kind", ["bpe", "word"])
def test_memory_and_shards_prepare_the_same(config, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(module, "ROWS_PER_SHARD", 7)
    data = dataclasses.replace(config.data, tokenizer=kind, max_length=20)
    config = dataclasses.replace(config, data=data)
    memory = prepare(config)
    shards = prepare(sharded(config, tmp_path / "shards"))
    assert isinstance(shards.batches.pairs, ShardedPairs)
    assert shards.tokenizer.to_bytes() == memory.tokenizer.to_bytes()
    assert shards.config.model == memory.config.model
    assert shards.left_out == memory.left_out
    assert shards.validation_corpus == dataclasses.replace(memory.validation_corpus, empty=0)
    for number in (0, 3):
        orders = (prepared.batches.epoch(number) for prepared in (shards, memory))
        for ours, theirs in zip(*orders, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            one, other = shards.batches.batch(ours), memory.batches.batch(theirs)
            np.testing.assert_equal(vars(one), vars(other))
    for one, other in zip(shards.validation.batches, memory.validation.batches, strict=True):
        np.testing.assert_array_equal(one.inputs["source"], other.inputs["source"])
        np.testing.assert_array_equal(one.targets, other.targets)


@pytest.mark.parametrize("config", ["apart"], indirect=True)
def test_a_run_from_shards_ends_with_the_same_weights(config, tmp_path):
    console = Console(file=io.StringIO(), width=300)
    run_training(config, tmp_path / "memory", console=console)
    run_training(sharded(config, tmp_path / "shards"), tmp_path / "mapped", console=console)
    assert f"; 1 shard of 0.0 MB in all in {tmp_path / 'shards'}" in console.file.getvalue()
    one, other = (load_checkpoint(tmp_path / name)[0] for name in ("memory", "mapped"))
    assert one.weights.keys() == other.weights.keys()
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])


def test_finished_shards_need_no_corpus_and_leave_no_lock(config, tmp_path):
    config = sharded(config, tmp_path / "shards")
    first = prepare(config)
    before = content(tmp_path / "shards")
    Path(config.data.corpus).unlink()
    second = prepare(config, first.tokenizer)
    assert second.summary() == first.summary()
    assert content(tmp_path / "shards") == before
    assert not (tmp_path / "shards" / "lock").exists()


def test_the_shards_of_another_tokenizer_are_refused(config, tmp_path):
    config = sharded(config, tmp_path / "shards")
    prepare(config)
    other = Tokenizer.train(["ein anderer Text"], "word", 20)
    with pytest.raises(CorpusError, match="made with another tokenizer than this run's"):
        prepare(config, other)


def test_damage_is_found_when_it_is_read(config, tmp_path):
    config = sharded(config, tmp_path / "shards")
    prepare(config)
    path = tmp_path / "shards" / "ids-00000.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    batches = prepare(config).batches
    with pytest.raises(CorpusError, match=r"ids-00000.npy is damaged: its sha256"):
        batches.batch(batches.epoch(0)[0])
    path.write_bytes(whole[:-1])
    with pytest.raises(CorpusError, match=r"ids-00000.npy is damaged: it has"):
        prepare(config)
