"""Which checkpoint of a run is used, and what is said of it."""

from __future__ import annotations

import json
import math

import pytest

from npformer.train.recommend import recommend


@pytest.fixture
def saved(tmp_path):
    """Makes a checkpoint's directory with notes."""

    def make(name, **notes):
        path = tmp_path / name
        path.mkdir()
        (path / "state.json").write_text(json.dumps(notes))
        return path

    return make


def first(advice):
    return advice.candidates[0].path.name


def test_the_lowest_validation_loss_wins_and_the_rest_is_listed_with_its_figures(saved):
    paths = [saved("a", validation_loss=2.0, bleu=30.0), saved("b", validation_loss=1.0, bleu=49.9)]
    paths.append(saved("c", validation_loss=1.5, bleu=40.0))
    mean = saved("mean", validation_loss=1.75, bleu=34.2, averaged=["b", "c"])
    advice = recommend(paths, mean)
    assert [c.path.name for c in advice.candidates] == ["b", "c", "mean"]
    assert [c.what for c in advice.candidates] == [
        "the best", "the last", "the mean of the last 2 checkpoints",
    ]  # fmt: skip
    assert advice.candidates[0].figures() == "validation loss 1.000  BLEU 49.9"
    assert advice.reason() == "no other has a lower validation loss"
    assert advice.why(paths[1]) == "the best, validation loss 1.000, the lowest of 3"
    assert advice.why(paths[2]) == "the last, validation loss 1.500"


def test_of_equals_the_average_comes_first_and_then_the_newest(saved):
    paths = [saved(name, validation_loss=1.0) for name in "ab"]
    assert first(recommend(paths, None)) == "b"
    assert recommend(paths, None).candidates[0].what == "the last and best"
    assert first(recommend(paths, saved("mean", validation_loss=1.0))) == "mean"


def test_bleu_that_disagrees_is_said(saved):
    paths = [saved("a", validation_loss=1.2, bleu=49.9)]
    advice = recommend(paths, saved("mean", validation_loss=1.1, bleu=34.2))
    assert first(advice) == "mean"
    assert "by BLEU, of some of the pairs" in advice.reason() and str(paths[0]) in advice.reason()


def test_a_newest_checkpoint_that_was_not_measured_is_used_itself(saved):
    paths = [saved("a", validation_loss=1.0), saved("b")]
    advice = recommend(paths, None)
    assert first(advice) == "b"
    assert advice.reason() == "it is the last, and was not measured"
    assert advice.why(paths[1]) == "the last"
    assert advice.candidates[0].figures() == "not measured on the validation pairs"


def test_a_loss_that_is_not_a_number_is_the_worst(saved):
    paths = [saved("a", validation_loss=3.0), saved("b", validation_loss=math.nan)]
    assert first(recommend(paths, None)) == "a"


def test_what_an_older_npformer_noted_is_enough(saved):
    """Its checkpoints have no figures; its average has that of the last."""
    last = saved("last", update=7)
    mean = saved("mean", validation_loss=2.1, last_validation_loss=2.0, averaged=["last"])
    advice = recommend([last], mean)
    assert first(advice) == "last" and advice.candidates[0].loss == 2.0


def test_what_cannot_be_read_was_not_measured(saved, tmp_path):
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "state.json").write_text("{")
    assert first(recommend([saved("a", validation_loss=1.0), tmp_path / "torn"], None)) == "torn"
    assert recommend([], None).reason() == "" and recommend([], None).candidates == ()
