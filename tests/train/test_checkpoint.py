from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import pytest
from safetensors.numpy import load_file

from npformer.errors import CheckpointError, NonFiniteError, NpformerError, RankError
from npformer.files import atomic
from npformer.files.manifest import seal, to_json
from npformer.train.checkpoint import (
    Position,
    check_whole,
    open_checkpoint,
    read_checkpoint,
    save_arrays,
    save_checkpoint,
)
from npformer.train.ranks import Alone
from tests.train.fakes import TOKENIZER, FakeEngine, on_ranks, run_config

CONFIG = run_config()
POSITION = Position(update=500, epoch=2, index=7, tokens=12345, seconds=1.5)
FILES = {
    "model.safetensors",
    "optimizer.safetensors",
    "config.json",
    "tokenizer.json",
    "state.json",
    "manifest.json",
}


def writing(state):
    return partial(save_arrays, state=state)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "update-00000500"
    save_checkpoint(path, CONFIG, FakeEngine(CONFIG).save, TOKENIZER, POSITION, extra="note")
    return path


def test_everything_comes_back(saved):
    assert {file.name for file in saved.iterdir()} == FILES
    checkpoint = read_checkpoint(saved, optimizer=True)
    assert checkpoint.config == CONFIG
    assert checkpoint.position == POSITION
    assert checkpoint.tokenizer == TOKENIZER == checkpoint.tokenizer_path.read_bytes()
    assert checkpoint.notes == {"seed": CONFIG.train.seed, "extra": "note"}
    state = FakeEngine(CONFIG).state()
    assert checkpoint.engine_state().keys() == state.keys()
    for name, array in checkpoint.engine_state().items():
        assert array.dtype == state[name].dtype and array.shape == state[name].shape
        np.testing.assert_array_equal(array, state[name])


def test_weights_are_plain_safetensors_by_path(saved):
    assert load_file(saved / "model.safetensors").keys() == {"weight", "bias"}
    assert load_file(saved / "optimizer.safetensors").keys() == {
        "step", "m/weight", "m/bias", "v/weight", "v/bias",
    }  # fmt: skip


def test_arrays_in_any_layout_are_saved_by_value(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    state = {"model/t": array.T, "model/s": array[:, ::2], "model/0": np.array(3.5)}
    save_checkpoint(tmp_path / "c", CONFIG, writing(state), TOKENIZER, POSITION)
    weights = read_checkpoint(tmp_path / "c").weights
    for name in "ts0":
        np.testing.assert_array_equal(weights[name], state[f"model/{name}"])
        assert weights[name].shape == state[f"model/{name}"].shape


def test_inference_does_not_need_the_optimizer(saved):
    (saved / "optimizer.safetensors").unlink()
    assert read_checkpoint(saved).optimizer == {}
    with pytest.raises(CheckpointError, match=r"lacks its optimizer\.safetensors"):
        read_checkpoint(saved, optimizer=True)
    with pytest.raises(CheckpointError, match=r"optimizer\.safetensors"):
        check_whole(saved)


def test_an_opened_checkpoint_reads_an_array_only_when_asked_and_though_it_be_deleted(saved):
    opened = open_checkpoint(saved, optimizer=True)
    shutil.rmtree(saved)
    state, want = opened.engine_state(), FakeEngine(CONFIG).state()
    assert state.keys() == want.keys() and len(state) == len(want)
    for name in state:
        np.testing.assert_array_equal(state[name], want[name])
        state[name][...] = 7  # a copy of its own
        np.testing.assert_array_equal(state[name], want[name])
    assert "model/nothing" not in state and "nothing" not in state
    with pytest.raises(KeyError):
        opened.weights["nothing"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        read_checkpoint(saved, optimizer=True)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_truncated_file_is_noticed(saved, name):
    content = (saved / name).read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 2):
        (saved / name).write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(saved, optimizer=True)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_flipped_bit_is_noticed(saved, name):
    content = (saved / name).read_bytes()
    for bit in np.random.default_rng(0).choice(8 * len(content), 60, replace=False).tolist():
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (saved / name).write_bytes(flipped)
        with pytest.raises(CheckpointError):
            read_checkpoint(saved, optimizer=True)


def test_a_foreign_directory_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint directory"):
        read_checkpoint(tmp_path / "nothing")
    (tmp_path / "manifest.json").write_text('{"name": "a web page", "icons": []}')
    with pytest.raises(CheckpointError, match="foreign"):
        read_checkpoint(tmp_path)
    (tmp_path / "manifest.json").write_text("[1]")
    with pytest.raises(CheckpointError, match="foreign"):
        read_checkpoint(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="not a checkpoint of npformer"):
        read_checkpoint(tmp_path)


def edit_manifest(path, change):
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_bytes(to_json(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(version=2), "newer npformer.*upgrade"),
        (lambda m: m.update(version=0), "no format version"),
        (lambda m: m.update(version="1"), "no format version"),
        (lambda m: m.pop("version"), "no format version"),
        (lambda m: m.update(files=[]), "damaged"),
        (lambda m: m["files"].pop("model.safetensors"), r"does not list model\.safetensors"),
        (lambda m: m["files"].update({"../x": m["files"]["state.json"]}), "malformed"),
        (lambda m: m["files"].update({"state.json": 7}), "malformed"),
        (lambda m: m["files"]["state.json"].update(sha256=7), "sha256"),
    ],
)
def test_a_manifest_of_another_version_or_shape_is_refused(saved, change, message):
    edit_manifest(saved, change)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(saved)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b'{"model": 3}'),
        ("config.json", b"\xff"),
        ("config.json", b"[]"),
        ("state.json", b"{}"),
        ("state.json", b"3"),
        ("model.safetensors", b"no tensors"),
    ],
)
def test_whole_files_that_make_no_sense_are_refused(saved, name, content):
    import hashlib

    (saved / name).write_bytes(content)
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit_manifest(saved, lambda m: m["files"].update({name: facts}))
    with pytest.raises(CheckpointError, match="cannot be understood"):
        read_checkpoint(saved)


