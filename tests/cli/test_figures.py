"""``--json`` and ``--quiet``: one form for every command, valid JSON, the figures of the text."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from npformer.cli.figures import write_figures
from tests.cli.conftest import SMALL

undrawn = pytest.mark.usefixtures("undrawn")


def strict(text: str) -> dict:
    """The JSON; nan and inf are none."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def words(trained, corpus, tmp_path, monkeypatch):
    """A short command line for each command that has figures."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    return {
        "evaluate": ["evaluate", trained, "--beam", 1],
        "train": ["train", run, "--corpus", corpus, *SMALL],
        "shard": ["shard", run, "--corpus", corpus, "--tokenizer", "char", "--max-length", 24],
        "plan": ["plan", "--preset", "tiny"],
        "verify": ["verify", "--component", "relu", "--cases", 2],
        "bisect": ["bisect", "--checkpoint", trained, "--text", "7 dogs.", "--target", "7 Hunde."],
        "exercise": ["exercise", "progress"],
    }


NUMBERS = {
    "evaluate": lambda found: f"{found['scores']['all']['chrf']:.1f}",
    "train": lambda found: (
        f"{found['update']} updates, {found['tokens']:,} target tokens"
        if found["checkpoints"][0]["validation_loss"]
        else "a checkpoint with its validation loss"
    ),
    "shard": lambda found: f"{found['pairs']:,} pairs of {found['rows']:,} rows",
    "plan": lambda found: f"{found['parameters'] / 1e6:.1f} M parameters",
    "verify": lambda found: f"of {len(found['results'])} right, {found['cases']} cases",
    "bisect": lambda found: f"{found['growth'][0]['forward']:.1e}",
    "exercise": lambda found: f"0 of {len(found['exercises'])} passed",
}


@undrawn
@pytest.mark.parametrize("name", NUMBERS)
def test_json_has_the_figures_of_the_text(npformer, words, name):
    ended = npformer(*words[name], "--json", "-")
    assert ended.status == 0, ended
    found = strict(ended.out)
    assert found["command"] == name
    assert found["npformer"]
    assert NUMBERS[name](found) in ended.err


@undrawn
@pytest.mark.parametrize("name", NUMBERS)
def test_quiet_prints_nothing_and_the_file_has_all(npformer, words, tmp_path, name):
    path = tmp_path / "figures.json"
    if name == "train":
        path = tmp_path / "run" / "figures.json"  # a directory that the command makes
    ended = npformer(*words[name], "--json", path, "--quiet")
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    assert strict(path.read_text(encoding="utf-8"))["command"] == name


def test_a_full_disk_takes_the_text_of_the_scores_or_their_json_but_not_both(
    npformer, trained, tmp_path, monkeypatch
):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "scores.json"
    evaluate = ("evaluate", trained, "--beam", 1, "--samples", 0, "--json", path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        ended = npformer(*evaluate)
    assert (ended.status, list(tmp_path.iterdir())) == (2, [])
    assert "chrF" in ended.out
    assert ended.err == "npformer: No space left on device\n"
    with monkeypatch.context() as patch:
        patch.setattr(Console, "print", full)
        assert npformer(*evaluate).status == 2
    assert strict(path.read_text(encoding="utf-8"))["scores"]["all"]["pairs"]


@pytest.mark.parametrize("command", ["translate", "attention"])
def test_quiet_where_there_are_no_figures(npformer, trained, tmp_path, command):
    pictures = ["--target", "7 Hunde.", "--out", tmp_path / "maps"]
    out = pictures if command == "attention" else []
    text = "7 dogs." if command == "attention" else "7 dogs 漢."
    ended = npformer(command, trained, text, "--quiet", *out)
    assert ended.err == ""
    assert bool(ended.out) == (command == "translate")


@pytest.mark.parametrize("place", ["there/is/no/file.json", "."])
def test_a_place_where_no_json_can_be_is_refused_before_the_work(
    refused, words, tmp_path, monkeypatch, place
):
    monkeypatch.setattr("npformer.cli.train.run_training", lambda *a, **k: pytest.fail("it began"))
    assert "director" in refused(*words["train"], "--json", place)
    assert not list(tmp_path.iterdir())


def test_what_json_has_no_number_for_is_null(tmp_path):
    figures = {"a": np.float32("nan"), "b": (np.inf, 1.5), 3: tmp_path, "c": np.arange(2)}
    write_figures(tmp_path / "x.json", "verify", figures)
    found = strict((tmp_path / "x.json").read_text())
    assert (found["a"], found["b"], found["3"]) == (None, [None, 1.5], str(tmp_path))
    assert found["c"] == [0, 1]


def test_an_exercise_that_is_wrong_says_so_in_json(npformer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    npformer("exercise", "start", "1")
    ended = npformer("exercise", "check", "--cases", 1, "--json", "-")
    found = strict(ended.out)
    assert (ended.status, found["kind"]) == (1, "blank")
    assert found["verdict"] in ended.err
    assert "--json goes with" in npformer("exercise", "start", "2", "--json", "-").err
