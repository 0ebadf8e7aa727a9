"""``npformer sweep``: what it prints and leaves, how it is stopped and resumed, what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from npformer.errors import missing
from npformer.sweep.plan import read_plan
from npformer.train.metrics import read_metrics
from npformer.train.numpy_engine import NumpyEngine
from tests.cli.conftest import SMALL

pytest.importorskip("optuna")
undrawn = pytest.mark.usefixtures("undrawn")

HEADS = ("--over", "model.heads=1,3", "--over", "train.label-smoothing=0.0,0.1")


@pytest.fixture(scope="module")
def swept(tmp_path_factory, corpus):
    """A finished sweep; tests must leave it as it is."""
    from npformer.cli.main import main

    path = tmp_path_factory.mktemp("sweeps") / "heads"
    words = ["sweep", str(path), "--corpus", str(corpus), *SMALL, *HEADS]
    assert main(words) == 0
    return path


def test_a_sweep_says_where_everything_is(npformer, tmp_path, corpus):
    path = tmp_path / "sweep"
    ended = npformer("sweep", path, "--corpus", corpus, *SMALL, *HEADS)
    assert (ended.status, ended.err) == (0, "")
    for name in ("table.csv", "table.md", "table.json", "curves.png", "effects.png", "best.png"):
        assert str(path / name) in ended.out
        assert (path / name).stat().st_size
    assert "failed: heads is 3, which does not divide d_model, 8" in ended.out
    best = json.loads((path / "table.json").read_text())["best"]["trial"]
    assert f"npformer translate {path / 'trials' / f'{best:04d}'}" in ended.out
    assert npformer("translate", path / "trials" / f"{best:04d}", "7 dogs.").status == 0


def test_options_reach_every_trial(swept):
    plan = read_plan(swept)
    assert [str(axis) for axis in plan.axes] == [
        "model.heads=1,3",
        "train.label_smoothing=0.0,0.1",
    ]
    assert (plan.trials, plan.sampler, plan.objective) == (4, "grid", "loss")
    assert (plan.base.train.updates, plan.base.model.d_model) == (4, 8)


@undrawn
def test_a_range_is_drawn_from(npformer, tmp_path, corpus):
    over = ("--over", "optim.warmup=log:2..90", "--trials", 2, "--sampler", "random")
    assert npformer("sweep", tmp_path, "--corpus", corpus, *SMALL, *over).status == 0
    rows = json.loads((tmp_path / "table.json").read_text())["trials"]
    drawn = [row["values"]["optim.warmup"] for row in rows]
    assert len(drawn) == 2
    assert all(2 <= warmup <= 90 and isinstance(warmup, int) for warmup in drawn)


def test_all_failed_is_a_failure(npformer, tmp_path, corpus):
    over = ("--over", "model.heads=3,5")
    ended = npformer("sweep", tmp_path, "--corpus", corpus, *SMALL, *over)
    assert (ended.status, ended.err) == (1, "")
    assert "no trial has finished" in ended.out


@undrawn
def test_the_twin_makes_the_trials(npformer, tmp_path, corpus):
    pytest.importorskip("torch")
    words = ("--engine", "torch", "--over", "model.heads=1,2")
    ended = npformer("sweep", tmp_path, "--corpus", corpus, *SMALL, *words)
    assert ended.status == 0
    assert "PyTorch on" in ended.out


@undrawn
@pytest.mark.parametrize("how", ["the same command", "the directory alone"])
def test_an_interrupted_sweep_goes_on(npformer, tmp_path, corpus, monkeypatch, how):
    words = ["sweep", tmp_path / "sweep", "--preset", "tiny", "--corpus", corpus, *SMALL]
    words += ["--over", "model.heads=1,2", "--updates", 20, "--checkpoint-every", 20]
    words += ["--validate-every", 20]
    metrics = tmp_path / "sweep" / "trials" / "0000" / "metrics.jsonl"
    gradients = NumpyEngine.gradients

    def interrupting(engine, *arguments):
        if metrics.exists() and metrics.stat().st_size:
            os.kill(os.getpid(), signal.SIGINT)
        return gradients(engine, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(NumpyEngine, "gradients", interrupting)
        ended = npformer(*words)
    assert (ended.status, ended.err) == (130, ""), ended.out
    assert f"npformer sweep {tmp_path / 'sweep'} --resume" in ended.out
    assert "not finished" in ended.out
    again = [*words, "--resume"] if how == "the same command" else [*words[:2], "--resume"]
    ended = npformer(*again)
    assert (ended.status, ended.err) == (0, "")
    rows = json.loads((tmp_path / "sweep" / "table.json").read_text())["trials"]
    assert [row["state"] for row in rows] == ["finished", "finished"]
    updates = [line["update"] for line in read_metrics(metrics) if "loss" in line]
    assert updates == list(range(1, 21))


@undrawn
def test_more_trials_are_added_to_a_finished_sweep(npformer, tmp_path, corpus):
    words = ["--corpus", corpus, *SMALL, "--over", "model.heads=1,2,4", "--trials", 1]
    assert npformer("sweep", tmp_path, *words).status == 0
    ended = npformer("sweep", tmp_path, "--resume", "--trials", 3)
    assert ended.status == 0
    assert "trial 0000" not in ended.out
    assert len(json.loads((tmp_path / "table.json").read_text())["trials"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a sweep needs a field to vary"),
        (["--over", "model.heds=1,2"], "did you mean 'heads'?"),
        (["--over", "modle.heads=1,2"], "did you mean 'model.heads'?"),
        (["--over", "model.heads=1,two"], "model.heads is 'two'; it must be an integer"),
        (["--over", "model.heads"], "names no values"),
        (["--over", "optim.warmup=9..1", "--trials", "2"], "the range 9..1 is empty"),
        (["--over", "optim.warmup=1..9"], "say how many trials"),
        (["--over", "model.heads=1,2", "--sampler", "gird"], "did you mean 'grid'?"),
        (["--over", "model.heads=1,2", "--objective", "blue"], "did you mean 'bleu'?"),
        (["--over", "model.heads=1,2", "--trials", "-1"], "trials is -1"),
        (["--over", "model.heads=1,2", "--preset", "tinny"], "did you mean 'tiny'?"),
        (["--over", "model.heads=1,2", "--corpus", "none.tsv"], "none.tsv"),
        (["--over", "data.pairs=10,20"], "choose the objective bleu"),
        (["--resume"], "there is no sweep to resume"),
    ],
)
def test_what_is_refused_leaves_nothing(refused, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused("sweep", "runs", *words)
    assert not list(tmp_path.iterdir())


def test_a_sweep_is_not_swept_over(refused, swept, corpus):
    words = ["sweep", swept, "--corpus", corpus, *SMALL, *HEADS]
    assert "already holds a sweep" in refused(*words)
    assert "has over = model.heads=1,3" in refused(*words, "--over", "model.norm=pre", "--resume")
    assert "optim.warmup" in refused("sweep", swept, "--resume", "--optim.warmup", 3)


WITHOUT_OPTUNA = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "optuna":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from npformer.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_without_the_extra_one_line_says_what_to_install(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPTUNA, "sweep", "runs", "--over", "model.heads=1,2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        timeout=120,
    )
    assert ended.returncode == 2
    assert ended.stderr == (f"npformer: {missing('optuna')}\n")
    assert not list(tmp_path.iterdir())
