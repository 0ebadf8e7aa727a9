"""Each command on a run of a few updates: what it prints, writes, and how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from npformer.bench.suite import BenchConfig
from npformer.cli import bench
from npformer.config import RunConfig
from npformer.ops import cross_entropy_backward
from npformer.presets import run_preset
from npformer.train.checkpoint import read_checkpoint
from npformer.train.run_directory import checkpoints
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.mutants import MUTANTS
from tests.cli.conftest import SMALL


def test_a_run_leaves_everything_in_its_directory(trained):
    assert sorted(path.name for path in trained.iterdir()) == [
        "averaged",
        "checkpoints",
        "config.json",
        "corpus.json",
        "loss.png",
        "metrics.jsonl",
        "validation.jsonl",
    ]
    assert list(checkpoints(trained)) == [2, 4]


def test_options_reach_every_part_of_the_configuration(trained, corpus):
    config = read_checkpoint(trained / "averaged").config
    assert type(config) is RunConfig
    assert (config.model.d_model, config.model.max_length) == (8, 24)
    assert (config.data.corpus, config.data.tokenizer) == (str(corpus), "char")
    assert (config.train.updates, config.train.engine) == (4, "numpy")
    assert config.optim == run_preset("tiny").optim


def test_a_finished_run_can_be_made_longer(npformer, tmp_path, corpus):
    run = tmp_path / "run"
    assert npformer("train", run, "--corpus", corpus, *SMALL).status == 0
    ended = npformer("train", run, "--resume", "--updates", 6)
    assert ended.status == 0
    assert "6 updates" in ended.out
    assert list(checkpoints(run)) == [2, 4, 6]


def test_both_engines_begin_with_the_same_weights(npformer, tmp_path, corpus):
    """At a learning rate of 0 the first checkpoint holds the initial weights."""
    weights = []
    for engine in ("numpy", "torch"):
        run = tmp_path / engine
        options = ["--corpus", corpus, *SMALL, "--engine", engine, "--optim.learning-rate", 0]
        assert npformer("train", run, *options).status == 0
        weights.append(read_checkpoint(run / "averaged").weights)
    assert weights[0].keys() == weights[1].keys()
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name])


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_paragraphs_in_paragraphs_out(npformer, trained, engine):
    ended = npformer("translate", trained, "7 dogs. 8 cats.", "3 trees.", "--engine", engine)
    assert ended.status == 0
    assert (
        ended.err.startswith(f"npformer: translated by {trained}/") and ended.err.count("\n") == 1
    )
    assert ended.out.count("\n\n") == 1


def test_text_comes_from_a_file_or_from_standard_input(npformer, trained, tmp_path, monkeypatch):
    text = "7 dogs.\n\n8 cats.\n"
    path = tmp_path / "text.txt"
    path.write_text(text)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    outputs = [
        npformer("translate", trained, *words).out
        for words in (["7 dogs.", "8 cats."], ["--file", path], [])
    ]
    assert outputs[0].strip()
    assert outputs[0] == outputs[1] == outputs[2]


def test_sampling_depends_on_the_seed_alone(npformer, trained):
    def draw(seed: int) -> str:
        words = ["7 dogs.", "--sample", "--temperature", 2, "--seed", seed]
        return npformer("translate", trained, *words).out

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(5)}) > 1


def test_scores_for_all_and_for_every_tag(npformer, trained, corpus, tmp_path):
    path = tmp_path / "scores.json"
    ended = npformer("evaluate", trained, "--corpus", corpus, "--json", path, "--samples", 2)
    assert ended.status == 0
    report = json.loads(path.read_text(encoding="utf-8"))
    assert {name: row["pairs"] for name, row in report["scores"].items()} == {
        "all": 30,
        "cats": 10,
        "dogs": 10,
        "trees": 10,
    }
    assert report["scores"]["all"].keys() == {"pairs", "bleu", "chrf", "cer", "wer", "exact"}
    assert len(report["samples"]) == 2
    for word in ("BLEU", "chrF", "CER", "WER", "exact", report["samples"][0]["reference"]):
        assert word in ended.out


def test_a_sentence_too_long_for_the_model_counts_as_not_translated(npformer, trained, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(f"7 dogs.\t7 Hunde.\n{'dogs ' * 9}\tHunde\n", encoding="utf-8")
    report = tmp_path / "scores.json"
    ended = npformer("evaluate", trained, "--corpus", pairs, "--json", report)
    assert "1 of the sentences" in ended.out
    read = json.loads(report.read_text(encoding="utf-8"))
    assert read["too_long"] == 1
    assert read["samples"][1]["model"] == ""


def test_a_picture_for_every_attention(npformer, trained, tmp_path):
    ended = npformer("attention", trained, "7 dogs.", "--target", "7 Hunde.", "--out", tmp_path)
    names = ["encoder.layers.0.self_attn", "decoder.layers.0.self_attn"]
    paths = [tmp_path / f"{name}.png" for name in [*names, "decoder.layers.0.cross_attn"]]
    assert ended.status == 0
    assert ended.out.splitlines()[2] == "The target is the translation given."
    assert ended.out.splitlines()[3].startswith(f"The model is {trained}/")
    assert ended.out.splitlines()[4:] == [str(path) for path in paths]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_verify_says_what_is_right(npformer, tmp_path):
    path = tmp_path / "report.json"
    ended = npformer("verify", "--component", "softmax", "relu", "--cases", 3, "--json", path)
    assert (ended.status, ended.err) == (0, "")
    assert "4 of 4 right" in ended.out
    report = json.loads(path.read_text())
    assert [result["component"] for result in report["results"]] == ["softmax"] * 2 + ["relu"] * 2


def test_verify_fails_when_a_gradient_is_wrong(npformer, monkeypatch):
    """The status is 1, so that a script can tell; the smallest failing example is printed."""
    wrong = MUTANTS["softmax/zero"].plant(COMPONENTS["softmax"])
    monkeypatch.setitem(COMPONENTS, "softmax", wrong)
    ended = npformer("verify", "--component", "softmax", "--cases", 5)
    assert (ended.status, ended.err) == (1, "")
    assert "0 of 2 right" in ended.out
    assert "dx (PyTorch)" in ended.out


def test_verify_judges_given_arrays(npformer, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    case = {"logits": rng.standard_normal((4, 5)), "targets": rng.integers(0, 5, 4)}
    np.savez(tmp_path / "case.npz", **case, weight=np.arange(1.0, 6), label_smoothing=0.1)
    arguments = ("verify", "--component", "cross_entropy", "--arrays", tmp_path / "case.npz")
    ended = npformer(*arguments)
    assert ended.status == 0 and "dlogits" in ended.out
    wrong = component("cross_entropy").implemented_by(
        backward=lambda dloss, cache: cross_entropy_backward(dloss, cache) / 2
    )
    monkeypatch.setattr("npformer.verify.given.component", lambda name: wrong)
    assert npformer(*arguments).status == 1


def test_verify_catches_every_mutant_of_an_op(npformer):
    ended = npformer("verify", "--component", "log_softmax", "--cases", 2, "--mutants")
    mutants = [name for name in MUTANTS if name.startswith("log_softmax/")]
    assert ended.status == 0
    assert mutants
    assert f"{len(mutants)} of {len(mutants)} wrong backwards caught" in ended.out


def test_verify_shows_the_museum(npformer, tmp_path):
    path = tmp_path / "museum.json"
    ended = npformer("verify", "--museum", "--component", "silu", "--json", path)
    assert (ended.status, ended.err) == (0, "")
    assert "silu/derivative-overflows" in ended.out and "1 of 1" in ended.out
    assert json.loads(path.read_text())["specimens"][0]["ours"] is True
    ended = npformer("verify", "--museum", "--mutants")
    assert ended.status == 2
    assert "--museum goes with --component, --seed and --json alone" in ended.err


def test_bench_passes_its_options_on(npformer, monkeypatch, tmp_path):
    asked = []

    def run_bench(config):
        asked.append(config)
        return {"machine": {"cores": 2}, "presets": {}}

    monkeypatch.setattr(bench, "run_bench", run_bench)
    path = tmp_path / "bench.json"
    words = ["--presets", "tiny", "small", "--rounds", 3, "--no-compile", "--json", path]
    assert npformer("bench", *words).status == 0
    assert asked == [BenchConfig(presets=("tiny", "small"), rounds=3, compile=False)]
    written = json.loads(path.read_text())
    assert (written["command"], written["machine"]) == ("bench", {"cores": 2})


def test_interrupted_training_saves_and_resumes(npformer, tmp_path, corpus):
    run = tmp_path / "run"
    words = ["train", run, "--corpus", corpus, *SMALL, "--updates", 1_000_000]
    words += ["--checkpoint-every", 1_000_000, "--validate-every", 1_000_000]
    process = subprocess.Popen(
        [sys.executable, "-m", "npformer", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        metrics = run / "metrics.jsonl"
        while not (metrics.exists() and metrics.stat().st_size):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == ""
    assert "--resume" in out
    (update,) = checkpoints(run)
    ended = npformer("train", run, "--resume", "--updates", update + 1)
    assert ended.status == 0
    assert f"{update + 1:,} updates" in ended.out


WITHOUT_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "hypothesis"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from npformer.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["translate", "RUN", "7 dogs."], 0, "translated by "),
        (["evaluate", "RUN"], 0, ""),
        (["translate", "RUN", "7 dogs.", "--engine", "torch"], 2, "pip install -e '.[torch]'"),
        (["verify"], 2, "pip install -e '.["),
        (["--help"], 0, ""),
        (["verify", "--help"], 0, ""),
        (["bisect", "--help"], 0, ""),
        (["exercise", "list"], 0, ""),
    ],
)
def test_npformer_works_without_torch(trained, words, status, said):
    words = [str(trained) if word == "RUN" else word for word in words]
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=120,
    )
    assert ended.returncode == status, ended.stderr
    assert said in ended.stderr
    assert ended.stderr.count("\n") == (1 if said else 0)


def test_a_reader_that_stops_reading_is_no_error(trained):
    """`npformer ... | head -1` ends without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "npformer", "translate", str(trained), *["7 dogs."] * 3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        err = process.stderr.read().decode()
    assert err == ""
    assert process.returncode == 141
