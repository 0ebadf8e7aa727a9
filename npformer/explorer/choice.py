"""Which layers and heads of a model are on a page, so that the page is small enough to be opened.

What grows with the model are the tensors of its layers, and with the square of the text attention.
Both are known from a recording's shapes, before anything is encoded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npformer.errors import NpformerError
from npformer.explorer.arrays import Layout
from npformer.explorer.flow import LAYER, places
from npformer.inspect.reading import Reading
from npformer.inspect.recorder import record
from npformer.inspect.recording import RecordedCall, Recording
from npformer.models.model import Model

MOST = 8_000_000
"""Bytes of a page whose layers and heads nobody has chosen."""

_BESIDE = 700_000  # libraries, scripts, formulas and their sources
_OF_CALL, _OF_ARRAY = 780, 220  # what is said of a call and of a tensor, besides its numbers
_OF_ENTRY = 8 / 3  # 16 bits in base64
_FEW = 3


class Choice(NamedTuple):
    """What is on a page."""

    layers: tuple[int, ...]
    """Of each stack, by number from 0."""
    heads: tuple[int, ...]
    of_layers: int
    """How many the deepest stack has."""
    of_heads: int

    def keeps(self, path: str) -> bool:
        """Whether what is called there is in a chosen layer, or in none."""
        return _number(path) in (-1, *self.layers)


def chosen(
    model: Model,
    reading: Reading,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
) -> Choice:
    """The layers and the heads given; what is not given is chosen so that the page stays small.

    Layers are then as far apart from each other as they can be, the first and the last among them,
    and heads the first ones. Raises ``NpformerError`` for one that does not exist, and for so much
    to read that no page of ``MOST`` bytes holds a layer of it.
    """
    depth, of_heads = max(model.config.depths), model.config.heads
    _check("layers", layers, depth)
    _check("heads", heads, of_heads)
    if layers is None or heads is None:
        recording = record(model, reading.batch)
        layers, heads = _fitting(layers, heads, depth, of_heads, recording, reading)
    return Choice(tuple(sorted({*layers})), tuple(sorted({*heads})), depth, of_heads)


def _check(what: str, given: Sequence[int] | None, count: int) -> None:
    for number in given or ():
        if not 0 <= number < count:
            there = f"this model has {what} 0 to {count - 1}" if count else f"there are no {what}"
            raise NpformerError(f"--{what} has {number}, and {there}")


def _fitting(
    layers: Sequence[int] | None,
    heads: Sequence[int] | None,
    depth: int,
    of_heads: int,
    recording: Recording,
    reading: Reading,
) -> tuple[Sequence[int], Sequence[int]]:
    """All heads and all layers, or as many heads as leave room for a few layers."""
    fit, some = 0, heads or ()  # type: int, Sequence[int]
    for some in [heads] if heads is not None else _halved(of_heads):
        sizes = page_bytes(recording, reading, some, of_heads)
        room = MOST - sizes.pop(-1)
        if layers is not None:
            if sum(sizes[number] for number in {*layers}) <= room:
                return layers, some
            continue
        each = max(sizes.values(), default=0.0)
        fit = depth if each * depth <= room else max(0, int(room // each))
        if fit >= min(_FEW, depth):
            break
    if depth and not fit:
        raise NpformerError(
            f"{reading.batch.targets.shape[1]} positions are too many for a page of "
            f"{MOST / 1e6:.0f} MB, whatever is left out; give less to read, or choose both "
            "--layers and --heads"
        )
    return np.linspace(0, depth - 1, fit).round().astype(int).tolist(), some


def _halved(count: int) -> list[range]:
    """All of them, the first half, the first quarter, ... the first."""
    found = [range(count)]
    while len(found[-1]) > 1:
        found.append(range(len(found[-1]) // 2))
    return found


def page_bytes(
    recording: Recording, reading: Reading, heads: Sequence[int], of_heads: int
) -> defaultdict[int, float]:
    """About how many bytes of a page each layer takes, by number; -1 is all that is in none."""
    found: defaultdict[int, float] = defaultdict(float)
    found[-1] = _BESIDE
    seen: set[int] = set()
    for call in recording.calls:
        number = _number(call.path)
        found[number] += _OF_CALL
        for name, array in _arrays(call):
            if id(array) not in seen:
                seen.add(id(array))
                layout = Layout.of(array.shape, name)
                panels = len(layout.kept(heads, of_heads))
                found[number] += _OF_ARRAY + panels * layout.cells() * _OF_ENTRY
    for path, array in recording.gradients.items():
        cells = Layout.of(array.shape, parameter=True).cells()
        found[_number(path)] += 2 * (_OF_ARRAY + cells * _OF_ENTRY)
    targets = reading.batch.targets.shape[1]
    for place in places(recording):
        columns = len(reading.sources) if place.side == "source" else targets
        found[-1 if place.stream else _number(place.call.path)] += (
            _OF_ARRAY + targets * columns * _OF_ENTRY
        )
    return found


def _number(path: str) -> int:
    """Of the layer that a path is in; -1 for none."""
    found = LAYER.match(path)
    return -1 if found is None else int(found[1])


def _arrays(call: RecordedCall) -> list[tuple[str, np.ndarray]]:
    several = {**call.inputs, **{f"d{n}": g for n, g in call.dinputs.items()}, **call.internals}
    return [*several.items(), ("y", call.output), ("dy", call.doutput)]
