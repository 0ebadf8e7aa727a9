"""The oracles: PyTorch's autograd, and the derivative of the NumPy forward itself.

How exact is the oracle? For float32 it is PyTorch in float64. For float64 there is no wider
PyTorch, so the registered NumPy op runs in extended precision (x87's 64-bit mantissa), and is
believed only where PyTorch's float64 agrees with it within ``REFEREE``: a formula that is wrong is
wrong by far more than that, so the check stays independent of the derivation, while the
rounding of float64 (ours and PyTorch's own) can be told apart. Where the platform's long double
is no wider than float64 (macOS on ARM, Windows), PyTorch's float64 is itself the reference.

The third oracle, what autograd cannot state, is in ``invariants``.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npformer.cards.case import Array, Case, Result, joined
from npformer.verify.component import Component
from npformer.verify.reference.kept import kept
from npformer.verify.reference.wide import is_large, is_wide

WIDE = is_wide(np.longdouble)
"""Whether ``np.longdouble`` is wider than float64 here."""

REFEREE = 64.0
"""Rounding units between the extended-precision reference and PyTorch's float64, at most.

PyTorch's own rounding is in it: 8.5 for one dk of attention in 101,200 cases, where the op was off
by 1.8. The slightest mistake in a formula, one part in a million of a constant, is billions.
"""
DIRECTIONAL = 1e-8 if WIDE else 1e-6
"""The largest relative gap between a directional derivative and a gradient of the package's."""


def reference(component: Component, case: Case) -> tuple[Result, Result | None]:
    """The results to measure against, and PyTorch's float64 to check them by, if they are not it.

    The case may be in float32 or float64.
    """
    return kept(component, "reference", case, lambda: _reference(component, case))


def _reference(component: Component, case: Case) -> tuple[Result, Result | None]:
    if (own := component.reference(case)) is not None:
        return own, None
    alone = not WIDE or (component.lenient and is_large(case))
    if case.dy.dtype != np.float64 or alone:
        return component.precise(case.cast(np.float64)), None
    with np.errstate(all="ignore"):
        return component.extended(case.cast(np.longdouble)), component.precise(case)


class Steps(NamedTuple):
    """How far apart the forward is evaluated, and what its differences are then good for."""

    step: float
    settled: float
    """A derivative counts where halving the step moves it by less, of its terms."""
    gap: float
    """The largest relative gap between it and the gradient."""


def steps(component: Component, case: Case) -> Steps:
    """For the dtype in which the case is differentiated."""
    if is_wide(component.widest_for(case)):
        return Steps(1e-4, 1e-9, 1e-8)
    # Rounding grows as 1/h, truncation as h^4; both stay near 1e-10 without a wide type.
    # A large gap of somebody's function is looked at again with other steps, so less will do.
    return Steps(1e-3, 1e-7, 1e-8 if component.lenient else 1e-6)


AGAIN = (1.1, 0.9, 1.3, 0.7, 1.6)
"""Times the usual step, with which a gap that is too large is looked at again."""
ALIKE = 3
"""Gaps, of the first steps, that are enough if they agree within ``SAME`` of themselves."""
SAME = 1e-3


def directional_gap(
    component: Component, case: Case, rng: np.random.Generator, surely: bool = False
) -> float | None:
    """| <dy, J v> - <J^T dy, v> | for a random direction v, relative to the size of the terms.

    The left side knows the forward only: central differences, combined so that the h^2 term
    cancels (Richardson), in the widest type there is. None where the forward is not smooth enough
    along v for that to settle (a kink, a row of almost no variance): halving h then tells.

    A forward whose terms cancel inside, a determinant say, rounds by more than its result shows,
    and now and then the differences settle by luck, on a wrong number. With another step that
    rounding is drawn anew; a mistake stays. ``surely``: it has been seen to stay, on other cases.
    """
    state = rng.bit_generator.state
    gap = _gap(component, case, rng, 1.0)
    if gap is None or gap <= steps(component, case).gap or surely or not component.lenient:
        return gap
    gaps = [gap]
    for times in AGAIN:
        rng.bit_generator.state = state  # the same direction
        again = _gap(component, case, rng, times)
        if again is None:
            return None
        gaps.append(again)
        if len(gaps) == ALIKE and max(gaps) - min(gaps) <= SAME * min(gaps):
            break  # no step matters, which rounding would not come to by luck
    return min(gaps) if max(gaps) < 2 * min(gaps) else None


