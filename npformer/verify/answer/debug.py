"""A debugger at the smallest failing input, inside the backward that is wrong."""

from __future__ import annotations

import bdb
import contextlib
import inspect
import pdb
from typing import Any

from npformer.cards.case import Case
from npformer.verify.component import Component
from npformer.verify.subjects.subjects import VJP, Pair
from npformer.verify.subjects.torch_subjects import (
    FunctionClass,
    TorchModule,
    TorchPair,
    TorchVJP,
)


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
    with contextlib.suppress(bdb.BdbQuit):
        debugger.runcall(component.run, case)


def _entered(component: Component) -> Any:
    """The function to stop in."""
    subject = getattr(component, "subject", None)
    if subject is None:
        return component.pair[1] if hasattr(component, "pair") else component.run
    origin = subject.origin
    if isinstance(subject, Pair | TorchPair):
        return origin[1]
    if isinstance(subject, VJP | TorchVJP):
        return origin.vjp
    if isinstance(subject, FunctionClass):
        return origin.backward
    return type(origin).forward if isinstance(subject, TorchModule) else origin
