"""One case with its wrong result: what is to be explained, and when an explanation fits."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, is_output, joined
from npformer.seam import quiet
from npformer.verify.component import Component
from npformer.verify.reference.apart import STEP
from npformer.verify.reference.jacobian import gradients
from npformer.verify.reference.kept import kept
from npformer.verify.reference.oracles import reference
from npformer.verify.units.error import CAP, RATIO, error_units, worst
from npformer.verify.units.measured import ACCEPT
from npformer.verify.work import COMPARED, spend

SAME = 2e3
"""Two formulas of one mistake round differently: they may be this many rounding units apart, ..."""
SHARE = 1 / 8
"""... but never more than this part of the distance from the right result."""
FEW = 512
"""Entries that are compared before all are."""
AFTERWARDS = " afterwards"
"""Ends the name under which an input that was written to stands in a result."""


@contextmanager
def silence() -> Iterator[None]:
    """What is wrong on purpose may divide by zero."""
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        yield


def observe(component: Component, case: Case) -> Result:
    """The component's results on a copy of the case; an input that it writes to is one of them."""
    private = case.with_inputs({name: _copy(a) for name, a in case.inputs.items()})
    private = private.with_upstream({name: _copy(a) for name, a in case.upstream.items()})
    before = _arrays(case)
    with silence():
        result = dict(component.run(private))
    spend(case.size)
    for name, array in _arrays(private).items():
        old = before[name]
        if not ((array == old).all() or np.array_equal(array, old, equal_nan=True)):
            result[name + AFTERWARDS] = array
    return {name: np.asarray(a) for name, a in result.items() if a is not None}


def _arrays(case: Case) -> dict[str, Array]:
    return {**case.inputs, **{f"d{name}": dy for name, dy in case.upstream.items()}}


def _copy(array: Array) -> Array:
    """In memory of its own, with the same strides and gaps: they may be what makes it wrong."""
    if array.flags.c_contiguous and array.flags.writeable:
        return array.copy()
    steps = [stride // array.itemsize for stride in array.strides]
    if not array.size or any(stride % array.itemsize for stride in array.strides):
        return np.array(array)
    ends = [step * (length - 1) for step, length in zip(steps, array.shape, strict=True)]
    low, high = sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)
    buffer = np.full(high - low + 1, np.nan if array.dtype.kind == "f" else 0, array.dtype)
    copy = np.lib.stride_tricks.as_strided(buffer[-low:], array.shape, array.strides)
    copy[...] = array
    if not array.flags.writeable:
        copy.flags.writeable = False
    return copy


