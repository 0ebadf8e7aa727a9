"""What autograd differentiates: a callable of tensors, an ``autograd.Function``, a ``Module``.

The gradient is what ``backward()`` would give, by autograd or by the hand-written backward inside.
Every call starts from the same random state, so that dropout repeats.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.pytorch import torch
from npformer.verify.component import BrokenContract, Written
from npformer.verify.reference.autograd import torch_dtype
from npformer.verify.subjects.outputs import check_outputs, outputs_of
from npformer.verify.subjects.repeatable import repeatable
from npformer.verify.subjects.subjects import Subject, parameters_of
from npformer.verify.subjects.tensors import to_array, to_value

IN_PLACE = ("leaf Variable that requires grad", "written-to tensor refers to a single memory")
"""What PyTorch says where a function may not work in place."""


@dataclass(frozen=True)
class TorchCallable(Subject):
    """A callable of tensors, differentiated by autograd; a Function's ``apply`` among them."""

    bfloat16: bool = False
    """Whether its tensors are of bfloat16; the arrays of a case are then of float32."""
    device: str = "cpu"
    """Of its tensors."""
    freezes = True

    def tensor(self, array: Array) -> torch.Tensor:
        """An array of a case as this takes it."""
        made: torch.Tensor = to_value(array, self.bfloat16, self.device)
        return made

    def tensor_arguments(
        self, case: Case, leaves: Mapping[str, torch.Tensor]
    ) -> tuple[list[Any], dict[str, Any]]:
        """A call's, as tensors; ``leaves`` stand in for the inputs of their names."""
        return self.call.arguments(with_tensors(case, leaves, self.bfloat16, self.device))

    def array(self, tensor: torch.Tensor) -> Array:
        """A result as a case has it; raises ``BrokenContract`` if bfloat16 was due, and is not."""
        if not self.bfloat16:
            return to_array(tensor)
        if tensor.dtype != torch.bfloat16:
            raise BrokenContract(
                f"a result of {self.name} is of {tensor.dtype}; it must be of torch.bfloat16"
            )
        return to_array(tensor.float())

    def returned(self, case: Case) -> Any:
        with torch.no_grad(), repeatable(self.device):
            return self._call(case, {})

    def outputs(self, case: Case) -> Result:
        return {n: self.array(y) for n, y in self._outputs(self.returned(case)).items()}

    def run(self, case: Case) -> Result:
        """Outputs and autograd's gradients.

        Raises ``Written`` if an input was written to, and autograd was not told.
        """
        leaves = {name: self.tensor(a).requires_grad_() for name, a in case.inputs.items()}
        upstream = {name: self.tensor(dy) for name, dy in case.upstream.items()}
        others = {
            n: to_value(a, device=self.device)
            for n, a in case.static.items()
            if isinstance(a, np.ndarray) and a.dtype.kind in "iub"
        }
        with repeatable(self.device):
            given = dataclasses.replace(case, static={**case.static, **others})
            returned, kept = self.forwarded(given, leaves)
            self._unchanged("forward", kept, case.inputs)
            self._untouched(others, case)
            outputs = self._outputs(returned)
            gradients = self._gradients(returned, leaves, upstream, case)
        self._unchanged("backward", kept, case.inputs)
        self._unchanged("backward", upstream, case.upstream, "d")
        found = {self._named(n): self.array(g) for n, g in gradients.items()}
        return {**{n: self.array(y) for n, y in outputs.items()}, **found}

    def opened(self, case: Case, frozen: str = "") -> Callable[[Case], Result]:
        leaves = {name: self.tensor(a) for name, a in case.inputs.items()}
        trained = {n: leaf.requires_grad_() for n, leaf in leaves.items() if n != frozen}
        with repeatable(self.device):
            returned = self.forwarded(case, leaves)[0]

        def backward(of: Case) -> Result:
            upstream = {name: self.tensor(dy) for name, dy in of.upstream.items()}
            with repeatable(self.device):
                found = self._gradients(returned, trained, upstream, case)
            return {self._named(n): self.array(g) for n, g in found.items()}

        return backward

    def forwarded(
        self, case: Case, leaves: Mapping[str, torch.Tensor]
    ) -> tuple[Any, dict[str, torch.Tensor]]:
        """What the forward returns, and the inputs that it must have left as they are.

        One that works in place, and says so to autograd, cannot do so on leaves, nor where one
        number in memory stands for several entries: it gets copies.
        """
        try:
            return self._call(case, leaves), dict(leaves)
        except RuntimeError as error:
            if not any(reason in str(error) for reason in IN_PLACE):
                raise
        for name, leaf in leaves.items():  # it may have been written to before that was refused
            leaf.data = self.tensor(case.inputs[name])
        copies = {name: leaf.clone() for name, leaf in leaves.items()}
        before = {name: copy.grad_fn for name, copy in copies.items()}
        returned = self._call(case, copies)
        return returned, {n: c for n, c in copies.items() if c.grad_fn is before[n]}

    def _unchanged(
        self,
        what: str,
        tensors: Mapping[str, torch.Tensor],
        given: Mapping[str, Array],
        prefix: str = "",
    ) -> None:
        for name, tensor in tensors.items():
            found, was = self.array(tensor), given[name]
            if found.shape == was.shape and (found == was).all():
                continue
            if self.bfloat16:
                was = self.array(self.tensor(was))
            if not np.array_equal(found, was, equal_nan=True):
                told = f"the {what} of {self.name} wrote to {prefix}{name}, which is the caller's"
                mark = ", and did not say so by ctx.mark_dirty" if what == "forward" else ""
                raise Written(f"{prefix}{name}", told + mark)

    def _untouched(self, others: Mapping[str, torch.Tensor], case: Case) -> None:
        """What has no gradient, such as targets and masks."""
        for name, tensor in others.items():
            if not np.array_equal(to_array(tensor), case.static[name]):
                told = f"the forward of {self.name} wrote to {name}, which is the caller's"
                raise Written(name, told)

    def _call(self, case: Case, leaves: Mapping[str, torch.Tensor]) -> Any:
        positional, keywords = self.tensor_arguments(case, leaves)
        return self.origin(*positional, **keywords)

    def _named(self, name: str) -> str:
        return f"d{name}"

    def _outputs(self, returned: Any) -> dict[str, torch.Tensor]:
        return outputs_of(returned, self.name, "tensor")

    def _gradients(
        self,
        returned: Any,
        leaves: Mapping[str, torch.Tensor],
        upstream: Mapping[str, torch.Tensor],
        case: Case,
    ) -> dict[str, torch.Tensor]:
        outputs = self._outputs(returned)
        check_outputs(self.name, outputs, upstream, placed=True)
        reached = [n for n, y in outputs.items() if y.requires_grad]
        if not reached:
            if any(y.numel() for y in outputs.values()) and leaves:
                raise BrokenContract(
                    f"the output of {self.name} is detached from its inputs: no gradient can flow"
                )
            return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
        # An output that is not used takes no part in autograd's backward.
        used = [n for n in reached if len(reached) == 1 or upstream[n].any()] or reached
        found = torch.autograd.grad(
            [outputs[n] for n in used],
            list(leaves.values()),
            [upstream[n] for n in used],
            allow_unused=True,
            retain_graph=True,
        )
        return {
            name: torch.zeros_like(leaf) if g is None else g
            for (name, leaf), g in zip(leaves.items(), found, strict=True)
        }


