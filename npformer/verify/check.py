"""``check``: is this gradient right, and if not, which number is wrong, on which input, and why.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npformer.cards.case import is_output
from npformer.errors import VerifyError
from npformer.verify.answer.locate import located
from npformer.verify.answer.message import message
from npformer.verify.answer.page import page
from npformer.verify.answer.reproduce import reproduction
from npformer.verify.answer.shrink import smallest_failure
from npformer.verify.component import Component
from npformer.verify.inputs import FixedInputs
from npformer.verify.report import of
from npformer.verify.result import Checked
from npformer.verify.subjects.jax_subjects import precisions
from npformer.verify.subjects.prepare import prepare
from npformer.verify.subjects.second import second
from npformer.verify.subjects.user_component import UserComponent
from npformer.verify.tally import ALONE, Tally, check_component
from npformer.verify.verdict import Failure
from npformer.verify.work import Spent, within

if TYPE_CHECKING:
    from rich.table import Table

    from npformer.verify.diagnosis import Diagnosis

DTYPES = ("float64", "float32")
SIXTEEN = ("float16", "bfloat16")
GIVEN = 20
"""Upstream gradients drawn for arrays that are given: nothing else differs between the cases."""


class CheckResult(Checked):
    """What all cases showed. False if one failed; printed, it says how, in a dozen lines."""

    def __str__(self) -> str:
        return message(self)

    def __repr__(self) -> str:
        verdict = "right in" if self.passed else f"wrong in {self.failed_cases:,} of"
        return f"<CheckResult: {self.name} is {verdict} {self.cases:,} cases; print it>"

    def page(self) -> str:
        """The same as an HTML page in one piece."""
        return page(of(self))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return of(self).to_dict()

    def table(self) -> Table:
        """The errors as a rich table."""
        return of(self).table()


def check(
    implementation: Any,
    inputs: Any = None,
    *,
    against: Any = None,
    sizes: Mapping[str, int | Sequence[int]] | None = None,
    cases: int = 200,
    seed: int = 0,
    dtypes: Sequence[str] = DTYPES,
    static: Mapping[str, Any] | None = None,
    shrink: bool = True,
    stop_at_failure: bool = False,
    accept: float | None = None,
    double: bool = False,
    device: str = "cpu",
    debug: bool = False,
    progress: Callable[[str], None] | None = None,
) -> CheckResult:
    """Check a gradient on generated cases.

        check((my_forward, my_backward), against="layer_norm")
        check(MyFunction, "btd, d, d", against=torch.nn.functional.silu)
        assert check(WithVJP(f, f_vjp), "btd")

    Args:
        implementation: a pair (forward, backward) of functions of arrays, where ``y, cache =
            forward(*arrays)`` and ``gradients = backward(dy, cache)``, or an object with two such
            methods; a ``torch.autograd.Function``; a ``torch.nn.Module``, in the mode that it is
            in; ``WithVJP(function, vjp)``; a function of tensors, whose gradient is autograd's, or
            of JAX's arrays, a ``jax.custom_vjp`` for one; or a component of the registry or its
            name. Arrays are NumPy's, or of the engine that a function's own code refers to, if that
            follows the array API standard. Where y is a tuple (or list, or dictionary) of
            outputs, each has an upstream gradient of its own, and ``backward`` and ``vjp`` take
            them in the same form; an output of integers has None there, and is not compared.
        inputs: a letter spec, ``"btd, d, d"``, with a size for each letter, whose language is in
            ``npformer.verify.spec``; arrays; or Hypothesis strategies, one an array or one for
            all. None where ``against`` is of the registry, which has cases of its own. Arrays of
            integers get no gradient.
        against: a name of the registry, or any of those kinds, or a function of NumPy arrays
            without a gradient. None: the derivative of the implementation's own forward.
        sizes: by letter of the spec, what its size is drawn from, ``{"t": (64, 65)}``, where small
            sizes and the edges of a kernel's usual blocks (8 to 1025) are not what you want.
        cases: in all, shared out among ``dtypes``; fewer for arrays that are given.
        seed: decides every case.
        dtypes: ``"float64"``, ``"float32"`` or both; or ``"float16"`` or ``"bfloat16"`` alone,
            against a reference that has a gradient, in a bound for sixteen bits.
        static: other arguments, by keyword.
        shrink: whether to look for the smallest case that fails.
        stop_at_failure: whether to leave it at the first case that fails.
        accept: errors up to this many rounding units pass, in place of the usual bound; the
            result says so.
        double: whether to check the backward in place of the function: the gradients as outputs,
            ``y0`` and so on, and their own gradients, of the inputs and the upstream gradient.
        device: of the tensors that a function or module of PyTorch gets, as ``torch.device``
            names it. The reference runs on the CPU, or there if it refuses that.
        debug: whether to print the result and stop in pdb if it is wrong, inside the backward, at
            the smallest input.
        progress: called with what is being done, for a long run.

    Raises:
        VerifyError: the parts do not fit, or a function refuses arguments that it should take.
    """
    if cases < 1:
        raise VerifyError(f"cases is {cases}; it must be 1 or more")
    if accept is not None and not 0 < accept < np.inf:
        raise VerifyError(f"accept is {accept}; it must be a number of rounding units above 0")
    dtypes = (dtypes,) if isinstance(dtypes, str) else tuple(dtypes)
    for dtype in dtypes:
        if dtype not in DTYPES + SIXTEEN:
            every = ", ".join(DTYPES + SIXTEEN)
            raise VerifyError(f"dtype {dtype!r} is not checked; choose of {every}")
        if dtype in SIXTEEN and len(dtypes) > 1:
            raise VerifyError(f"{dtype} has a bound of its own; ask about it alone")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what overflows is judged, not warned of
        dtype = "float64" if "float64" in dtypes else dtypes[0]
        component = prepare(implementation, inputs, against, static, dtype, sizes, device)
        component, dtypes = precisions(component, dtypes)
        if double:
            component = second(component, dtype)
        if accept is not None:
            component = copy.copy(component)
            object.__setattr__(component, "bound", float(accept))  # its class may be frozen
        result = _checked(component, cases, seed, dtypes, shrink, stop_at_failure, progress)
    if debug and result.failure and result.failure.case:
        from npformer.verify.answer.debug import debug as stop

        print(result)
        stop(component, result.failure.case)
    return result


def _checked(
    component: Component,
    cases: int,
    seed: int,
    dtypes: tuple[str, ...],
    shrink: bool,
    stop_at_failure: bool,
    progress: Callable[[str], None] | None,
) -> CheckResult:
    if isinstance(getattr(component, "inputs", None), FixedInputs):
        cases = min(cases, GIVEN)
    tell = progress or (lambda text: None)
    tallies: list[Tally] = []
    for i, dtype in enumerate(dtypes):
        number = cases // len(dtypes) + (i < cases % len(dtypes))
        doing = f"checking {component.name}, {dtype}"
        tell(doing)
        failed = any(t.failure for t in tallies)
        if not number or (stop_at_failure and failed):
            continue
        try:
            tally = check_component(
                component,
                number,
                seed,
                dtype,
                stop_at_failure=stop_at_failure,
                tell=_so_far(tell, doing),
            )
        except VerifyError as error:  # what another dtype has shown stands
            if not failed:
                raise
            tally = Tally(component.name, component.kind, dtype, seed)
            tally.refuse(str(error))
        tallies.append(tally)
    outputs_fail = any(is_output(name) for name in tallies[0].wrong)
    if dtypes == ("float32",) and isinstance(component, UserComponent) and outputs_fail:
        # Whoever asks for float32 alone may compute in less.
        near = component.computes_in(tallies[0].failing + tallies[0].passing)
        if near.inside:
            tell(f"checking {component.name}, which computes in {near.inside}")
            component = near
            tallies = [
                check_component(near, cases, seed, dtypes[0], stop_at_failure=stop_at_failure)
            ]
    _confirmed(component, tallies)
    result = CheckResult(
        component.name, _against(component), seed, tuple(tallies), subject=component
    )
    failing = next((t for t in tallies if t.failure is not None), None)
    if failing is not None:
        _explain(result, component, failing, shrink, tell)
    return result


def _explain(
    result: CheckResult,
    component: Component,
    tally: Tally,
    shrink: bool,
    tell: Callable[[str], None],
) -> None:
    """Fill in the failure, shrunk and located, its code, and what will give its diagnoses.

    Those are of the case that was found: in the smallest, several mistakes may look alike.
    Whatever somebody's function raises meanwhile costs that step, and not the verdict.
    """
    assert tally.failure is not None
    found = failure = tally.failure
    if shrink:
        tell(f"looking for the smallest case that fails {component.name}")
        with contextlib.suppress(Exception):
            failure = smallest_failure(component, found, tally.choices, result.seed)
    try:
        with contextlib.suppress(Exception), within(tell=_so_far(tell, "looking for the entry")):
            failure = located(component, failure)
    except Spent:
        result.cut_short.append(_cut("which entry is wrong was not found", failure))
    with contextlib.suppress(Exception):
        failure = dataclasses.replace(failure, reproduce=reproduction(component, failure))
    result.failure = failure
    tally.show(failure)
    if failure.result != "the call":  # which gave no result to explain
        result.explain = functools.partial(_diagnoses, result, component, found, tell)


def _diagnoses(
    result: CheckResult, component: Component, found: Failure, tell: Callable[[str], None]
) -> tuple[Diagnosis, ...]:
    from npformer.verify.diagnosis import describe_check, diagnose_check

    doing = f"looking for what is wrong with {component.name}"
    tell(doing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for search in (diagnose_check, describe_check):
            try:
                with contextlib.suppress(Exception), within(tell=_so_far(tell, doing)):
                    return search(component, found, result.tallies, result.seed)
                return ()
            except Spent:
                what = "the search for a diagnosis was broken off"
                result.cut_short[:] = [_cut(what, found)]
    return ()


def _so_far(tell: Callable[[str], None], doing: str) -> Callable[[str], None]:
    return lambda how_far: tell(f"{doing}: {how_far}")


def _cut(what: str, failure: Failure) -> str:
    size = failure.case.size if failure.case else 0
    return f"{what}: a case of {size:,} numbers is too large to try everything; give a smaller one"


def _against(component: Component) -> str:
    if isinstance(component, UserComponent):
        return component.against.name if component.against else ALONE
    return "PyTorch"


def _refused(tallies: Sequence[Tally]) -> str:
    """How many further cases were refused, and why the first was."""
    first = next((t.refusal for t in tallies if t.refused), "")
    return f" ({sum(t.refused for t in tallies):,} more were refused: {first})" if first else ""


def _confirmed(component: Component, tallies: Sequence[Tally]) -> None:
    """Every result was looked at by some oracle, or there is no verdict; one that failed is enough.

    A check without a reference has to have differentiated the forward at least once.
    """
    if any(t.failure for t in tallies):
        return
    for tally in tallies:
        if not tally.cases:
            raise VerifyError(
                f"no verdict: none of {tally.refused} cases of {tally.dtype} gave a result for "
                f"{component.name}: {tally.refusal}"
            )
    alone = isinstance(component, UserComponent) and not component.has_witness
    if alone and not any(t.directional_cases for t in tallies):
        raise VerifyError(
            f"no verdict: the forward of {component.name} could not be differentiated in any of "
            f"{sum(t.cases for t in tallies)} cases{_refused(tallies)}; check it in float64, on "
            "inputs at which it is smooth, or against a reference that has a gradient"
        )
    for tally in tallies:
        if tally.unjudged:
            raise VerifyError(
                f"no verdict: {' and '.join(tally.unjudged)} of {component.name} could not be "
                f"compared in any of {tally.cases} cases of {tally.dtype}, for {component.witness} "
                "gives NaN or overflows; choose inputs on which it is defined, or another reference"
            )
