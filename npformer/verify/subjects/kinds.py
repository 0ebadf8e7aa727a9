"""From what a caller gives to a subject: a function's kind shows when it is first called."""

from __future__ import annotations

import dataclasses
import inspect
import re
import warnings
from types import FunctionType
from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.cards.pytorch import torch
from npformer.errors import VerifyError
from npformer.verify.component import BrokenContract
from npformer.verify.contract import line_of
from npformer.verify.reference.wide import is_wide
from npformer.verify.subjects.engines import NUMPY, Foreign, engines_of, is_of_jax
from npformer.verify.subjects.jax_subjects import JaxCallable
from npformer.verify.subjects.repeatable import repeatable
from npformer.verify.subjects.subjects import (
    VJP,
    ArgumentNames,
    ForwardOnly,
    Pair,
    StatefulPair,
    Subject,
    WithVJP,
    callable_name,
    parameters_of,
)
from npformer.verify.subjects.torch_by_hand import TorchPair, TorchVJP
from npformer.verify.subjects.torch_subjects import FunctionClass, TorchCallable, TorchModule

KINDS = (
    "a pair (forward, backward) of functions of arrays, or an object with these, a "
    "torch.autograd.Function, a torch.nn.Module, WithVJP(function, vjp), a function of tensors or "
    "of JAX's arrays, or a name of the registry"
)


def candidates(given: Any) -> list[Subject]:
    """The subjects that ``given`` may be, likeliest first; raises ``VerifyError`` if none."""
    if isinstance(given, Subject):
        return [given]
    if isinstance(given, (tuple, list)):
        if len(given) != 2 or not all(callable(f) for f in given):
            raise VerifyError(f"a pair is two functions, (forward, backward); this is {given!r}")
        name = callable_name(given[0], "forward").removesuffix("_forward")
        return _of_pair(name, tuple(given))
    if isinstance(given, WithVJP):
        name = callable_name(given.function)
        mine = [VJP(name, given, engine=engine) for engine in (*engines_of(given), NUMPY)]
        return [*mine, TorchVJP(name, given)]
    if inspect.isclass(given):
        if issubclass(given, torch.autograd.Function):
            return [FunctionClass(given.__name__, given)]
        if issubclass(given, torch.nn.Module):
            raise VerifyError(
                f"{given.__name__} is a class of modules; give a module, {given.__name__}(...)"
            )
    if isinstance(given, torch.nn.Module):
        return [TorchModule(type(given).__name__, given)]
    if all(callable(getattr(given, method, None)) for method in ("forward", "backward")):
        return _of_object(given)
    if callable(given) and not inspect.isclass(given):
        return _of_function(given)
    raise VerifyError(f"{given!r} cannot be checked; give {KINDS}")


def _of_pair(name: str, pair: tuple[Any, Any], kind: type[Pair] = Pair) -> list[Subject]:
    mine = [kind(name, pair, engine=engine) for engine in (*engines_of(pair), NUMPY)]
    return [*mine, TorchPair(name, pair)] if kind is Pair else [*mine]


