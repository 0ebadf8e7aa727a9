"""Whole sweeps on a tiny corpus: what they leave, how they fail, stop and go on."""

from __future__ import annotations

import csv
import io
import json
import os
import signal

import numpy as np
import pytest
from rich.console import Console

from npformer.errors import CheckpointError, ConfigError, CorpusError, NonFiniteError
from npformer.sweep import configure, sweep
from npformer.sweep import run as run_module
from npformer.train.checkpoint import read_checkpoint
from npformer.train.metrics import read_metrics
from npformer.train.numpy_engine import NumpyEngine
from npformer.train.run import run_training
from npformer.train.run_directory import checkpoints, load_checkpoint
from tests.train.fakes import MEASURED

# The pictures of the sweep that ``finished`` makes are drawn.
pytestmark = pytest.mark.usefixtures("undrawn")

OVER = {"model.heads": [1, 2], "train.label_smoothing": [0.0, 0.1]}


def timeless(trial):
    results = {name: value for name, value in trial.results.items() if name != "seconds"}
    return trial.number, dict(trial.values), trial.state, trial.objective, results


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    directory = tmp_path_factory.mktemp("sweeps") / "grid"
    return sweep(directory, base, OVER, console=Console(quiet=True))


def test_a_grid_has_every_combination_once(finished):
    made = sorted(tuple(trial.values.values()) for trial in finished.trials)
    assert made == [(1, 0.0), (1, 0.1), (2, 0.0), (2, 0.1)]
    assert all(trial.state == "finished" for trial in finished.trials)
    assert not finished.interrupted


def test_a_trial_is_the_run_that_train_makes(finished, base, tmp_path, quiet):
    """The objective is the last validation loss, without smoothing, of that very run."""
    trial = finished.trials[0]
    alone = run_training(configure(base, trial.values), tmp_path / "alone", console=quiet)
    assert trial.objective == alone.validation["validation_loss"]
    kept, made = (
        [{k: v for k, v in x.items() if k not in MEASURED} for x in lines]
        for lines in (
            read_metrics(trial.directory / "metrics.jsonl"),
            read_metrics(tmp_path / "alone" / "metrics.jsonl"),
        )
    )
    assert kept == made


def test_the_best_trial_alone_keeps_weights(finished):
    best = finished.best
    assert best.objective == min(trial.objective for trial in finished.trials)
    assert list(checkpoints(best.directory)) == [4]
    assert load_checkpoint(best.directory)[1] == ""
    others = [trial.directory for trial in finished.trials if trial.number != best.number]
    for directory in others:
        names = {path.name for path in directory.iterdir()}
        assert names == {
            "config.json", "corpus.json", "metrics.jsonl", "loss.png", "validation.jsonl",
        }  # fmt: skip


