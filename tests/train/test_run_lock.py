"""A run's directory has one writer, and holds what a run left until someone deletes it."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from npformer.errors import CheckpointError
from npformer.train.run_directory import begun
from npformer.train.run_lock import sole_writer


def test_a_second_writer_is_refused_and_told_who_is_at_work(tmp_path):
    with sole_writer(tmp_path / "run"):
        said = f"work on the run in .*process {os.getpid()} "
        with pytest.raises(CheckpointError, match=said), sole_writer(tmp_path / "run"):
            pass
        (tmp_path / "run" / "config.json").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_directories_made_for_nothing_are_deleted_again(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyError), sole_writer(tmp_path / "mine" / "runs" / "first"):
        raise KeyError
    assert not list((tmp_path / "mine").iterdir())
    with sole_writer(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    said = "cannot make the run's directory .*file/run"
    with pytest.raises(CheckpointError, match=said), sole_writer(tmp_path / "file" / "run"):
        pass


@pytest.fixture
def left(tmp_path):
    """Makes a directory with the metrics and the configuration of a run without checkpoints."""

    def make(*updates, every=4, **last):
        lines = [{"update": update} for update in updates]
        lines[-1] |= last
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / "metrics.jsonl").write_text(text)
        config = {"train": {"checkpoint_every": every, "updates": 9}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tmp_path

    return make


def test_a_run_that_never_came_to_a_checkpoint_may_begin_again(tmp_path, left):
    assert begun(tmp_path) == 0
    assert begun(left(1, 2, 3)) == 3
    assert begun(left(1, 2, 3, 4)) == 4  # it ended while it saved
    assert begun(left(8, 9, every=50)) == 9


def test_metrics_that_outlived_their_checkpoints_are_not_overwritten(left):
    for directory in (left(1, 5), left(9, every=50, averaged=1)):
        with pytest.raises(CheckpointError, match="whose checkpoints were deleted"):
            begun(directory)
    shutil.move(directory / "config.json", directory / "config.txt")
    with pytest.raises(CheckpointError, match="metrics of a run of 9 updates"):
        begun(directory)
