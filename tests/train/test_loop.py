"""The loop with a small fake engine: everything that it decides, it decides for any engine."""

from __future__ import annotations

import errno
import io
import json
import os
import signal

import numpy as np
import pytest
from rich.console import Console

from npformer.errors import CheckpointError, NonFiniteError
from npformer.files import atomic
from npformer.optim import learning_rate
from npformer.text.batches import evaluation_batches
from npformer.train import run_log
from npformer.train.average import average_weights
from npformer.train.checkpoint import read_checkpoint
from npformer.train.loop import train
from npformer.train.metrics import read_metrics
from npformer.train.run_directory import checkpoint_path, checkpoints, latest_checkpoint, resolve
from npformer.train.validation import Validation
from tests.train.fakes import MEASURED, TOKENIZER, FakeEngine, make_batches, run_config


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Without what takes the time: flushing the disk, and drawing (``test_curve.py`` does)."""
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(run_log, "draw_curve", lambda metrics, path, **_: path.write_bytes(b"png"))


def start(config, directory, hook=lambda *_: None, *, resume=False, validation=None):
    """Train as a fresh process would; returns the result, the engine, and what was printed."""
    engine = FakeEngine(config, hook)
    checkpoint = None
    if resume:
        checkpoint = read_checkpoint(latest_checkpoint(directory)[0], optimizer=True)
    console = Console(file=io.StringIO(), width=200)
    directory.mkdir(exist_ok=True)
    result = train(
        config,
        directory,
        engine,
        make_batches(seed=config.train.seed),
        TOKENIZER,
        validation or Validation(evaluation_batches(make_batches(seed=5).pairs, 24)),
        resume=checkpoint,
        console=console,
    )
    return result, engine, console.file.getvalue()


def interrupt_at(update, number=signal.SIGINT):
    def hook(engine, now):
        if now == update:
            os.kill(os.getpid(), number)

    return hook


def same_state(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def without_times(lines):
    return [{k: v for k, v in x.items() if k not in MEASURED} for x in lines]


def test_a_run_leaves_what_the_layout_says(tmp_path):
    result, engine, printed = start(run_config(), tmp_path / "run")
    run = tmp_path / "run"
    assert not result.interrupted
    assert result.position.update == 12
    assert {p.name for p in run.iterdir()} == {
        "metrics.jsonl", "loss.png", "checkpoints", "averaged",
    }  # fmt: skip
    assert list(checkpoints(run)) == [4, 8, 12]
    assert result.checkpoint == checkpoint_path(run, 12)
    same_state(read_checkpoint(result.checkpoint, optimizer=True).engine_state(), engine.state())
    assert read_checkpoint(result.checkpoint).tokenizer == TOKENIZER
    assert "update 12/12" in printed and "validation: loss" in printed


def test_each_update_gets_its_seeds_rate_and_all_its_tokens(tmp_path):
    config = run_config(seed=3)
    _, engine, _ = start(config, tmp_path / "run")
    updates = range(1, 13)
    assert engine.seeds == [(3, update, micro) for update in updates for micro in (0, 1)]
    batches = make_batches(seed=3)
    order = [rows for epoch in range(3) for rows in batches.epoch(epoch)]
    tokens = [batches.batch(rows).tokens for rows in order]
    assert engine.updates == [
        (
            learning_rate(config.optim, 4, update, 12),
            tokens[2 * update - 2] + tokens[2 * update - 1],
        )
        for update in updates
    ]


def test_accumulation_is_a_sum_over_tokens_not_a_mean_of_means(tmp_path):
    """Two batches in one update act as one batch of all their rows."""
    config = run_config(updates=1)
    _, engine, _ = start(config, tmp_path / "run")
    other = FakeEngine(config)
    batches = make_batches()
    tokens = []
    for micro, rows in enumerate(batches.epoch(0)[:2]):
        other.gradients(batches.batch(rows), (0, 1, micro))
        tokens.append(batches.batch(rows).tokens)
    assert tokens[0] != tokens[1]
    step = other.update(learning_rate(config.optim, 4, 1, 1))
    same_state(engine.state(), other.state())
    line = read_metrics(tmp_path / "run" / "metrics.jsonl")[0]
    assert line["loss"] == step.loss / sum(tokens)
    assert line["grad_norm"] == step.norm
    assert line["tokens"] == sum(tokens)


def test_metrics_have_the_documented_fields(tmp_path):
    start(run_config(), tmp_path / "run")
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    training = [x for x in lines if "loss" in x]
    validated = [x for x in lines if "validation_loss" in x and "averaged" not in x]
    averaged = [x for x in lines if "averaged" in x]
    assert [x["update"] for x in training] == list(range(1, 13))
    assert list(training[0]) == [
        "update", "time", "tokens", "loss", "learning_rate", "grad_norm", "tokens_per_s",
        "waited", "memory",
    ]  # fmt: skip
    assert [x["update"] for x in validated] == [4, 8, 12]
    assert all(set(x) == {"update", "validation_loss", "perplexity"} for x in validated)
    assert [(x["update"], x["averaged"]) for x in averaged] == [(12, 3)]
    tokens = [x["tokens"] for x in training]
    assert tokens == sorted(tokens)


def test_the_validation_loss_is_a_token_mean_over_all_pairs(tmp_path):
    result, engine, _ = start(run_config(), tmp_path / "run")
    pairs = make_batches(seed=5).pairs
    totals = [engine.evaluate(batch) for batch in evaluation_batches(pairs, 1000)]
    want = sum(loss for loss, _ in totals) / sum(tokens for _, tokens in totals)
    assert result.validation["validation_loss"] == pytest.approx(want, rel=1e-12)
    assert result.validation["perplexity"] == pytest.approx(np.exp(want))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("update", [1, 4, 7, 11])
def test_an_interrupted_run_resumes_bit_for_bit(tmp_path, update, number):
    config = run_config()
    whole, engine, _ = start(config, tmp_path / "whole")
    stopped, _, printed = start(config, tmp_path / "cut", interrupt_at(update, number))
    assert stopped.interrupted and stopped.averaged is None
    assert stopped.position.update == update  # the update under way was finished
    assert stopped.checkpoint == checkpoint_path(tmp_path / "cut", update)
    assert f"interrupted; update {update} is saved in" in printed

    resumed, other, _ = start(config, tmp_path / "cut", resume=True)
    assert not resumed.interrupted
    same_state(engine.state(), other.state())
    for name in ("checkpoints/update-00000012", "averaged"):
        one, two = (read_checkpoint(tmp_path / run / name) for run in ("whole", "cut"))
        same_state(one.weights, two.weights)
    assert list(checkpoints(tmp_path / "whole")) == list(checkpoints(tmp_path / "cut"))
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("whole", "cut")]
    assert without_times(lines[0]) == without_times(lines[1])
    assert whole.position.tokens == resumed.position.tokens


def test_a_run_stopped_at_every_update_ends_the_same(tmp_path):
    config = run_config(seed=2)
    _, engine, _ = start(config, tmp_path / "whole")
    start(config, tmp_path / "cut", interrupt_at(1))
    for _ in range(11):
        result, other, _ = start(config, tmp_path / "cut", interrupt_at(1), resume=True)
    assert result.interrupted and result.position.update == 12
    result, other, _ = start(config, tmp_path / "cut", resume=True)
    assert not result.interrupted
    same_state(engine.state(), other.state())
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("whole", "cut")]
    assert without_times(lines[0]) == without_times(lines[1])
    for update in (4, 8, 12):
        scored = [
            read_checkpoint(checkpoint_path(tmp_path / run, update)).notes
            for run in ("whole", "cut")
        ]
        assert scored[0] == scored[1] and "validation_loss" in scored[0]


def test_a_crash_without_warning_resumes_from_the_last_checkpoint(tmp_path):
    config = run_config()
    _, engine, _ = start(config, tmp_path / "whole")

    def crash(_, now):
        if now == 7:
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        start(config, tmp_path / "cut", crash)
    assert list(checkpoints(tmp_path / "cut")) == [4]
    _, other, _ = start(config, tmp_path / "cut", resume=True)
    same_state(engine.state(), other.state())
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("whole", "cut")]
    assert without_times(lines[0]) == without_times(lines[1])


def test_a_second_ctrl_c_aborts_at_once_and_leaves_only_whole_checkpoints(tmp_path):
    def hook(engine, now):
        if now == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        start(run_config(), tmp_path / "run", hook)
    assert list(checkpoints(tmp_path / "run")) == [4]
    assert latest_checkpoint(tmp_path / "run") == (checkpoint_path(tmp_path / "run", 4), "")


def test_a_second_ctrl_c_while_saving_leaves_nothing_half_written(tmp_path, monkeypatch):
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 12:  # in the middle of the second checkpoint
            raise KeyboardInterrupt

    run = tmp_path / "run"
    monkeypatch.setattr(atomic, "write_file", lambda path, content: path.write_bytes(content))
    monkeypatch.setattr(atomic.os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        start(run_config(validate_every=100, checkpoint_every=2), run)
    found = checkpoints(run)
    assert found and not list((run / "checkpoints").glob(".*"))
    for path in found.values():
        read_checkpoint(path, optimizer=True)


def test_a_resumed_run_may_be_made_longer_and_its_old_average_goes(tmp_path):
    run = tmp_path / "run"
    start(run_config(), run)
    result, engine, _ = start(run_config(updates=20), run, interrupt_at(1), resume=True)
    assert result.position.update == 13
    assert not (run / "averaged").exists()
    start(run_config(updates=20), run, resume=True)
    _, other, _ = start(run_config(updates=20), tmp_path / "whole")
    one, two = (latest_checkpoint(tmp_path / name)[0] for name in ("run", "whole"))
    same_state(read_checkpoint(one).weights, read_checkpoint(two).weights)


def test_resuming_a_finished_run_changes_nothing_but_the_average(tmp_path):
    run = tmp_path / "run"
    first, engine, _ = start(run_config(), run)
    lines = read_metrics(run / "metrics.jsonl")
    again, other, _ = start(run_config(), run, resume=True)
    assert other.updates == []
    same_state(engine.state(), other.state())
    assert again.averaged == first.averaged
    assert read_metrics(run / "metrics.jsonl") == lines


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_non_finite_gradient_stops_with_everything_as_it_was(tmp_path, bad):
    before = {}

    def poison(engine, now):
        if now == 7:
            before.update(engine.state())
            engine.bias.grad[...] = bad

    run = tmp_path / "run"
    with pytest.raises(NonFiniteError, match="update 7: .*'bias'.*the last checkpoint is .*04"):
        start(run_config(), run, poison)
    assert list(checkpoints(run)) == [4]
    assert [x["update"] for x in read_metrics(run / "metrics.jsonl") if "loss" in x][-1] == 6
    result, engine, _ = start(run_config(), run, resume=True)
    assert result.position.update == 12


def non_finite_loss(engine, *, also_gradient):
    """Let the engine's next losses be infinite, with a gradient that is or is not."""
    gradients = engine.gradients

    def broken(batch, seed):
        gradients(batch, seed)
        if also_gradient:
            engine.weight.grad[1] = np.nan
        engine.loss = np.inf

    engine.gradients = broken


