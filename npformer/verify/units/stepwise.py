"""Rounding at every step inside a reference, which disturbing what goes in may not show.

Near saturation nothing that one does to the inputs changes how an intermediate rounds: a softmax's
1 - 1e-10 is the same number near by, and a formula that cancels around it is exact, by luck, every
time. So each result of an operation of PyTorch, backward included, is moved by a rounding error of
its own (Monte Carlo arithmetic: D. S. Parker, 1997). What comes out is off by eps times the terms
that cancel.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from npformer.cards.case import Array, Case, Result

TRIALS = 16
MOST = 1e4
"""Of eps of the case's largest result: what is further off has jumped, at a comparison say."""


class EachStepRounded(TorchDispatchMode):
    """Moves the floating-point results of every operation by about ``eps`` of themselves.

    ``alike``: all of one result by the same, as equal numbers are rounded.
    """

    def __init__(self, seed: int, eps: float, alike: bool = False) -> None:
        super().__init__()
        self._eps, self._alike = eps, alike
        self._generator = torch.Generator().manual_seed(seed)  # the caller's may draw a dropout

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(each.alias_info is not None for each in func._schema.returns):
            return result  # a view, or written in place: the same numbers as before
        if func is torch.ops.aten._to_copy.default and 2 in (
            result.element_size(),
            args[0].element_size(),
        ):
            return result  # of sixteen bits: what goes in is compared with the caller's
        return tree_map_only(torch.Tensor, self._moved, result)

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_floating_point():
            return tensor
        # In sixteen bits 1 + eps may be 1.
        wide = torch.float32 if tensor.element_size() == 2 else tensor.dtype
        shape = () if self._alike else tensor.shape
        drawn = torch.randn(shape, generator=self._generator, dtype=wide)
        return (tensor.to(wide) * (1 + self._eps * drawn)).to(tensor.dtype)


def scatter_of_steps(
    run: Callable[[Case], Result],
    case: Case,
    around: Result,
    eps: float = 0.0,
    trials: int = TRIALS,
    alike: bool = False,
) -> Result:
    """How far off the furthest trial is, in eps, by entry of each result.

    ``run`` computes ``around`` with PyTorch on the CPU. ``eps`` is that of the case's dtype unless
    given. ``alike``: in every other trial, all of one result moves by the same.
    """
    fp = np.finfo(case.dy.dtype)
    eps = eps or float(fp.eps)
    sizes = [np.abs(a[np.abs(a) <= fp.max]).max(initial=0.0) for a in around.values()]
    most = MOST * float(max(sizes, default=0.0))
    found = {name: np.zeros(np.shape(a)) for name, a in around.items()}
    for trial in range(trials):
        try:
            with EachStepRounded(trial, eps, alike and trial % 2 == 1), np.errstate(all="ignore"):
                result = run(case)
        except Exception:  # it refuses what rounding did to its own intermediates
            continue
        for name, furthest in found.items():
            if name not in result:
                continue
            off: Array = np.abs(np.asarray(result[name], np.float64) - around[name]) / eps
            np.maximum(furthest, np.where(off <= most, off, 0.0), out=furthest)
    return found
