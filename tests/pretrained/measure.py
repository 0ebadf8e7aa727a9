"""What a published model computes, and what the library's computes: logits, gradients, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.pretrained import Pretrained
from npformer.pretrained.load import Renamed
from npformer.pretrained.tensors import Exported
from tests.pretrained import library

CLOSE = 1e-9
"""The largest relative error of a run in float64 that passes."""

Run = tuple[np.ndarray, dict[str, np.ndarray]]
"""Logits, and the gradient of every tensor by the family's name of it."""


def of_numpy(found: Pretrained, ids: np.ndarray, dlogits: np.ndarray, **more: np.ndarray) -> Run:
    """ids (B, T), dlogits (B, T, V) -> the run of npformer's model."""
    model = found.model
    logits, cache = model.forward(ids, **more)
    for parameter in model.parameters():
        parameter.grad = None
    model.backward(dlogits, cache)
    return logits, named(found, {path: p.grad for path, p in model.named_parameters()})


def of_library(found: Pretrained, model: Any, ids: Any, dlogits: Any, **inputs: Any) -> Run:
    """The same of the library's model, in the precision of its weights."""
    logits, gradients = library.run(model, ids, dlogits, **inputs)
    return logits, dict(Renamed(gradients, found.family.own_names(list(gradients))))


def named(found: Pretrained, gradients: dict[str, Any]) -> dict[str, np.ndarray]:
    """The gradients of the parameters as those of the tensors: the table is linear.

    What is never trained has none.
    """
    entries = found.family.entries(found.model.config)
    trained = [e for e in entries if all(gradients[path] is not None for path in e.ours)]
    return dict(Exported(trained, gradients))


def greedy(found: Pretrained, ids: np.ndarray, new: int) -> list[list[int]]:
    """ids (B, T) -> the ``new`` ids that decoding with the cache adds to each row."""
    state = found.model.start()
    newest, written = ids, []
    for _ in range(new):
        newest = found.model.step(newest, state).argmax(axis=1)
        written.append(newest.tolist())
    return [list(row) for row in zip(*written, strict=True)]


def check_equal(ours: Run, theirs: Run) -> None:
    """Assert that logits and every gradient are the same up to ``CLOSE``.

    A bias of keys alone has no gradient, for a softmax does not see it: there both have noise.
    """
    assert apart(ours[0], theirs[0]) < CLOSE
    assert ours[1].keys() == theirs[1].keys()
    for name, gradient in ours[1].items():
        if vanishes(theirs, name):
            assert vanishes(ours, name), name
        else:
            assert apart(gradient, theirs[1][name]) < CLOSE, name


def vanishes(run: Run, name: str) -> bool:
    """Whether a gradient is nothing beside the largest one."""
    largest = max(abs(gradient).max() for gradient in run[1].values())
    return bool(abs(run[1][name]).max() < 1e-12 * largest)


def worst(ours: Run, theirs: Run) -> tuple[float, float]:
    """The largest error of the logits, and of any gradient; of each relative to its largest."""
    gradients = [
        apart(gradient, theirs[1][name])
        for name, gradient in ours[1].items()
        if not vanishes(theirs, name)
    ]
    return apart(ours[0], theirs[0]), max(gradients)


def rounding(run: Run, exact: Run) -> float:
    """The root of the mean square, over logits and gradients, of errors relative to the largest."""
    names = [name for name in exact[1] if not vanishes(exact, name)]
    pairs = [(run[0], exact[0]), *((run[1][name], exact[1][name]) for name in names)]
    squares = sum(float(np.sum(((a - b) / abs(b).max()) ** 2)) for a, b in pairs)
    return float(np.sqrt(squares / sum(b.size for _, b in pairs)))


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest error, relative to the largest entry."""
    assert ours.shape == theirs.shape
    return float(abs(ours - theirs).max() / abs(theirs).max())


def quirks_of(family: Any, config: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Those that the config lets be made: name, wrong settings, module."""
    for name, quirk in family.quirks.items():
        if settings := quirk.wrong(config):
            yield name, settings, quirk.at