@pytest.mark.parametrize(
    ("also_gradient", "message"),
    [(True, "the loss is inf: the gradient of 'weight'"), (False, "every gradient is finite")],
)
def test_a_non_finite_loss_stops_before_the_step(tmp_path, also_gradient, message):
    engines, before = [], {}

    def hook(engine, now):
        if now == 5:
            non_finite_loss(engine, also_gradient=also_gradient)
            engines.append(engine)
        if now == 6 and not before:
            before.update(engine.state())

    with pytest.raises(NonFiniteError, match=f"update 6: .*{message}"):
        start(run_config(), tmp_path / "run", hook)
    same_state(before, engines[0].state())
    assert list(checkpoints(tmp_path / "run")) == [4]


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    def overflow(engine, now):
        if now == 8:
            engine.weight.data[0] = np.inf

    run = tmp_path / "run"
    with pytest.raises(NonFiniteError, match="model/weight.*after update 8; not saved"):
        start(run_config(validate_every=100), run, overflow)
    assert list(checkpoints(run)) == [4]


def test_a_full_disk_ends_the_run_with_earlier_checkpoints_whole(tmp_path, monkeypatch):
    def fill_the_disk(engine, now):
        if now == 8:

            def full(descriptor):
                raise OSError(errno.ENOSPC, "No space left on device")

            monkeypatch.setattr(atomic.os, "fsync", full)

    run = tmp_path / "run"
    with pytest.raises(CheckpointError, match="No space left"):
        start(run_config(validate_every=100), run, fill_the_disk)
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: None)
    assert list(checkpoints(run)) == [4]
    assert not list((run / "checkpoints").glob(".*"))
    result, engine, _ = start(run_config(), run, resume=True)
    _, other, _ = start(run_config(), tmp_path / "whole")
    same_state(engine.state(), other.state())