@dataclass(frozen=True)
class Evidence:
    """A case, the result to be explained, the right one, and S (see ``scales``)."""

    component: Component
    case: Case
    wrong: Result
    right: Result
    scales: Result
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)
    """What was found out about this wrong result, computed once."""
    asked: dict[Any, Result] = field(default_factory=dict, repr=False)
    """The right results of other cases, whatever is to be explained."""
    planted: dict[Any, Result] = field(default_factory=dict, repr=False)
    """What known mistakes give on this case, whatever is to be explained."""

    @classmethod
    def of(cls, component: Component, case: Case, wrong: Mapping[str, Any]) -> Evidence:
        """The right result and the scales are computed here."""
        with silence():
            exact, _ = reference(component, case)
            if is_derived(component):
                scales = _doubts(component, case, exact)
            else:
                scales = kept(component, "scales", case, lambda: component.scales(case))
        right = {name: np.asarray(a).astype(case.dy.dtype) for name, a in exact.items()}
        found = {name: np.asarray(a) for name, a in wrong.items() if a is not None}
        asked: dict[Any, Result] = kept(component, "asked", case, dict)
        planted: dict[Any, Result] = kept(component, "planted", case, dict)
        return cls(component, case, found, right, scales, asked=asked, planted=planted)

    @cached_property
    def off(self) -> dict[str, float]:
        """How far each result is from the right one, in rounding units."""
        names = dict.fromkeys((*self.right, *self.wrong))
        return {name: self._apart(name, self.right.get(name)) for name in names}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The results that are wrong."""
        return tuple(name for name, off in self.off.items() if not self.accepts(off))

    def accepts(self, off: float) -> bool:
        """Whether a result may be right, this far off: as far as any is let pass."""
        return self.component.accepts(off, CAP / RATIO)

    def is_right(self, name: str, array: Array) -> bool:
        """Whether ``array`` would be a right result of that name."""
        other = dataclasses.replace(self, wrong={name: array}, cache={})
        return self.accepts(other.off[name])

    def entries_off(self, name: str) -> Array:
        """Which entries of a result, that has the right shape, are wrong."""
        wrong, right = self.wrong[name], self.right[name]
        with np.errstate(all="ignore"):
            scale = np.maximum(np.abs(self.scales[name]), np.abs(wrong))
            units = error_units(wrong, right, scale, self.case.dy.dtype)
        return np.array([not self.accepts(u) for u in units.flat], bool).reshape(units.shape)

    def fits(self, name: str, predicted: Array | None) -> bool:
        """Whether ``predicted`` is what the wrong result has under this name."""
        off = self.off.get(name, 0.0)

        def near(apart: float) -> bool:
            # Two results that are both right may be off to either side.
            return self.accepts(apart / 2) if self.accepts(off) else apart <= min(SAME, SHARE * off)

        # Of a large array some entries show mostly that it is not that.
        few = near(self._apart(name, predicted, FEW))
        return few and near(self._apart(name, predicted))

    def explained_by(self, prediction: Mapping[str, Array]) -> bool:
        """Whether every result is as predicted; one not predicted should be right."""
        whole = {**self.right, **prediction}
        # Most predictions miss, and miss what is wrong: that is looked at first.
        order = dict.fromkeys((*self.names, *self.wrong, *whole))
        return all(self.fits(name, whole.get(name)) for name in order)

    def once(self, key: Any, compute: Callable[[], Any]) -> Any:
        """``compute()``, remembered under ``key``."""
        if key not in self.cache:
            self.cache[key] = compute()
        return self.cache[key]

    @property
    def upstream(self) -> dict[str, Array]:
        """``dy``, or ``dy0``, ``dy1`` and so on of several outputs."""
        return {f"d{name}": dy for name, dy in self.case.upstream.items()}

    def array(self, name: str) -> Array | None:
        """An input, an upstream gradient, or the right output, by name."""
        everything = {**self.right, **self.upstream, **self.case.inputs}
        return everything.get(name)

    def right_for(self, *dys: Array) -> Result:
        """The right result for other upstream gradients, one an output."""
        return self.right_of(dataclasses.replace(self.case, dy=dys[0], more=dys[1:]))

    def right_of(self, case: Case) -> Result:
        """The right result of another case."""
        if (key := case.key) not in self.asked:
            with silence():
                exact = self.component.precise(case.cast(np.float64))
            spend(case.size)
            self.asked[key] = {n: np.asarray(a, self.case.dy.dtype) for n, a in exact.items()}
        return self.asked[key]

    def _apart(self, name: str, other: Array | None, most: int | None = None) -> float:
        """Largest distance of the wrong result from ``other``, in rounding units.

        Of ``most`` entries, if there are more.
        """
        mine = self.wrong.get(name)
        if mine is None or other is None:
            return 0.0 if mine is other else np.inf
        if mine.shape != other.shape or mine.dtype != other.dtype:
            return np.inf
        scale = self.once(("scale", name), lambda: self._scale(name))
        if most is not None and mine.size > most:
            places = np.linspace(0, mine.size - 1, most, dtype=int)
            mine, other, scale = mine.flat[places], other.flat[places], scale.flat[places]
        spend(mine.size, COMPARED)
        return worst(error_units(mine, other, scale, self.case.dy.dtype))

    def _scale(self, name: str) -> Array:
        """S, or the wrong result itself where that is larger; 0 where it is no number."""
        mine, natural = self.wrong[name], np.asarray(self.scales.get(name, 0.0))
        if natural.shape != mine.shape:  # of a sum that was not taken, for one
            natural = natural.max(initial=0.0)
        scale = np.maximum(np.abs(mine), natural)
        return np.where(np.isfinite(scale), scale, 0.0)


def is_derived(component: Component) -> bool:
    """Whether the right gradients are finite differences, entry by entry."""
    return getattr(component, "entrywise", False) and not getattr(component, "has_witness", True)


def _doubts(component: Component, case: Case, exact: Result) -> Result:
    """S where the right gradients are finite differences: what another step makes of them.

    And what they drown in: near 1, an output moves by an eps or not at all.
    """
    eps = float(np.finfo(case.dy.dtype).eps)
    names = list(case.inputs)

    def forward(*arrays: Array) -> Array:
        moved = dict(zip(names, arrays, strict=True))
        return component.forward(case.cast(np.float64).with_inputs(moved))

    dy = joined(case.cast(np.float64).upstream)
    again = gradients(forward, list(case.inputs.values()), dy, step=2e-5)
    other = dict(zip((name for name in exact if not is_output(name)), again, strict=True))
    y = joined({name: np.asarray(a, np.float64) for name, a in exact.items() if is_output(name)})
    noise = float(np.finfo(np.float64).eps / STEP * np.abs(dy * y).sum())
    scales = {}
    for name, array in exact.items():
        size = np.abs(np.asarray(array, np.float64))
        size = size + np.sqrt(np.mean(np.square(size))) if size.size else size
        doubt = np.abs(other[name] - array) if name in other else 0.0
        doubt = doubt + (0.0 if is_output(name) else noise)
        scales[name] = np.maximum(8 * size, (1e-6 * size + doubt) / (ACCEPT * eps)) + 1e-300
    return scales
