"""Pictures of the backward pass: the gradient along the residual stream, and sizes by depth.

Figures are made without pyplot, as in ``plots``; their colours are Okabe and Ito's, which people
with any kind of colour vision can tell apart.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from npformer.inspect.recording import Array, Recording
from npformer.inspect.statistics import rms

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from npformer.inspect.picture import Picture

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
SUBLAYERS = {"self_attn": "self", "cross_attn": "cross", "feed_forward": "ff"}
LINES = {  # what of a layer -> colour, marker and line; shapes differ too, for print in grey
    "self_attn": (BLUE, "o-"),
    "cross_attn": (GREEN, "D-"),
    "feed_forward": (VERMILION, "s-"),
    "": (GREY, "^--"),
}
TOKENS = 150  # thin lines; more are a stain


class Stream(NamedTuple):
    """The gradient along one stack's residual stream, on which n sub-layers stand."""

    names: list[str]
    """Of the sub-layers: ``1 self``, ``1 ff``, ``2 self``; in parallel ``1 self + ff``."""
    norms: Array
    """(n + 1, tokens): length of each token's gradient before every sub-layer, and at the end."""
    skip: Array
    """(n, tokens): of the part of it that came back past the sub-layer."""
    branch: Array
    """(n, tokens): of the part that came back through it."""


def gradient_flow(recording: Recording, stack: str) -> Stream:
    """The residual stream of ``stack``, ``"encoder"`` or ``"decoder"``.

    What a layer calls itself are its residuals, one after the other on the stream. The gradient
    before one is the sum of the two vectors ``skip`` and ``branch``; of several streams, the
    vector is all of a token's. Tokens that no gradient reaches, such as padding, are left out.
    """
    layers = {
        call.forward_order: int(found[1]) + 1
        for call in recording.calls
        if (found := re.fullmatch(rf"{stack}\.layers\.(\d+)", call.path))
    }
    names, stream, skips, branches = [], [], [], []
    end = recording[stack].doutput
    for call in recording.calls:
        if call.caller in layers:
            inside = recording.calls_of(call)
            # What is none of the residual's own parts is a sub-layer; in parallel there are two.
            parts = [c.path for c in inside if not c.path.startswith(f"{call.path}.")]
            words = [part.rpartition(".")[2] for part in parts]
            names.append(f"{layers[call.caller]} {' + '.join(SUBLAYERS.get(w, w) for w in words)}")
            first, *_, last = inside
            branches.append(next(iter(first.dinputs.values())))
            # Nothing but a norm of the sum stands between the stream's two states, if that; or,
            # of several streams, their mixing.
            summed = np.array_equal(last.output, call.output, equal_nan=True)
            skips.append(next(iter(last.dinputs.values())) if summed else call.doutput)
            stream.append(call.dinputs["x"])
            end = call.doutput
    norms = _lengths([*stream, end])
    reached = norms.any(axis=0)
    skip, branch = (_lengths(parts or [end])[: len(names)] for parts in (skips, branches))
    return Stream(names, norms[:, reached], skip[:, reached], branch[:, reached])


