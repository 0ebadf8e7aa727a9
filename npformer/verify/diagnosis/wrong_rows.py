"""Only a part of dy reached the gradient, or none.

A backward is linear in dy. So what a gradient would be if only some rows of dy had reached it is
the right gradient for a dy that is zero elsewhere, and nothing need be known of the formula.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from npformer.cards.case import Array
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.mistake import Mistake

ROWS = 64
"""A sum of more rows than these is not taken apart."""


def wrong_rows(evidence: Evidence) -> Iterator[Mistake]:
    """dy taken for ones; the last or first row alone; all but it."""
    yield Mistake("{name} ignores dy: the upstream gradient is taken for 1", _for_ones)
    leading = tuple(range(evidence.case.dy.ndim - 1))
    choices: list[tuple[int, ...]] = [(axis,) for axis in range(evidence.case.dy.ndim)]
    if len(leading) > 1:
        choices.append(leading)
    for axes, end in itertools.product(choices, (-1, 0)):
        which = "last" if end else "first"
        what = "row" if axes == leading else f"index of axis {axes[0]}"
        share = f"the share of dy's {which} {what}"
        every = axes == leading
        yield Mistake(f"{{name}} holds {share} alone", _for_part(axes, end, every, False))
        yield Mistake(f"{{name}} lacks {share}", _for_part(axes, end, every, True))


def _for_ones(evidence: Evidence, name: str) -> Array | None:
    every = [np.ones_like(dy) for dy in evidence.upstream.values()]
    ones = evidence.once("ones", lambda: evidence.right_for(*every))
    return ones.get(name)


def _for_part(
    axes: tuple[int, ...], end: int, every: bool, without: bool
) -> Callable[[Evidence, str], Array | None]:
    def predict(evidence: Evidence, name: str) -> Array | None:
        dys = list(evidence.upstream.values())
        chosen = tuple(range(dys[0].ndim - 1)) if every else axes
        for dy in dys:
            if not chosen or max(chosen) >= dy.ndim or not all(dy.shape[a] for a in chosen):
                return None
        part = evidence.once(("part", chosen, end), lambda: _gradients_of(evidence, chosen, end))
        if name not in part:
            return None
        return evidence.right[name] - part[name] if without else part[name]

    return predict


def _gradients_of(evidence: Evidence, axes: tuple[int, ...], end: int) -> dict[str, Array]:
    kept = []
    for dy in evidence.upstream.values():
        index = tuple(end if axis in axes else slice(None) for axis in range(dy.ndim))
        kept.append(np.zeros_like(dy))
        kept[-1][index] = dy[index]
    return evidence.right_for(*kept)


def not_reduced(evidence: Evidence, name: str) -> Iterator[Mistake]:
    """A sum over leading axes of dy that was not taken: its terms are the rows' own gradients."""
    wrong, right, dy = evidence.wrong.get(name), evidence.right[name], evidence.case.dy
    extra = 0 if wrong is None else wrong.ndim - right.ndim
    several = bool(evidence.case.more)
    if several or not 0 < extra < dy.ndim or wrong is None or wrong.shape[extra:] != right.shape:
        return

    every = extra == dy.ndim - 1

    def predict(evidence: Evidence, name: str) -> Array | None:
        dy, right = evidence.case.dy, evidence.right[name]
        lead = dy.shape[: dy.ndim - 1 if every else extra]
        if dy.ndim <= len(lead) or np.prod(lead) > ROWS:
            return None
        terms = np.zeros((*lead, *right.shape), right.dtype)
        for index in np.ndindex(lead):
            one = np.zeros_like(dy)
            one[index] = dy[index]
            terms[index] = evidence.right_for(one)[name]
        return terms

    axes = "leading axes" if every else "leading axis" if extra == 1 else f"{extra} leading axes"
    yield Mistake(f"{{name}} is not summed over dy's {axes}", predict)
