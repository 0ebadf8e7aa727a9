"""Pictures of a sweep: every trial's curves, the effect of each field, and the best trial's run.

Figures are made without pyplot, so no window system is asked for and no global state changes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from npformer.inspect.picture import Picture
from npformer.inspect.plots import save_figure
from npformer.sweep.result import Trial, Trials
from npformer.sweep.space import Axis, Choices, Value, show
from npformer.train.curve import draw_curve
from npformer.train.metrics import read_metrics
from npformer.train.run_directory import METRICS

CURVES, EFFECTS, BEST = "curves.png", "effects.png", "best.png"
_BEST, _OTHER, _FAILED = "#D55E00", "#8C8C8C", "#7F2A2A"
_NAMED = 8  # more curves than this cannot each have a colour and a name
_PANELS = 3  # in a row of the effects


def draw_pictures(result: Trials) -> list[Path]:
    """Draw what there is to see into the sweep's directory: none before a trial has finished."""
    best = result.best
    if best is None:
        return []
    paths = [
        save_figure(curves_figure(result), result.directory / CURVES),
        save_figure(effects_figure(result), result.directory / EFFECTS),
    ]
    metrics, picture = _run_of(best, result) / METRICS, result.directory / BEST
    if draw_curve(metrics, picture, title=f"best: trial {best.number:04d}, {settings(best)}"):
        paths.append(picture)
    return paths


def settings(trial: Trial) -> str:
    """``heads 4, dropout 0.1``: the trial's values, short enough for a legend."""
    return ", ".join(f"{name.partition('.')[2]} {_short(v)}" for name, v in trial.values.items())


def curves_figure(result: Trials) -> Picture:
    """Left the training objective, right what was measured on the validation pairs, a line a trial.

    Up to eight trials have a colour and a name each; of more, only the best is told apart. The
    training objective holds its own label smoothing, so lines of different smoothing do not compare
    there; on the right they do.
    """
    measure = "bleu" if result.plan.objective == "bleu" else "validation_loss"
    figure = Picture(figsize=(9.5, 3.8), layout="constrained")
    training, validation = figure.subplots(1, 2)
    shown = [trial for trial in result.ranked() if trial.same_as is None]
    few = len(shown) <= _NAMED
    for rank, trial in reversed(list(enumerate(shown))):  # the best is drawn last, on top
        plain = not few and rank > 0
        style: dict[str, Any] = {
            "color": _OTHER if plain else f"C{rank}" if few else _BEST,
            "alpha": 0.45 if plain else 1.0,
            "linewidth": 1.8 if rank == 0 else 1.1,
        }
        lines = [x for x in read_metrics(trial.directory / METRICS) if "averaged" not in x]
        updates, losses = _series(lines, "loss")
        training.plot(updates, _smooth(losses), **style)
        named = None if plain else settings(trial)
        validation.plot(*_series(lines, measure), marker="o", markersize=3.5, label=named, **style)
    training.set_title("training objective, label smoothing included", fontsize=10)
    training.set_ylabel("loss (nats per token)")
    validation.set_title("validation", fontsize=10)
    validation.set_ylabel(_measured(result))
    for axes in (training, validation):
        axes.set_xlabel("update")
        axes.set_xlim(left=0)
        _plain(axes)
    handles, names = validation.get_legend_handles_labels()
    title = "best first" if few else "best"
    figure.legend(
        handles[::-1], names[::-1], title=title, fontsize=8, loc="outside lower center", ncols=2
    )
    return figure


def effects_figure(result: Trials) -> Picture:
    """One panel a field: the objective of every trial over its value, and the mean of each value.

    All panels share the vertical axis, so that the field that matters most spans most of it. The
    best trial is vermilion; a failed one is a cross at the panel's upper edge.
    """
    axes_of = result.plan.axes
    columns = min(len(axes_of), _PANELS)
    rows = math.ceil(len(axes_of) / columns)
    figure = Picture(figsize=(3.2 * columns + 0.6, 3.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, axis in zip(grid.flat, axes_of, strict=False):
        _effect(axes, axis, result)
    for axes in grid.flat[len(axes_of) :]:
        axes.set_axis_off()
    for row in grid:
        row[0].set_ylabel(_measured(result))
    named = {
        name: handle
        for axes in grid.flat
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        named.values(), named.keys(), fontsize=8, loc="outside lower center", ncols=len(named)
    )
    return figure


def _effect(axes: Axes, axis: Axis, result: Trials) -> None:
    best = result.best
    ended = [trial for trial in result.trials if trial.state != "unfinished"]
    places = [_place(axis, trial.values[axis.field]) for trial in ended]
    if isinstance(axis, Choices):
        axes.set_xticks(range(len(axis.values)), [_short(value) for value in axis.values])
        axes.set_xlim(-0.5, len(axis.values) - 0.5)
        effect = result.effect(axis.field)
        axes.plot(
            [_place(axis, value) for value in effect],
            [float(np.mean(objectives)) for objectives in effect.values()],
            color="#333333",
            marker="_",
            markersize=16,
            linewidth=1.0,
            linestyle="-" if _ordered(axis) else "",
            label="mean",
            zorder=1,
        )
    elif axis.log:
        axes.set_xscale("log")
    pairs = list(zip(places, ended, strict=True))
    finished = [(x, trial.objective) for x, trial in pairs if trial.objective is not None]
    axes.plot(*np.array(finished).T, "o", color=_OTHER, alpha=0.6, markersize=4.5, label="trial")
    if best is not None and best.objective is not None:
        x = _place(axis, best.values[axis.field])
        axes.plot([x], [best.objective], "o", color=_BEST, markersize=7, label="best trial")
    if failed := [x for x, trial in pairs if trial.state == "failed"]:
        edge = axes.get_xaxis_transform()  # x in data, y from 0 at the bottom to 1 at the top
        axes.plot(
            failed,
            [1.0] * len(failed),
            "x",
            color=_FAILED,
            transform=edge,
            clip_on=False,
            label="failed",
        )
    axes.set_xlabel(axis.field)
    _plain(axes)


def _place(axis: Axis, value: Any) -> float:
    """Where a value is on the panel's horizontal axis."""
    return float(axis.values.index(value) if isinstance(axis, Choices) else value)


def _run_of(trial: Trial, result: Trials) -> Path:
    return trial.directory if trial.same_as is None else result.trials[trial.same_as].directory


def _ordered(axis: Choices) -> bool:
    values = axis.values
    if any(isinstance(value, bool | str) or value is None for value in values):
        return False
    return list(values) == sorted(values, key=lambda value: float(value or 0))


def _measured(result: Trials) -> str:
    if result.plan.objective == "bleu":
        return "BLEU (%)"
    return "validation loss (nats per token)"


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else show(value)


def _series(lines: list[dict], name: str) -> tuple[np.ndarray, np.ndarray]:
    points = [(line["update"], line[name]) for line in lines if line.get(name) is not None]
    both = np.array(points, dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _smooth(values: np.ndarray) -> np.ndarray:
    """The mean of the values around each, over a tenth of the run and cut off at its ends."""
    reach = len(values) // 20
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)
