from __future__ import annotations

import shutil

import pytest

from npformer.errors import CheckpointError
from npformer.train.checkpoint import Position, read_checkpoint, save_checkpoint
from npformer.train.run_directory import (
    averaged_path,
    checkpoint_path,
    checkpoints,
    latest_checkpoint,
    load_checkpoint,
    prune,
    resolve,
)
from tests.train.fakes import TOKENIZER, FakeEngine, run_config
from tests.train.faults import FAULTS, check_faults

CONFIG = run_config()


def save(path, update, **notes):
    save_checkpoint(path, CONFIG, FakeEngine(CONFIG).save, TOKENIZER, Position(update), **notes)
    return path


def save_updates(run, *updates):
    return [save(checkpoint_path(run, update), update) for update in updates]


def damage(path):
    with (path / "model.safetensors").open("ab") as file:
        file.write(b"!")


def test_the_newest_checkpoint_is_by_number_not_by_name_or_time(tmp_path):
    paths = save_updates(tmp_path, 1000, 123456789, 20)
    (tmp_path / "checkpoints" / "notes").mkdir()
    assert list(checkpoints(tmp_path)) == [20, 1000, 123456789]
    assert latest_checkpoint(tmp_path) == (paths[1], "")


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before_with_a_warning(tmp_path):
    first, second, third = save_updates(tmp_path, 1, 2, 3)
    damage(third)
    found, warning = latest_checkpoint(tmp_path)
    assert found == second
    assert str(third) in warning and "damaged" in warning and str(second) in warning
    damage(second)
    assert latest_checkpoint(tmp_path)[0] == first
    damage(first)
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        latest_checkpoint(tmp_path)


def test_every_kind_of_damage_to_the_newest_checkpoint_is_noticed(tmp_path):
    engine = FakeEngine(CONFIG)
    for update in (1, 2, 3):
        engine.weight.data += update
        path = checkpoint_path(tmp_path / "run", update)
        save_checkpoint(path, CONFIG, engine.save, TOKENIZER, Position(update))
    done = check_faults(tmp_path / "run", tmp_path / "copy", count=260)
    assert sum(done.values()) == 260 and done.keys() == {fault.__name__ for fault in FAULTS}


def test_a_checkpoint_under_the_name_of_another_is_noticed(tmp_path):
    first, second = save_updates(tmp_path, 1, 2)
    shutil.copytree(first, checkpoint_path(tmp_path, 3))
    found, warning = latest_checkpoint(tmp_path)
    assert found == second
    assert "it holds update 1" in warning


def test_a_run_without_checkpoints_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        latest_checkpoint(tmp_path)


def test_what_a_path_resolves_to(tmp_path):
    (newest,) = save_updates(tmp_path, 7)
    assert resolve(tmp_path) == (newest, "", "the last")
    assert resolve(newest) == (newest, "", "")
    save(averaged_path(tmp_path), 7, averaged=["update-00000007"])
    assert resolve(tmp_path) == (newest, "", "the last")  # of which it is the mean
    averaged = save(averaged_path(tmp_path), 7, averaged=["update-00000006", "update-00000007"])
    assert resolve(tmp_path) == (averaged, "", "the mean of the last 2 checkpoints")
    assert resolve(averaged) == (averaged, "", "")
    checkpoint, warning = load_checkpoint(str(tmp_path))
    assert checkpoint.path == averaged and warning == ""
    assert checkpoint.optimizer == {}


@pytest.mark.parametrize(("loss", "average_wins"), [(1.9, True), (2.0, True), (2.1, False)])
def test_the_average_is_used_unless_it_did_worse(tmp_path, loss, average_wins):
    (newest,) = save_updates(tmp_path, 7)
    averaged = save(averaged_path(tmp_path), 7, validation_loss=loss, last_validation_loss=2.0)
    assert resolve(tmp_path)[0] == (averaged if average_wins else newest)


def test_an_average_alone_is_used_even_if_it_did_worse(tmp_path):
    averaged = save(averaged_path(tmp_path), 7, validation_loss=3.0, last_validation_loss=2.0)
    assert resolve(tmp_path)[0] == averaged


def test_paths_that_are_neither_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        resolve(tmp_path / "no")
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match="is a file"):
        resolve(tmp_path / "file")
    with pytest.raises(CheckpointError, match="neither a run's checkpoints nor a checkpoint"):
        resolve(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(CheckpointError, match="saved no checkpoint"):
        resolve(tmp_path)


def test_a_checkpoint_without_its_manifest_is_not_taken_for_a_run(tmp_path):
    (path,) = save_updates(tmp_path, 1)
    (path / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="not a whole one"):
        load_checkpoint(path)


def test_pruning_keeps_the_newest_and_drops_those_of_interruptions(tmp_path):
    save_updates(tmp_path, 10, 20, 23, 30, 37)
    prune(tmp_path, 37, keep=3, every=10)
    assert list(checkpoints(tmp_path)) == [20, 30, 37]
    save_updates(tmp_path, 40)
    prune(tmp_path, 40, keep=3, every=10)
    assert list(checkpoints(tmp_path)) == [20, 30, 40]


def test_pruning_keeps_the_best_and_another_best_replaces_it(tmp_path):
    for update, loss in ((10, 3.0), (20, 1.0), (30, 2.0), (40, 2.5), (47, 0.1)):
        save(checkpoint_path(tmp_path, update), update, validation_loss=loss)
        prune(tmp_path, update, keep=1, every=10)
    assert list(checkpoints(tmp_path)) == [47]
    shutil.rmtree(tmp_path)
    for update, loss, left in ((10, 3.0, [10]), (20, 1.0, [20]), (30, 2.0, [20, 30]),
                               (40, 2.5, [20, 40]), (50, 1.0, [50])):  # fmt: skip
        save(checkpoint_path(tmp_path, update), update, validation_loss=loss)
        prune(tmp_path, update, keep=1, every=10)
        assert list(checkpoints(tmp_path)) == left


def test_a_damaged_recommendation_gives_way_to_the_next_with_a_warning(tmp_path):
    first, last = (
        save(checkpoint_path(tmp_path, update), update, validation_loss=loss)
        for update, loss in ((1, 1.0), (2, 2.0))
    )
    averaged = save(averaged_path(tmp_path), 2, validation_loss=0.5, averaged=["a", "b"])
    assert resolve(tmp_path).why == (
        "the mean of the last 2 checkpoints, validation loss 0.500, the lowest of 3"
    )
    damage(averaged)
    found = resolve(tmp_path)
    assert found.path == first and found.why == "the best, validation loss 1.000"
    assert f"{averaged}" in found.warning and f"using {first} instead" in found.warning
    damage(first)
    assert resolve(tmp_path).path == last
    damage(last)
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        resolve(tmp_path)


def test_pruning_leaves_what_is_newer(tmp_path):
    """A damaged newer checkpoint is not the newest good one, and is replaced when reached."""
    damage(save_updates(tmp_path, 50)[0])
    save_updates(tmp_path, 10, 20, 30)
    prune(tmp_path, 30, keep=2, every=10)
    assert list(checkpoints(tmp_path)) == [20, 30, 50]
    assert read_checkpoint(checkpoint_path(tmp_path, 30)).position.update == 30
