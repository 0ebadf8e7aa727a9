"""``npformer baseline``: MarianMTModel goes through the same loop, checkpoints and scores."""

from __future__ import annotations

import json

import numpy as np
import pytest

from npformer.train.checkpoint import read_checkpoint
from npformer.train.run_directory import checkpoints
from tests.cli.conftest import SMALL

pytest.importorskip("transformers", reason="MarianMTModel needs the extra marian")


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, corpus):
    """A finished run, made in one go."""
    from npformer.cli.main import main

    run = tmp_path_factory.mktemp("baseline") / "run"
    words = ["baseline", run, "--corpus", corpus, *SMALL]
    words += ["--generate", "--json", run / "scores.json"]
    assert main([str(word) for word in words]) == 0
    return run


def test_it_leaves_what_a_run_leaves(baseline):
    assert list(checkpoints(baseline)) == [2, 4]
    lines = [json.loads(x) for x in (baseline / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert read_checkpoint(baseline / "averaged").weights.keys() >= {"model.shared.weight"}
    assert json.loads((baseline / "metrics.jsonl").read_text().splitlines()[-1])["averaged"] == 2


def test_it_is_scored_as_by_evaluate(baseline):
    for name in ("scores.json", "scores.generate.json"):
        report = json.loads((baseline / name).read_text())
        assert report["scores"]["all"]["pairs"] == 1  # all that the corpus holds out
        assert 0 <= report["scores"]["all"]["bleu"] <= 100
        assert report["beam"] == 4


def test_a_run_that_was_resumed_ends_with_the_same_weights(npformer, baseline, corpus, tmp_path):
    run = tmp_path / "run"
    shorter = ["--updates", 2]
    assert npformer("baseline", run, "--corpus", corpus, *SMALL, *shorter).status == 0
    ended = npformer("baseline", run, "--resume", "--updates", 4)
    assert ended.status == 0, ended.err
    assert "BLEU" in ended.out
    whole, resumed = (
        read_checkpoint(checkpoints(path)[4], optimizer=True) for path in (baseline, run)
    )
    for name, array in whole.engine_state().items():
        np.testing.assert_array_equal(resumed.engine_state()[name], array)


def test_the_other_commands_say_that_it_is_no_model_of_theirs(refused, baseline):
    assert "weights of another configuration" in refused("translate", baseline, "Dogs.")


def test_a_run_is_not_run_over(refused, baseline):
    assert "already holds a run" in refused("baseline", baseline)


def test_the_command_s_old_name_works_and_says_the_new_one(npformer, baseline):
    ended = npformer("neighbour", baseline)
    assert ended.status == 2
    renamed, refusal = ended.err.splitlines()
    assert renamed == "npformer: neighbour is now called baseline"
    assert "already holds a run" in refusal


def test_what_marian_cannot_have_is_refused(refused, corpus, tmp_path):
    words = ["baseline", tmp_path / "run", "--corpus", corpus, *SMALL, "--model.norm", "pre"]
    assert "norm = 'pre'" in refused(*words)


def test_options_of_the_twin_alone_are_refused(refused, corpus, tmp_path):
    options = ["--corpus", corpus, *SMALL, "--loss-chunk", 8, "--parallel", "fsdp"]
    said = refused("baseline", tmp_path / "run", *options)
    assert "--loss-chunk, --parallel: applies to the twin only" in said
    assert not (tmp_path / "run").exists()
