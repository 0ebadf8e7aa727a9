"""The picture of a run: losses, and below them the scores of its translations."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npformer.files.atomic import write_file
from npformer.train.metrics import read_metrics

_TRAINING, _VALIDATION, _BLEU, _CHRF = "#4477aa", "#cc6677", "#228833", "#aa7700"


def draw_curve(metrics: Path, picture: Path, *, title: str = "") -> bool:
    """Draw the metrics file as a PNG at ``picture``; False if it holds nothing to draw yet.

    Uses matplotlib's Agg canvas directly, so that a program which shows other figures keeps its
    own backend. Raises OSError if the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [line for line in read_metrics(metrics) if "averaged" not in line]
    training = _series(lines, "loss")
    validation = _series(lines, "validation_loss")
    scores = {name: _series(lines, name) for name in ("bleu", "chrf")}
    if not len(training[0]):
        return False

    panels = 2 if any(len(x) for x, _ in scores.values()) else 1
    figure = Figure(figsize=(8, 3.2 * panels))
    # Fixed margins: a layout engine would draw everything twice to find much the same ones.
    figure.set_layout_engine("none")
    FigureCanvasAgg(figure)
    margins = dict(left=0.09, bottom=0.15 / panels, right=0.97, top=1 - 0.1 / panels, hspace=0.1)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False, gridspec_kw=margins)[:, 0]

    losses = axes[0]
    losses.plot(*training, color=_TRAINING, alpha=0.3, linewidth=0.7)
    label = "training objective"
    losses.plot(training[0], _smooth(training[1]), color=_TRAINING, label=label)
    if len(validation[0]):
        losses.plot(*validation, color=_VALIDATION, marker="o", markersize=4, label="validation")
    judged = any("accuracy" in line for line in lines)
    losses.set_ylabel("loss of what is judged" if judged else "loss (nats per token)")
    losses.set_ylim(bottom=0, top=_top(training[1], validation[1]))
    losses.legend(frameon=False)
    if panels == 2:
        for (name, series), color in zip(scores.items(), (_BLEU, _CHRF), strict=True):
            shown = {"bleu": "BLEU", "chrf": "chrF"}[name]
            axes[1].plot(*series, color=color, marker="o", markersize=4, label=shown)
        axes[1].set_ylabel("validation score (%)")
        axes[1].set_ylim(0, 100)
        axes[1].legend(frameon=False)
    axes[-1].set_xlabel("update")
    axes[-1].set_xlim(left=0)
    for axis in axes:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    if title:
        losses.set_title(title)

    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130)
    write_file(picture, content.getvalue())
    return True


def _series(lines: Sequence[dict[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray]:
    points = [(line["update"], line[name]) for line in lines if line.get(name) is not None]
    both = np.array(points, dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _smooth(values: np.ndarray) -> np.ndarray:
    """The mean over a window of a fiftieth of the run around each point, cut off at the ends."""
    reach = len(values) // 100
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


def _top(*series: np.ndarray) -> float:
    """Room for all but the spikes of a run that went wrong for a moment."""
    values = np.concatenate(series)
    return 1.05 * float(min(values.max(), 3 * np.median(values) + values.min())) or 1.0