def test_a_full_disk_is_told_and_leaves_earlier_checkpoints(saved, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    state = {key: array + 1 for key, array in FakeEngine(CONFIG).state().items()}
    for path in (saved, saved.with_name("update-00001000")):
        with pytest.raises(CheckpointError, match="No space left.*as they were; make room"):
            save_checkpoint(path, CONFIG, writing(state), TOKENIZER, POSITION)
    monkeypatch.undo()
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    assert read_checkpoint(saved, optimizer=True).optimizer["step"] == 0


def test_a_file_that_the_system_refuses_to_grow_is_told(tmp_path):
    """The real thing: a limit on file sizes, in a process of its own."""
    program = f"""
        import resource
        from pathlib import Path
        import numpy as np
        from npformer.errors import CheckpointError, NonFiniteError, NpformerError, RankError
        from npformer.train.checkpoint import Position, save_arrays, save_checkpoint
        from tests.train.fakes import run_config
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        path = Path({str(tmp_path)!r}) / "update-00000001"
        try:
            write = lambda directory: save_arrays(directory, {{"model/w": np.ones(9999)}})
            save_checkpoint(path, run_config(), write, b"x", Position(1))
        except CheckpointError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert "cannot save the checkpoint" in done.stdout
    assert "File too large" in done.stdout
    assert not list(tmp_path.iterdir())


def test_no_pickle_is_read(saved):
    """A pickle in place of the weights is bytes like any other."""
    import pickle

    shutil.copy(saved / "state.json", saved / "copy")
    (saved / "model.safetensors").write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(saved)


class Broken:
    """Writes an engine's arrays on rank 0, and fails on rank ``where``."""

    def __init__(self, where, error):
        self.where, self.error = where, error

    def writer(self, ranks):
        def write(directory):
            if ranks.rank == 0:
                FakeEngine(CONFIG).save(directory)
            if ranks.rank == self.where:
                raise self.error

        return write


@pytest.mark.parametrize("where", [0, 2])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "cannot save .*No space left.*make room",
        ),
        (OSError(errno.EACCES, "Permission denied"), "cannot save .*denied.*can be written to"),
        (CheckpointError("no good"), "no good"),
        (
            NonFiniteError("'model/w' is not finite"),
            "'model/w' is not .*after update 500; not saved",
        ),
    ],
)
def test_what_one_rank_fails_of_is_raised_on_all_and_nothing_new_stays(
    saved, where, error, message
):
    before = (saved / "manifest.json").read_bytes()
    broken = Broken(where, error)

    def work(ranks):
        for path in (saved, saved.with_name("update-00001000")):
            with pytest.raises((CheckpointError, NonFiniteError), match=message) as caught:
                save_checkpoint(
                    path, CONFIG, broken.writer(ranks), TOKENIZER, POSITION, ranks=ranks
                )
            assert "\n" not in str(caught.value)
        return type(caught.value)

    kind = type(error) if isinstance(error, NpformerError) else CheckpointError
    assert on_ranks(3, work) == [kind] * 3
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    assert (saved / "manifest.json").read_bytes() == before
    check_whole(saved)


def test_rank_0_alone_writes_what_is_not_arrays(tmp_path):
    def work(ranks):
        write = Broken(None, None).writer(ranks)
        save_checkpoint(tmp_path / "c", CONFIG, write, TOKENIZER, POSITION, ranks=ranks)

    on_ranks(3, work)
    assert read_checkpoint(tmp_path / "c", optimizer=True).position == POSITION
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_rank_that_is_lost_is_not_waited_for(tmp_path):
    """The error that says so passes at once: to tell the others would be to wait for them."""

    class Lost(Alone):
        gathered = 0

        def gather(self, value):
            self.gathered += 1
            if self.gathered == 2:
                raise RankError("rank 1 is gone")
            return [value]

    ranks = Lost()
    with pytest.raises(RankError, match="is gone"):
        save_checkpoint(
            tmp_path / "c", CONFIG, FakeEngine(CONFIG).save, TOKENIZER, POSITION, ranks=ranks
        )
    assert ranks.gathered == 2
    assert not list(tmp_path.iterdir())


def test_an_array_that_is_not_finite_is_named(tmp_path):
    for bad in (np.nan, -np.inf):
        state = {"model/a": np.ones(3), "model/b": np.array([1.0, bad])}
        with pytest.raises(NonFiniteError, match="'model/b' is not finite after update 500"):
            save_checkpoint(tmp_path / "c", CONFIG, writing(state), TOKENIZER, POSITION)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_from_before_a_setting_existed_is_read_with_its_default(saved):
    content = json.loads((saved / "config.json").read_text())
    del content["twin"], content["train"]["ahead"]
    (saved / "config.json").write_bytes(to_json(content))
    (saved / "manifest.json").unlink()
    files = {name: (saved / name).read_bytes() for name in ("config.json", "tokenizer.json")}
    seal(saved, {**files, "state.json": (saved / "state.json").read_bytes()})
    assert read_checkpoint(saved, optimizer=True).config == CONFIG
