"""When nothing explains a wrong result: what can be said of it all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from npformer.cards.case import Array, is_output
from npformer.ops.masks import visible
from npformer.verify.diagnosis.diagnosis import Diagnosis, chapter_of
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.experiments import experiments
from npformer.verify.diagnosis.known import known
from npformer.verify.diagnosis.regions import MOST, confining
from npformer.verify.diagnosis.thresholds import beyond

SCORE = 0.3


def describe(unexplained: Sequence[Evidence]) -> list[Diagnosis]:
    """By how much, or where, each result is off in all of these cases, if there is a pattern."""
    first = unexplained[0]
    if told := experiments(unexplained):
        return [Diagnosis(said, name, (), _chapter(first), SCORE) for name, said in told.items()]
    return where(*unexplained)


def where(first: Evidence, *more: Evidence) -> list[Diagnosis]:
    """The places that are wrong, if they have something in common."""
    found = []
    for name in first.names:
        others = [evidence for evidence in more if name in evidence.names]
        for sentence in _patterns(first, name):
            if all(sentence in _patterns(evidence, name, 0.0) for evidence in others):
                break
        else:
            sentence = next(beyond([first, *others], name), "")
        if sentence:
            found.append(Diagnosis(sentence, name, (), _chapter(first), SCORE))
    return found


def _chapter(evidence: Evidence) -> str | None:
    about = known(evidence)
    return chapter_of(about.component.name) if about else None


def _patterns(evidence: Evidence, name: str, share: float = MOST) -> Iterator[str]:
    wrong, right = evidence.wrong.get(name), evidence.right.get(name)
    if wrong is None or right is None or wrong.shape != right.shape or wrong.size < 2:
        return
    yield from _where(evidence, name, evidence.entries_off(name), share)


def _where(evidence: Evidence, name: str, off: Array, share: float) -> Iterator[str]:
    """The places that have all that is wrong, and only that: more than this share of them."""
    kind = "NaN or infinite" if not np.isfinite(evidence.wrong[name][off]).all() else "wrong"
    for said, there in _places(evidence, name, off.shape):
        if not off[~there].any() and not there.all() and off[there].mean() > share:
            yield f"{name} is {kind} {said}, and right elsewhere"
    for said, _ in confining(off, share):
        yield f"{name} is {kind} at {said}, and right elsewhere"


def _places(evidence: Evidence, name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Conditions on the case, as boolean arrays of the result's shape."""
    case = evidence.case
    outputs = {n: a for n, a in evidence.right.items() if is_output(n)}
    arrays = {**case.inputs, **evidence.upstream, **outputs}
    for array, values in arrays.items():
        if values.shape == shape:
            for said, there in (("0", values == 0), ("negative", values < 0),
                                ("positive", values > 0)):  # fmt: skip
                yield f"where {array} is {said}", there
            if values.ndim:
                constant = np.ptp(values, axis=-1, keepdims=True) == 0
                yield (
                    f"in rows of {array} whose entries are all equal",
                    np.broadcast_to(constant, shape),
                )
    about = known(evidence)
    if about is not None and about.names is None:  # the arguments are those of an operation of ours
        for said, there in _in_the_operation(evidence, name, shape):
            if there.ndim <= len(shape) and np.broadcast_shapes(there.shape, shape) == shape:
                yield said, np.broadcast_to(there, shape)


def _in_the_operation(
    evidence: Evidence, name: str, shape: tuple[int, ...]
) -> Iterator[tuple[str, Array]]:
    """By what its other arguments mean; the arrays may have to be broadcast."""
    static = evidence.case.static
    targets, ignored = static.get("targets"), static.get("ignore_index")
    if isinstance(targets, np.ndarray) and shape[:-1] == targets.shape and ignored is not None:
        yield "in the rows whose target is ignored", (targets == ignored)[..., None]
    if len(shape) == 4 and {"q", "k"} <= evidence.case.inputs.keys():
        yield _hidden(evidence, name)
    ids, padding = static.get("ids"), static.get("padding_idx")
    if isinstance(ids, np.ndarray) and name == "dweight" and shape:
        counts = np.bincount(ids.reshape(-1), minlength=shape[0])[:, None]
        yield "for ids that occur more than once", counts > 1
        yield "for ids that do not occur", counts == 0
        if padding is not None:
            yield "in the padding row", np.arange(shape[0])[:, None] == padding


def _hidden(evidence: Evidence, name: str) -> tuple[str, Array]:
    """Queries that see no key, and keys that no query sees; (B, T or S, N, 1)."""
    static, q, k = evidence.case.static, *(evidence.case.inputs[n] for n in "qk")
    b, t, n, _ = q.shape
    mask = static.get("mask") if isinstance(static.get("mask"), np.ndarray) else None
    causal, window = bool(static.get("causal")), static.get("window")
    seen = visible(t, k.shape[1], mask, causal=causal, window=window)
    allowed = np.broadcast_to(True if seen is None else seen, (b, n, t, k.shape[1]))
    axis, said = (3, "for queries that see no key") if name in ("y", "dq") else (
        2, "for keys that no query sees")  # fmt: skip
    nothing = np.asarray(~allowed.any(axis=axis))  # (B, N, T or S)
    hidden: np.ndarray = nothing.swapaxes(1, 2)[..., None]
    groups = k.shape[2]
    if axis == 2 and n != groups:  # a key of a group, which several heads read
        each = hidden.reshape(*hidden.shape[:2], groups, n // groups)
        hidden = np.asarray(each.all(-1, keepdims=True))
    return said, hidden
