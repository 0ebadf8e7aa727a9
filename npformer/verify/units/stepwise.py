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
    """Moves the floating-point results of every operation by about ``eps`` of themselves."""

    def __init__(self, seed: int, eps: float) -> None:
        super().__init__()
        self._eps = eps
        self._generator = torch.Generator().manual_seed(seed)  # the caller's may draw a dropout

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(each.alias_info is not None for each in func._schema.returns):
            return result  # a view, or written in place: the same numbers as before
        return tree_map_only(torch.Tensor, self._moved, result)

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_floating_point():
            return tensor
        drawn = torch.randn(tensor.shape, generator=self._generator, dtype=tensor.dtype)
        return tensor * (1 + self._eps * drawn)


def scatter_of_steps(run: Callable[[Case], Result], case: Case, exact: Result) -> Result:
    """How far off the furthest trial is, in eps of the case's dtype, by entry of each result.

    ``run`` computes ``exact`` with PyTorch on the CPU, in the case's own dtype.
    """
    fp = np.finfo(case.dy.dtype)
    sizes = [np.abs(a[np.abs(a) <= fp.max]).max(initial=0.0) for a in exact.values()]
    most = MOST * float(max(sizes, default=0.0))
    found = {name: np.zeros(np.shape(a)) for name, a in exact.items()}
    for trial in range(TRIALS):
        try:
            with EachStepRounded(trial, float(fp.eps)), np.errstate(all="ignore"):
                result = run(case)
        except Exception:  # it refuses what rounding did to its own intermediates
            continue
        for name, furthest in found.items():
            if name not in result:
                continue
            off: Array = np.abs(np.asarray(result[name], np.float64) - exact[name]) / fp.eps
            np.maximum(furthest, np.where(off <= most, off, 0.0), out=furthest)
    return found