def test_the_tables_agree(finished):
    directory = finished.directory
    with (directory / "table.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    report = json.loads((directory / "table.json").read_text(encoding="utf-8"))
    order = [trial.number for trial in finished.ranked()]
    assert [int(row["trial"]) for row in rows] == order
    assert [row["trial"] for row in report["trials"]] == order
    assert report["best"]["trial"] == order[0]
    assert report["best"]["config"]["model"]["heads"] == finished.best.values["model.heads"]
    for row, entry in zip(rows, report["trials"], strict=True):
        assert float(row["validation_loss"]) == entry["objective"] == entry["validation_loss"]
        assert float(row["train.label_smoothing"]) == entry["values"]["train.label_smoothing"]
    lines = (directory / "table.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + len(rows)
    assert len({line.count("|") for line in lines}) == 1
    assert str(finished) == finished._repr_markdown_() == "\n".join(lines) + "\n"


def test_the_effect_of_a_field_gathers_the_trials_of_each_value(finished):
    effect = finished.effect("model.heads")
    assert list(effect) == [1, 2]
    for value, objectives in effect.items():
        having = [t.objective for t in finished.trials if t.values["model.heads"] == value]
        assert objectives == having
        assert len(objectives) == 2
    with pytest.raises(ConfigError, match=r"did you mean 'model\.heads'"):
        finished.effect("model.head")


def test_what_cannot_be_is_reported_and_the_sweep_goes_on(base, tmp_path, quiet):
    result = sweep(tmp_path, base, {"model.heads": [3, 2]}, console=quiet)
    states = {trial.values["model.heads"]: trial for trial in result.trials}
    assert states[2].state == "finished"
    assert states[3].state == "failed"
    assert "does not divide d_model" in states[3].reason
    assert "does not divide d_model" in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert result.effect("model.heads").keys() == {2}


class Diverging(NumpyEngine):
    """Its first update of a model with one head finds a gradient that is not finite."""

    def __init__(self, config):
        super().__init__(config)
        self.heads = config.model.heads

    def update(self, learning_rate):
        if self.heads == 1:
            raise NonFiniteError("the gradient of 'x' is not finite")
        return super().update(learning_rate)


def test_a_run_that_diverges_is_reported_and_the_sweep_goes_on(base, tmp_path, quiet):
    result = sweep(tmp_path, base, OVER, make_engine=Diverging, console=quiet)
    states = [(trial.values["model.heads"], trial.state) for trial in result.trials]
    assert sorted(states) == [(1, "failed"), (1, "failed"), (2, "finished"), (2, "finished")]
    assert all("not finite" in t.reason for t in result.trials if t.state == "failed")


def test_a_sweep_in_which_all_fails_says_so(base, tmp_path, quiet):
    result = sweep(tmp_path, base, {"model.heads": [3, 5]}, console=quiet)
    assert result.best is None
    assert {path.name for path in tmp_path.iterdir()} == {
        "sweep.json", "study.journal", "table.csv", "table.md", "table.json",
    }  # fmt: skip


class Interrupted(NumpyEngine):
    """Stopped by Ctrl-C during the fifth update of the sweep: in the middle of a trial."""

    count = 0

    def update(self, learning_rate):
        Interrupted.count += 1
        if Interrupted.count == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return super().update(learning_rate)


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_an_interrupted_sweep_ends_as_one_that_was_not(base, tmp_path, quiet, sampler):
    over = OVER if sampler == "grid" else {"optim.warmup": "log:2..90", "model.dropout": "0..0.5"}
    options = dict(trials=3, sampler=sampler, console=quiet)
    whole = sweep(tmp_path / "whole", base, over, **options)
    Interrupted.count = 0
    stopped = sweep(tmp_path / "cut", base, over, make_engine=Interrupted, **options)
    assert stopped.interrupted
    assert [trial.state for trial in stopped.trials] == ["finished", "unfinished"]
    assert list(checkpoints(stopped.trials[1].directory)) == [1]
    resumed = sweep(tmp_path / "cut", base, over, resume=True, **options)
    assert not resumed.interrupted
    assert [timeless(t) for t in resumed.trials] == [timeless(t) for t in whole.trials]
    weights = [read_checkpoint(r.best.directory / "averaged").weights for r in (whole, resumed)]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name])


def test_ctrl_c_between_two_runs_leaves_the_trial_to_be_made(base, tmp_path, quiet, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "run_training", interrupt)
        stopped = sweep(tmp_path, base, OVER, console=quiet)
    assert stopped.interrupted
    assert [trial.state for trial in stopped.trials] == ["unfinished"]
    resumed = sweep(tmp_path, base, OVER, resume=True, console=quiet)
    assert [trial.state for trial in resumed.trials] == ["finished"] * 4


def test_a_kill_between_training_and_noting_loses_nothing(base, tmp_path, quiet, monkeypatch):
    from npformer.sweep import study

    def die(*args, **options):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(study.Study, "finish", die)
        with pytest.raises(SystemExit):
            sweep(tmp_path, base, OVER, console=quiet)
    (update,) = {max(checkpoints(tmp_path / "trials" / "0000"))}
    assert update == base.train.updates
    trained = []
    sweep(
        tmp_path,
        base,
        OVER,
        resume=True,
        make_engine=lambda config: trained.append(config) or NumpyEngine(config),
        console=quiet,
    )
    lines = read_metrics(tmp_path / "trials" / "0000" / "metrics.jsonl")
    assert [x["update"] for x in lines if "loss" in x] == [1, 2, 3, 4]
    assert len(trained) == 4


def test_a_line_cut_short_by_a_power_cut_is_passed_over(base, tmp_path, quiet):
    first = sweep(tmp_path, base, OVER, trials=2, console=quiet)
    with (tmp_path / "study.journal").open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    longer = sweep(tmp_path, base, OVER, trials=4, resume=True, console=quiet)
    assert [timeless(t) for t in longer.trials[:2]] == [timeless(t) for t in first.trials]
    assert len(longer.trials) == 4


def test_a_damaged_journal_is_told(base, tmp_path, quiet):
    sweep(tmp_path, base, OVER, trials=1, console=quiet)
    (tmp_path / "study.journal").write_bytes(b"nonsense\nnonsense\n")
    with pytest.raises(CheckpointError, match=r"study\.journal is damaged"):
        sweep(tmp_path, base, OVER, resume=True, console=quiet)


def test_a_trial_drawn_again_is_not_trained_again(base, tmp_path, quiet):
    built = []
    result = sweep(
        tmp_path,
        base,
        {"model.heads": [1, 2, 3]},
        trials=8,
        sampler="random",
        make_engine=lambda config: built.append(config) or NumpyEngine(config),
        console=quiet,
    )
    drawn = [trial.values["model.heads"] for trial in result.trials]
    assert len(drawn) == 8
    assert len(built) == len(set(drawn) - {3})
    for trial in result.trials:
        first = result.trials[drawn.index(trial.values["model.heads"])]
        assert trial.same_as == (None if trial is first else first.number)
        assert (trial.state, trial.objective) == (first.state, first.objective)


