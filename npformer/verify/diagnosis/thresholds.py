"""Wrong where an array is above some number, or below it, and right elsewhere.

A clamp, a saturated tail, a branch for large numbers: what is on one side has another formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from npformer.cards.case import Array, is_output
from npformer.verify.diagnosis.evidence import Evidence

CHANCE = 1e-4
"""That so many wrong entries would all be above so many right ones, if that were not why."""
SIDES: dict[str, Callable[[Array], Array]] = {
    "above": np.positive,
    "below": np.negative,
    "larger in size than": np.abs,
}


def beyond(evidences: Sequence[Evidence], name: str) -> Iterator[str]:
    """Where the entries of a result are wrong in all of these cases, if a number sets them apart.

    Nothing where above or below does and size does too: which it is, these cases do not tell.
    """
    seen = [e for e in evidences if _comparable(e, name)]
    for array in _arrays(seen[0], name) if seen else ():
        values = [e.array(array) for e in seen]
        if any(
            v is None or v.shape != e.right[name].shape for v, e in zip(values, seen, strict=True)
        ):
            continue
        pairs = [_sides(e, name, np.asarray(v)) for v, e in zip(values, seen, strict=True)]
        wrong, right = (np.concatenate(each) for each in zip(*pairs, strict=True))
        apart = [side for side in SIDES if _apart(SIDES[side](wrong), SIDES[side](right))]
        if len(apart) != 1:
            continue
        measure = SIDES[apart[0]]
        ends = float(measure(measure(right).max())), float(measure(measure(wrong).min()))
        zero = not any(e.wrong[name][e.entries_off(name)].any() for e in seen)
        yield (
            f"{name} is {'zero' if zero else 'wrong'} where {array} is {apart[0]} some number from "
            f"{min(ends):.3g} to {max(ends):.3g}, and right elsewhere"
        )


def _apart(wrong: Array, right: Array) -> bool:
    """Whether all of one are above all of the other, and too many for that to be chance."""
    if not wrong.size or not right.size or not right.max() < wrong.min():
        return False
    return math.comb(wrong.size + right.size, wrong.size) * CHANCE > 1


def _comparable(evidence: Evidence, name: str) -> bool:
    wrong, right = evidence.wrong.get(name), evidence.right.get(name)
    return name in evidence.names and wrong is not None and right is not None and (
        wrong.shape == right.shape and bool(np.isfinite(right).all())
    )  # fmt: skip


def _arrays(evidence: Evidence, name: str) -> list[str]:
    outputs = [n for n in evidence.right if is_output(n) and n != name]
    return [*evidence.case.inputs, *outputs, *evidence.upstream]


def _sides(evidence: Evidence, name: str, values: Array) -> tuple[Array, Array]:
    """The values at wrong entries, and at right ones of which a 0 would have been wrong."""
    off = evidence.entries_off(name)
    return values[off], values[~off & (evidence.right[name] != 0)]
