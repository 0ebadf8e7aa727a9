"""What may set a case apart from others: layout, values, dtype, options. Sizes are in ``lengths``.

Each can be taken from a case, and given to one that lacks it, so that it can be tried whether it
is the cause.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.values import in_layout, layout_of

LARGE = (1e6, 1e3, 10.0)
SMALL = (1e-6, 1e-2)

Change = Callable[[Case], Case | None]
"""A case that differs in the feature alone; None where there is no such case."""


@dataclass(frozen=True)
class Feature:
    """Something that a case has or has not."""

    said: str
    """To follow "only where"."""
    holds: Callable[[Case], bool]
    without: Change
    given: Change
    weak: bool = False
    """Whether many a mistake shows only there: a sum of one term hides what it lacks."""


def features(cases: Sequence[Case]) -> Iterator[Feature]:
    """All of which ``cases``, which have the same arrays, may differ in; the plainest first."""
    # Not of float64 alone: float32 hides by its rounding what is wrong in both.
    yield _of_dtype("float32", np.float32, np.float64)
    names = [*cases[0].inputs, *(f"d{output}" for output in cases[0].upstream)]
    for name in names:
        yield from _layouts(name)
    for name in names:
        yield from _values(name, cases)
    yield from _options(cases)


def array_of(case: Case, name: str) -> Array:
    """An input, or an upstream gradient: dy, or dy0, dy1 and so on."""
    return case.inputs[name] if name in case.inputs else case.upstream[name[1:]]


def with_array(case: Case, name: str, array: Array) -> Case:
    """The case with another in its place."""
    if name in case.inputs:
        return case.with_inputs({name: array})
    return case.with_upstream({name[1:]: array})


def _of_dtype(said: str, own: type, other: type) -> Feature:
    return Feature(
        f"the dtype is {said}",
        lambda case: case.dy.dtype == own,
        lambda case: case.cast(other),
        lambda case: case.cast(own),
    )


def _of_array(
    name: str,
    said: str,
    holds: Callable[[Array], bool],
    without: Callable[[Array], Array | None],
    given: Callable[[Array], Array | None],
) -> Feature:
    def changed(change: Callable[[Array], Array | None], wanted: bool) -> Change:
        def apply(case: Case) -> Case | None:
            array = change(array_of(case, name))
            if array is None or bool(holds(array)) is not wanted:
                return None
            return with_array(case, name, array)

        return apply

    return Feature(
        f"{name} {said}",
        lambda case: bool(holds(array_of(case, name))),
        changed(without, False),
        changed(given, True),
    )


def _layouts(name: str) -> Iterator[Feature]:
    def afresh(a: Array) -> Array:
        return np.array(a, order="C")

    yield _of_array(
        name, "has a stride of 0", _repeats, afresh,
        lambda a: np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * a.ndim), a.shape)
        if a.size > 1 else None,
    )  # fmt: skip
    yield _of_array(
        name,
        "is not contiguous in memory",
        lambda a: a.size > 1 and not a.flags.c_contiguous,
        afresh,
        lambda a: in_layout(afresh(a), "Fortran" if a.ndim > 1 and min(a.shape) > 1 else "strided"),
    )
    yield _of_array(
        name,
        "is transposed in memory",
        lambda a: a.flags.f_contiguous and not a.flags.c_contiguous,
        afresh,
        lambda a: in_layout(afresh(a), "Fortran"),
    )
    yield _of_array(
        name,
        "has a negative stride",
        lambda a: any(stride < 0 for stride in a.strides),
        afresh,
        lambda a: in_layout(afresh(a), "reversed"),
    )
    yield _of_array(
        name,
        "is part of a larger buffer",
        lambda a: _is_part(a) and a.flags.c_contiguous,
        afresh,
        lambda a: np.concatenate([np.full(3, np.nan, a.dtype), a.reshape(-1)])[3:].reshape(a.shape)
        if a.size > 1 else None,
    )  # fmt: skip
    yield _of_array(
        name,
        "is read-only",
        lambda a: not a.flags.writeable,
        lambda a: _laid_out(afresh(a), a),
        lambda a: in_layout(a, "read-only") if a.flags.c_contiguous else None,
    )


def _repeats(a: Array) -> bool:
    return any(stride == 0 and n > 1 for stride, n in zip(a.strides, a.shape, strict=True))


def _is_part(a: Array) -> bool:
    return isinstance(a.base, np.ndarray) and a.base.nbytes > a.nbytes > 0


def _values(name: str, cases: Sequence[Case]) -> Iterator[Feature]:
    yield _of_array(name, "holds a 0", lambda a: bool((a == 0).any()), _generic, _with_zero)
    yield _of_array(
        name,
        "holds only zeros",
        lambda a: a.size > 0 and not a.any(),
        _generic,
        lambda a: np.zeros_like(a),
    )
    yield _of_array(name, "has equal numbers in a row", _ties, _generic, _with_tie)
    yield _of_array(name, "has a row of equal numbers", _flat, _generic, _with_flat_row)
    sizes = [s for case in cases if (s := _size(array_of(case, name))) is not None]
    for power in LARGE:
        if any(s >= power for s in sizes):
            yield _large(name, power)
    for power in SMALL:
        if any(0 < s <= power for s in sizes):
            yield _small(name, power)


def _large(name: str, power: float) -> Feature:
    return _of_array(
        name,
        f"has numbers of {power:,.0f} or more",
        lambda a: (_size(a) or 0.0) >= power,
        _generic,
        lambda a: _scaled(a, 2 * power),
    )


def _small(name: str, power: float) -> Feature:
    return _of_array(
        name,
        f"has no number above {power:g}",
        lambda a: 0 < (_size(a) or 0.0) <= power,
        _generic,
        lambda a: _scaled(a, power / 2),
    )


def _size(a: Array) -> float | None:
    return float(np.abs(a).max()) if a.size and np.isfinite(a).all() else None


def _laid_out(array: Array, like: Array) -> Array:
    return in_layout(np.asarray(array, like.dtype, order="C"), layout_of(like))


def _generic(a: Array) -> Array:
    """Other numbers, in the same layout: all different, about 1."""
    return _laid_out(np.random.default_rng(a.size).standard_normal(a.shape), a)


def _scaled(a: Array, size: float) -> Array | None:
    now = _size(a)
    return _laid_out(a * (size / now), a) if now else None


def _with_zero(a: Array) -> Array | None:
    if not a.size:
        return None
    other = np.array(a, order="C")
    other.flat[0] = 0
    return _laid_out(other, a)


def _ties(a: Array) -> bool:
    if not a.ndim or a.shape[-1] < 2:
        return False
    return bool((np.diff(np.sort(a, axis=-1), axis=-1) == 0).any())


def _with_tie(a: Array) -> Array | None:
    if not a.size or not a.ndim or a.shape[-1] < 2:
        return None
    other = np.array(a, order="C")
    other[..., 1] = other[..., 0]
    return _laid_out(other, a)


def _flat(a: Array) -> bool:
    return bool(a.size and a.ndim and a.shape[-1] > 1 and (np.ptp(a, axis=-1) == 0).any())


def _with_flat_row(a: Array) -> Array | None:
    if not a.size or not a.ndim or a.shape[-1] < 2:
        return None
    return _laid_out(np.broadcast_to(a[..., :1], a.shape), a)


def _options(cases: Sequence[Case]) -> Iterator[Feature]:
    """Arguments that are no arrays; of an array, whether it is there."""
    for name in cases[0].static:
        if name == "rng" or not all(name in case.static for case in cases):
            continue
        values = {_kind(case.static[name]): case.static[name] for case in cases}
        if not 1 < len(values) <= 6:
            continue
        for kind in values:
            yield _option(name, kind, values)


def _option(name: str, kind: str, values: Mapping[str, object]) -> Feature:
    other = next(value for k, value in values.items() if k != kind)
    return Feature(
        f"{name} is {kind}",
        lambda case: _kind(case.static[name]) == kind,
        lambda case: _with_option(case, name, other),
        lambda case: _with_option(case, name, values[kind]),
    )


def _kind(value: object) -> str:
    return "given" if isinstance(value, np.ndarray) else repr(value)


def _with_option(case: Case, name: str, value: object) -> Case | None:
    if isinstance(value, np.ndarray):  # it is of that case's sizes
        return None
    return dataclasses.replace(case, static={**case.static, name: value})