def test_a_picture_that_cannot_be_drawn_stops_nothing(tmp_path):
    run = tmp_path / "run"
    (run / "loss.png").mkdir(parents=True)
    result, _, printed = start(run_config(), run)
    assert result.position.update == 12
    assert "cannot draw" in printed


def test_the_average_is_the_mean_of_the_last_and_knows_how_it_did(tmp_path):
    run = tmp_path / "run"
    config = run_config(updates=20)
    result, engine, printed = start(config, run)
    assert list(checkpoints(run)) == [12, 16, 20]
    averaged = read_checkpoint(result.averaged, optimizer=True)
    same_state(averaged.weights, average_weights(list(checkpoints(run).values())))
    assert averaged.optimizer == {}
    assert not (result.averaged / "optimizer.safetensors").exists()
    assert averaged.notes["averaged"] == [f"update-000000{u}" for u in (12, 16, 20)]
    assert averaged.notes["last_validation_loss"] == result.validation["validation_loss"]
    other = FakeEngine(config)
    other.restore(averaged.engine_state())
    measured = Validation(evaluation_batches(make_batches(seed=5).pairs, 24)).measure(other)
    assert averaged.notes["validation_loss"] == measured["validation_loss"]
    # The engine is left with its own weights, not the mean.
    same_state(engine.state(), read_checkpoint(result.checkpoint, optimizer=True).engine_state())
    assert "mean of the last 3 checkpoints" in printed
    worse = averaged.notes["validation_loss"] > averaged.notes["last_validation_loss"]
    assert resolve(run)[0] == (result.checkpoint if worse else result.averaged)


