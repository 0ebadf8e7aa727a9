"""What ``check`` is given, as one component: matched arguments, a sample drawn, one call tried."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from npformer.cards.case import Array, Case
from npformer.errors import VerifyError, nearest
from npformer.verify.component import Component
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.registry import component
from npformer.verify.inputs import InputSource, Spec, as_inputs
from npformer.verify.subjects.kinds import candidates, settle
from npformer.verify.subjects.outputs import outputs_of, without_gradient
from npformer.verify.subjects.readings import INTEGERS, readings
from npformer.verify.subjects.registered import RegisteredComponent, fit
from npformer.verify.subjects.samples import first_taken, samples
from npformer.verify.subjects.subjects import ArgumentNames, Pair, Subject, count
from npformer.verify.subjects.tensors import usable
from npformer.verify.subjects.torch_subjects import TorchCallable, TorchModule
from npformer.verify.subjects.user_cases import split
from npformer.verify.subjects.user_component import UserComponent
from npformer.verify.units.sixteen import EPS, numpy_dtype

S = TypeVar("S")


def prepare(
    implementation: Any,
    inputs: Any = None,
    against: Any = None,
    static: Mapping[str, Any] | None = None,
    dtype: Any = np.float64,
    sizes: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> Component:
    """The component that ``check(implementation, inputs, against=against)`` is about.

    Raises ``VerifyError``, in one line, if the parts do not fit or the functions refuse a sample.
    """
    static, sixteen = dict(static or {}), str(dtype) if str(dtype) in EPS else ""
    dtype = numpy_dtype(dtype)
    chosen = component(implementation) if isinstance(implementation, str) else implementation
    given = None if inputs is None else as_inputs(inputs, sizes)
    if sizes and given is None:
        raise VerifyError("sizes are those of a letter spec; give one, inputs='btd, d, d'")
    if isinstance(chosen, Component):
        if device != "cpu":
            raise VerifyError(f"{chosen.name!r} of the registry is checked on the CPU")
        if sixteen:
            raise VerifyError(f"{chosen.name!r} of the registry is checked in float64 and float32")
        if given is None and against is None and not static:
            return chosen
        if not isinstance(chosen, OpComponent):
            raise VerifyError(f"{chosen.name!r} is a {chosen.kind}; it brings its own inputs")
        against = chosen.name if against is None else against
        chosen = Pair(chosen.name, chosen.pair)
    possible = candidates(chosen)
    if sixteen == "bfloat16":
        possible = _of_bfloat16(possible)
    if device != "cpu":
        possible = _on(device, possible)
    if isinstance(against, str):
        against = component(against)
    if sixteen and isinstance(against, OpComponent):
        against = Pair(against.name, against.pair)
    if isinstance(against, Component):
        return _registered(possible, against, given, static, dtype)
    if given is None:
        raise VerifyError(
            f"say what goes into {possible[0].name}: inputs='btd, d, d', one letter an axis, or "
            "arrays, or strategies; or against= the name of an operation that has cases of its own"
        )
    reference = None if against is None else candidates(against)
    if reference is not None and device != "cpu":
        tensors = [s for s in reference if isinstance(s, TorchCallable)]
        reference = [*reference, *(_on(device, tensors) if tensors else ())]
    made = _user(possible, reference, given, static, dtype)
    if dtype != np.float64 and made.against is None:
        raise VerifyError(
            f"without a reference {made.name} is checked by differences of its forward in float64; "
            "let dtypes have it, or say against what to check"
        )
    if sixteen and not made.has_witness:
        raise VerifyError(
            f"{sixteen} is checked against the gradient of another function; give one of tensors, "
            "or a pair, as against"
        )
    if dtype != np.float64 and made.against is not None and not made.has_witness:
        raise VerifyError(
            f"{made.against.name} has no gradient, so {made.name} is checked by differences of its "
            "forward in float64; let dtypes have it, or give a reference that has one"
        )
    return dataclasses.replace(made, sixteen=sixteen)


def _of_bfloat16(possible: list[Subject]) -> list[Subject]:
    """Those that take tensors: NumPy has no bfloat16.

    Raises ``VerifyError`` for a function of another engine's arrays.
    """
    engine = possible[0].engine
    if engine.xp is not None:
        raise VerifyError(
            f"bfloat16 is checked of PyTorch's tensors, and {possible[0].name} is of {engine} "
            "arrays; check it in float32 or float16"
        )
    tensors = [s for s in possible if isinstance(s, TorchCallable)]
    if not tensors:
        raise VerifyError(
            f"bfloat16 is checked of PyTorch's tensors, and {possible[0].name} takes none"
        )
    return [dataclasses.replace(s, bfloat16=True) for s in tensors]


def _on(device: str, possible: Sequence[Subject]) -> list[Subject]:
    """Those that take tensors, on another device; raises ``VerifyError`` if that is not here."""
    name, tensors = usable(device), [s for s in possible if isinstance(s, TorchCallable)]
    if not tensors:
        raise VerifyError(
            f"a device is PyTorch's, and {possible[0].name} takes none of its tensors"
        )
    return [dataclasses.replace(s, device=name) for s in tensors]


def _registered(
    possible: list[Subject],
    op: Component,
    inputs: InputSource | None,
    static: dict[str, Any],
    dtype: np.dtype,
) -> Component:
    if not isinstance(op, OpComponent):
        raise VerifyError(
            f"{op.name!r} is a {op.kind}; against takes an operation of the registry, or a "
            "function or module of your own"
        )
    if isinstance(possible[0], TorchModule):
        raise VerifyError(
            f"{possible[0].name} is a module, whose parameters have shapes of their own; give "
            f"inputs, and a module or function to check it against, in place of {op.name!r}"
        )
    if inputs is not None and inputs.lists:
        raise VerifyError(f"{op.name} takes arrays, and inputs has a list of them")
    fitting = fit(possible[0], op)
    defaults = inspect.signature(op.pair[0]).parameters
    for name in static:
        if name not in defaults:
            raise VerifyError(
                f"{op.name} takes no argument {name!r}; it takes {', '.join(defaults)}"
                + nearest(name, defaults)
            )
        if name in fitting.absent:
            raise VerifyError(f"{possible[0].name} takes no argument {name!r}")
    raw = RegisteredComponent(possible[0].name, possible[0], op, fitting, inputs, static)
    case, subject = first_taken(
        samples(raw.only_hypothesis, lambda source: raw.draw(source, dtype)),
        lambda case: (case, settle(possible, fitting.call, case)),
    )
    number, remarks = _outputs(subject, case)
    if number != 1:
        raise VerifyError(f"{subject.name} returns {number} outputs; {op.name} has one")
    remarks += _left_out(subject.name, fitting.unknown, f", which {op.name} does not know")
    remarks += _left_out(op.name, (n for n in fitting.absent if n not in static))
    return dataclasses.replace(raw, subject=subject, remarks=remarks)


def _user(
    possible: list[Subject],
    reference: list[Subject] | None,
    inputs: InputSource,
    static: dict[str, Any],
    dtype: np.dtype,
) -> UserComponent:
    keywords, module = tuple(static), possible[0]
    initial = module.initial() if isinstance(module, TorchModule) else {}

    def settled(
        arrays: list[Array | None],
    ) -> tuple[Case, tuple[str, ...], Subject, Subject | None]:
        """Raises ``VerifyError`` if no input has a gradient."""
        lists = inputs.lists or (None,) * len(arrays)
        call = ArgumentNames.of(_names(possible[0], len(lists), static), lists, keywords)
        names = call.arrays
        given, rest = split(names, arrays)
        given |= {p: a.astype(dtype) for p, a in initial.items()}
        if not given:
            raise VerifyError(
                "no input is of a floating-point dtype, so there is no gradient to check"
            )
        case = Case(given, {**rest, **static}, np.zeros(0, dtype))
        mine = settle(possible, call, case)
        if reference is None:
            return case, names, mine, None
        return case, names, mine, _reference(reference, call, initial, case)

    read, (case, names, subject, other) = _read(inputs, settled, dtype)
    if not subject.has_gradient:
        raise VerifyError(
            f"{subject.name} returns {subject.engine} arrays, so it has no gradient of its own; "
            f"give the pair (forward, backward), or WithVJP({subject.name}, vjp)"
        )
    number, remarks = _outputs(subject, case)
    if other is not None and (theirs := _outputs(other, case)[0]) != number:
        cache = " (a forward that also returns a cache is given with its backward, as a pair)"
        raise VerifyError(
            f"{subject.name} returns {count(number, 'output')}, and {other.name} {theirs}; each "
            f"output needs one to be compared with{'' if other.has_gradient else cache}"
        )
    if read is not inputs:
        remarks = (*remarks, f"{str(inputs)!r} was refused, and is read as {str(read)!r}")
    told = {*subject.call.positional, *static}
    options = (p for p in subject.parameters or () if p.default is not p.empty)
    remarks += _left_out(subject.name, (p.name for p in options if p.name not in told))
    if other is not None:
        strange = (name for name in static if name not in other.call.keywords)
        remarks += _left_out(other.name, strange, ", which it does not know")
    return UserComponent(subject.name, subject, other, read, names, static, initial, remarks)


def _read(
    inputs: InputSource, take: Callable[[list[Array | None]], S], dtype: np.dtype
) -> tuple[InputSource, S]:
    """What the functions take, of the inputs as they stand or of a spec read in another way."""

    def taken(read: InputSource) -> S:
        drawn = samples(read.only_hypothesis, lambda source: read.draw(source, dtype))
        return first_taken(drawn, take)

    try:
        return inputs, taken(inputs)
    except VerifyError as refused:
        if not isinstance(inputs, Spec):
            raise
        for other in readings(inputs, str(refused), take, dtype):
            with contextlib.suppress(VerifyError):
                return other, taken(other)
        if INTEGERS.search(str(refused)):
            hint = "; integers are written 't:int<v', booleans 't:bool'"
            raise VerifyError(f"{refused}{hint}") from refused
        raise


def _left_out(whose: str, options: Iterable[str], why: str = "") -> tuple[str, ...]:
    """A remark on options that no case gives a value to."""
    listed = ", ".join(options)
    return (f"options of {whose} left out: {listed}{why}",) if listed else ()


def _outputs(subject: Subject, case: Case) -> tuple[int, tuple[str, ...]]:
    """How many outputs get a gradient, and a remark on the others."""
    returned = subject.returned(case)
    left_out = ", ".join(without_gradient(returned))
    remark = f"{left_out} of {subject.name}: no gradient, and not compared" if left_out else ""
    return len(outputs_of(returned, subject.name)), (remark,) if remark else ()


def _reference(
    possible: list[Subject],
    call: ArgumentNames,
    initial: Mapping[str, Array],
    case: Case,
) -> Subject:
    """The reference, and how the same case reaches it."""
    parameters, names, keywords = possible[0].parameters, call.positional, call.keywords
    known = {p.name for p in parameters or ()}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters or ())
    kept = tuple(k for k in keywords if parameters is None or open_ended or k in known)
    places = _places(parameters)
    positional = (*names, *initial)
    if isinstance(possible[0], TorchModule):
        own = possible[0].initial()
        if initial:
            if {n: a.shape for n, a in own.items()} != {n: a.shape for n, a in initial.items()}:
                raise VerifyError(
                    f"the two modules have other parameters: {_listed(initial)} and {_listed(own)}"
                )
            return settle(possible, ArgumentNames(names, kept, call.lists), case)
        taken = names[: len(names) - len(own)]
        named = _matched(tuple(own), names[len(taken) :])
        module = dataclasses.replace(possible[0], named=named)
        return settle([module], ArgumentNames(taken, kept, call.lists), case)
    if places is not None and places < len(positional):
        raise VerifyError(
            f"{possible[0].name} takes {count(places, 'argument')}; it is given {len(positional)}: "
            f"{', '.join(positional)}"
        )
    return settle(possible, ArgumentNames(positional, kept, call.lists), case)


def _matched(parameters: tuple[str, ...], names: tuple[str, ...]) -> dict[str, str]:
    """Parameter -> argument, by name where the names agree, else in order."""
    if set(parameters) == set(names):
        return dict(zip(parameters, parameters, strict=True))
    return dict(zip(parameters, names, strict=True))


def _listed(parameters: Mapping[str, Array]) -> str:
    return ", ".join(f"{n} {a.shape}" for n, a in parameters.items())


def _names(subject: Subject, number: int, static: Mapping[str, Any]) -> tuple[str, ...]:
    """Names for the arrays: those of the function's own parameters."""
    parameters = subject.parameters
    if parameters is None or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return tuple(f"x{i}" for i in range(number)) if number > 1 else ("x",)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for name in static:
        if not open_ended and name not in {p.name for p in parameters}:
            known = [p.name for p in parameters]
            raise VerifyError(
                f"{subject.name} takes no argument {name!r}; it takes {', '.join(known)}"
                + nearest(name, known)
            )
    free = [p for p in parameters if p.name not in static]
    places = [p.name for p in free if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in free if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if number > len(places) or not set(needed) <= set(places[:number]):
        shown = ", ".join(p.name for p in parameters)
        raise VerifyError(
            f"{subject.name}({shown}) needs {count(len(needed), 'array')}; "
            f"inputs has {number} (arguments that are no arrays go into static)"
        )
    return tuple(places[:number])


def _places(parameters: Any) -> int | None:
    if parameters is None or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
