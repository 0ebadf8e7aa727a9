"""Computed in a narrower format: the digits beyond it are missing, or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from npformer.cards.case import Array
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.formats import FLOAT16, FLOAT32, NARROW, Format
from npformer.verify.diagnosis.mistake import Mistake
from npformer.verify.diagnosis.steady import steady
from npformer.verify.units.sixteen import EPS

ROUNDED = 16
"""Rounding errors of the narrower format that a result may be off by."""


def wrong_digits(evidence: Evidence) -> Iterator[Mistake]:
    """The result rounded to a format, then what comes of inputs that are.

    What is checked in sixteen bits has no more digits to lose to a format of as many.
    """
    asked = EPS.get(getattr(evidence.component, "sixteen", ""), 0.0)
    narrower = [each for each in NARROW if each.eps > asked]
    yield Mistake("{name} is computed in float32", _in_float32)
    for narrow in narrower:
        # Within float16's range, TF32's numbers are float16's: only products tell them apart.
        if narrow.name != "TF32":
            yield Mistake(f"{{name}} is computed in {narrow.name}", _held(narrow))
    for narrow in narrower:
        said = f"{{name}} is computed from arrays that are rounded to {narrow.name}"
        yield Mistake(said, _from_rounded(narrow))


def _close(evidence: Evidence, name: str, narrow: Format) -> Array | None:
    """How far off each entry is in the format's rounding errors; None if too far."""
    wrong, right = evidence.wrong[name], evidence.right[name]
    size = np.abs(right) + np.sqrt(np.mean(np.square(right)))
    # A measured scale may be that of a reference by finite differences: it excuses a lot.
    scale = np.clip(evidence.scales[name], np.abs(right), size)
    off = np.abs(wrong - right) / (narrow.eps * scale)
    off = np.where(wrong == right, 0.0, off)
    return off if (off <= ROUNDED).all() else None


def _comparable(evidence: Evidence, name: str) -> bool:
    wrong, right = evidence.wrong.get(name), evidence.right[name]
    same = wrong is not None and wrong.shape == right.shape and wrong.dtype == right.dtype
    return same and bool(right.size)


def _in_float32(evidence: Evidence, name: str) -> Array | None:
    """Rounding cannot be predicted, so the wrong result itself is the answer where it looks so."""
    wrong, right = evidence.wrong.get(name), evidence.right[name]
    if evidence.case.dy.dtype != np.float64:
        return None
    if wrong is None or not _comparable(evidence, name):
        return right
    with np.errstate(all="ignore"):
        off = _close(evidence, name, FLOAT32)
        if off is None:
            return right
        # A formula that is a little wrong is seldom off by a rounding error everywhere.
        other = right != 0
        usual = other.any() and (off[other] > 1e-3).mean() > 0.5
        held = np.array_equal(wrong, FLOAT32.round(wrong))
        # Nor by the same part of each.
        usual = usual and steady(wrong - right, right) is None
        return wrong if (held and not _shorter(wrong)) or usual else right


def _shorter(array: Array) -> bool:
    """Whether the numbers are of an even narrower format."""
    return any(np.array_equal(array, narrow.round(array)) for narrow in NARROW)


def _held(narrow: Format) -> Callable[[Evidence, str], Array | None]:
    def predict(evidence: Evidence, name: str) -> Array | None:
        wrong, right = evidence.wrong.get(name), evidence.right[name]
        if wrong is None or not _comparable(evidence, name):
            return right
        with np.errstate(all="ignore"):
            held = np.array_equal(wrong, narrow.round(wrong))
            shorter = narrow is FLOAT16 and np.array_equal(wrong, NARROW[0].round(wrong))
            close = _close(evidence, name, narrow) is not None
        return wrong if held and close and not shorter else right

    return predict


def _from_rounded(narrow: Format) -> Callable[[Evidence, str], Array | None]:
    """Exactly what comes of rounded inputs: a product on a unit that takes nothing wider."""

    def look(evidence: Evidence) -> dict[str, Array]:
        case = evidence.case
        with np.errstate(all="ignore"):
            inputs = {name: narrow.round(a) for name, a in case.inputs.items()}
            upstream = {name: narrow.round(dy) for name, dy in case.upstream.items()}
            return evidence.right_of(case.with_inputs(inputs).with_upstream(upstream))

    def predict(evidence: Evidence, name: str) -> Array | None:
        return evidence.once(("rounded", narrow.name), lambda: look(evidence)).get(name)

    return predict
