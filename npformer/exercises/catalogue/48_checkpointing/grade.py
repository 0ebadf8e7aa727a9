"""Two layers in a row with one generator, and the first one's gradients twice."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from npformer.cards.strategies import draw_rng
from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.grading import against_function
from npformer.exercises.load import load_python

SOLUTION = load_python(Path(__file__).parent / "solution.py")


def grade(submission, cases, seed):
    """One question: what two layers give, forward and backward."""
    asked = SimpleNamespace(
        two_layers=_two(submission.checkpointed_forward, submission.checkpointed_backward),
        __file__=getattr(submission, "__file__", None),
    )
    mistakes = [(said, {"two_layers": _two(*wrong)}) for said, wrong in MISTAKES]
    options = {"cases": cases, "seed": seed, "mistakes": mistakes}
    return against_function(asked, "two_layers", SOLUTION.two_layers, _draw, **options)


def _two(forward, backward):
    """``two_layers`` of these functions, which looks at what their caches hold."""

    def run(x, weight, rng):
        """Raises ``Complaint`` for a cache that holds an activation."""
        y, cache = _pair(forward(x, weight, rng), "checkpointed_forward", "y, cache")
        for array in _arrays(cache):
            if not any(np.array_equal(array, own) for own in (x, weight)):
                raise Complaint(
                    "type",
                    f"the cache holds an array of shape {array.shape}, which is neither x nor "
                    "weight; it must hold no activation",
                )
        return y, cache

    def back(dy, cache):
        return _pair(backward(dy, cache), "checkpointed_backward", "dx, dweight")

    def two_layers(x, first, second, dy, rng):
        h, own = run(x, first, rng)
        y, cache = run(h, second, rng)
        dh, dsecond = back(dy, cache)
        dx, dfirst = back(dh, own)
        dx_again, _ = back(dh, own)
        return {"y": y, "dx": dx, "dfirst": dfirst, "dsecond": dsecond, "dx_again": dx_again}

    return two_layers


def _pair(found, name, wanted):
    if not isinstance(found, tuple) or len(found) != 2:
        raise Complaint("type", f"{name} returns {a_kind(found)}; it must return {wanted}")
    return found


def _arrays(value: Any) -> Iterator[np.ndarray]:
    """Every array in nested tuples, lists, dictionaries and objects' attributes."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, np.random.Generator):
        return
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _arrays(each)
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _arrays(each)
    elif hasattr(value, "__dict__"):
        yield from _arrays(vars(value))


def _draw(source):
    rng = draw_rng(source)
    b, t, d, f, e = (source.integer(1, 3) for _ in range(5))
    return {
        "x": rng.standard_normal((b, t, d)),
        "first": rng.standard_normal((f, d)),
        "second": rng.standard_normal((e, f)),
        "dy": rng.standard_normal((b, t, e)),
        "rng": source.integer(0, 2**32 - 1),
    }


def _pair_of(keep=copy.deepcopy, replay=copy.deepcopy, change=lambda inner: inner):
    """The pair with another generator kept, replayed, or an inner cache that is changed."""

    def forward(x, weight, rng):
        cache = (x, weight, keep(rng))
        return SOLUTION.layer_forward(x, weight, rng)[0], cache

    def backward(dy, cache):
        x, weight, rng = cache
        _, inner = SOLUTION.layer_forward(x, weight, replay(rng))
        return SOLUTION.layer_backward(dy, change(inner))

    return forward, backward


def _all_kept(inner):
    """As at inference: nothing dropped, and nothing made up for."""
    x, weight, h, keep = inner
    return x, weight, h, np.full(keep.shape, 0.5)


def _after(x, weight, rng):
    y, _ = SOLUTION.layer_forward(x, weight, rng)
    return y, (x, weight, copy.deepcopy(rng))


MISTAKES = [
    ("the cache holds the generator itself: when the backward begins, it has moved on",
     _pair_of(keep=lambda rng: rng)),
    ("the copy is made after the run, when the generator has moved on", (_after, _pair_of()[1])),
    ("the cached generator itself is drawn from in the backward: a second one gets other masks",
     _pair_of(replay=lambda rng: rng)),
    ("neither run has a copy of the generator: every run draws on",
     _pair_of(keep=lambda rng: rng, replay=lambda rng: rng)),
    ("the second run has a generator of its own, which draws other masks",
     _pair_of(replay=lambda rng: np.random.default_rng(0))),
    ("the second run drops nothing, as at inference", _pair_of(change=_all_kept)),
]  # fmt: skip
