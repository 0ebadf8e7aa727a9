"""Right but for a factor: a sign, a number of the case, one of its arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from npformer.cards.case import Array, is_output
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.mistake import Mistake
from npformer.verify.diagnosis.sizes import factors

AS_IF = {
    "1/R": ", as if averaged over the rows",
    "1/B": ", as if averaged over the batch",
    "R": ", as if summed over the rows where the mean is taken",
    "B": ", as if summed over the batch where the mean is taken",
}


def wrong_factors(evidence: Evidence, name: str) -> Iterator[Mistake]:
    """Zero, a sign, a factor with a name."""
    yield Mistake("{name} is zero", lambda e, n: np.zeros_like(e.right[n]))
    yield Mistake("{name} has the wrong sign", lambda e, n: -e.right[n])
    about = least_squares(evidence, name)
    for sign, minus in ((1, ""), (-1, "-")):
        for label, value in _factors(evidence).items():
            if abs(sign * value - about) > 1e-2 * abs(about):
                continue
            shown = "" if label.isdigit() else f" = {minus}{value:.4g}"
            said = f"{{name}} is off by the factor {minus}{label}{shown}{AS_IF.get(label, '')}"
            yield Mistake(said, _times(label, sign))


def least_squares(evidence: Evidence, name: str) -> float:
    """The factor that the result is off by, if it is off by one; NaN if none can be told."""
    wrong, right = evidence.wrong.get(name), evidence.right[name]
    if wrong is None or wrong.shape != right.shape or not right.any():
        return np.nan
    with np.errstate(all="ignore"):
        unit = right / np.abs(right).max()
        return float(np.sum(wrong / np.abs(right).max() * unit) / np.sum(unit * unit))


def _factors(evidence: Evidence) -> dict[str, float]:
    return evidence.once("factors", lambda: factors(evidence.component, evidence.case))


def _times(label: str, sign: int) -> Callable[[Evidence, str], Array | None]:
    def predict(evidence: Evidence, name: str) -> Array | None:
        value = _factors(evidence).get(label)
        if value is None:
            return None
        with np.errstate(all="ignore"):
            right = evidence.right[name]
            return np.asarray(right * right.dtype.type(sign * value))

    return predict


def wrong_arrays(evidence: Evidence) -> Iterator[Mistake]:
    """An array of the case in the gradient's place, or as a factor too often or too rarely."""
    outputs = [name for name in evidence.right if is_output(name)]
    names = [*evidence.upstream, *evidence.case.inputs, *outputs]
    for array in names:
        yield Mistake(f"{{name}} is {array} itself", _itself(array))
    for gradient in (name for name in evidence.right if not is_output(name)):
        yield Mistake(f"{{name}} is what {gradient} should be", _right(gradient))
    for array in names:
        yield Mistake(f"{{name}} is multiplied by {array} once too often", _by(array, np.multiply))
        yield Mistake(f"{{name}} lacks the factor {array}", _by(array, np.divide))


def _itself(array: str) -> Callable[[Evidence, str], Array | None]:
    def predict(evidence: Evidence, name: str) -> Array | None:
        found = evidence.array(array)
        if found is None or name == array or found.shape != evidence.right[name].shape:
            return None
        return found

    return predict


def _right(gradient: str) -> Callable[[Evidence, str], Array | None]:
    def predict(evidence: Evidence, name: str) -> Array | None:
        found = evidence.right.get(gradient)
        if found is None or name == gradient or found.shape != evidence.right[name].shape:
            return None
        return found

    return predict


def _by(array: str, operation: Callable[..., Array]) -> Callable[[Evidence, str], Array | None]:
    def predict(evidence: Evidence, name: str) -> Array | None:
        found, right = evidence.array(array), evidence.right[name]
        # From the last axis, as broadcasting goes: weight (D,) multiplies dx (..., D).
        if found is None or found.shape != right.shape[right.ndim - found.ndim :]:
            return None
        with np.errstate(all="ignore"):
            return np.asarray(operation(right, found), right.dtype)

    return predict


def not_a_number() -> Mistake:
    """Right but for entries that are NaN or infinite, which this does not explain."""

    def predict(evidence: Evidence, name: str) -> Array | None:
        wrong, right = evidence.wrong.get(name), evidence.right[name]
        if wrong is None or wrong.shape != right.shape:
            return None
        return np.where(np.isfinite(wrong), right, wrong).astype(right.dtype)

    return Mistake("{name} is NaN or infinite where it should be a number", predict)
