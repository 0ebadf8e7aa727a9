"""The pictures of a sweep: a line a trial, a panel a field, and what failed."""

from __future__ import annotations

import pytest
from rich.console import Console

from npformer.sweep import sweep
from npformer.sweep.pictures import curves_figure, draw_pictures, effects_figure, settings
from npformer.sweep.result import Trials


@pytest.fixture(scope="module")
def result(base, tmp_path_factory):
    over = {"model.heads": [1, 2, 3], "train.label_smoothing": [0.0, 0.1]}
    return sweep(tmp_path_factory.mktemp("sweep"), base, over, console=Console(quiet=True))


def points(axes, label):
    (line,) = [line for line in axes.get_lines() if line.get_label() == label]
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_the_pictures_are_written(result):
    for name in ("curves.png", "effects.png", "best.png"):
        assert (result.directory / name).read_bytes().startswith(b"\x89PNG")


def test_a_line_for_every_finished_trial(result):
    training, validation = curves_figure(result).axes
    assert len(training.get_lines()) == len(validation.get_lines()) == 4
    names = {line.get_label() for line in validation.get_lines()}
    assert names == {settings(trial) for trial in result.ranked()}
    last = validation.get_lines()[-1]  # drawn last: the best
    assert last.get_ydata()[-1] == pytest.approx(result.best.objective)


def test_of_many_trials_only_the_best_is_named(base, tmp_path, quiet):
    many = sweep(tmp_path, base, {"train.seed": list(range(9))}, console=quiet)
    _, validation = curves_figure(many).axes
    named = [line for line in validation.get_lines() if not line.get_label().startswith("_")]
    assert [line.get_label() for line in named] == [settings(many.best)]
    assert len(validation.get_lines()) == 9


def test_a_panel_for_every_field(result):
    heads, smoothing = effects_figure(result).axes
    assert [axes.get_xlabel() for axes in (heads, smoothing)] == [
        "model.heads",
        "train.label_smoothing",
    ]
    assert [text.get_text() for text in heads.get_xticklabels()] == ["1", "2", "3"]
    means = [sum(x) / len(x) for x in result.effect("model.heads").values()]
    assert points(heads, "mean") == list(enumerate(means))
    assert len(points(heads, "trial")) == len(points(smoothing, "trial")) == 4
    assert [y for _, y in points(smoothing, "best trial")] == [result.best.objective]
    assert {x for x, _ in points(heads, "failed")} == {2}  # the place of 3 heads


def test_a_range_stands_on_a_scale_of_its_own(base, tmp_path, quiet):
    drawn = sweep(tmp_path, base, {"optim.warmup": "log:2..200"}, trials=3, console=quiet)
    (axes,) = effects_figure(drawn).axes
    assert axes.get_xscale() == "log"
    assert {x for x, _ in points(axes, "trial")} == {t.values["optim.warmup"] for t in drawn.trials}


def test_nothing_is_drawn_before_a_trial_has_finished(result, tmp_path):
    empty = Trials(tmp_path, result.plan, ())
    assert draw_pictures(empty) == []
    assert not list(tmp_path.iterdir())
