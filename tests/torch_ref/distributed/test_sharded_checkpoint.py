"""Checkpoints that ranks write together: the bytes of one process's, nothing else, and no harm."""

from __future__ import annotations

import dataclasses
import errno
import resource
import signal
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from safetensors.numpy import load_file

from npformer.errors import CheckpointError, NpformerError
from npformer.models.transformer import TransformerConfig
from npformer.train.checkpoint import (
    Position,
    check_whole,
    open_checkpoint,
    save_arrays,
    save_checkpoint,
)
from npformer.train.ranks import Alone
from npformer.train.run_directory import checkpoint_path
from tests.torch_ref.distributed.example import batch, make_engine, run_config, share
from tests.torch_ref.distributed.harness import results, with_ranks
from tests.train.faults import check_faults
from torch_ref.train import sharded_checkpoint
from torch_ref.train.sharded_checkpoint import Together, write_shares

# Of 4 ranks, one has no row of a width of 6, and two have none of a width of 2.
MODEL = TransformerConfig(
    vocab_size=29, d_model=6, heads=2, d_ff=2, encoder_layers=1, decoder_layers=1
)
TOKENIZER = b"{}"
FILES = {
    "model.safetensors",
    "optimizer.safetensors",
    "config.json",
    "tokenizer.json",
    "state.json",
    "manifest.json",
}


def trained(config, ranks):
    engine, rng = make_engine(config, ranks), np.random.default_rng(3)
    for update in range(2):
        engine.gradients(share(batch(rng, 7), ranks), (0, update))
        engine.update(0.01)
    return engine


def save(path, engine, ranks, update=2):
    config, position = engine.config, Position(update)
    save_checkpoint(path, config, engine.save, TOKENIZER, position, ranks=ranks)


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize(
    ("size", "parallel", "tie", "dtype"),
    [
        (2, "ddp", True, "float32"),
        (2, "fsdp", False, "float32"),
        (4, "fsdp", True, "float32"),
        (4, "fsdp", False, "float64"),
    ],
)
def test_what_many_ranks_write_is_what_one_would_write(tmp_path, size, parallel, tie, dtype):
    model = dataclasses.replace(MODEL, tie_output=tie)
    config = run_config(model, dtype=dtype, parallel=parallel)
    many, one, again = (tmp_path / name for name in ("many", "one", "again"))

    def work(ranks):
        engine = trained(config, ranks)
        save(many, engine, ranks)
        state = engine.state()
        if ranks.rank == 0:
            write = partial(save_arrays, state=state)
            save_checkpoint(one, config, write, TOKENIZER, Position(2))
        other = make_engine(config, ranks)
        other.restore(open_checkpoint(many, optimizer=True).engine_state())
        save(again, other, ranks)

    results(with_ranks(size, work))
    assert content(many) == content(one) == content(again)
    assert content(many).keys() == FILES
    assert load_file(many / "optimizer.safetensors")["step"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"many", "one", "again"}
    alone = make_engine(dataclasses.replace(config, twin=run_config().twin), Alone())
    alone.restore(open_checkpoint(many, optimizer=True).engine_state())
    alone.save(again)
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert content(again)[name] == content(many)[name]


def test_every_kind_of_damage_to_what_ranks_wrote_is_noticed(tmp_path):
    def work(ranks):
        engine = trained(run_config(MODEL, parallel="fsdp"), ranks)
        for update in (1, 2, 3):
            engine.gradients(share(batch(np.random.default_rng(update), 3), ranks), (0, update))
            engine.update(0.01)
            save(checkpoint_path(tmp_path / "run", update), engine, ranks, update)

    results(with_ranks(2, work))
    done = check_faults(tmp_path / "run", tmp_path / "copy", count=260, seed=1)
    assert sum(done.values()) == 260


