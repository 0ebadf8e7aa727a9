"""What can be checked of JAX: a function, differentiated by ``jax.vjp``, a ``custom_vjp`` too.

JAX is that of the caller, who has imported it. Where ``jax_enable_x64`` is off, its functions are
checked in float32, and a case of float64, as a reference gets one, is computed with it on.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.errors import VerifyError
from npformer.verify.component import BrokenContract, Component
from npformer.verify.subjects.outputs import check_outputs, outputs_of
from npformer.verify.subjects.subjects import Subject

TURN_ON = (
    'turn it on with jax.config.update("jax_enable_x64", True) before the first array is made, or '
    "with JAX_ENABLE_X64=1 in the environment"
)

Arrays = dict[str, Any]


@dataclass(frozen=True)
class JaxCallable(Subject):
    """A function of JAX's arrays; ``jit``, ``custom_vjp`` and the like may stand around it.

    It is compiled whole, once for each shape: operation by operation that takes four times as long.
    """

    compiled: dict[Any, Callable[..., Any]] = field(default_factory=dict, repr=False, compare=False)

    def returned(self, case: Case) -> Any:
        def forward(arrays: Arrays) -> Any:
            return self.called(_holding(case, arrays))

        with self.engine.holding(case.dy.dtype):
            returned = self._compiled("forward", forward, case)(self._arrays(case))
            return self.engine.numpy(returned)

    def run(self, case: Case) -> Result:
        def both(arrays: Arrays, upstream: Arrays) -> tuple[Arrays, Arrays]:
            return self.differentiated(_holding(case, arrays), arrays, upstream)

        with self.engine.holding(case.dy.dtype):
            upstream = {name: self.engine.given(dy) for name, dy in case.upstream.items()}
            found = self._compiled("both", both, case)(self._arrays(case), upstream)
            outputs, gradients = (self.engine.numpy(arrays) for arrays in found)
            # In the order of the inputs: JAX's dictionaries come back sorted.
            named = {f"d{name}": gradients[name] for name in case.inputs}
            return {name: np.asarray(a) for name, a in (outputs | named).items()}

    def called(self, case: Case) -> Any:
        """What it returns for a case of JAX's arrays."""
        positional, keywords = self.arguments(case)
        return self.origin(*positional, **keywords)

    def differentiated(self, case: Case, arrays: Arrays, upstream: Arrays) -> tuple[Arrays, Arrays]:
        """Outputs, and gradients by input. Raises ``BrokenContract`` if they do not fit."""

        def function(inputs: Arrays) -> Arrays:
            return outputs_of(self.called(case.with_inputs(inputs)), self.name)

        outputs, pull = sys.modules["jax"].vjp(function, {n: arrays[n] for n in case.inputs})
        check_outputs(self.name, outputs, upstream)
        try:
            return outputs, pull(dict(zip(outputs, upstream.values(), strict=True)))[0]
        except (TypeError, ValueError) as error:
            if "bwd" not in str(error) and "cotangent" not in str(error):
                raise
            raise BrokenContract(" ".join(f"{self.name}: {error}".split())) from error

    def _arrays(self, case: Case) -> Arrays:
        every = {**case.inputs, **case.static}
        return {n: self.engine.given(a) for n, a in every.items() if isinstance(a, np.ndarray)}

    def _compiled(self, what: str, function: Callable[..., Any], case: Case) -> Callable[..., Any]:
        """The function, compiled where JAX can: one that looks at its numbers runs as it stands."""
        options = [(n, repr(v)) for n, v in case.static.items() if not isinstance(v, np.ndarray)]
        key = what, self.call, tuple(case.inputs), tuple(case.static), tuple(options)
        whole = self.compiled.setdefault(key, sys.modules["jax"].jit(function))

        def run(*arrays: Any) -> Any:
            try:
                return whole(*arrays)
            except Exception:  # it raises again, if the compiler is not why
                found = function(*arrays)
                self.compiled[key] = function
                return found

        return run


def _holding(case: Case, arrays: Arrays) -> Case:
    """The case with JAX's arrays."""
    inputs, static = (
        {n: arrays.get(n, v) for n, v in d.items()} for d in (case.inputs, case.static)
    )
    return dataclasses.replace(case, inputs=inputs, static=static)


def precisions(component: Component, dtypes: tuple[str, ...]) -> tuple[Component, tuple[str, ...]]:
    """Without float64 where the subject's JAX has none, and a remark that says so.

    Raises ``VerifyError`` if nothing is left that could be checked.
    """
    subject = getattr(component, "subject", None)
    single = isinstance(subject, Subject) and subject.engine.single_precision
    if not single or "float64" not in dtypes:
        return component, dtypes
    left = tuple(dtype for dtype in dtypes if dtype != "float64")
    if not getattr(component, "has_witness", True):
        raise VerifyError(
            f"without a reference {component.name} is checked in float64, which JAX has not here; "
            f"{TURN_ON}, or say against what to check"
        )
    if not left:
        raise VerifyError(f"JAX has no float64 here; {TURN_ON}, or ask about float32")
    told = f"JAX has no float64 here, so {component.name} was checked in {' and '.join(left)} alone"
    return dataclasses.replace(  # type: ignore[type-var]
        component, remarks=(*component.remarks, f"{told}; {TURN_ON}")
    ), left