def _gap(component: Component, case: Case, rng: np.random.Generator, times: float) -> float | None:
    """The gap with so many times the usual step; None where the forward is not smooth enough."""
    wide = case.cast(component.widest_for(case))
    # A random mask may follow the order in memory, which adding a direction may change.
    wide = wide.with_inputs({name: np.array(a, order="C") for name, a in wide.inputs.items()})
    h, settled, _ = steps(component, case)
    h = wide.dy.dtype.type(times * h)
    v = {
        name: rng.standard_normal(a.shape).astype(wide.dy.dtype) for name, a in wide.inputs.items()
    }
    for name, row in component.frozen_rows(case).items():
        if row is not None:
            v[name][row] = 0

    def along(step: Any) -> Array:
        # A sum of arrays without an axis is none.
        moved = {name: np.asarray(a + step * v[name]) for name, a in wide.inputs.items()}
        return component.forward(wide.with_inputs(moved))

    rounding = 10.0
    try:
        found = _central(component, wide, along, h)
    except Exception:
        if not component.lenient:
            raise
        # Its domain ends here: there may be something on one side.
        v = {name: np.abs(each) for name, each in v.items()}
        found, rounding = _one_sided(along, h), 100.0
    if found is None:
        return None
    coarse, fine = found
    dy = joined(wide.upstream)
    doubt = float(np.abs(dy * (fine - coarse)).sum())
    left = (dy * fine).sum()

    result = component.run(wide)
    gradients = {name: result.get(f"d{name}", result.get(f"grad {name}")) for name in v}
    terms = [np.asarray(g * v[name]) for name, g in gradients.items() if g is not None]
    right = sum(t.sum() for t in terms)
    size = float(sum(np.abs(t).sum() for t in terms) + np.abs(dy * fine).sum())
    if size == 0.0 or doubt > settled * size:
        return None
    # What rounding alone does to the differences: it matters where the true derivative is 0, and
    # where an output is so large that the steps are lost in its last digits.
    around = max((np.abs(a).max(initial=0.0) for a in wide.inputs.values()), default=0.0)
    around = 1 + around + np.abs(along(0 * h))
    noise = rounding * np.finfo(dy.dtype).eps / h * (np.abs(dy) * around).sum()
    # A jump looks like a slope, if one that grows as the step shrinks.
    if component.has_kinks and doubt > np.abs(dy * fine).sum() / 100 + noise:
        return None
    return max(0.0, float(abs(left - right) - noise) - doubt) / size


def _central(
    component: Component, case: Case, along: Callable[[Any], Array], h: Any
) -> tuple[Array, Array] | None:
    """The slope along a line through the case, by two steps; None at a kink."""
    above, below = ([along(sign * h / n) for n in (1, 2, 4)] for sign in (1, -1))
    if component.has_kinks and _turns(above, component.forward(case), below, h):
        return None
    slopes = [(a - b) * (n / (2 * h)) for a, b, n in zip(above, below, (1, 2, 4), strict=True)]
    coarse, fine = ((4 * b - a) / 3 for a, b in zip(slopes, slopes[1:], strict=False))
    return (coarse, fine) if np.isfinite(fine).all() else None


def _one_sided(along: Callable[[Any], Array], h: Any) -> tuple[Array, Array] | None:
    """The same from the side on which there is something: the terms in h and in h^2 cancel."""
    for sign in (1, -1):
        try:
            at = along(0 * h)
            slopes = [(along(sign * h / n) - at) * (sign * n / h) for n in (1, 2, 4, 8)]
        except Exception:
            continue
        first = [2 * b - a for a, b in zip(slopes, slopes[1:], strict=False)]
        coarse, fine = ((4 * b - a) / 3 for a, b in zip(first, first[1:], strict=False))
        return (coarse, fine) if np.isfinite(fine).all() else None
    return None


def _turns(above: list[Array], at: Array, below: list[Array], h: Any) -> bool:
    """Whether an output has a kink here: its two slopes stay apart however small the step.

    The second difference shrinks as h^2 where the forward is smooth, and as h at a kink, so over
    a quarter of the step by 16 or by 4. Central differences would give the mean of both slopes.
    """
    coarse, fine = (np.abs(above[i] - 2 * at + below[i]) for i in (0, 2))
    rise = np.abs(above[2] - below[2])
    return bool(np.any((fine > coarse / 8) & (fine > 1e-3 * (rise + h))))
