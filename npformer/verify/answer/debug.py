"""A debugger at the smallest failing input, inside the backward that is wrong."""

from __future__ import annotations

import bdb
import contextlib
import inspect
import pdb
import sys
from contextlib import AbstractContextManager
from typing import Any

from npformer.cards.case import Case
from npformer.verify.component import Component
from npformer.verify.subjects.jax_subjects import JaxCallable
from npformer.verify.subjects.subjects import VJP, Pair
from npformer.verify.subjects.torch_by_hand import TorchPair, TorchVJP
from npformer.verify.subjects.torch_subjects import FunctionClass, TorchModule


def debug(component: Component, case: Case) -> None:
    """Run the implementation on the case under pdb, which stops as its backward is entered.

    Where autograd makes the backward there is none to stop in, and it stops in the forward.
    """
    debugger = pdb.Pdb()
    code = getattr(inspect.unwrap(_entered(component)), "__code__", None)
    if code is not None:
        refused = debugger.set_break(code.co_filename, code.co_firstlineno, funcname=code.co_name)
        if refused is None:
            debugger.cmdqueue.append("continue")  # from where this call begins
    with contextlib.suppress(bdb.BdbQuit), _step_by_step(component):
        debugger.runcall(component.run, case)


def _entered(component: Component) -> Any:
    """The function to stop in."""
    subject = getattr(component, "subject", None)
    if subject is None:
        return component.pair[1] if hasattr(component, "pair") else component.run
    subject = getattr(subject, "first", subject)  # of a double backward
    origin = subject.origin
    if isinstance(subject, Pair | TorchPair):
        return origin[1]
    if isinstance(subject, VJP | TorchVJP):
        return origin.vjp
    if isinstance(subject, FunctionClass):
        return origin.backward
    if isinstance(subject, JaxCallable):
        return getattr(inspect.unwrap(origin, stop=_has_backward), "bwd", None) or origin
    return type(origin).forward if isinstance(subject, TorchModule) else origin


def _has_backward(function: Any) -> bool:
    return getattr(function, "bwd", None) is not None


def _step_by_step(component: Component) -> AbstractContextManager[Any]:
    """JAX does each operation when it is called, in place of what it has compiled."""
    subject = getattr(component, "subject", None)
    jax = isinstance(subject, JaxCallable)
    return sys.modules["jax"].disable_jit() if jax else contextlib.nullcontext()