def test_a_damaged_checkpoint_is_left_out_of_the_average(tmp_path):
    run = tmp_path / "run"

    def damage(engine, now):
        if now == 10:
            (checkpoint_path(run, 4) / "model.safetensors").write_bytes(b"")

    result, _, printed = start(run_config(), run, damage)
    assert read_checkpoint(result.averaged).notes["averaged"] == [
        "update-00000008", "update-00000012",
    ]  # fmt: skip
    assert "warning" in printed and "damaged" in printed


def test_a_checkpoint_of_another_model_does_not_fit(tmp_path):
    run = tmp_path / "run"
    start(run_config(updates=4), run)
    checkpoint = read_checkpoint(latest_checkpoint(run)[0], optimizer=True)
    checkpoint.optimizer["m/weight"] = np.zeros(7)
    with pytest.raises(CheckpointError, match=r"does not fit this run.*m/weight"):
        train(
            run_config(), run, FakeEngine(run_config()), make_batches(), TOKENIZER,
            resume=checkpoint, console=Console(file=io.StringIO()),
        )  # fmt: skip


def test_the_checkpoints_state_is_only_numbers_of_the_run(tmp_path):
    result, _, _ = start(run_config(seed=4), tmp_path / "run")
    state = json.loads((result.checkpoint / "state.json").read_text())
    numbers = {"update", "epoch", "index", "tokens", "seconds", "seed"}
    assert set(state) == numbers | {"validation_loss", "perplexity"}
    assert (state["update"], state["seed"]) == (12, 4)
    assert {name: state[name] for name in result.validation} == result.validation