def test_bleu_is_to_be_high_and_lets_the_vocabulary_vary(base, tmp_path, quiet):
    from dataclasses import replace

    looking = replace(base, train=replace(base.train, validation_pairs=2))
    over = {"data.tokenizer": ["word", "char"]}
    result = sweep(tmp_path, looking, over, objective="bleu", console=quiet)
    assert [trial.objective for trial in result.trials] == [
        trial.results["bleu"] for trial in result.trials
    ]
    assert result.best.objective == max(trial.objective for trial in result.trials)


@pytest.mark.parametrize(
    ("over", "options", "said"),
    [
        ({"optim.warmup": "1..9"}, dict(sampler="grid"), "optim.warmup has a range"),
        ({"optim.warmup": "1..9"}, {}, "the sampler tpe draws for ever"),
        (OVER, dict(sampler="random"), "the sampler random draws for ever"),
        (OVER, dict(trials=-1), "trials is -1"),
        (OVER, dict(sampler="gird"), "did you mean 'grid'?"),
        (OVER, dict(objective="blue"), "did you mean 'bleu'?"),
        (OVER, dict(objective="bleu"), "needs validation_pairs"),
        ({"data.vocab_size": [20, 30]}, {}, "choose the objective bleu"),
        ({"model.heds": [1]}, {}, "did you mean 'heads'?"),
    ],
)
def test_a_sweep_that_cannot_be_writes_nothing(base, tmp_path, quiet, over, options, said):
    with pytest.raises(ConfigError) as refused:
        sweep(tmp_path / "sweep", base, over, console=quiet, **options)
    assert said in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_data_that_no_trial_can_use_ends_the_sweep_and_leaves_nothing(base, tmp_path, quiet):
    missing = configure(base, {"data.corpus": str(tmp_path / "none.tsv")})
    with pytest.raises(CorpusError, match="none.tsv"):
        sweep(tmp_path / "sweep", missing, OVER, console=quiet)
    assert not list(tmp_path.iterdir())


def test_data_that_one_trial_cannot_use_fails_that_trial(base, tmp_path, quiet):
    result = sweep(tmp_path, base, {"data.batch_tokens": [4, 64]}, console=quiet)
    states = {trial.values["data.batch_tokens"]: trial for trial in result.trials}
    assert states[64].state == "finished"
    assert "batch_tokens is 4" in states[4].reason


def test_a_directory_that_holds_a_sweep_is_not_swept_over(finished, base, quiet):
    before = {path: path.stat().st_mtime_ns for path in finished.directory.rglob("*")}
    with pytest.raises(CheckpointError, match="already holds a sweep: resume it"):
        sweep(finished.directory, base, OVER, console=quiet)
    assert before == {path: path.stat().st_mtime_ns for path in finished.directory.rglob("*")}


@pytest.mark.parametrize(
    ("over", "changes", "said"),
    [
        ({"model.heads": [1, 4]}, {}, "has over = model.heads=1,2; train.label_smoothing=0.0,0.1"),
        (OVER, {"train.updates": 9}, "train.updates = 4, not 9"),
        (OVER, {"model.dropout": 0.5}, "model.dropout = 0.1, not 0.5"),
    ],
)
def test_another_sweep_is_not_resumed(finished, base, quiet, over, changes, said):
    with pytest.raises(CheckpointError) as refused:
        sweep(finished.directory, configure(base, changes), over, resume=True, console=quiet)
    assert said in str(refused.value)


def test_there_must_be_a_sweep_to_resume(base, tmp_path, quiet):
    with pytest.raises(CheckpointError, match="no sweep to resume"):
        sweep(tmp_path, base, OVER, resume=True, console=quiet)
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(CheckpointError, match="is damaged"):
        sweep(tmp_path, base, OVER, resume=True, console=quiet)


def test_either_engine_makes_the_trials(base, tmp_path):
    """The twin's losses are NumPy's, up to rounding: dropout is off, and the weights the same."""
    pytest.importorskip("torch")
    still = configure(base, {"model.dropout": 0.0})
    objectives = []
    for engine in ("numpy", "torch"):
        result = sweep(
            tmp_path / engine,
            configure(still, {"train.engine": engine}),
            {"model.heads": [1, 2]},
            console=Console(file=io.StringIO()),
        )
        objectives.append([trial.objective for trial in result.trials])
    np.testing.assert_allclose(objectives[0], objectives[1], rtol=1e-5)