def refused(tmp_path, spoil, parallel="fsdp") -> str:
    """What all ranks say of a second checkpoint that ``spoil(rank, engine)`` makes impossible."""

    def work(ranks):
        engine = trained(run_config(MODEL, parallel=parallel), ranks)
        save(tmp_path / "kept", engine, ranks)
        spoil(ranks.rank, engine)
        with pytest.raises(NpformerError) as caught:
            save(tmp_path / "new", engine, ranks)
        ranks.barrier()  # nobody is lost
        return type(caught.value).__name__, str(caught.value)

    told = results(with_ranks(2, work))
    assert len(set(told)) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"kept"}
    check_whole(tmp_path / "kept")
    kind, message = told[0]
    assert "\n" not in message
    return f"{kind}: {message}"


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_tensor_that_is_not_finite_on_one_rank_is_named_by_all(tmp_path, parallel, bad):
    def spoil(rank, engine):
        tensor = engine._named["decoder.layers.0.feed_forward.linear1.weight"]
        if rank == 0:
            engine._spread.local([tensor.detach()])[0][0, 0] = bad

    told = refused(tmp_path, spoil, parallel)
    assert told.startswith("NonFiniteError: 'model/decoder.layers.0.feed_forward.linear1.weight' ")
    assert told.endswith("is not finite after update 2; not saved")


@pytest.mark.parametrize("victim", [0, 1])
def test_a_disk_that_fills_up_under_one_rank_is_told_by_all(tmp_path, victim):
    """The system's own limit on file sizes; rank 0 meets it in its share, or in the whole file."""

    def spoil(rank, engine):
        if rank == victim:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    told = refused(tmp_path, spoil)
    assert "cannot save the checkpoint" in told and "File too large" in told
    assert "Earlier checkpoints are as they were; make room" in told


def test_a_disk_that_is_full_when_shares_are_put_together_is_told_by_all(tmp_path):
    def spoil(rank, engine):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        sharded_checkpoint.write_files = full

    assert "No space left on device" in refused(tmp_path, spoil)


def test_a_directory_that_cannot_be_made_is_told_by_all(tmp_path):
    """Root may write anywhere: a file stands where the directory of checkpoints should be."""

    def work(ranks):
        engine = trained(run_config(MODEL, parallel="fsdp"), ranks)
        if ranks.rank == 0:
            (tmp_path / "file").write_text("mine")
        with pytest.raises(CheckpointError) as caught:
            save(tmp_path / "file" / "update-1", engine, ranks)
        ranks.barrier()
        return str(caught.value)

    told = results(with_ranks(2, work))
    assert told[0] == told[1]
    assert "cannot save the checkpoint" in told[0] and "File exists" in told[0]
    assert "can be written to" in told[0]
    assert (tmp_path / "file").read_text() == "mine"


def test_ranks_that_do_not_see_one_file_system_say_so(tmp_path):
    def work(ranks):
        engine = trained(run_config(MODEL, parallel="fsdp"), ranks)
        if ranks.rank == 1:
            mock.patch.object(Path, "is_dir", lambda path: ".saving-" not in path.name).start()
        with pytest.raises(CheckpointError) as caught:
            save(tmp_path / "new", engine, ranks)
        return str(caught.value)

    for told in results(with_ranks(2, work)):
        assert "rank 1 does not see" in told and "one file system" in told
    assert not list(tmp_path.iterdir())


def test_shares_that_are_missing_are_noticed(tmp_path):
    def work(ranks):
        engine = trained(run_config(MODEL, parallel="fsdp"), ranks)
        shared = {name: parameter.detach() for name, parameter in engine._named.items()}
        write_shares(tmp_path, shared)
        ranks.barrier()
        if ranks.rank == 0:
            assert Together(tmp_path, shared)["embedding.weight"].shape == (29, 6)
            sorted(tmp_path.iterdir())[1].unlink()
            with pytest.raises(CheckpointError, match="shares hold .* of .* numbers"):
                [Together(tmp_path, shared)[name] for name in shared]

    results(with_ranks(2, work))
