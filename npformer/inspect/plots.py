"""Pictures of attention: one panel a head, and how the heads follow a known alignment.

Figures are made without pyplot, so no window system is asked for and no global state changes.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npformer.errors import NpformerError, ShapeError
from npformer.inspect.alignment import alignment_share
from npformer.ops.array import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from npformer.inspect.picture import Picture

COLOURS = "Blues"  # one hue, light to dark: its order survives every colour blindness and grey
MARK = "#D55E00"  # vermilion of Okabe and Ito, distinct from blue for everybody
SUFFIXES = (".png", ".svg", ".pdf")
CELL, LARGEST_PANEL, SMALLEST_PANEL = 0.19, 6.0, 1.4  # inches
LABELS = 40  # more tokens than this and only every second, third ... is named


def attention_figure(
    probs: Array,
    query_tokens: Sequence[str],
    key_tokens: Sequence[str],
    *,
    title: str = "",
    mean: bool = True,
    alignment: Iterable[tuple[int, int]] | None = None,
) -> Picture:
    """probs (N, T, S) -> a figure with a panel for each head, and one for their mean.

    Row t of a panel shows how the query ``query_tokens[t]`` spreads its attention over
    ``key_tokens``. All panels share one colour scale, from 0 to the largest value. ``alignment``
    lists (key, query) index pairs to ring, such as a gold word alignment; the share of
    attention that falls on them (``alignment_share``) then stands behind a panel's name. Raises
    ``ShapeError`` if the tokens, the alignment and the map do not fit together.
    """
    from npformer.inspect.picture import Picture

    _check(probs, query_tokens, key_tokens)
    links = sorted(alignment or ())
    for key, query in links:
        if not (0 <= key < len(key_tokens) and 0 <= query < len(query_tokens)):
            raise ShapeError(
                f"alignment has ({key}, {query}), outside {len(key_tokens)} key and "
                f"{len(query_tokens)} query tokens"
            )
    panels = [(f"head {head}", weights) for head, weights in enumerate(probs)]
    if mean and len(probs) > 1:
        panels.append(("mean", probs.mean(axis=0)))
    if links:
        shares = alignment_share(np.stack([weights for _, weights in panels]), links)
        panels = [
            (f"{name} ({share:.0%})", weights)
            for (name, weights), share in zip(panels, shares, strict=True)
        ]
    width, height = _panel_size(len(query_tokens), len(key_tokens))
    room_left, room_above = _label_room(query_tokens), _label_room(key_tokens)
    cell_height = height + room_above + 0.3
    columns = _columns(len(panels), width, cell_height)
    rows = math.ceil(len(panels) / columns)
    figure = Picture(
        figsize=(columns * (width + 0.15) + room_left + 0.8, rows * cell_height + 0.4),
        facecolor="white",
        layout="constrained",
    )
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    largest = max(float(probs.max(initial=0.0)), 1e-12)
    image = None
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_axis_off()
            continue
        name, weights = panels[number]
        image = axes.imshow(
            weights, cmap=COLOURS, vmin=0.0, vmax=largest, aspect="equal", interpolation="nearest"
        )
        axes.set_xlabel(name, fontsize=9, color="#333333", labelpad=3)
        _name_tokens(axes, query_tokens, key_tokens, left=number % columns == 0)
        if links:
            keys, queries = zip(*links, strict=True)
            axes.scatter(keys, queries, s=26, facecolors="none", edgecolors=MARK, linewidths=1.2)
    if image is not None:
        bar = figure.colorbar(image, ax=grid, fraction=0.025, pad=0.015, aspect=25, shrink=0.6)
        bar.set_label("attention weight", fontsize=8)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write ``figure`` as PNG, SVG or PDF, whichever the suffix of ``path`` says -> the path.

    Raises ``NpformerError`` for another suffix, or where nothing can be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise NpformerError(
            f"{path.name!r} does not end in a picture format; choose one of {', '.join(SUFFIXES)}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, bbox_inches="tight", pad_inches=0.1)
    except OSError as error:
        raise NpformerError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _check(probs: Array, query_tokens: Sequence[str], key_tokens: Sequence[str]) -> None:
    expected = (len(query_tokens), len(key_tokens))
    if probs.ndim != 3 or probs.shape[1:] != expected or 0 in probs.shape:
        raise ShapeError(
            f"attention of shape {probs.shape} for {expected[0]} query and {expected[1]} key "
            "tokens; it must be (heads, queries, keys), none of them 0"
        )


def _panel_size(queries: int, keys: int) -> tuple[float, float]:
    """Width and height in inches of a panel with square cells."""
    longer = max(queries, keys)
    cell = min(max(CELL, SMALLEST_PANEL / longer), LARGEST_PANEL / longer)
    return cell * keys, cell * queries


def _columns(panels: int, width: float, height: float) -> int:
    """As many columns as make the figure about 1.3 times as wide as high, with few empty places."""

    def cost(columns: int) -> float:
        rows = math.ceil(panels / columns)
        shape = abs(math.log(columns * width / (rows * height) / 1.3))
        return shape + (rows * columns - panels) / panels

    return min(range(1, panels + 1), key=cost)


def _label_room(tokens: Sequence[str]) -> float:
    return 0.075 * max(map(len, tokens))


def _name_tokens(
    axes: Axes, query_tokens: Sequence[str], key_tokens: Sequence[str], *, left: bool
) -> None:
    for axis, tokens in ((axes.yaxis, query_tokens), (axes.xaxis, key_tokens)):
        positions = range(0, len(tokens), math.ceil(len(tokens) / LABELS))
        axis.set_ticks(positions, [tokens[position] for position in positions])
    axes.tick_params(length=0, labelsize=7.5, pad=2)
    axes.tick_params(labelleft=left, labeltop=True, labelbottom=False)
    for label in axes.get_xticklabels():
        label.set_rotation(90)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)  # a token may be a dollar sign
    for spine in axes.spines.values():
        spine.set_color("#BBBBBB")