def gradient_flow_figure(recording: Recording) -> Picture:
    """How long the loss's gradient is along the residual streams of encoder and decoder.

    Above, each thin line is a token, the thick one their root mean square; the gradient comes in
    at the right and flows to the left. Below, the part of it that passes each sub-layer on the
    skip path, and the part that comes through the sub-layer.
    """
    from npformer.inspect.picture import Picture

    streams = {stack: gradient_flow(recording, stack) for stack in _stacks(recording)}
    figure = Picture(
        figsize=(1.6 + 3.4 * len(streams), 5.4), facecolor="white", layout="constrained"
    )
    grid = figure.subplots(2, len(streams), squeeze=False, sharey="row", sharex="col")
    for column, (stack, stream) in zip(grid.T, streams.items(), strict=True):
        above, below = column
        places = np.arange(len(stream.names)) + 0.5  # each between two points of the stream
        tokens = stream.norms[:, :: -(-stream.norms.shape[1] // TOKENS) or 1]
        above.plot(tokens, color=BLUE, alpha=0.25, linewidth=0.7)
        above.plot(_rms(stream.norms), color=BLUE, linewidth=2.2, label="all tokens (rms)")
        above.plot([], color=BLUE, alpha=0.5, linewidth=0.7, label="one token")
        above.set_title(f"{stack}: gradient of the stream", loc="left", fontsize=10)
        skip, branch = _rms(stream.skip), _rms(stream.branch)
        below.vlines(places, skip, branch, color="#BBBBBB", linewidth=1.2)
        below.plot(places, skip, "o", color=BLUE, label="past the sub-layer (skip)")
        below.plot(places, branch, "s", color=VERMILION, label="through it (branch)")
        below.set_title("by which way it came", loc="left", fontsize=10)
        below.set_xticks(places, stream.names, rotation=90 if len(places) > 6 else 0)
        below.set_xlabel("sub-layer; the gradient flows from right to left", fontsize=9)
        for axes in column:
            axes.set_yscale("log")
            _plain(axes)
    for axes in grid[:, 0]:
        axes.set_ylabel("length of a token's gradient", fontsize=9)
        axes.legend(fontsize=8, frameon=False)
    return figure


def statistics_figure(recording: Recording) -> Picture:
    """Root mean squares of outputs, of their gradients and of parameters' gradients, by layer.

    A column is a stack, a line a kind of sub-layer, and the grey one the residual stream itself.
    """
    from matplotlib.ticker import MaxNLocator

    from npformer.inspect.picture import Picture

    rows: list[tuple[str, Callable[[str], float]]] = [
        ("output", lambda path: rms(recording[path].output)),
        ("gradient of output", lambda path: rms(recording[path].doutput)),
        ("gradient of parameters", lambda path: _parameters_rms(recording, path)),
    ]
    paths = recording.paths
    stacks = _stacks(recording)
    figure = Picture(
        figsize=(1.6 + 3.4 * len(stacks), 7.0), facecolor="white", layout="constrained"
    )
    grid = figure.subplots(len(rows), len(stacks), squeeze=False, sharey="row", sharex="col")
    for column, stack in zip(grid.T, stacks, strict=True):
        layers = sum(re.fullmatch(rf"{stack}\.layers\.\d+", path) is not None for path in paths)
        for axes, (what, measure) in zip(column, rows, strict=True):
            for part, (colour, line) in LINES.items():
                places = [f"{stack}.layers.{i}.{part}".rstrip(".") for i in range(layers)]
                if places[0] in paths:
                    values = [measure(path) for path in places]
                    label = part or "the whole layer"
                    axes.plot(range(1, layers + 1), values, line, color=colour, label=label)
            axes.set_title(f"{stack}: {what}", loc="left", fontsize=10)
            axes.set_yscale("log")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            _plain(axes)
        column[-1].set_xlabel("layer", fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("root mean square", fontsize=9)
    lines, labels = grid[0, -1].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    return figure


def _stacks(recording: Recording) -> list[str]:
    """The paths of what has layers."""
    return [p.removesuffix(".layers.0") for p in recording.paths if p.endswith(".layers.0")]


def _lengths(gradients: list[Array]) -> Array:
    """Each (B, T, ...) -> (gradients, B * T)."""
    rows = (g.astype(np.float64).reshape(g.shape[0] * g.shape[1], -1) for g in gradients)
    return np.stack([np.linalg.norm(row, axis=-1) for row in rows])


def _rms(norms: Array) -> Array:
    """(points, tokens) -> (points,)."""
    return np.sqrt(np.square(norms).mean(axis=1))


def _parameters_rms(recording: Recording, path: str) -> float:
    below = [g.ravel() for name, g in recording.gradients.items() if name.startswith(f"{path}.")]
    return rms(np.concatenate(below))


def _plain(axes: Axes) -> None:
    axes.tick_params(which="both", labelsize=8)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