@dataclass(frozen=True)
class FunctionClass(TorchCallable):
    """A ``torch.autograd.Function``; ``apply`` takes no keywords, so all goes by position."""

    def _call(self, case: Case, leaves: Mapping[str, torch.Tensor]) -> Any:
        positional, keywords = self.tensor_arguments(case, leaves)
        rest = (self.parameters or ())[len(positional) :]
        last = max((i for i, p in enumerate(rest) if p.name in keywords), default=-1)
        return self.origin.apply(
            *positional, *(keywords.get(p.name, p.default) for p in rest[: last + 1])
        )

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        found = parameters_of(self.origin.forward)
        plain = torch.autograd.Function.setup_context
        return found if self.origin.setup_context is not plain or not found else found[1:]


@dataclass(frozen=True)
class TorchModule(TorchCallable):
    """A module; its parameters are inputs of the case, and get gradients like the others."""

    named: Mapping[str, str] | None = None
    """Parameter -> name in the case, where they differ."""

    def initial(self) -> dict[str, Array]:
        """The trained parameters' values, by path."""
        found = self.origin.named_parameters()
        return {
            name: to_array(p.float() if p.dtype == torch.bfloat16 else p)
            for name, p in found
            if p.requires_grad
        }

    def _call(self, case: Case, leaves: Mapping[str, torch.Tensor]) -> Any:
        dtype = torch.bfloat16 if self.bfloat16 else torch_dtype(case.dy.dtype)
        case = with_tensors(case, leaves, self.bfloat16, self.device)
        positional, keywords = self.call.arguments(case)
        trained = [p for p, value in self.origin.named_parameters() if value.requires_grad]
        named = {p: (self.named or {}).get(p, p) for p in trained}
        state: dict[str, torch.Tensor] = {
            name: t.detach().clone().to(self.device, dtype if t.is_floating_point() else t.dtype)
            for name, t in (*self.origin.named_parameters(), *self.origin.named_buffers())
        }
        state |= {p: case.inputs[n] for p, n in named.items() if n in case.inputs}
        return torch.func.functional_call(self.origin, state, tuple(positional), keywords)

    def _named(self, name: str) -> str:
        return f"d{name}" if self.named or name in self.call.arrays else f"grad {name}"

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin.forward)


def with_tensors(
    case: Case,
    leaves: Mapping[str, torch.Tensor],
    bfloat16: bool = False,
    device: str = "cpu",
) -> Any:
    """The case with tensors for arrays; ``leaves`` stand in for the inputs of their names."""
    return Case(
        {
            n: leaves[n] if n in leaves else to_value(a, bfloat16, device)  # type: ignore[misc]
            for n, a in case.inputs.items()
        },
        {n: to_value(v, device=device) for n, v in case.static.items()},
        case.dy,
    )