def _of_object(given: Any) -> list[Subject]:
    """One with ``forward`` and ``backward``, which takes a cache, or dy alone and has kept one."""
    name = given.__name__ if inspect.isclass(given) else type(given).__name__
    if inspect.isclass(given) and isinstance(vars(given).get("forward"), FunctionType):
        raise VerifyError(f"{name} is a class; give an object, {name}(...)")
    pair = given.forward, given.backward
    places = parameters_of(pair[1])
    needed = [p for p in places or () if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
    alone = len(needed) == 1 and needed[0].kind is not inspect.Parameter.VAR_POSITIONAL
    return _of_pair(name, pair, StatefulPair if alone else Pair)


def _of_function(given: Any) -> list[Subject]:
    name = callable_name(given)
    found: list[Subject] = [
        (JaxCallable if engine.is_jax else ForwardOnly)(name, given, engine=engine)
        for engine in engines_of(given)
    ]
    if is_of_jax(given):
        return found
    return [*found, TorchCallable(name, given), ForwardOnly(name, given)]


def settle(possible: list[Subject], call: ArgumentNames, case: Case) -> Subject:
    """The first of ``possible`` that takes the case; NumPy ones also learn their widest dtype.

    Raises ``VerifyError``, in one line, with what the function said if none does.
    """
    reasons: list[Exception] = []
    forward_only: list[Subject] = []
    waiting = list(possible)
    while waiting:
        subject = waiting.pop(0).taking(call)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _try(subject, case)
        except Foreign as foreign:  # only its result tells whose arrays it takes
            other = dataclasses.replace(subject, engine=foreign.engine)
            if foreign.engine.is_jax and isinstance(subject, ForwardOnly):
                other = JaxCallable(subject.name, subject.origin, engine=foreign.engine)
            waiting.insert(0, other)
            continue
        except Exception as error:
            reasons.append(error)
            continue
        # Operators alone take arrays and tensors alike: the backward tells which it is.
        if subject.has_gradient and not _runs(subject, case):
            forward_only.append(subject)
            continue
        return _with_widest(subject, case)
    if forward_only:
        return _with_widest(forward_only[0], case)
    dtype = "bfloat16" if getattr(possible[0], "bfloat16", False) else ""
    raise VerifyError(refusal(possible[0].name, case, _telling(reasons), dtype))


def refusal(name: str, case: Case, error: BaseException, dtype: str = "") -> str:
    """One line: what was given, and what came back."""
    if isinstance(error, BrokenContract):
        return str(error)
    given = ", ".join(f"{n} {a.shape}" for n, a in case.inputs.items())
    dtypes = dtype or "/".join(sorted({str(a.dtype) for a in case.inputs.values()}))
    hint = ""
    if dtypes == "float64" and re.search(r"float|double|dtype|precision", str(error), re.I):
        hint = "; if it is made for float32 alone, have it checked in that dtype"
    return (
        f"{name} refuses {given}, {dtypes}: {type(error).__name__}: {' '.join(str(error).split())}"
        f"{line_of(error)}{hint}"
    )


def _try(subject: Subject, case: Case) -> None:
    if isinstance(subject, TorchCallable):
        leaves = {n: subject.tensor(a).requires_grad_() for n, a in case.inputs.items()}
        with repeatable(subject.device):
            subject._outputs(subject.forwarded(case, leaves)[0])
    else:
        subject.outputs(case)


def _runs(subject: Subject, case: Case) -> bool:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            dy, *more = (np.zeros(y.shape, y.dtype) for y in subject.outputs(case).values())
            subject.run(dataclasses.replace(case, dy=dy, more=tuple(more)))
    except Exception:
        return False
    return True


def _with_widest(subject: Subject, case: Case) -> Subject:
    if isinstance(subject, TorchCallable) or subject.engine != NUMPY:
        return subject
    return dataclasses.replace(subject, widest=_widest(subject, case))


def _telling(reasons: list[Exception]) -> Exception:
    """A function of arrays says nothing of use about tensors, nor the other way round."""
    foreign = (TypeError, AttributeError)
    return next((e for e in reasons if not isinstance(e, foreign)), reasons[0])


def _widest(subject: Subject, case: Case) -> Any:
    wide = case.cast(np.longdouble)
    if not is_wide(np.longdouble):
        return np.float64
    try:
        with np.errstate(all="ignore"):
            if subject.has_gradient:
                outputs = subject.outputs(case)  # which has the shapes sooner than a wide one
                dy, *more = (np.zeros(y.shape, np.longdouble) for y in outputs.values())
                results = subject.run(dataclasses.replace(wide, dy=dy, more=tuple(more)))
            else:
                results = subject.outputs(wide)
    except Exception:
        return np.float64
    same = all(np.asarray(a).dtype == np.longdouble for a in results.values())
    return np.longdouble if same else np.float64
