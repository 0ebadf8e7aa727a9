"""What other upstream gradients show, for the same inputs: a gradient is linear in dy.

Twice the dy gives twice the gradient, two of them the sum of theirs, and no dy none. What a kernel
never writes is the same whatever dy is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from npformer.cards.case import Array, Result
from npformer.cards.values import in_layout, layout_of, stored
from npformer.verify.diagnosis.evidence import Evidence, observe
from npformer.verify.diagnosis.regions import MOST, confining

SHOWS = 0.05
"""Of the gradient, or of its distance from the right one, what is not rounding."""


def experiments(unexplained: Sequence[Evidence]) -> dict[str, str]:
    """By result, a sentence that is true of it in all of these cases."""
    found: dict[str, str] = {}
    first = unexplained[0]
    for name in first.names:
        if name == "y":  # a wrong forward is no matter of dy
            return {}
        with np.errstate(all="ignore"):
            for said in _told(first, name):
                later = (e for e in unexplained[1:] if name in e.names)
                if all(said in _told(evidence, name, 0.0) for evidence in later):
                    found[name] = said
                    break
    return found


def _told(evidence: Evidence, name: str, share: float = MOST) -> Iterator[str]:
    """The sentences about one result that hold here, the most telling first.

    ``share`` of a region has to be wrong, and more, for it to be named.
    """
    once = evidence.wrong.get(name)
    if once is None or name not in evidence.right or once.shape != evidence.right[name].shape:
        return
    other, both, twice, none = _tries(evidence, name)
    if other is None or not np.isfinite(once).all() or not np.isfinite(other).all():
        return
    yield from _unwritten(evidence, name, once, other, share)
    size = np.abs(once).max(initial=0.0)
    away = min(size, np.abs(once - evidence.right[name]).max(initial=0.0))

    def shows(defect: Array, of: float) -> bool:
        return bool(np.abs(defect).max(initial=0.0) > SHOWS * of)

    if np.array_equal(once, other) and once.any():
        yield f"{name} is the same whatever dy is"
        return
    if none is not None and none.any() and shows(none, away):
        yield f"{name} is not 0 where dy is 0: something is added to it that does not depend on dy"
        return
    # Rounding to a format keeps a factor of two, and not a sum.
    double = twice is not None and shows(twice - 2 * once, away)
    added = both is not None and shows(both - once - other, max(size, np.abs(other).max()))
    if double:
        yield f"{name} is not linear in dy: twice the dy does not give twice the gradient"
    if added:
        yield f"{name} is not linear in dy: the sum of two does not give the sum of their gradients"
    if double or added:
        yield f"{name} is not linear in dy"


def _tries(evidence: Evidence, name: str) -> list[Array | None]:
    """The result for another dy, for the sum of both, for twice dy and for none."""
    rng = np.random.default_rng(1)
    upstream, others = evidence.case.upstream, {}
    for output, dy in upstream.items():
        size = np.abs(dy).max(initial=0.0) or 1.0
        # Where one number stands for many, so does another: a kernel may miss that layout.
        drawn = rng.standard_normal(stored(dy).shape) * size
        others[output] = np.broadcast_to(drawn, dy.shape)
    tried: dict[str, Callable[[Array, Array], Array]] = {
        "other": lambda dy, other: other,
        "both": lambda dy, other: dy + other,
        "twice": lambda dy, other: 2 * dy,
        "none": lambda dy, other: 0 * dy,
    }

    def run(kind: str) -> Result:
        again = {
            output: in_layout(
                np.asarray(tried[kind](dy, others[output]), dy.dtype, order="C"), layout_of(dy)
            )
            for output, dy in upstream.items()
        }
        return evidence.once(("tried", kind), lambda: _run(evidence, again))

    return [run(kind).get(name) for kind in tried]


def _run(evidence: Evidence, upstream: dict[str, Array]) -> Result:
    try:
        return observe(evidence.component, evidence.case.with_upstream(upstream))
    except Exception:  # it does not take this dy
        return {}


def _unwritten(
    evidence: Evidence, name: str, once: Array, other: Array, share: float
) -> Iterator[str]:
    """Entries that are wrong and do not change with dy, where all of the others are right."""
    off = evidence.entries_off(name)
    if not off.any() or off.all() or not (once == other)[off].all():
        return
    value = "0" if not once[off].any() else "the same number"
    for said, there in confining(off, share):
        if (once == other)[there].all():
            yield f"{name} is never written at {said}: it is {value} there whatever dy is"
